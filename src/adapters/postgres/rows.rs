//! Between the types of the journal and the columns of the tables.

use journal::{Chain, Epoch, LogError, Position, Record, StreamId, WriterPosition};
use matching::{Micros, Seq, Symbol};
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row, Type};

/// The columns of `event_log` after `partition`, in the order of [`record`].
pub(super) const PAGE: &str = "SELECT seq, stream_position, symbol, kind, command, events, time, epoch, engine_version, \
    format, chain FROM event_log WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// The columns of `writer_position` in the order of [`writer_position`].
pub(super) const POSITION: &str =
    "SELECT epoch, seq, stream_position, chain, id_ceiling FROM writer_position WHERE partition = $1";

/// Reads a row of the log. Every column was checked when it was written, so one that cannot be read was altered.
pub(super) fn record(row: &PgRow) -> Result<Record, LogError> {
    let seq = number(get(row, 0)?).and_then(Seq::new);
    let seq = seq.ok_or_else(|| damaged(Seq::ZERO, "a row has a number below 0"))?;
    let symbol = get::<Option<&str>>(row, 2)?.map(str::parse::<Symbol>).transpose();
    Ok(Record {
        seq,
        stream_id: stream_id(get(row, 1)?).ok_or_else(|| damaged(seq, "its stream position is none"))?,
        symbol: symbol.map_err(|error| damaged(seq, &format!("its symbol is none: {error}")))?,
        kind: get(row, 3)?,
        command: get(row, 4)?,
        events: get(row, 5)?,
        time: number(get(row, 6)?).and_then(Micros::new).ok_or_else(|| damaged(seq, "its time is below 0"))?,
        epoch: number(get(row, 7)?).map(Epoch).ok_or_else(|| damaged(seq, "its epoch is below 0"))?,
        engine_version: get(row, 8)?,
        format: get(row, 9)?,
        chain: Chain::from_bytes(get(row, 10)?).ok_or_else(|| damaged(seq, "its chain value has not 32 bytes"))?,
    })
}

/// Reads the writer's row, or what a statement on it returned.
pub(super) fn writer_position(row: &PgRow) -> Result<WriterPosition, LogError> {
    let seq = number(get(row, 1)?).and_then(Seq::new);
    let seq = seq.ok_or_else(|| damaged(Seq::ZERO, "writer_position has a seq below 0"))?;
    let wrong = |what: &str| damaged(seq, &format!("the {what} of writer_position is none"));
    let position = Position {
        seq,
        stream_id: stream_id(get(row, 2)?).ok_or_else(|| wrong("stream_position"))?,
        chain: Chain::from_bytes(get(row, 3)?).ok_or_else(|| wrong("chain"))?,
    };
    Ok(WriterPosition {
        epoch: Epoch(number(get(row, 0)?).ok_or_else(|| wrong("epoch"))?),
        position,
        id_ceiling: number(get(row, 4)?).ok_or_else(|| wrong("id_ceiling"))?,
    })
}

/// A column; one of another type than the statement says is a table that this release does not know.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, index: usize) -> Result<T, LogError> {
    row.try_get(index).map_err(|error| LogError::Refused(format!("a row is not as this release knows it: {error}")))
}

/// A number as PostgreSQL has it. All numbers of the journal are below 2^63, or they would not be in a record.
pub(super) fn big(number: u64) -> Result<i64, LogError> {
    i64::try_from(number).map_err(|_| LogError::Refused(format!("{number} does not fit a bigint")))
}

pub(super) fn number(value: i64) -> Option<u64> {
    u64::try_from(value).ok()
}

pub(super) fn stream_id(text: &str) -> Option<StreamId> {
    text.parse().ok()
}

fn damaged(seq: Seq, error: &str) -> LogError {
    LogError::Damaged { seq, error: error.to_owned() }
}
