//! The store of snapshots.
//!
//! Invariant: a row of `snapshot` means that its parts were read back from the database and hash to what it says.

use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use journal::{Snapshot, SnapshotError, SnapshotStore, SnapshotSummary};
use matching::Seq;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::PARTITION;
use super::connect::{Postgres, no_answer};
use crate::adapters::rows::{self, SnapshotRow, SummaryRow};

/// One part is 8 MB at most; a server that needs this long for it is in trouble.
const STATEMENT_WITHIN: Duration = Duration::from_secs(60);

/// The transaction is idle while what was read back is being hashed.
const SETTINGS: &str = "SET ROLE pricetime_service; SET synchronous_commit = on; \
    SET idle_in_transaction_session_timeout = '5min'; SET lock_timeout = '10s'; SET statement_timeout = '60s'";

const REPLACE: &str = "DELETE FROM snapshot WHERE partition = $1 AND at_seq = $2";
const WRITE_PART: &str = "INSERT INTO snapshot_part (partition, at_seq, part, bytes) VALUES ($1, $2, $3, $4)";
const READ_PART: &str = "SELECT bytes FROM snapshot_part WHERE partition = $1 AND at_seq = $2 AND part = $3";
const WRITE: &str = "INSERT INTO snapshot (partition, at_seq, stream_position, chain, format, state_hash, parts, \
    verified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())";
const NEWEST: &str = "SELECT at_seq, stream_position, chain, format, state_hash, parts FROM snapshot \
    WHERE partition = $1 AND at_seq <= $2 ORDER BY at_seq DESC LIMIT 1";
const LIST: &str = "SELECT at_seq, format, state_hash, \
    (SELECT coalesce(sum(octet_length(bytes)), 0)::bigint FROM snapshot_part AS part \
     WHERE part.partition = snapshot.partition AND part.at_seq = snapshot.at_seq) AS bytes, \
    (extract(epoch FROM verified_at) * 1000000)::bigint AS verified_at \
    FROM snapshot WHERE partition = $1 ORDER BY at_seq DESC";
/// Their parts go with them.
const PRUNE: &str = "DELETE FROM snapshot WHERE partition = $1 AND at_seq NOT IN \
    (SELECT at_seq FROM snapshot WHERE partition = $1 ORDER BY at_seq DESC LIMIT $2)";

/// Snapshots in PostgreSQL.
pub struct PostgresSnapshots {
    postgres: Postgres,
}

impl PostgresSnapshots {
    /// The snapshots in this database. Connects to nothing yet; each operation has a connection of its own, for they are
    /// rare and long.
    pub fn new(postgres: &Postgres) -> PostgresSnapshots {
        PostgresSnapshots { postgres: postgres.clone() }
    }
}

#[async_trait]
impl SnapshotStore for PostgresSnapshots {
    async fn store(&self, snapshot: &Snapshot, retain: usize) -> Result<(), SnapshotError> {
        let seq = snapshot.position.seq;
        let at_seq = big(seq.get())?;
        let mut connection = self.postgres.as_service(SETTINGS).await.map_err(failed)?;
        let mut transaction = within(connection.begin()).await?;
        // One of the same row may be there; this one is proven anew.
        within(sqlx::query(REPLACE).bind(PARTITION).bind(at_seq).execute(&mut *transaction)).await?;
        for (index, part) in (0i32..).zip(&snapshot.parts) {
            let write = sqlx::query(WRITE_PART).bind(PARTITION).bind(at_seq).bind(index).bind(part);
            within(write.execute(&mut *transaction)).await?;
        }
        let parts = read_parts(&mut transaction, seq, snapshot.parts.len()).await?;
        verify(Snapshot { parts, ..*snapshot }).await?;

        let write = sqlx::query(WRITE).bind(PARTITION).bind(at_seq).bind(snapshot.position.stream_id.to_string());
        let write = write.bind(snapshot.position.chain.as_bytes()).bind(snapshot.format);
        let write = write.bind(snapshot.state_hash.as_bytes()).bind(part_count(snapshot)?);
        within(write.execute(&mut *transaction)).await?;
        // Never without any.
        let retain = i64::try_from(retain.max(1)).unwrap_or(i64::MAX);
        within(sqlx::query(PRUNE).bind(PARTITION).bind(retain).execute(&mut *transaction)).await?;
        within(transaction.commit()).await
    }

    async fn newest_until(&self, seq: Seq) -> Result<Option<Snapshot>, SnapshotError> {
        let at_seq = big(seq.get())?;
        let mut connection = self.postgres.as_service(SETTINGS).await.map_err(failed)?;
        // A snapshot that is pruned between the statements would look damaged.
        let mut transaction = within(connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?;
        let Some(row) = within(
            sqlx::query_as::<_, SnapshotRow>(NEWEST).bind(PARTITION).bind(at_seq).fetch_optional(&mut *transaction),
        )
        .await?
        else {
            return Ok(None);
        };
        let (mut snapshot, count) = row.header()?;
        snapshot.parts = read_parts(&mut transaction, snapshot.position.seq, count).await?;
        within(transaction.rollback()).await?;
        Ok(Some(snapshot))
    }

    async fn list(&self) -> Result<Vec<SnapshotSummary>, SnapshotError> {
        let mut connection = self.postgres.as_service(SETTINGS).await.map_err(failed)?;
        let rows = within(sqlx::query_as::<_, SummaryRow>(LIST).bind(PARTITION).fetch_all(&mut connection)).await?;
        rows.into_iter().map(SnapshotSummary::try_from).collect()
    }
}

async fn read_parts(connection: &mut PgConnection, seq: Seq, count: usize) -> Result<Vec<Vec<u8>>, SnapshotError> {
    let at_seq = big(seq.get())?;
    let mut parts = Vec::with_capacity(count);
    for index in (0i32..).take(count) {
        let read = sqlx::query_scalar(READ_PART).bind(PARTITION).bind(at_seq).bind(index);
        let part = within(read.fetch_optional(&mut *connection)).await?;
        parts.push(part.ok_or_else(|| damaged(seq, format!("part {index} of {count} is missing")))?);
    }
    Ok(parts)
}

/// Hashing takes as long as the state is large: not on a thread that others wait for.
async fn verify(snapshot: Snapshot) -> Result<(), SnapshotError> {
    let seq = snapshot.position.seq;
    let verified = spawn_blocking(move || snapshot.verify()).await;
    let verified = verified.map_err(|error| failed(format!("the check of the snapshot ended: {error}")))?;
    verified.map_err(|error| damaged(seq, format!("read back after writing, {error}")))
}

fn part_count(snapshot: &Snapshot) -> Result<i32, SnapshotError> {
    i32::try_from(snapshot.parts.len()).map_err(|_| failed("a snapshot of more than 2^31 parts"))
}

fn big(number: u64) -> Result<i64, SnapshotError> {
    rows::big(number).map_err(failed)
}

async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, SnapshotError> {
    let answered = timeout(STATEMENT_WITHIN, answer).await;
    answered.unwrap_or_else(|_| Err(no_answer(STATEMENT_WITHIN))).map_err(failed)
}

fn failed(error: impl Display) -> SnapshotError {
    SnapshotError::Store(error.to_string())
}

fn damaged(seq: Seq, error: impl Into<String>) -> SnapshotError {
    SnapshotError::Damaged { seq, error: error.into() }
}
