//! The stores at a glance: who writes, how far the log goes, what snapshots there are.

use matching::Seq;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::storage::Records;

/// What the stores say.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreStatus {
    /// `full` or `embedded`.
    pub mode: &'static str,
    /// The writer's term.
    pub epoch: u64,
    /// The last row of the log.
    pub seq: u64,
    /// The last entry of the command stream that is in the log.
    pub stream_position: String,
    /// Ids below this are leased.
    pub id_ceiling: u64,
    /// Counts up while the writer lives.
    pub beat: u64,
    /// The row of the newest snapshot; null without one.
    pub snapshot_seq: Option<u64>,
    /// When it was verified, in microseconds since 1970.
    pub snapshot_verified_at: Option<u64>,
    /// How many snapshots are kept.
    pub snapshots: usize,
}

/// `full` or `embedded`.
pub fn mode(settings: &Settings) -> &'static str {
    if matches!(settings.storage, Storage::Embedded { .. }) { "embedded" } else { "full" }
}

/// What log and snapshots say; and whether the writer is surely gone.
pub async fn of(settings: &Settings, records: &Records) -> Result<(StoreStatus, bool), End> {
    let standing = records.log.standing().await?;
    let position = records.log.position().await?;
    let snapshots = records.snapshots.list().await?;
    let newest = snapshots.first();
    let status = StoreStatus {
        mode: mode(settings),
        epoch: position.epoch.0,
        seq: position.position.seq.get(),
        stream_position: position.position.stream_id.to_string(),
        id_ceiling: position.id_ceiling,
        beat: standing.beat,
        snapshot_seq: newest.map(|snapshot| snapshot.seq).map(Seq::get),
        snapshot_verified_at: newest.map(|snapshot| snapshot.verified_at.get()),
        snapshots: snapshots.len(),
    };
    Ok((status, standing.vacant))
}
