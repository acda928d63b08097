//! `pricetime healthcheck`: for containers.

use super::ask::{self, ask};
use super::say;
use crate::config::Settings;
use crate::exit::End;

/// Whether the service on HOST and PORT lives, or with `ready` serves.
pub async fn healthcheck(settings: &Settings, ready: bool) -> Result<(), End> {
    let path = if ready { "/readyz" } else { "/healthz" };
    let address = ask::base_url(settings);
    match ask(settings, path).await {
        Some((status, _)) if status.is_success() => say("well"),
        Some((status, answer)) => Err(End::NotWell { address, detail: format!("{path} answers {status}: {answer}") }),
        None => Err(End::NotWell { address, detail: "nothing answers".to_owned() }),
    }
}
