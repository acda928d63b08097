//! Between the types of the journal and the columns of the tables, which PostgreSQL and SQLite name alike.

use journal::{
    Chain, ConsumerPosition, Epoch, HistoryError, KeyRecord, KeyStoreError, LastFatal, LogError, Position, Record,
    Snapshot, SnapshotError, SnapshotSummary, WriterPosition,
};
use matching::{Micros, Seq, StateHash, Symbol};
use sqlx::FromRow;

/// A row of `event_log`. Every column was checked when it was written, so one that cannot be read was altered.
#[derive(FromRow)]
pub(super) struct RecordRow {
    seq: i64,
    stream_position: String,
    symbol: Option<String>,
    kind: String,
    command: String,
    events: String,
    time: i64,
    epoch: i64,
    engine_version: i32,
    format: i16,
    chain: Vec<u8>,
}

impl TryFrom<RecordRow> for Record {
    type Error = LogError;

    fn try_from(row: RecordRow) -> Result<Record, LogError> {
        let seq = number(row.seq).and_then(Seq::new).ok_or_else(|| damaged(Seq::ZERO, "a row has a number below 0"))?;
        let symbol = row.symbol.map(|symbol| symbol.parse::<Symbol>()).transpose();
        Ok(Record {
            seq,
            stream_id: row.stream_position.parse().map_err(|_| damaged(seq, "its stream position is none"))?,
            symbol: symbol.map_err(|error| damaged(seq, &format!("its symbol is none: {error}")))?,
            kind: row.kind,
            command: row.command,
            events: row.events,
            time: number(row.time).and_then(Micros::new).ok_or_else(|| damaged(seq, "its time is below 0"))?,
            epoch: number(row.epoch).map(Epoch).ok_or_else(|| damaged(seq, "its epoch is below 0"))?,
            engine_version: row.engine_version,
            format: row.format,
            chain: Chain::from_bytes(&row.chain).ok_or_else(|| damaged(seq, "its chain value has not 32 bytes"))?,
        })
    }
}

/// A row of `consumer`.
#[derive(FromRow)]
pub(super) struct ConsumerRow {
    name: String,
    position: i64,
    updated_at: i64,
}

impl ConsumerRow {
    pub(super) fn read(self) -> Result<ConsumerPosition, HistoryError> {
        let wrong = || HistoryError(format!("the position of consumer {:?} is none", self.name));
        Ok(ConsumerPosition {
            name: self.name.parse().map_err(|_| wrong())?,
            position: number(self.position).and_then(Seq::new).ok_or_else(wrong)?,
            updated_at: number(self.updated_at).and_then(Micros::new).ok_or_else(wrong)?,
        })
    }
}

/// A row of `api_key`.
#[derive(FromRow)]
pub(super) struct KeyRow {
    id: String,
    generation: i64,
    name: String,
    scopes: String,
    account: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl KeyRow {
    pub(super) fn read(self) -> Result<KeyRecord, KeyStoreError> {
        let wrong = |what: &str| KeyStoreError(format!("the {what} of the key {:?} is none", self.id));
        let time = |value: i64, what: &str| number(value).and_then(Micros::new).ok_or_else(|| wrong(what));
        let generation = number(self.generation).and_then(|generation| u32::try_from(generation).ok());
        Ok(KeyRecord {
            generation: generation.ok_or_else(|| wrong("generation"))?,
            account: self.account.as_deref().map(str::parse).transpose().map_err(|_| wrong("account"))?,
            created_at: time(self.created_at, "created_at")?,
            expires_at: self.expires_at.map(|at| time(at, "expires_at")).transpose()?,
            revoked_at: self.revoked_at.map(|at| time(at, "revoked_at")).transpose()?,
            id: self.id,
            name: self.name,
            scopes: self.scopes,
        })
    }
}

/// A number of ours as a column has it: all are below 2^63.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What `writer_position` says of the log's end.
#[derive(FromRow)]
pub(super) struct PositionRow {
    epoch: i64,
    seq: i64,
    stream_position: String,
    chain: Vec<u8>,
    id_ceiling: i64,
}

impl TryFrom<PositionRow> for WriterPosition {
    type Error = LogError;

    fn try_from(row: PositionRow) -> Result<WriterPosition, LogError> {
        let seq = number(row.seq).and_then(Seq::new);
        let seq = seq.ok_or_else(|| damaged(Seq::ZERO, "writer_position has a seq below 0"))?;
        let wrong = |what: &str| damaged(seq, &format!("the {what} of writer_position is none"));
        let position = Position {
            seq,
            stream_id: row.stream_position.parse().map_err(|_| wrong("stream_position"))?,
            chain: Chain::from_bytes(&row.chain).ok_or_else(|| wrong("chain"))?,
        };
        Ok(WriterPosition {
            epoch: Epoch(number(row.epoch).ok_or_else(|| wrong("epoch"))?),
            position,
            id_ceiling: number(row.id_ceiling).ok_or_else(|| wrong("id_ceiling"))?,
        })
    }
}

/// A row of `last_fatal`.
#[derive(FromRow)]
pub(super) struct FatalRow {
    seq: i64,
    times: i32,
    error: String,
}

impl From<FatalRow> for LastFatal {
    fn from(row: FatalRow) -> LastFatal {
        LastFatal {
            seq: number(row.seq).and_then(Seq::new).unwrap_or(Seq::ZERO),
            times: row.times.unsigned_abs(),
            error: row.error,
        }
    }
}

/// A row of `snapshot`.
#[derive(FromRow)]
pub(super) struct SnapshotRow {
    at_seq: i64,
    stream_position: String,
    chain: Vec<u8>,
    format: i16,
    state_hash: Vec<u8>,
    parts: i32,
}

impl SnapshotRow {
    /// The snapshot still without its parts, and how many it has.
    pub(super) fn header(&self) -> Result<(Snapshot, usize), SnapshotError> {
        let wrong = |seq, what: &str| SnapshotError::Damaged { seq, error: what.to_owned() };
        let seq = number(self.at_seq).and_then(Seq::new);
        let seq = seq.ok_or_else(|| wrong(Seq::ZERO, "its at_seq is below 0"))?;
        let position = Position {
            seq,
            stream_id: self.stream_position.parse().map_err(|_| wrong(seq, "its stream_position is none"))?,
            chain: Chain::from_bytes(&self.chain).ok_or_else(|| wrong(seq, "its chain has not 32 bytes"))?,
        };
        let state_hash = StateHash::from_bytes(&self.state_hash);
        let state_hash = state_hash.ok_or_else(|| wrong(seq, "its state_hash has not 32 bytes"))?;
        let parts = usize::try_from(self.parts).map_err(|_| wrong(seq, "its number of parts is below 0"))?;
        Ok((Snapshot { position, format: self.format, state_hash, parts: Vec::new() }, parts))
    }
}

/// What a list of snapshots says of one.
#[derive(FromRow)]
pub(super) struct SummaryRow {
    at_seq: i64,
    format: i16,
    state_hash: Vec<u8>,
    bytes: i64,
    verified_at: i64,
}

impl TryFrom<SummaryRow> for SnapshotSummary {
    type Error = SnapshotError;

    fn try_from(row: SummaryRow) -> Result<SnapshotSummary, SnapshotError> {
        let seq = number(row.at_seq).and_then(Seq::new).unwrap_or(Seq::ZERO);
        let wrong = |what: &str| SnapshotError::Damaged { seq, error: what.to_owned() };
        Ok(SnapshotSummary {
            seq,
            format: row.format,
            state_hash: StateHash::from_bytes(&row.state_hash)
                .ok_or_else(|| wrong("its state_hash has not 32 bytes"))?,
            bytes: number(row.bytes).unwrap_or_default(),
            verified_at: number(row.verified_at)
                .and_then(Micros::new)
                .ok_or_else(|| wrong("its verified_at is none"))?,
        })
    }
}

/// A number as the tables have it. All numbers of the journal are below 2^63, or they would not be in a record.
pub(super) fn big(number: u64) -> Result<i64, LogError> {
    i64::try_from(number).map_err(|_| LogError::Refused(format!("{number} does not fit a bigint")))
}

pub(super) fn number(value: i64) -> Option<u64> {
    u64::try_from(value).ok()
}

fn damaged(seq: Seq, error: &str) -> LogError {
    LogError::Damaged { seq, error: error.to_owned() }
}
