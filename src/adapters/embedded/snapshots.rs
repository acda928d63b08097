//! The store of snapshots.
//!
//! Invariant: a row of `snapshot` means that its parts were read back from the file and hash to what it says. Parts are
//! written one by one, so that no order waits for a large snapshot.

use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use journal::{Snapshot, SnapshotError, SnapshotStore, SnapshotSummary};
use matching::Seq;
use sqlx::SqliteConnection;
use tokio::task::spawn_blocking;

use super::file::Embedded;
use crate::adapters::rows::{self, SnapshotRow, SummaryRow};

/// What an earlier snapshot of the same row left, or one that was not finished.
const CLEAR: [&str; 2] = [
    "DELETE FROM snapshot WHERE at_seq = ?1",
    "DELETE FROM snapshot_part WHERE at_seq = ?1 OR at_seq NOT IN (SELECT at_seq FROM snapshot)",
];
const WRITE_PART: &str = "INSERT INTO snapshot_part (at_seq, part, bytes) VALUES (?1, ?2, ?3)";
const READ_PART: &str = "SELECT bytes FROM snapshot_part WHERE at_seq = ?1 AND part = ?2";
const WRITE: &str = "INSERT INTO snapshot (at_seq, stream_position, chain, format, state_hash, parts, verified_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const NEWEST: &str = "SELECT at_seq, stream_position, chain, format, state_hash, parts FROM snapshot \
    WHERE at_seq <= ?1 ORDER BY at_seq DESC LIMIT 1";
const LIST: &str = "SELECT at_seq, format, state_hash, verified_at, \
    (SELECT coalesce(sum(length(bytes)), 0) FROM snapshot_part AS part WHERE part.at_seq = snapshot.at_seq) AS bytes \
    FROM snapshot ORDER BY at_seq DESC";
const PRUNE: [&str; 2] = [
    "DELETE FROM snapshot WHERE at_seq NOT IN (SELECT at_seq FROM snapshot ORDER BY at_seq DESC LIMIT ?1)",
    "DELETE FROM snapshot_part WHERE ?1 > 0 AND at_seq NOT IN (SELECT at_seq FROM snapshot)",
];

/// Snapshots in the file.
pub struct EmbeddedSnapshots {
    file: Embedded,
}

impl EmbeddedSnapshots {
    /// The snapshots in this file.
    pub fn new(file: &Embedded) -> EmbeddedSnapshots {
        EmbeddedSnapshots { file: file.clone() }
    }

    async fn write_parts(&self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let at_seq = big(snapshot.position.seq)?;
        let cleared = self.file.writer().change(move |connection| Box::pin(both(connection, CLEAR, at_seq)));
        cleared.await.map_err(failed)?;
        for (part, bytes) in (0i32..).zip(snapshot.parts.clone()) {
            let written = self.file.writer().change(move |connection| {
                Box::pin(async move {
                    sqlx::query(WRITE_PART).bind(at_seq).bind(part).bind(bytes).execute(connection).await
                })
            });
            written.await.map_err(failed)?;
        }
        Ok(())
    }

    async fn read_parts(&self, seq: Seq, count: usize) -> Result<Vec<Vec<u8>>, SnapshotError> {
        let at_seq = big(seq)?;
        let mut parts = Vec::with_capacity(count);
        for part in (0i32..).take(count) {
            let read = sqlx::query_scalar(READ_PART).bind(at_seq).bind(part);
            let bytes = read.fetch_optional(self.file.readers()).await.map_err(failed)?;
            parts.push(bytes.ok_or_else(|| damaged(seq, format!("part {part} of {count} is missing")))?);
        }
        Ok(parts)
    }
}

#[async_trait]
impl SnapshotStore for EmbeddedSnapshots {
    async fn store(&self, snapshot: &Snapshot, retain: usize) -> Result<(), SnapshotError> {
        let seq = snapshot.position.seq;
        self.write_parts(snapshot).await?;
        let parts = self.read_parts(seq, snapshot.parts.len()).await?;
        verify(Snapshot { parts, ..*snapshot }).await?;

        let at_seq = big(seq)?;
        let count = i32::try_from(snapshot.parts.len()).map_err(|_| failed("a snapshot of more than 2^31 parts"))?;
        let (position, format, state_hash) = (snapshot.position, snapshot.format, snapshot.state_hash);
        // Never without any.
        let retain = i64::try_from(retain.max(1)).unwrap_or(i64::MAX);
        let written = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let write = sqlx::query(WRITE).bind(at_seq).bind(position.stream_id.to_string());
                let write = write.bind(position.chain.as_bytes().to_vec()).bind(format);
                let write = write.bind(state_hash.as_bytes().to_vec()).bind(count).bind(now());
                write.execute(&mut *connection).await?;
                both(connection, PRUNE, retain).await
            })
        });
        written.await.map_err(failed)
    }

    async fn newest_until(&self, seq: Seq) -> Result<Option<Snapshot>, SnapshotError> {
        let row = sqlx::query_as::<_, SnapshotRow>(NEWEST).bind(big(seq)?).fetch_optional(self.file.readers());
        let Some(row) = row.await.map_err(failed)? else { return Ok(None) };
        let (mut snapshot, count) = row.header()?;
        snapshot.parts = self.read_parts(snapshot.position.seq, count).await?;
        Ok(Some(snapshot))
    }

    async fn list(&self) -> Result<Vec<SnapshotSummary>, SnapshotError> {
        let rows = sqlx::query_as::<_, SummaryRow>(LIST).fetch_all(self.file.readers()).await.map_err(failed)?;
        rows.into_iter().map(SnapshotSummary::try_from).collect()
    }
}

/// Runs two statements with the same number.
async fn both(
    connection: &mut SqliteConnection,
    statements: [&'static str; 2],
    number: i64,
) -> Result<(), sqlx::Error> {
    for statement in statements {
        sqlx::query(statement).bind(number).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Hashing takes as long as the state is large: not on a thread that others wait for.
async fn verify(snapshot: Snapshot) -> Result<(), SnapshotError> {
    let seq = snapshot.position.seq;
    let verified = spawn_blocking(move || snapshot.verify()).await;
    let verified = verified.map_err(|error| failed(format!("the check of the snapshot ended: {error}")))?;
    verified.map_err(|error| damaged(seq, format!("read back after writing, {error}")))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn big(seq: Seq) -> Result<i64, SnapshotError> {
    rows::big(seq.get()).map_err(failed)
}

fn failed(error: impl Display) -> SnapshotError {
    SnapshotError::Store(error.to_string())
}

fn damaged(seq: Seq, error: impl Into<String>) -> SnapshotError {
    SnapshotError::Damaged { seq, error: error.into() }
}
