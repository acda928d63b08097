//! The state at the end of the log: the newest snapshot, then the rows after it, each proven to follow the one before.
//! A start after a crash and a start after a clean stop are the same.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{join, join3};
use journal::{
    Epoch, EventLog, LogError, Position, Projection, ProjectionError, ProjectionPosition, ProjectionState, Record,
    Snapshot, SnapshotError, SnapshotStore, encoding,
};
use market::{Market, OrderIndex};
use matching::{Changes, Engine, Event, Ledger, Micros, Seq};
use tracing::{error, info};

use crate::pace::Pace;
use crate::placement::Computing;

/// Rows read at once: a short transaction, a few megabytes.
const PAGE_ROWS: usize = 5_000;

/// The state at the end of the log, and how much of it the projection shows.
pub struct Recovered {
    /// Router, books and ledger.
    pub engine: Engine,
    /// The markets as that state shows them.
    pub market: Market,
    /// How its orders are found.
    pub index: OrderIndex,
    /// The end of the log.
    pub position: Position,
    /// The term that wrote the last row.
    pub epoch: Epoch,
    /// The row of the snapshot that was used; zero without one.
    pub snapshot: Seq,
    /// The row that the projection shows and what has changed since; `None` when it must be rebuilt.
    pub projected: Option<(Seq, Changes)>,
    /// How long it took.
    pub pace: Pace,
}

/// Why there is no state to start from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The log does not answer, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots do not answer, or the newest is damaged.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The projection does not answer.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The projection shows what the log does not hold: the log is an older copy.
    #[error(
        "the projection shows row {shown}, which the log does not hold: the log went back in time. \
         Restore the newest log; only if it is lost for good, remove the key projection:seq and start again"
    )]
    LogWentBack {
        /// The row that is missing or different.
        shown: Seq,
    },
}

/// Rebuilds the state at `end`, the end of the log.
pub async fn recover(
    log: &dyn EventLog,
    snapshots: &dyn SnapshotStore,
    projection: &dyn Projection,
    end: Position,
    retain_closed: u64,
    computing: Computing,
) -> Result<Recovered, RecoveryError> {
    let began = Instant::now();
    let (shown, once_shown) = match projection.state().await? {
        ProjectionState::At(shown) => (Some(shown), Some(shown)),
        ProjectionState::Lost(shown) => (None, Some(shown)),
        ProjectionState::Unusable => (None, None),
    };
    let replay = from_sound_snapshot(log, snapshots, end.seq, retain_closed, computing).await?;
    let snapshot = replay.position.seq;
    let (opening, bytes) = (began.elapsed(), replay.bytes);
    // What changed before the projection's row is in the projection.
    let collect_after = shown.map(|shown| shown.seq).filter(|seq| *seq >= snapshot);
    let replay = read_and_fold(replay, log, end.seq, collect_after, computing).await?;
    if replay.position != end {
        return Err(damaged(end.seq, "the writer's position names another row").into());
    }
    // Behind the rows themselves, so that damage is told at its first row.
    if let Some(shown) = once_shown {
        check_shown(log, shown, end.seq).await?;
    }
    let folding = began.elapsed() - opening;
    let (engine, market, index) = with_readers(replay.engine, computing).await.ok_or_else(ending)?;
    info!(
        seq = %end.seq,
        %snapshot,
        rows = end.seq.get() - snapshot.get(),
        milliseconds = began.elapsed().as_millis() as u64,
        "the state is recovered"
    );
    let epoch = row_at(log, end.seq).await?.map_or(Epoch::default(), |row| row.epoch);
    let projected = collect_after.map(|seq| (seq, replay.changes));
    let rows = end.seq.get() - snapshot.get();
    let pace = Pace { bytes, opening, rows, folding };
    Ok(Recovered { engine, market, index, position: end, epoch, snapshot, projected, pace })
}

/// The state with what readers ask of it, made where it holds up nobody: with a million orders it takes a second. None while
/// the process ends.
async fn with_readers(engine: Engine, computing: Computing) -> Option<(Engine, Market, OrderIndex)> {
    let engine = Arc::new(engine);
    let (of_market, of_index) = (Arc::clone(&engine), Arc::clone(&engine));
    let market = computing.run(move || Market::of(of_market.ledger()));
    let index = computing.run(move || OrderIndex::of(of_index.ledger()));
    let (market, index) = join(market, index).await;
    Some((Arc::into_inner(engine)?, market?, index?))
}

fn ending() -> LogError {
    LogError::Unknown("the process is ending".to_owned())
}

/// Folds the rows up to `to`; keeps what changed after row `collect_after`. While a page is folded, the next one is proven
/// and the one behind it read.
async fn read_and_fold(
    mut replay: Replay,
    log: &dyn EventLog,
    to: Seq,
    collect_after: Option<Seq>,
    computing: Computing,
) -> Result<Replay, LogError> {
    let mut read_to = replay.position;
    let mut rows = page(log, read_to.seq, to).await?;
    let mut proven = Vec::new();
    while !rows.is_empty() || !proven.is_empty() {
        let before = read_to;
        read_to = rows.last().map_or(before, Record::position);
        let folding = computing.run(move || fold_page(replay, proven, collect_after));
        let proving = computing.run(move || prove_page(before, rows));
        let (page_folded, page_proven, next) = join3(folding, proving, page(log, read_to.seq, to)).await;
        // In the order of the rows, so that damage is told at its first.
        replay = page_folded.ok_or_else(ending)??;
        proven = page_proven.ok_or_else(ending)??;
        rows = next?;
    }
    if replay.position.seq == to { Ok(replay) } else { Err(damaged(replay.position.seq.next(), "the row is missing")) }
}

/// The rows after `after`, as many as are read at once, none after `to`.
async fn page(log: &dyn EventLog, after: Seq, to: Seq) -> Result<Vec<Record>, LogError> {
    match to.get().saturating_sub(after.get()).min(PAGE_ROWS as u64) as usize {
        0 => Ok(Vec::new()),
        wanted => log.page(after, wanted).await,
    }
}

/// A row that is proven to be the one that must come next.
struct ProvenRow {
    position: Position,
    time: Micros,
    events: Vec<Event>,
}

fn prove_page(mut before: Position, rows: Vec<Record>) -> Result<Vec<ProvenRow>, LogError> {
    let proven = rows.into_iter().map(|row| {
        let events = next_events(&before, &row)?;
        before = row.position();
        Ok(ProvenRow { position: before, time: row.time, events })
    });
    proven.collect()
}

fn fold_page(mut replay: Replay, rows: Vec<ProvenRow>, collect_after: Option<Seq>) -> Result<Replay, LogError> {
    for ProvenRow { position, time, events } in rows {
        replay.fold(position, time, &events)?;
        if collect_after.is_none_or(|after| position.seq <= after) {
            replay.changes = Changes::default();
        }
    }
    Ok(replay)
}

/// The state of the newest snapshot that is whole and of this log; without one, the state before the first row. What a
/// damaged snapshot would have spared, the log gives: every row that is read instead is proven.
async fn from_sound_snapshot(
    log: &dyn EventLog,
    snapshots: &dyn SnapshotStore,
    end: Seq,
    retain_closed: u64,
    computing: Computing,
) -> Result<Replay, RecoveryError> {
    let mut until = Seq::LAST;
    loop {
        let damage = match Replay::opened(snapshots, until, retain_closed, computing).await {
            Ok(replay) if replay.position.seq > end => {
                let seq = replay.position.seq;
                let error =
                    format!("there is a snapshot of it, and the writer's position says that the log ends at row {end}");
                return Err(damaged(seq, error).into());
            }
            Ok(replay) => match is_of_this_log(log, &replay.position).await? {
                true => return Ok(replay),
                false => (replay.position.seq, "its position is not that of the log's row".to_owned()),
            },
            Err(SnapshotError::Damaged { seq, error }) => (seq, error),
            Err(error) => return Err(error.into()),
        };
        let (seq, error) = damage;
        error!(%seq, error, "a snapshot is damaged: going on with the one before it, or from the first row");
        match seq.previous() {
            Some(previous) => until = previous,
            None => return Ok(Replay::from_the_start(retain_closed)),
        }
    }
}

/// Whether the row that a snapshot was taken at is the log's; one that was detached since can only be believed, and the
/// row after it tells.
async fn is_of_this_log(log: &dyn EventLog, position: &Position) -> Result<bool, LogError> {
    let Some(before) = position.seq.previous() else { return Ok(*position == Position::START) };
    let rows = log.page(before, 1).await?;
    Ok(rows.iter().find(|row| row.seq == position.seq).is_none_or(|row| row.position() == *position))
}

/// Holds that the log has no row behind `end`, the writer's position: one that was reset would hide them, and the service
/// would start with less than it has promised.
pub async fn check_end(log: &dyn EventLog, end: Seq) -> Result<(), RecoveryError> {
    let Some(row) = log.page(end, 1).await?.into_iter().next() else { return Ok(()) };
    let error = format!("the log goes on behind row {end}, where the writer's position says that it ends");
    Err(damaged(row.seq, error).into())
}

/// Holds that what the projection shows is a row of this log, which ends at row `end`.
pub async fn check_shown(log: &dyn EventLog, shown: ProjectionPosition, end: Seq) -> Result<(), RecoveryError> {
    let row = if shown.seq <= end { row_at(log, shown.seq).await? } else { None };
    let held = match &row {
        Some(row) => row.chain == shown.chain && row.epoch == shown.epoch,
        None => shown.seq == Seq::ZERO,
    };
    if held { Ok(()) } else { Err(RecoveryError::LogWentBack { shown: shown.seq }) }
}

/// The row with this number; none before the first.
pub async fn row_at(log: &dyn EventLog, seq: Seq) -> Result<Option<Record>, LogError> {
    let Some(before) = seq.previous() else { return Ok(None) };
    let rows = log.page(before, 1).await?;
    rows.into_iter().find(|row| row.seq == seq).map(Some).ok_or_else(|| damaged(seq, "the row is missing"))
}

/// The state at one row, carried on by reading the log: recovery, and the tools that look back.
pub struct Replay {
    /// The state.
    pub engine: Engine,
    /// The row that it is the state at.
    pub position: Position,
    /// What readers saw change since the start, or since it was last emptied.
    pub changes: Changes,
    /// The size of the snapshot that it began with, as it is stored; 0 without one.
    pub bytes: u64,
}

impl Replay {
    /// The state before the first row.
    pub fn from_the_start(retain_closed: u64) -> Replay {
        Replay { engine: Engine::new(retain_closed), position: Position::START, changes: Changes::default(), bytes: 0 }
    }

    /// The state of the newest snapshot at or before row `seq`; without one, the state before the first row.
    pub async fn from_snapshot(
        snapshots: &dyn SnapshotStore,
        seq: Seq,
        retain_closed: u64,
    ) -> Result<Replay, SnapshotError> {
        Replay::opened(snapshots, seq, retain_closed, Computing::Here).await
    }

    /// The same, computed where it holds up nobody: at a start, the thread that asks says meanwhile that this writer lives,
    /// and a large state takes seconds to decode.
    async fn opened(
        snapshots: &dyn SnapshotStore,
        seq: Seq,
        retain_closed: u64,
        computing: Computing,
    ) -> Result<Replay, SnapshotError> {
        let Some(snapshot) = snapshots.newest_until(seq).await? else {
            return Ok(Replay::from_the_start(retain_closed));
        };
        let opened = computing.run(move || Replay::of(&snapshot, retain_closed)).await;
        opened.unwrap_or_else(|| Err(SnapshotError::Store("the process is ending".to_owned())))
    }

    /// The state of a snapshot.
    pub fn of(snapshot: &Snapshot, retain_closed: u64) -> Result<Replay, SnapshotError> {
        let position = snapshot.position;
        let damaged = |error: String| SnapshotError::Damaged { seq: position.seq, error };
        let image = snapshot.open().map_err(|error| damaged(error.to_string()))?;
        let bytes = snapshot.size();
        Ok(Replay { engine: Engine::from_image(image, retain_closed), position, changes: Changes::default(), bytes })
    }

    /// Folds the rows up to `to`, each proven to follow the one before; `each` sees a row and its events, and the
    /// ledger before they are folded.
    pub async fn advance<E: From<LogError>>(
        &mut self,
        log: &dyn EventLog,
        to: Seq,
        mut each: impl FnMut(&Ledger, &Record, &[Event]) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.position.seq < to {
            let wanted = (to.get() - self.position.seq.get()).min(PAGE_ROWS as u64) as usize;
            let rows = log.page(self.position.seq, wanted).await?;
            if rows.is_empty() {
                return Err(damaged(self.position.seq.next(), "the row is missing").into());
            }
            for row in &rows {
                let events = next_events(&self.position, row)?;
                each(self.engine.ledger(), row, &events)?;
                self.fold(row.position(), row.time, &events)?;
            }
        }
        Ok(())
    }

    fn fold(&mut self, position: Position, time: Micros, events: &[Event]) -> Result<(), LogError> {
        folded(position.seq, || self.engine.fold(position.seq, time, events, &mut self.changes))?;
        self.position = position;
        Ok(())
    }
}

/// Folds a row that is proven to be the next. Its events may still be impossible in the state before it, if they were
/// forged together with the chain: the core's assertions notice, and the state is of no use any more.
pub(crate) fn folded(seq: Seq, fold: impl FnOnce()) -> Result<(), LogError> {
    catch_unwind(AssertUnwindSafe(fold)).map_err(|failed| {
        damaged(seq, format!("what it does is impossible in the state before it: {}", said(&*failed)))
    })
}

/// The words of a failed assertion.
fn said(failed: &(dyn Any + Send)) -> &str {
    let text = failed.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| failed.downcast_ref::<&str>().copied()).unwrap_or("an assertion failed")
}

/// The events of a row, if it is the one that follows `before`.
pub(crate) fn next_events(before: &Position, row: &Record) -> Result<Vec<Event>, LogError> {
    if row.follows(before) {
        return encoding::decode_events(row.format, &row.events).map_err(|error| damaged(row.seq, error));
    }
    Err(damaged(before.seq.next(), "the row is missing or was altered: its chain does not follow"))
}

pub(crate) fn damaged(seq: Seq, error: impl ToString) -> LogError {
    LogError::Damaged { seq, error: error.to_string() }
}
