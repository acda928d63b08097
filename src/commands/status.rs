//! `pricetime status`: one screen about the stores and the service.

use journal::ProjectionState;
use serde::Serialize;
use serde_json::Value;

use super::{ask, say, say_json};
use crate::adapters::redis::RedisAudit;
use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::storage;
use crate::views::utc;

#[derive(Serialize)]
struct Status {
    mode: &'static str,
    epoch: u64,
    seq: u64,
    stream_position: String,
    id_ceiling: u64,
    beat: u64,
    writer: &'static str,
    projected_seq: Option<u64>,
    projection_lag: Option<u64>,
    snapshot_seq: Option<u64>,
    snapshot_verified_at: Option<u64>,
    snapshots: usize,
    /// What `/readyz` of HOST and PORT answers; null when nothing does.
    service: Value,
}

/// Prints what the stores say, and what the service says when it answers.
pub async fn status(settings: &Settings, json: bool) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let standing = records.log.standing().await?;
    let position = records.log.position().await?;
    let snapshots = records.snapshots.list().await?;
    let service = ask::ask(settings, "/readyz").await.map_or(Value::Null, |(_, answer)| answer);
    let seq = position.position.seq.get();
    let projected_seq = match &settings.storage {
        Storage::Full { redis_url, .. } => match RedisAudit::connect(redis_url.expose()).await?.state().await? {
            ProjectionState::At(at) => Some(at.seq.get()),
            ProjectionState::Unusable | ProjectionState::Lost(_) => None,
        },
        Storage::Embedded { .. } => service.get("projected").and_then(Value::as_u64),
    };
    let status = Status {
        mode: if matches!(settings.storage, Storage::Embedded { .. }) { "embedded" } else { "full" },
        epoch: position.epoch.0,
        seq,
        stream_position: position.position.stream_id.to_string(),
        id_ceiling: position.id_ceiling,
        beat: standing.beat,
        writer: match (&settings.storage, standing.vacant) {
            (Storage::Embedded { .. }, _) if service.is_null() => "not on HOST and PORT",
            (Storage::Embedded { .. }, _) | (_, false) => "there",
            (_, true) => "none",
        },
        projected_seq,
        projection_lag: projected_seq.map(|projected| seq.saturating_sub(projected)),
        snapshot_seq: snapshots.first().map(|snapshot| snapshot.seq.get()),
        snapshot_verified_at: snapshots.first().map(|snapshot| snapshot.verified_at.get()),
        snapshots: snapshots.len(),
        service,
    };
    if json {
        return say_json(&status);
    }
    let row = |seq: Option<u64>| seq.map_or_else(|| "nothing".to_owned(), |seq| format!("row {seq}"));
    say(format!("mode        {}", status.mode))?;
    say(format!("writer      {} (term {}, beat {})", status.writer, status.epoch, status.beat))?;
    say(format!("log         row {}, stream position {}", status.seq, status.stream_position))?;
    say(format!("projection  {} ({} behind)", row(status.projected_seq), status.projection_lag.unwrap_or(seq)))?;
    let newest = snapshots.first().map(|snapshot| format!("row {}, {}", snapshot.seq, utc(snapshot.verified_at)));
    say(format!("snapshot    {} ({} kept)", newest.unwrap_or_else(|| "none".to_owned()), status.snapshots))?;
    say(format!("ids         below {} are leased", status.id_ceiling))?;
    match &status.service {
        Value::Null => say(format!("service     does not answer on {}", ask::base_url(settings))),
        service => {
            let (role, ready) = (&service["role"], service["ready"] == true);
            let ready = if ready { "ready" } else { "not ready" };
            say(format!("service     {} on {}, {ready}", role.as_str().unwrap_or("?"), ask::base_url(settings)))
        }
    }
}
