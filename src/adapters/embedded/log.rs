//! The log of commands and events, and the row that says who writes it.

use std::sync::LazyLock;

use async_trait::async_trait;
use journal::{Batch, Committed, Epoch, EventLog, LogError, Record, Standing, WriterPosition};
use matching::Seq;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection, SqliteExecutor};

use super::PARTITION;
use super::file::Embedded;
use crate::adapters::rows::{PositionRow, RecordRow, big, number};

const MOVE: &str = "UPDATE writer_position SET seq = ?2, stream_position = ?3, chain = ?4 \
    WHERE partition = ?1 AND epoch = ?5 AND seq = ?6 AND stream_position = ?7 AND chain = ?8";
const PAGE: &str = "SELECT seq, stream_position, symbol, kind, command, events, time, epoch, engine_version, format, \
    chain FROM event_log WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const POSITION: &str =
    "SELECT epoch, seq, stream_position, chain, id_ceiling FROM writer_position WHERE partition = ?1";
const STANDING: &str = "SELECT epoch, seq, beat, drained OR epoch = 0 FROM writer_position WHERE partition = ?1";
const TAKE_OVER: &str = "UPDATE writer_position SET epoch = epoch + 1, drained = 0 WHERE partition = ?1 AND epoch = ?2 \
    RETURNING epoch, seq, stream_position, chain, id_ceiling";
const LEASE: &str = "UPDATE writer_position SET id_ceiling = id_ceiling + ?3 WHERE partition = ?1 AND epoch = ?2 \
    RETURNING id_ceiling";
const BEAT: &str = "UPDATE writer_position SET beat = beat + 1 WHERE partition = ?1 AND epoch = ?2";
const DRAINED: &str = "UPDATE writer_position SET drained = 1 WHERE partition = ?1 AND epoch = ?2";

/// How many rows one statement appends: few sizes, so that SQLite keeps each of them prepared. *Measured*: SQLite's thread
/// takes 12 µs per order, its sync included, and 20 µs where `json_each` takes the rows from one JSON text, which is read
/// again for each column.
const ROWS_PER_STATEMENT: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// The statements of these sizes.
static APPEND: LazyLock<[String; 7]> = LazyLock::new(|| {
    ROWS_PER_STATEMENT.map(|rows| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        format!(
            "INSERT INTO event_log (seq, stream_position, symbol, kind, command, events, time, epoch, engine_version, \
             format, chain) VALUES {values}"
        )
    })
});

/// The log in the file.
pub struct EmbeddedLog {
    file: Embedded,
}

impl EmbeddedLog {
    /// The log in this file.
    pub fn new(file: &Embedded) -> EmbeddedLog {
        EmbeddedLog { file: file.clone() }
    }

    /// Changes the writer's row, if this term's writer still is the one.
    async fn change(&self, statement: &'static str, epoch: Epoch) -> Result<(), LogError> {
        let epoch = big(epoch.0)?;
        let changed = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(statement).bind(PARTITION).bind(epoch).execute(connection).await })
        });
        if changed.await?.rows_affected() == 1 { Ok(()) } else { Err(LogError::Fenced) }
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn commit(&self, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError> {
        let (start, end) = (batch.start(), batch.end());
        let (epoch, from, to) = (big(epoch.0)?, big(start.seq.get())?, big(end.seq.get())?);
        let appends = appends(batch.records())?;
        let committed = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let moved = sqlx::query(MOVE).bind(PARTITION).bind(to).bind(end.stream_id.to_string());
                let moved = moved.bind(end.chain.as_bytes().to_vec()).bind(epoch).bind(from);
                let moved = moved.bind(start.stream_id.to_string()).bind(start.chain.as_bytes().to_vec());
                if moved.execute(&mut *connection).await?.rows_affected() == 1 {
                    execute(connection, appends).await?;
                    return Ok(Ok(Committed::Committed));
                }
                // The chain's value is over our rows and our epoch: at its end, it was this very batch.
                let at = read_position(connection).await;
                Ok(at.map(|at| if at.position == end { Committed::Committed } else { Committed::Fenced }))
            })
        });
        committed.await?
    }

    /// Whoever may ask holds the lock on the folder, or runs beside the one who does and takes nothing over.
    async fn standing(&self) -> Result<Standing, LogError> {
        let standing = sqlx::query_as::<_, (i64, i64, i64, bool)>(STANDING).bind(PARTITION);
        let (epoch, seq, beat, clean) = standing.fetch_one(self.file.readers()).await.map_err(failed)?;
        let below_zero = || LogError::Refused("writer_position has a number below 0".to_owned());
        Ok(Standing {
            epoch: number(epoch).map(Epoch).ok_or_else(below_zero)?,
            seq: number(seq).and_then(Seq::new).ok_or_else(below_zero)?,
            beat: number(beat).ok_or_else(below_zero)?,
            vacant: true,
            clean,
        })
    }

    async fn take_over(&self, last: Epoch) -> Result<WriterPosition, LogError> {
        let last = big(last.0)?;
        let taken = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let take_over = sqlx::query_as::<_, PositionRow>(TAKE_OVER).bind(PARTITION).bind(last);
                take_over.fetch_optional(connection).await
            })
        });
        taken.await?.ok_or(LogError::Fenced)?.try_into()
    }

    async fn position(&self) -> Result<WriterPosition, LogError> {
        read_position(self.file.readers()).await
    }

    async fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = sqlx::query_as::<_, RecordRow>(PAGE).bind(big(after.get())?).bind(limit);
        let page = page.fetch_all(self.file.readers()).await.map_err(failed)?;
        page.into_iter().map(Record::try_from).collect()
    }

    async fn lease_ids(&self, epoch: Epoch, count: u64) -> Result<u64, LogError> {
        let (epoch, count) = (big(epoch.0)?, big(count)?);
        let leased = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let lease = sqlx::query_scalar::<_, i64>(LEASE).bind(PARTITION).bind(epoch).bind(count);
                lease.fetch_optional(connection).await
            })
        });
        let ceiling = leased.await?.ok_or(LogError::Fenced)?;
        number(ceiling).ok_or_else(|| LogError::Refused("the id_ceiling of writer_position is below 0".to_owned()))
    }

    async fn beat(&self, epoch: Epoch) -> Result<(), LogError> {
        self.change(BEAT, epoch).await
    }

    async fn drained(&self, epoch: Epoch) -> Result<(), LogError> {
        self.change(DRAINED, epoch).await
    }
}

/// A statement with its values.
pub(super) type Append = Query<'static, Sqlite, SqliteArguments>;

/// The statements that append these rows.
pub(super) fn appends(records: &[Record]) -> Result<Vec<Append>, LogError> {
    let (mut left, mut appends) = (records, Vec::new());
    for (rows, statement) in ROWS_PER_STATEMENT.iter().zip(APPEND.iter()) {
        while let Some((now, later)) = left.split_at_checked(*rows) {
            let mut append = sqlx::query(statement.as_str());
            for record in now {
                append = append
                    .bind(big(record.seq.get())?)
                    .bind(record.stream_id.to_string())
                    .bind(record.symbol.map(|symbol| symbol.to_string()))
                    .bind(record.kind.clone())
                    .bind(record.command.clone())
                    .bind(record.events.clone())
                    .bind(big(record.time.get())?)
                    .bind(big(record.epoch.0)?)
                    .bind(record.engine_version)
                    .bind(record.format)
                    .bind(record.chain.as_bytes().to_vec());
            }
            appends.push(append);
            left = later;
        }
    }
    Ok(appends)
}

pub(super) async fn execute(connection: &mut SqliteConnection, appends: Vec<Append>) -> Result<(), sqlx::Error> {
    for append in appends {
        append.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn read_position(from: impl SqliteExecutor<'_>) -> Result<WriterPosition, LogError> {
    let row = sqlx::query_as::<_, PositionRow>(POSITION).bind(PARTITION).fetch_optional(from).await.map_err(failed)?;
    let absent = || LogError::Refused("writer_position has no row; the migrations make one".to_owned());
    row.ok_or_else(absent)?.try_into()
}

/// A file that cannot be read now may be readable later; one that is malformed never.
pub(super) fn failed(error: sqlx::Error) -> LogError {
    super::writer::WriteError::from(error).into()
}
