//! What an order's client waits for: that the order is on disk, or that it is committed.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use super::problem::{Code, Problem};
use super::query::{self, Parameter};
use super::submit::COMMITTED_WITHIN;

/// The header that is another way to send the client_order_id.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of RFC 7240.
static PREFER: HeaderName = HeaderName::from_static("prefer");
/// The parameters that say what is waited for.
pub const PARAMETERS: [&str; 2] = ["ack", "timeout_ms"];
/// The longest wait: beyond it a connection is only held.
const LONGEST: Duration = Duration::from_secs(10);

/// What is waited for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Wait {
    /// That it is on disk; with a name, that it is committed all the same.
    Queued {
        /// How long for a commit.
        within: Duration,
    },
    /// That it is committed.
    Committed {
        /// How long.
        within: Duration,
    },
}

impl Wait {
    /// What a request asks for: by `ack` and `timeout_ms`, else by the header `Prefer: wait=<seconds>`.
    pub fn read(request: &HttpRequest) -> Result<Wait, Problem> {
        let [ack, timeout] = query::read(request, PARAMETERS)?;
        Wait::of(ack, timeout, preferred(request))
    }

    /// What parameters ask for, or else a preference.
    pub fn of(
        ack: Option<Parameter>,
        timeout: Option<Parameter>,
        preferred: Option<Duration>,
    ) -> Result<Wait, Problem> {
        let timeout = timeout.map(|timeout| {
            let longest = LONGEST.as_millis();
            let remedy = format!("send a whole number of milliseconds from 1 to {longest}");
            match timeout.parse::<u64>(&remedy)? {
                millis if millis > 0 && u128::from(millis) <= longest => Ok(Duration::from_millis(millis)),
                _ => Err(timeout.wrong(&remedy)),
            }
        });
        let timeout = timeout.transpose()?;
        let within = timeout.unwrap_or(COMMITTED_WITHIN);
        match ack {
            Some(ack) if ack.value == "committed" => Ok(Wait::Committed { within }),
            Some(ack) if ack.value == "queued" => Ok(Wait::Queued { within }),
            Some(ack) => Err(ack.wrong("send queued or committed")),
            None => match preferred {
                Some(wait) => Ok(Wait::Committed { within: timeout.unwrap_or(wait) }),
                None => Ok(Wait::Queued { within }),
            },
        }
    }

    /// How long at most.
    pub fn within(self) -> Duration {
        match self {
            Wait::Queued { within } | Wait::Committed { within } => within,
        }
    }

    /// Whether it is the commit that was asked for.
    pub fn is_for_commit(self) -> bool {
        matches!(self, Wait::Committed { .. })
    }
}

/// What `Prefer` says. A preference that is not understood is passed over, and a longer wait is cut, as RFC 7240 has it.
fn preferred(request: &HttpRequest) -> Option<Duration> {
    let headers = request.headers().get_all(&PREFER).filter_map(|value| value.to_str().ok());
    let mut preferences = headers.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let wait = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse::<u64>().ok())?
    })?;
    (wait > 0).then(|| Duration::from_secs(wait).min(LONGEST))
}

/// What the header Idempotency-Key holds.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| {
        let detail = "the header Idempotency-Key holds other characters than a name may";
        Problem::new(Code::InvalidName, detail).field("Idempotency-Key")
    })
}
