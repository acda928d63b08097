//! `pricetime snapshot`: takes and lists snapshots, beside a running service or without one.

use actors::Replay;
use journal::{Snapshot, SnapshotError};
use matching::Seq;
use serde::Serialize;

use super::{say, say_json};
use crate::config::Settings;
use crate::exit::End;
use crate::storage;
use crate::views::utc;

/// Rebuilds the state at the end of the log and stores it, unless nothing is new.
pub async fn take(settings: &Settings) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let end = records.log.position().await?.position.seq;
    let mut replay = Replay::from_snapshot(&*records.snapshots, Seq::LAST, settings.retain_closed_orders).await?;
    let newest = replay.position.seq;
    if newest == end {
        return say(format!("nothing has happened since the snapshot at row {newest}"));
    }
    replay.advance(&*records.log, end, |_, _, _| Ok::<(), End>(())).await?;
    let snapshot = Snapshot::new(replay.position, &replay.engine.image());
    let snapshot =
        snapshot.map_err(|error| SnapshotError::Store(format!("the image cannot be compressed: {error}")))?;
    records.snapshots.store(&snapshot, settings.retain_snapshots).await?;
    say(format!("snapshot at row {end} taken and verified, state {}", snapshot.state_hash))
}

#[derive(Serialize)]
struct Listed {
    seq: u64,
    format: i16,
    state_hash: String,
    bytes: u64,
    verified_at: u64,
}

/// Lists the snapshots, newest first.
pub async fn list(settings: &Settings, json: bool) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let snapshots = records.snapshots.list().await?;
    if snapshots.is_empty() && !json {
        return say("there is no snapshot yet; `pricetime snapshot take` takes one");
    }
    for snapshot in snapshots {
        let listed = Listed {
            seq: snapshot.seq.get(),
            format: snapshot.format,
            state_hash: snapshot.state_hash.to_string(),
            bytes: snapshot.bytes,
            verified_at: snapshot.verified_at.get(),
        };
        if json {
            say_json(&listed)?;
        } else {
            let Listed { seq, format, state_hash, bytes, .. } = listed;
            let verified_at = utc(snapshot.verified_at);
            say(format!(
                "row {seq:>12}  {bytes:>12} bytes  format {format}  verified {verified_at}  state {state_hash}"
            ))?;
        }
    }
    Ok(())
}
