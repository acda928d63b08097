//! The ports: what the actors need of a queue, a log, a snapshot store and a projection. Every implementation passes
//! the same suite.

use std::sync::Arc;

use async_trait::async_trait;
use matching::ledger::{OrderRecord, Place, TradeRecord};
use matching::{Account, Instrument, Ledger, Micros, OrderId, Seq, StateHash, Symbol, TradeId};

use crate::chain::Chain;
use crate::position::{Epoch, Position, StreamId};
use crate::record::{Batch, Record};
use crate::snapshot::Snapshot;

/// One entry of the stream: a command, or an array of them, still as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: StreamId,
    /// What it holds, or why that could not be taken for an entry at all.
    pub payload: Result<Payload, String>,
}

/// What a well-formed entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// How the text is encoded.
    pub format: i16,
    /// The commands' text.
    pub text: String,
}

/// An enqueue that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// It is certain that the command is not in the stream.
    #[error("the command queue cannot take commands: {0}")]
    NotTaken(String),
    /// It may be in the stream or not; it must not be sent again.
    #[error("the command queue did not answer: {0}")]
    Unknown(String),
}

/// The queue could not be read or managed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached now; trying again may help.
    #[error("the command queue cannot be reached: {0}")]
    Unreachable(String),
    /// The stream is not there.
    #[error("the command stream is gone")]
    Lost,
}

/// The stream of commands. What is acknowledged is on disk.
#[async_trait]
pub trait CommandQueue: Send + Sync {
    /// Appends one entry of encoded commands; returns once it is on disk. Never creates the stream, never sends twice.
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError>;

    /// The entries after `after`, oldest first, at most `limit`; waits about a second for the first one.
    async fn read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError>;

    /// Whether the stream is still the one that had `last`, the last entry that was read or acknowledged; [`QueueError::Lost`]
    /// when it is not: absent, behind that entry, or with fewer entries ever added than at the last check.
    async fn check(&self, last: StreamId) -> Result<(), QueueError>;

    /// The last entry with commands; [`StreamId::ZERO`] when there is none.
    async fn last(&self) -> Result<StreamId, QueueError>;

    /// Creates the stream if it is absent, so that its next id is above `last`. Only the writer does this.
    async fn open(&self, last: StreamId) -> Result<(), QueueError>;

    /// Removes the entries before `oldest_kept`. Only the writer does this, behind commit and projection.
    async fn trim(&self, oldest_kept: StreamId) -> Result<(), QueueError>;
}

/// What the log knows of its writer.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct WriterPosition {
    /// Whose term it is.
    pub epoch: Epoch,
    /// Where the log ends.
    pub position: Position,
    /// Ids below this have been leased.
    pub id_ceiling: u64,
}

/// A sign of life of the writer: a standby takes over when it stays the same for too long.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The term.
    pub epoch: Epoch,
    /// The end of the log.
    pub seq: Seq,
    /// Counts up while the writer lives.
    pub beat: u64,
    /// Whether the writer is surely gone: it drained, there never was one, or its database session has ended.
    pub vacant: bool,
    /// Whether the last writer drained, or there never was one: nothing was interrupted.
    pub clean: bool,
}

/// How a commit ended, where that is known.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Committed {
    /// The rows are in the log, on disk.
    Committed,
    /// Another writer has taken over: nothing was written, nothing will be.
    Fenced,
}

/// The log could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It cannot be reached, or did not answer in time; what was under way may have happened or not.
    #[error("the event log did not answer: {0}")]
    Unknown(String),
    /// It refused in a way that repeating cannot mend.
    #[error("the event log refused: {0}")]
    Refused(String),
    /// What is stored is not what was written.
    #[error("the event log is damaged at row {seq}: {error}")]
    Damaged {
        /// The first row that is wrong.
        seq: Seq,
        /// How.
        error: String,
    },
    /// This writer's term is over.
    #[error("another writer has taken over")]
    Fenced,
}

/// The log of commands and events: the truth.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Commits a batch in one transaction that also moves the position from the batch's start to its end, under `epoch`.
    /// After [`LogError::Unknown`] the caller reads [`EventLog::position`] to learn what happened.
    async fn commit(&self, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError>;

    /// Whether the last writer still lives, as far as the log can tell.
    async fn standing(&self) -> Result<Standing, LogError>;

    /// Begins a new term after `last`, the term that [`EventLog::standing`] told; [`LogError::Fenced`] when another
    /// process was quicker.
    async fn take_over(&self, last: Epoch) -> Result<WriterPosition, LogError>;

    /// Where the log ends and who writes it; asked on a fresh connection after a failure.
    async fn position(&self) -> Result<WriterPosition, LogError>;

    /// The rows after `after`, in order, at most `limit`. A short transaction of its own.
    async fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError>;

    /// Leases the next `count` ids under `epoch`: returns the ceiling after the lease; the ids are the `count` below it.
    async fn lease_ids(&self, epoch: Epoch, count: u64) -> Result<u64, LogError>;

    /// Says that the writer of `epoch` lives, also when idle.
    async fn beat(&self, epoch: Epoch) -> Result<(), LogError>;

    /// Says that the writer of `epoch` stopped with nothing under way, so that the next one need not wait.
    async fn drained(&self, epoch: Epoch) -> Result<(), LogError>;
}

/// Rows that the store keeps together, so that they leave it together.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// The first row that it may hold.
    pub first: Seq,
    /// The last one.
    pub last: Seq,
}

/// The log's store as operators see it: rows are taken out of it, or put into an empty one. The service never does either.
#[async_trait]
pub trait Shelves: Send + Sync {
    /// What is kept together and holds no row behind `up_to`, oldest first.
    async fn shelves(&self, up_to: Seq) -> Result<Vec<Shelf>, LogError>;

    /// Takes a shelf with its rows out for ever.
    async fn remove(&self, shelf: Shelf) -> Result<(), LogError>;

    /// Puts rows into a log whose position is still before the first row. Until [`Shelves::place`] moves it, no service
    /// starts on that log: rows behind its position are damage.
    async fn put(&self, rows: &[Record]) -> Result<(), LogError>;

    /// Moves the position of a log that never had a writer to behind the rows that were put into it; false when it had one.
    async fn place(&self, writer: WriterPosition) -> Result<bool, LogError>;
}

/// Where the service stopped itself, and how often in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFatal {
    /// The row at which it could not go on.
    pub seq: Seq,
    /// How often, with no commit in between.
    pub times: u32,
    /// What it said the last time.
    pub error: String,
}

/// Remembers where the service stopped itself, so that a supervisor that starts it again and again does not do so for
/// ever. A kill from outside leaves nothing here.
#[async_trait]
pub trait FatalRecord: Send + Sync {
    /// Notes that the service stops itself at row `seq`; where that is not known, at the row after the log's end.
    async fn note(&self, seq: Option<Seq>, error: &str) -> Result<(), LogError>;

    /// What was noted since the last commit.
    async fn last(&self) -> Result<Option<LastFatal>, LogError>;

    /// Forgets it: somebody has looked.
    async fn forget(&self) -> Result<(), LogError>;
}

/// A snapshot could not be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The store did not answer or refused.
    #[error("the snapshot store failed: {0}")]
    Store(String),
    /// What was read back is not what was written.
    #[error("the snapshot at {seq} is damaged: {error}")]
    Damaged {
        /// Which one.
        seq: Seq,
        /// How.
        error: String,
    },
}

/// The store of snapshots. Only verified ones are in it.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// Writes a snapshot, reads it back, verifies it, and only then makes it visible; then keeps the newest `retain`.
    async fn store(&self, snapshot: &Snapshot, retain: usize) -> Result<(), SnapshotError>;

    /// The newest snapshot at or before row `seq`.
    async fn newest_until(&self, seq: Seq) -> Result<Option<Snapshot>, SnapshotError>;

    /// The newest snapshot.
    async fn newest(&self) -> Result<Option<Snapshot>, SnapshotError> {
        self.newest_until(Seq::LAST).await
    }

    /// All snapshots, newest first.
    async fn list(&self) -> Result<Vec<SnapshotSummary>, SnapshotError>;
}

/// A snapshot without its parts.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// The row that it is the state at.
    pub seq: Seq,
    /// How its parts are encoded.
    pub format: i16,
    /// The hash of the state.
    pub state_hash: StateHash,
    /// Its size as it is stored.
    pub bytes: u64,
    /// When it was read back and verified.
    pub verified_at: Micros,
}

/// What the projection says of itself.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ProjectionState {
    /// There is none, or a rebuild was cut short: it must be rebuilt.
    Unusable,
    /// It must be rebuilt, since its server lost it; but it once showed the state at this row, so the log must hold that.
    Lost(ProjectionPosition),
    /// It shows the state at this row.
    At(ProjectionPosition),
}

/// The row whose state the projection shows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct ProjectionPosition {
    /// The row's number.
    pub seq: Seq,
    /// The term of the writer that projected it.
    pub epoch: Epoch,
    /// The chain's value at the row.
    pub chain: Chain,
}

/// The last state of everything that changed over a run of rows, to be written at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionWrite {
    /// The row before the run: the projection must show exactly this one.
    pub from: Seq,
    /// The last row of the run.
    pub to: ProjectionPosition,
    /// Orders that changed, as they are now.
    pub orders: Vec<OrderRecord>,
    /// Places in books that orders left, for others or for the end: taken out before the orders are put where they are now.
    pub left_places: Vec<Place>,
    /// Orders that were dropped from the ledger, as they last were.
    pub dropped_orders: Vec<OrderRecord>,
    /// New trades, oldest first.
    pub trades: Vec<TradeRecord>,
    /// Trades that were dropped from the ledger.
    pub dropped_trades: Vec<TradeRecord>,
    /// Instruments that were listed.
    pub instruments: Vec<Instrument>,
    /// The greatest order id in the ledger.
    pub greatest_order_id: Option<OrderId>,
}

/// What became of a write.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Written {
    /// The projection shows the new state.
    Written,
    /// It shows this state or a later one already: nothing was written.
    Older,
    /// It shows something else: it must be rebuilt.
    Gap,
}

/// The projection could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the projection cannot be reached: {0}")]
pub struct ProjectionError(pub String);

/// The mirror of the ledger for outside readers.
#[async_trait]
pub trait Projection: Send + Sync {
    /// What it shows.
    async fn state(&self) -> Result<ProjectionState, ProjectionError>;

    /// Writes a run of rows, if it shows the row before them.
    async fn write(&self, write: &ProjectionWrite) -> Result<Written, ProjectionError>;

    /// Replaces everything by `ledger`, the state at `position`. Until it is done, the projection says that it is unusable.
    async fn rebuild(&self, ledger: Arc<Ledger>, position: ProjectionPosition) -> Result<(), ProjectionError>;
}

/// An order that has ended, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOrder {
    /// The order.
    pub order: OrderRecord,
    /// The rows of the log that changed it, oldest first, as far as the history has followed it.
    pub rows: Vec<Seq>,
}

/// Consecutive rows' worth of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryWrite {
    /// The row before them: the history must stand exactly here.
    pub from: Seq,
    /// The last of them.
    pub to: Seq,
    /// Orders that ended.
    pub orders: Vec<PastOrder>,
    /// Trades.
    pub trades: Vec<TradeRecord>,
}

/// The history could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the history cannot be reached: {0}")]
pub struct HistoryError(pub String);

/// Orders and trades for ever: a read model that follows the log, may lag, and can be made from it again.
#[async_trait]
pub trait History: Send + Sync {
    /// The last row in it.
    async fn position(&self) -> Result<Seq, HistoryError>;

    /// Adds rows in one transaction that also moves the position; false when the position is another one.
    async fn write(&self, write: &HistoryWrite) -> Result<bool, HistoryError>;

    /// An order that ended.
    async fn order(&self, order_id: OrderId) -> Result<Option<PastOrder>, HistoryError>;

    /// The trades of a market whose numbers are below `end`, newest first, at most `limit`.
    async fn trades(&self, symbol: Symbol, end: TradeId, limit: usize) -> Result<Vec<TradeRecord>, HistoryError>;
}

/// How far a named consumer of the event stream has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerPosition {
    /// Its name.
    pub name: Account,
    /// The last row that it has dealt with.
    pub position: Seq,
    /// When it said so.
    pub updated_at: Micros,
}

/// The positions of consumers, kept for them.
#[async_trait]
pub trait Consumers: Send + Sync {
    /// All of them, by name.
    async fn all(&self) -> Result<Vec<ConsumerPosition>, HistoryError>;

    /// Keeps a consumer's position; returns once it is on disk.
    async fn put(&self, position: &ConsumerPosition) -> Result<(), HistoryError>;
}
