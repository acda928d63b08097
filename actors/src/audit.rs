//! Applies the commands of the log again and holds that they give the events that the log has: what `pricetime verify`
//! and the sweep beside the running service prove rows with.

use journal::{LogError, Record, SnapshotError, SnapshotStore, encoding};
use matching::{ENGINE_VERSION, Engine, Event, Seq, Sequenced, StateHash};

use crate::recovery::{Replay, damaged};

/// The log, or a snapshot, is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The log does not answer, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots do not answer, or one is damaged.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Applying a command again gives other events.
    #[error("row {seq}: its command, applied again, gives other events.\n  logged: {logged}\n  again:  {again}")]
    NotReproduced {
        /// Which row.
        seq: Seq,
        /// What the log holds.
        logged: String,
        /// What comes of it now.
        again: String,
    },
    /// Applying the commands and folding the events give two states.
    #[error("at row {seq} the commands give state {applied}, the events {folded}")]
    StatesDiffer {
        /// Where.
        seq: Seq,
        /// By the commands.
        applied: StateHash,
        /// By the events.
        folded: StateHash,
    },
    /// A snapshot is not the state at its row.
    #[error("the snapshot at row {seq} is not the state that the log gives there")]
    SnapshotDiffers {
        /// Which.
        seq: Seq,
    },
}

/// The state that the commands give, carried on row by row.
pub struct Audit {
    applied: Engine,
    applied_again: u64,
    engine_version: i32,
}

impl Audit {
    /// Begins at this state.
    pub fn new(engine: Engine) -> Audit {
        Audit { applied: engine, applied_again: 0, engine_version: 0 }
    }

    /// Rows whose commands were applied again. Those of other engine versions are not.
    pub fn applied_again(&self) -> u64 {
        self.applied_again
    }

    /// Takes the next row with its events, whose place in the chain is proven already.
    pub fn take(&mut self, row: &Record, events: &[Event]) -> Result<(), AuditError> {
        let wrong = |error: &str| AuditError::from(damaged(row.seq, error));
        let value = encoding::decode_command(row.format, &row.command).map_err(|error| damaged(row.seq, error))?;
        // These columns are for readers, and not in the chain.
        if row.kind != value.kind() || row.symbol != events.iter().find_map(Event::symbol) {
            return Err(wrong("its kind or symbol is not that of its command and events"));
        }
        if row.engine_version < self.engine_version.max(1) {
            return Err(wrong("its engine version is older than that of the row before"));
        }
        self.engine_version = row.engine_version;
        if row.engine_version != ENGINE_VERSION {
            // Other rules made them: they are taken as they are.
            self.applied.fold(row.seq, row.time, events, &mut Default::default());
            return Ok(());
        }
        let mut again: Vec<Event> = Vec::new();
        self.applied.apply(&Sequenced { seq: row.seq, time: row.time, value }, &mut again);
        self.applied_again += 1;
        if again == events {
            return Ok(());
        }
        let (logged, again) = (row.events.clone(), encoding::encode_events(&again));
        Err(AuditError::NotReproduced { seq: row.seq, logged, again })
    }

    /// Holds that folding the events has given the same state.
    pub fn agree(&self, folded: &Engine) -> Result<(), AuditError> {
        let (applied, folded, seq) = (self.applied.state_hash(), folded.state_hash(), folded.ledger().seq());
        if applied == folded { Ok(()) } else { Err(AuditError::StatesDiffer { seq, applied, folded }) }
    }

    /// The state.
    pub fn engine(&self) -> &Engine {
        &self.applied
    }
}

/// Holds that a snapshot of this very row, if there is one, is this state; tells whether there is. What it kept of closed
/// orders may have been another number.
pub async fn check_snapshot(snapshots: &dyn SnapshotStore, engine: &Engine) -> Result<bool, AuditError> {
    let seq = engine.ledger().seq();
    let Some(snapshot) = snapshots.newest_until(seq).await?.filter(|snapshot| snapshot.position.seq == seq) else {
        return Ok(false);
    };
    let stored = Replay::of(&snapshot, engine.ledger().retention())?.engine.image();
    let ours = engine.image();
    if ours.router == stored.router && ours.books == stored.books {
        return Ok(true);
    }
    Err(AuditError::SnapshotDiffers { seq })
}
