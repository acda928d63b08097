//! The log of commands and events, and the row that says who writes it.
//!
//! Everything that the writer does goes through one connection, so that it happens in one order; whoever reads has
//! others. A connection on which anything went wrong is never used again: its state is not known.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use journal::{Batch, Committed, Epoch, EventLog, LogError, Record, Standing, WriterPosition};
use matching::Seq;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::commit::{self, failed, no_position, read_position};
use super::connect::Postgres;
use super::{PARTITION, PostgresError};
use crate::adapters::rows::{PositionRow, RecordRow, big, number};

/// How long the writer waits for an answer: above the server's own limits below, which give a clearer error.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long a reader waits for a page.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// A question about one row.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// How soon to try again to make room in the log when that failed: half a range is left then, which lasts for minutes.
const ROOM_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A writer that was paused must not hold the position row for long, and nothing of the writer's may wait for ever.
const WRITER_SETTINGS: &str = "SET ROLE pricetime_service; SET synchronous_commit = on; \
    SET idle_in_transaction_session_timeout = '2s'; SET lock_timeout = '2s'; SET statement_timeout = '4s'";
const ASKER_SETTINGS: &str =
    "SET ROLE pricetime_service; SET default_transaction_read_only = on; SET statement_timeout = '4s'";

const PAGE: &str = "SELECT seq, stream_position, symbol, kind, command, events, time, epoch, engine_version, format, \
    chain FROM event_log WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const STANDING: &str = "SELECT epoch, seq, beat, \
    drained OR epoch = 0 OR backend_pid IS NULL OR NOT session_lives(backend_pid, backend_start), \
    drained OR epoch = 0 \
    FROM writer_position WHERE partition = $1";
const TAKE_OVER: &str = "UPDATE writer_position SET epoch = epoch + 1, drained = false, \
    backend_pid = pg_backend_pid(), backend_start = session_start() WHERE partition = $1 AND epoch = $2 \
    RETURNING epoch, seq, stream_position, chain, id_ceiling";
const REGISTER: &str = "UPDATE writer_position SET backend_pid = pg_backend_pid(), backend_start = session_start() \
    WHERE partition = $1 AND epoch = $2";
const LEASE: &str = "UPDATE writer_position SET id_ceiling = id_ceiling + $3 WHERE partition = $1 AND epoch = $2 \
    RETURNING id_ceiling";
const BEAT: &str = "UPDATE writer_position SET beat = beat + 1 WHERE partition = $1 AND epoch = $2";
const DRAINED: &str = "UPDATE writer_position SET drained = true WHERE partition = $1 AND epoch = $2";

/// The log in PostgreSQL.
pub struct PostgresLog {
    postgres: Postgres,
    readers: PgPool,
    writer: Mutex<Option<Writer>>,
}

/// The writer's connection.
struct Writer {
    connection: PgConnection,
    /// The term under which this session stands in the position row.
    epoch: Epoch,
    /// From which row on the log may lack room.
    room_until: u64,
    room_again: Option<Instant>,
}

impl PostgresLog {
    /// The log in this database. Connects to nothing yet.
    pub fn new(postgres: &Postgres) -> PostgresLog {
        PostgresLog { postgres: postgres.clone(), readers: postgres.readers(), writer: Mutex::new(None) }
    }

    /// Makes the database ready and opens the log in it.
    pub async fn connect(url: &str, application_name: &str, allow_unsafe: bool) -> Result<PostgresLog, PostgresError> {
        Ok(PostgresLog::new(&Postgres::prepare(url, application_name, allow_unsafe).await?))
    }

    /// The writer's connection, taken out of its place: whoever does not put it back, because of an error or because the
    /// future was dropped halfway, has closed it. A new one is entered in the position row, so that others see it live.
    async fn writer(&self, place: &mut Option<Writer>, epoch: Epoch) -> Result<Writer, LogError> {
        if let Some(writer) = place.take_if(|writer| writer.epoch == epoch) {
            return Ok(writer);
        }
        let mut connection = self.postgres.as_service(WRITER_SETTINGS).await.map_err(failed)?;
        under_epoch(&mut connection, REGISTER, epoch).await?;
        Ok(Writer { connection, epoch, room_until: 0, room_again: None })
    }

    /// A statement on the position row that does something only under `epoch`.
    async fn change(&self, statement: &'static str, epoch: Epoch) -> Result<(), LogError> {
        let mut place = self.writer.lock().await;
        let mut writer = self.writer(&mut place, epoch).await?;
        under_epoch(&mut writer.connection, statement, epoch).await?;
        *place = Some(writer);
        Ok(())
    }
}

#[async_trait]
impl EventLog for PostgresLog {
    async fn commit(&self, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError> {
        let mut place = self.writer.lock().await;
        let mut writer = match self.writer(&mut place, epoch).await {
            Err(LogError::Fenced) => return Ok(Committed::Fenced),
            writer => writer?,
        };
        writer.make_room(batch.end().seq).await;
        let committed = within(WRITE_WITHIN, commit::commit(&mut writer.connection, epoch, batch)).await?;
        *place = Some(writer);
        Ok(committed)
    }

    async fn standing(&self) -> Result<Standing, LogError> {
        let row =
            sqlx::query_as::<_, (i64, i64, i64, bool, bool)>(STANDING).bind(PARTITION).fetch_optional(&self.readers);
        let row = within(ASK_WITHIN, async { row.await.map_err(failed) }).await?;
        let (epoch, seq, beat, vacant, clean) = row.ok_or_else(no_position)?;
        let below_zero = || LogError::Refused("writer_position has a number below 0".to_owned());
        Ok(Standing {
            epoch: number(epoch).map(Epoch).ok_or_else(below_zero)?,
            seq: number(seq).and_then(Seq::new).ok_or_else(below_zero)?,
            beat: number(beat).ok_or_else(below_zero)?,
            vacant,
            clean,
        })
    }

    async fn take_over(&self, last: Epoch) -> Result<WriterPosition, LogError> {
        let mut place = self.writer.lock().await;
        *place = None;
        let mut connection = self.postgres.as_service(WRITER_SETTINGS).await.map_err(failed)?;
        let row = sqlx::query_as::<_, PositionRow>(TAKE_OVER).bind(PARTITION).bind(big(last.0)?);
        let row = row.fetch_optional(&mut connection);
        let row = within(WRITE_WITHIN, async { row.await.map_err(failed) }).await?;
        let position: WriterPosition = row.ok_or(LogError::Fenced)?.try_into()?;
        *place = Some(Writer { connection, epoch: position.epoch, room_until: 0, room_again: None });
        Ok(position)
    }

    async fn position(&self) -> Result<WriterPosition, LogError> {
        let mut connection = self.postgres.as_service(ASKER_SETTINGS).await.map_err(failed)?;
        within(ASK_WITHIN, read_position(&mut connection)).await
    }

    async fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = sqlx::query_as::<_, RecordRow>(PAGE).bind(PARTITION).bind(big(after.get())?).bind(limit);
        let page = within(READ_WITHIN, async { page.fetch_all(&self.readers).await.map_err(failed) }).await?;
        page.into_iter().map(Record::try_from).collect()
    }

    async fn lease_ids(&self, epoch: Epoch, count: u64) -> Result<u64, LogError> {
        let mut place = self.writer.lock().await;
        let mut writer = self.writer(&mut place, epoch).await?;
        let lease = sqlx::query_scalar::<_, i64>(LEASE).bind(PARTITION).bind(big(epoch.0)?).bind(big(count)?);
        let lease = lease.fetch_optional(&mut writer.connection);
        let ceiling = within(WRITE_WITHIN, async { lease.await.map_err(failed) }).await?.ok_or(LogError::Fenced)?;
        *place = Some(writer);
        number(ceiling).ok_or_else(|| LogError::Refused("the id_ceiling of writer_position is below 0".to_owned()))
    }

    async fn beat(&self, epoch: Epoch) -> Result<(), LogError> {
        self.change(BEAT, epoch).await
    }

    async fn drained(&self, epoch: Epoch) -> Result<(), LogError> {
        self.change(DRAINED, epoch).await
    }
}

impl Writer {
    /// Makes the next range of the log once the current one is half full. When that fails there is half a range of time
    /// to find out why; if nobody does, a commit is refused for want of room.
    async fn make_room(&mut self, end: Seq) {
        let waits = self.room_again.is_some_and(|at| Instant::now() < at);
        if end.get() < self.room_until || waits {
            return;
        }
        let made = async {
            let room = sqlx::query_scalar("SELECT event_log_make_room($1)").bind(big(end.get())?);
            let until: i64 = room.fetch_one(&mut self.connection).await.map_err(failed)?;
            Ok(until.unsigned_abs())
        };
        match within(WRITE_WITHIN, made).await {
            Ok(until) => (self.room_until, self.room_again) = (until, None),
            Err(error) => {
                tracing::warn!(row = end.get(), %error, "the next range of event_log could not be made; trying again");
                self.room_again = Some(Instant::now() + ROOM_AGAIN_AFTER);
            }
        }
    }
}

/// Runs a statement that changes the position row under `epoch` and no other.
async fn under_epoch(connection: &mut PgConnection, statement: &'static str, epoch: Epoch) -> Result<(), LogError> {
    let statement = sqlx::query(statement).bind(PARTITION).bind(big(epoch.0)?).execute(connection);
    let changed = within(WRITE_WITHIN, async { statement.await.map_err(failed) }).await?;
    if changed.rows_affected() == 1 { Ok(()) } else { Err(LogError::Fenced) }
}

/// What a server that hangs is for us: it may still do what it was asked.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, LogError>>) -> Result<T, LogError> {
    let late = || LogError::Unknown(format!("PostgreSQL did not answer within {} s", limit.as_secs()));
    timeout(limit, answer).await.unwrap_or_else(|_| Err(late()))
}
