//! The snapshot store in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use journal::{Snapshot, SnapshotError, SnapshotStore, SnapshotSummary};
use matching::{Micros, Seq};

use crate::lock;

/// Snapshots in memory, oldest first.
#[derive(Debug, Default)]
pub struct MemorySnapshots(Mutex<Vec<Snapshot>>);

impl MemorySnapshots {
    /// All that are kept.
    pub fn all(&self) -> Vec<Snapshot> {
        lock(&self.0).clone()
    }

    /// Changes one behind the store's back, counted from the oldest.
    pub fn tamper(&self, index: usize, change: impl FnOnce(&mut Snapshot)) {
        change(&mut lock(&self.0)[index]);
    }

    /// Loses the newest.
    pub fn lose_newest(&self) {
        lock(&self.0).pop();
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshots {
    async fn store(&self, snapshot: &Snapshot, retain: usize) -> Result<(), SnapshotError> {
        snapshot
            .verify()
            .map_err(|error| SnapshotError::Damaged { seq: snapshot.position.seq, error: error.to_string() })?;
        let mut snapshots = lock(&self.0);
        snapshots.push(snapshot.clone());
        let surplus = snapshots.len().saturating_sub(retain);
        snapshots.drain(..surplus);
        Ok(())
    }

    async fn newest_until(&self, seq: Seq) -> Result<Option<Snapshot>, SnapshotError> {
        Ok(lock(&self.0).iter().rfind(|snapshot| snapshot.position.seq <= seq).cloned())
    }

    async fn list(&self) -> Result<Vec<SnapshotSummary>, SnapshotError> {
        let summary = |snapshot: &Snapshot| SnapshotSummary {
            seq: snapshot.position.seq,
            format: snapshot.format,
            state_hash: snapshot.state_hash,
            bytes: snapshot.size(),
            verified_at: Micros::ZERO,
        };
        Ok(lock(&self.0).iter().rev().map(summary).collect())
    }
}
