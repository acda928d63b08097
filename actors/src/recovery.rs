//! The state at the end of the log: the newest snapshot, then the rows after it, each proven to follow the one before.
//! A start after a crash and a start after a clean stop are the same.

use std::time::Instant;

use journal::{
    Epoch, EventLog, LogError, Position, Projection, ProjectionError, ProjectionPosition, ProjectionState, Record,
    Snapshot, SnapshotError, SnapshotStore, encoding,
};
use matching::{Changes, Engine, Event, Seq};
use tracing::info;

/// Rows read at once: a short transaction, a few megabytes.
const PAGE_ROWS: usize = 5_000;

/// The state at the end of the log, and how much of it the projection shows.
pub struct Recovered {
    /// Router, books and ledger.
    pub engine: Engine,
    /// The end of the log.
    pub position: Position,
    /// The term that wrote the last row.
    pub epoch: Epoch,
    /// The row of the snapshot that was used; zero without one.
    pub snapshot: Seq,
    /// The row that the projection shows and what has changed since; `None` when it must be rebuilt.
    pub projected: Option<(Seq, Changes)>,
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
) -> Result<Recovered, RecoveryError> {
    let began = Instant::now();
    let (shown, once_shown) = match projection.state().await? {
        ProjectionState::At(shown) => (Some(shown), Some(shown)),
        ProjectionState::Lost(shown) => (None, Some(shown)),
        ProjectionState::Unusable => (None, None),
    };
    let mut replay = Replay::from_snapshot(snapshots, Seq::LAST, retain_closed).await?;
    let snapshot = replay.position.seq;
    if let Some(shown) = once_shown {
        check_shown(log, shown, end.seq).await?;
    }
    let mut collecting = None;
    loop {
        if shown.is_some_and(|shown| shown.seq == replay.position.seq) {
            collecting = Some(replay.position.seq);
            replay.changes = Changes::default();
        }
        if replay.position.seq == end.seq {
            break;
        }
        // A page ends where collecting begins.
        let stop = shown.map(|shown| shown.seq).filter(|seq| *seq > replay.position.seq);
        let until = stop.unwrap_or(end.seq).min(end.seq);
        replay.advance::<RecoveryError>(log, until, |_, _| Ok(())).await?;
    }
    if replay.position != end {
        return Err(damaged(end.seq, "the writer's position names another row").into());
    }
    info!(
        seq = %end.seq,
        %snapshot,
        rows = end.seq.get() - snapshot.get(),
        milliseconds = began.elapsed().as_millis() as u64,
        "the state is recovered"
    );
    let epoch = row_at(log, end.seq).await?.map_or(Epoch::default(), |row| row.epoch);
    let projected = collecting.map(|seq| (seq, replay.changes));
    Ok(Recovered { engine: replay.engine, position: end, epoch, snapshot, projected })
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
}

impl Replay {
    /// The state before the first row.
    pub fn from_the_start(retain_closed: u64) -> Replay {
        Replay { engine: Engine::new(retain_closed), position: Position::START, changes: Changes::default() }
    }

    /// The state of the newest snapshot at or before row `seq`; without one, the state before the first row.
    pub async fn from_snapshot(
        snapshots: &dyn SnapshotStore,
        seq: Seq,
        retain_closed: u64,
    ) -> Result<Replay, SnapshotError> {
        match snapshots.newest_until(seq).await? {
            Some(snapshot) => Replay::of(&snapshot, retain_closed),
            None => Ok(Replay::from_the_start(retain_closed)),
        }
    }

    /// The state of a snapshot.
    pub fn of(snapshot: &Snapshot, retain_closed: u64) -> Result<Replay, SnapshotError> {
        let position = snapshot.position;
        let damaged = |error: String| SnapshotError::Damaged { seq: position.seq, error };
        let image = snapshot.open().map_err(|error| damaged(error.to_string()))?;
        Ok(Replay { engine: Engine::from_image(image, retain_closed), position, changes: Changes::default() })
    }

    /// Folds the rows up to `to`, each proven to follow the one before; `each` sees a row and its events before they are
    /// folded.
    pub async fn advance<E: From<LogError>>(
        &mut self,
        log: &dyn EventLog,
        to: Seq,
        mut each: impl FnMut(&Record, &[Event]) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.position.seq < to {
            let wanted = (to.get() - self.position.seq.get()).min(PAGE_ROWS as u64) as usize;
            let rows = log.page(self.position.seq, wanted).await?;
            if rows.is_empty() {
                return Err(damaged(self.position.seq.next(), "the row is missing").into());
            }
            for row in &rows {
                let events = self.check(row)?;
                each(row, &events)?;
                self.engine.fold(row.seq, row.time, &events, &mut self.changes);
                self.position = row.position();
            }
        }
        Ok(())
    }

    /// The events of the next row, if it is the next row.
    fn check(&self, row: &Record) -> Result<Vec<Event>, LogError> {
        if row.follows(&self.position) {
            return encoding::decode_events(row.format, &row.events).map_err(|error| damaged(row.seq, error));
        }
        Err(damaged(self.position.seq.next(), "the row is missing or was altered: its chain does not follow"))
    }
}

fn damaged(seq: Seq, error: impl ToString) -> LogError {
    LogError::Damaged { seq, error: error.to_string() }
}
