//! One transaction that appends rows to the log and moves the writer's position over them: the commit point.
//!
//! Invariant: the rows and the position are written together or not at all, and only if the position was exactly where
//! the batch starts, under the epoch of the writer. So of two writers at most one commits, and of two attempts with one
//! batch at most one takes effect.

use journal::{Batch, Committed, Epoch, LogError, Record, WriterPosition};
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::PARTITION;
use super::rows::{self, big, get};

/// From this many rows on COPY is faster than one INSERT; see [`append_and_move`].
const COPY_FROM_ROWS: usize = 64;

const COPY: &str = "COPY event_log (partition, seq, stream_position, symbol, kind, command, events, time, epoch, \
    engine_version, format, chain) FROM STDIN (FORMAT binary)";
/// What every binary COPY begins with: signature, flags, length of the extension.
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COPY_END: i16 = -1;
const COPY_COLUMNS: i16 = 12;

const MOVE: &str = "UPDATE writer_position SET seq = $2, stream_position = $3, chain = $4 \
    WHERE partition = $1 AND epoch = $5 AND seq = $6 AND stream_position = $7 AND chain = $8";

/// The same as COPY and [`MOVE`], in one statement.
const APPEND_AND_MOVE: &str = "WITH moved AS ( \
        UPDATE writer_position SET seq = $2, stream_position = $3, chain = $4 \
        WHERE partition = $1 AND epoch = $5 AND seq = $6 AND stream_position = $7 AND chain = $8 RETURNING 1 \
    ), appended AS ( \
        INSERT INTO event_log (partition, seq, stream_position, symbol, kind, command, events, time, epoch, \
            engine_version, format, chain) \
        SELECT $1, * FROM unnest($9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], \
            $15::bigint[], $16::bigint[], $17::integer[], $18::smallint[], $19::bytea[]) \
        WHERE EXISTS (SELECT FROM moved) \
    ) SELECT count(*) FROM moved";

/// Commits a batch. After an error the connection is in no known state.
pub(super) async fn commit(
    connection: &mut PgConnection,
    epoch: Epoch,
    batch: &Batch,
) -> Result<Committed, LogError> {
    let moved = if batch.records().len() < COPY_FROM_ROWS {
        append_and_move(connection, epoch, batch).await
    } else {
        copy_then_move(connection, epoch, batch).await
    };
    match moved? {
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

/// One statement and one round trip, which also commits. *Measured*: see `COPY_FROM_ROWS`.
async fn append_and_move(connection: &mut PgConnection, epoch: Epoch, batch: &Batch) -> Result<Moved, LogError> {
    let records = batch.records();
    let numbers = |number: fn(&Record) -> u64| records.iter().map(|r| big(number(r))).collect::<Result<Vec<_>, _>>();
    let texts = |text: fn(&Record) -> &str| records.iter().map(text).collect::<Vec<_>>();
    let statement = bind_move(sqlx::query(APPEND_AND_MOVE), epoch, batch)?
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
        .bind(records.iter().map(|r| r.chain.as_bytes()).collect::<Vec<_>>());
    match statement.fetch_one(connection).await {
        Ok(row) if get::<i64>(&row, 0)? == 1 => Ok(Moved::Yes),
        Ok(_) => Ok(Moved::No),
        Err(error) if is_duplicate(&error) => Ok(Moved::RowsAreThere(error)),
        Err(error) => Err(failed(error)),
    }
}

/// The compare-and-set comes last: the row that all writers want is locked only for as long as COMMIT takes.
async fn copy_then_move(connection: &mut PgConnection, epoch: Epoch, batch: &Batch) -> Result<Moved, LogError> {
    connection.execute("BEGIN").await.map_err(failed)?;
    let mut copy = connection.copy_in_raw(COPY).await.map_err(failed)?;
    copy.send(copy_text(batch)?).await.map_err(failed)?;
    match copy.finish().await {
        Err(error) if is_duplicate(&error) => {
            connection.execute("ROLLBACK").await.map_err(failed)?;
            return Ok(Moved::RowsAreThere(error));
        }
        finished => finished.map_err(failed)?,
    };
    let moved = bind_move(sqlx::query(MOVE), epoch, batch)?.execute(&mut *connection).await.map_err(failed)?;
    if moved.rows_affected() != 1 {
        connection.execute("ROLLBACK").await.map_err(failed)?;
        return Ok(Moved::No);
    }
    connection.execute("COMMIT").await.map_err(failed)?;
    Ok(Moved::Yes)
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_move<'q>(statement: Statement<'q>, epoch: Epoch, batch: &Batch) -> Result<Statement<'q>, LogError> {
    let (start, end) = (batch.start(), batch.end());
    Ok(statement
        .bind(PARTITION)
        .bind(big(end.seq.get())?)
        .bind(end.stream_id.to_string())
        .bind(end.chain.as_bytes().to_vec())
        .bind(big(epoch.0)?)
        .bind(big(start.seq.get())?)
        .bind(start.stream_id.to_string())
        .bind(start.chain.as_bytes().to_vec()))
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
    let row = sqlx::query(rows::POSITION).bind(PARTITION).fetch_optional(connection).await.map_err(failed)?;
    rows::writer_position(&row.ok_or_else(no_position)?)
}

pub(super) fn no_position() -> LogError {
    LogError::Refused(format!("writer_position has no row for partition {PARTITION}; the migrations make one"))
}

/// The batch in PostgreSQL's binary format for COPY, which needs no escaping: each value with its length before it.
fn copy_text(batch: &Batch) -> Result<Vec<u8>, LogError> {
    let texts: usize = batch.records().iter().map(|record| record.command.len() + record.events.len() + 256).sum();
    let mut copy = Vec::with_capacity(texts + COPY_HEADER.len());
    copy.extend_from_slice(COPY_HEADER);
    for record in batch.records() {
        copy.extend_from_slice(&COPY_COLUMNS.to_be_bytes());
        value(&mut copy, &PARTITION.to_be_bytes())?;
        value(&mut copy, &big(record.seq.get())?.to_be_bytes())?;
        value(&mut copy, record.stream_id.to_string().as_bytes())?;
        match record.symbol {
            Some(symbol) => value(&mut copy, symbol.as_str().as_bytes())?,
            None => copy.extend_from_slice(&(-1i32).to_be_bytes()),
        }
        value(&mut copy, record.kind.as_bytes())?;
        value(&mut copy, record.command.as_bytes())?;
        value(&mut copy, record.events.as_bytes())?;
        value(&mut copy, &big(record.time.get())?.to_be_bytes())?;
        value(&mut copy, &big(record.epoch.0)?.to_be_bytes())?;
        value(&mut copy, &record.engine_version.to_be_bytes())?;
        value(&mut copy, &record.format.to_be_bytes())?;
        value(&mut copy, record.chain.as_bytes())?;
    }
    copy.extend_from_slice(&COPY_END.to_be_bytes());
    Ok(copy)
}

fn value(copy: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LogError> {
    let length = i32::try_from(bytes.len())
        .map_err(|_| LogError::Refused(format!("a value of {} bytes does not fit a row", bytes.len())))?;
    copy.extend_from_slice(&length.to_be_bytes());
    copy.extend_from_slice(bytes);
    Ok(())
}

/// Whether PostgreSQL says unique_violation.
fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Sorts an error of a statement. What PostgreSQL itself refuses for good (bad data, a broken constraint, a missing right
/// or table, an internal error) is refused; anything else (a lost connection, a time-out, a server that shuts down) may
/// be better next time, and may have happened after all.
pub(super) fn failed(error: sqlx::Error) -> LogError {
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    match code {
        Some(code) if ["0A", "22", "23", "42", "XX"].contains(&code.get(..2).unwrap_or_default()) => {
            LogError::Refused(format!("{error} (SQLSTATE {code})"))
        }
        Some(code) => LogError::Unknown(format!("{error} (SQLSTATE {code})")),
        None => LogError::Unknown(error.to_string()),
    }
}
