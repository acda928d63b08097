//! One transaction that appends rows to the log and moves the writer's position over them: the commit point.
//!
//! Invariant: the rows and the position are written together or not at all, and only if the position was exactly where
//! the batch starts, under the epoch of the writer. So of two writers at most one commits, and of two attempts with one
//! batch at most one takes effect.

use journal::{Batch, Committed, Epoch, LogError, Record, WriterPosition};
use sqlx::postgres::PgConnection;

use super::PARTITION;
use crate::adapters::rows::{PositionRow, big};

/// One statement is one transaction and one round trip. *Measured* against BEGIN, COPY, UPDATE, COMMIT over sqlx 0.9, in
/// µs per commit (debug build, 2 cores): 1 row 500 : 44,200; 10 rows 690 : 44,600; 200 rows 3,500 : 2,900; 1,000 rows
/// 13,000 : 17,000. COPY's 44 ms are the kernel's: sqlx leaves `TCP_NODELAY` off and writes the end of the data on its
/// own, which then waits for a delayed acknowledgement. Besides, a writer that is paused can hold no lock between two
/// statements when there is only one. `unnest` in the select list, rather than in FROM, spares
/// PostgreSQL a copy of all rows: a fifth of its time.
const APPEND_AND_MOVE: &str = "WITH moved AS ( \
        UPDATE writer_position SET seq = $2, stream_position = $3, chain = $4 \
        WHERE partition = $1 AND epoch = $5 AND seq = $6 AND stream_position = $7 AND chain = $8 RETURNING 1 \
    ), appended AS ( \
        INSERT INTO event_log (partition, seq, stream_position, symbol, kind, command, events, time, epoch, \
            engine_version, format, chain) \
        SELECT $1, unnest($9::bigint[]), unnest($10::text[]), unnest($11::text[]), unnest($12::text[]), \
            unnest($13::text[]), unnest($14::text[]), unnest($15::bigint[]), unnest($16::bigint[]), \
            unnest($17::integer[]), unnest($18::smallint[]), unnest($19::bytea[]) \
        WHERE EXISTS (SELECT FROM moved) \
    ) SELECT count(*) FROM moved";

const POSITION: &str =
    "SELECT epoch, seq, stream_position, chain, id_ceiling FROM writer_position WHERE partition = $1";

/// Binds rows to the next parameters of a statement, an array for each column, in the order of the table.
macro_rules! bind_rows {
    ($statement:expr, $records:expr) => {{
        let records: &[Record] = $records;
        let numbers =
            |number: fn(&Record) -> u64| records.iter().map(|r| big(number(r))).collect::<Result<Vec<_>, _>>();
        let texts = |text: fn(&Record) -> &str| records.iter().map(text).collect::<Vec<_>>();
        $statement
            .bind(numbers(|r| r.seq.get())?)
            .bind(records.iter().map(|r| r.stream_id.to_string()).collect::<Vec<_>>())
            .bind(records.iter().map(|r| r.symbol.map(|symbol| symbol.to_string())).collect::<Vec<_>>())
            .bind(texts(|r| &r.kind))
            .bind(texts(|r| &r.command))
            .bind(texts(|r| &r.events))
            .bind(numbers(|r| r.time.get())?)
            .bind(numbers(|r| r.epoch.0)?)
            .bind(records.iter().map(|r| r.engine_version).collect::<Vec<_>>())
            .bind(records.iter().map(|r| r.format).collect::<Vec<_>>())
            .bind(records.iter().map(|r| r.chain.as_bytes()).collect::<Vec<_>>())
    }};
}

pub(super) use bind_rows;

/// Commits a batch. After an error the connection is in no known state.
pub(super) async fn commit(connection: &mut PgConnection, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError> {
    match append_and_move(connection, epoch, batch).await? {
        Moved::Yes => Ok(Committed::Committed),
        other => resolve(connection, batch, other).await,
    }
}

/// What one attempt did.
enum Moved {
    /// Everything.
    Yes,
    /// Nothing: the position was not where the batch starts, or the epoch another one.
    No,
    /// Nothing: rows of these numbers are in the log, another writer's or our own from an attempt that was in doubt.
    RowsAreThere(sqlx::Error),
}

async fn append_and_move(connection: &mut PgConnection, epoch: Epoch, batch: &Batch) -> Result<Moved, LogError> {
    let (start, end) = (batch.start(), batch.end());
    let statement = sqlx::query_scalar::<_, i64>(APPEND_AND_MOVE)
        .bind(PARTITION)
        .bind(big(end.seq.get())?)
        .bind(end.stream_id.to_string())
        .bind(end.chain.as_bytes().to_vec())
        .bind(big(epoch.0)?)
        .bind(big(start.seq.get())?)
        .bind(start.stream_id.to_string())
        .bind(start.chain.as_bytes().to_vec());
    match bind_rows!(statement, batch.records()).fetch_one(connection).await {
        Ok(1) => Ok(Moved::Yes),
        Ok(_) => Ok(Moved::No),
        Err(error) if is_duplicate(&error) => Ok(Moved::RowsAreThere(error)),
        Err(error) => Err(failed(error)),
    }
}

/// What became of a batch that was not taken: it is in the log since an earlier attempt, or it never will be.
async fn resolve(connection: &mut PgConnection, batch: &Batch, moved: Moved) -> Result<Committed, LogError> {
    let at = read_position(connection).await?.position;
    match moved {
        // The chain's value is over our rows and our epoch, so it was this very batch, whose answer was lost.
        _ if at == batch.end() => Ok(Committed::Committed),
        Moved::RowsAreThere(error) if at == batch.start() => {
            Err(LogError::Refused(format!("writer_position ends at row {}, but event_log goes on: {error}", at.seq)))
        }
        _ => Ok(Committed::Fenced),
    }
}

pub(super) async fn read_position(connection: &mut PgConnection) -> Result<WriterPosition, LogError> {
    let row = sqlx::query_as::<_, PositionRow>(POSITION).bind(PARTITION).fetch_optional(connection);
    row.await.map_err(failed)?.ok_or_else(no_position)?.try_into()
}

pub(super) fn no_position() -> LogError {
    LogError::Refused(format!("writer_position has no row for partition {PARTITION}; the migrations make one"))
}

/// Whether PostgreSQL says unique_violation.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Sorts an error of a statement. What PostgreSQL itself refuses for good (bad data, a broken constraint, a missing right
/// or table, an internal error) is refused; anything else (a lost connection, a time-out, a server that shuts down) may
/// be better next time, and may have happened after all.
pub(super) fn failed(error: sqlx::Error) -> LogError {
    if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_)) {
        return LogError::Refused(format!("a table is not as this release knows it: {error}"));
    }
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    match code {
        Some(code) if ["0A", "22", "23", "42", "XX"].contains(&code.get(..2).unwrap_or_default()) => {
            LogError::Refused(format!("{error} (SQLSTATE {code})"))
        }
        Some(code) => LogError::Unknown(format!("{error} (SQLSTATE {code})")),
        None => LogError::Unknown(error.to_string()),
    }
}
