//! `pricetime status`: one screen about the stores and the service.

use journal::ProjectionState;
use matching::Micros;
use serde::Serialize;
use serde_json::Value;

use super::{ask, say, say_json};
use crate::adapters::redis::RedisAudit;
use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::inspect::status::{self, StoreStatus};
use crate::storage;
use crate::views::utc;

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    stores: StoreStatus,
    writer: &'static str,
    projected_seq: Option<u64>,
    projection_lag: Option<u64>,
    /// What `/readyz` of HOST and PORT answers; null when nothing does.
    service: Value,
}

/// What the stores say, and what the service says when it answers.
async fn look(settings: &Settings) -> Result<Status, End> {
    let records = storage::records(settings).await?;
    let (stores, vacant) = status::of(settings, &records).await?;
    let service = ask::ask(settings, "/readyz").await.map_or(Value::Null, |(_, answer)| answer);
    let projected_seq = match &settings.storage {
        Storage::Full { redis_url, .. } => match RedisAudit::connect(redis_url.expose()).await?.state().await? {
            ProjectionState::At(at) => Some(at.seq.get()),
            ProjectionState::Unusable | ProjectionState::Lost(_) => None,
        },
        Storage::Embedded { .. } => service.get("projected").and_then(Value::as_u64),
    };
    let writer = match (&settings.storage, vacant) {
        (Storage::Embedded { .. }, _) if service.is_null() => "not on HOST and PORT",
        (Storage::Embedded { .. }, _) | (_, false) => "there",
        (_, true) => "none",
    };
    let projection_lag = projected_seq.map(|projected| stores.seq.saturating_sub(projected));
    Ok(Status { stores, writer, projected_seq, projection_lag, service })
}

/// Prints all that.
pub async fn status(settings: &Settings, json: bool) -> Result<(), End> {
    let status = look(settings).await?;
    if json {
        return say_json(&status);
    }
    let stores = &status.stores;
    let row = |seq: Option<u64>| seq.map_or_else(|| "nothing".to_owned(), |seq| format!("row {seq}"));
    say(format!("mode        {}", stores.mode))?;
    say(format!("writer      {} (term {}, beat {})", status.writer, stores.epoch, stores.beat))?;
    say(format!("log         row {}, stream position {}", stores.seq, stores.stream_position))?;
    say(format!("projection  {} ({} behind)", row(status.projected_seq), status.projection_lag.unwrap_or(stores.seq)))?;
    let verified_at = stores.snapshot_verified_at.and_then(Micros::new).map(utc).unwrap_or_default();
    let newest = stores.snapshot_seq.map(|seq| format!("row {seq}, {verified_at}"));
    say(format!("snapshot    {} ({} kept)", newest.unwrap_or_else(|| "none".to_owned()), stores.snapshots))?;
    say(format!("ids         below {} are leased", stores.id_ceiling))?;
    match &status.service {
        Value::Null => say(format!("service     does not answer on {}", ask::base_url(settings))),
        service => {
            let (role, ready) = (&service["role"], service["ready"] == true);
            let ready = if ready { "ready" } else { "not ready" };
            say(format!("service     {} on {}, {ready}", role.as_str().unwrap_or("?"), ask::base_url(settings)))
        }
    }
}
