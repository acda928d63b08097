//! How far the service has come: numbers that the actors write and health and metrics read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use matching::Phase;
use matching::planted::{Bug, is_planted};
use tokio::time::Instant;

use crate::measures::{Measures, Stage};
use crate::outcomes::Unanswered;
use crate::timings::Timings;

/// A writer that has not been heard by the log for this long tells nobody the state any more: a second later a standby
/// may have taken over and changed it.
const CURRENT_FOR: Duration = Duration::from_secs(4);

/// Counters and flags of the running service. Each is written by one actor.
#[derive(Debug, Default)]
pub struct Progress {
    sequenced: AtomicU64,
    committed: AtomicU64,
    projected: AtomicU64,
    fed: AtomicU64,
    history: AtomicU64,
    snapshot: AtomicU64,
    snapshot_at: AtomicU64,
    snapshot_bytes: AtomicU64,
    /// How many markets are in each phase, in the order of [`Phase::ALL`].
    markets: [AtomicU64; Phase::ALL.len()],
    /// What is counted and timed on the way.
    pub measures: Measures,
    reading: AtomicBool,
    appendable: AtomicBool,
    log_reachable: AtomicBool,
    projection_live: AtomicBool,
    /// When the last beat or commit that succeeded was begun.
    beaten: Mutex<Option<Instant>>,
    /// How long batches took to be matched.
    pub matching: Timings,
    /// How long they took to be committed.
    pub committing: Timings,
}

macro_rules! gauge {
    ($(#[$doc:meta])* $name:ident, $set:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> u64 {
            self.$name.load(Ordering::Relaxed)
        }

        pub(crate) fn $set(&self, value: u64) {
            self.$name.store(value, Ordering::Relaxed);
        }
    };
}

macro_rules! flag {
    ($(#[$doc:meta])* $name:ident, $set:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> bool {
            self.$name.load(Ordering::Relaxed)
        }

        pub(crate) fn $set(&self, value: bool) {
            self.$name.store(value, Ordering::Relaxed);
        }
    };
}

impl Progress {
    /// The log heard, in a beat or commit begun at `began`, that this process is the writer.
    pub fn set_beaten(&self, began: Instant) {
        *self.beaten.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
    }

    /// Whether the state that this process knows is surely still the newest: nobody can have taken over.
    pub fn is_current(&self) -> bool {
        let beaten = *self.beaten.lock().unwrap_or_else(PoisonError::into_inner);
        beaten.is_some_and(|beaten| beaten.elapsed() < CURRENT_FOR) || is_planted(Bug::StaleAnswers)
    }

    /// What may be told only while nobody can have taken over.
    pub(crate) fn while_current<T>(&self, answer: T) -> Result<T, Unanswered> {
        if self.is_current() { Ok(answer) } else { Err(Unanswered::NotCurrent) }
    }

    /// How many markets are in a phase.
    pub fn markets_in(&self, phase: Phase) -> u64 {
        self.markets[phase as usize].load(Ordering::Relaxed)
    }

    /// The phases of all markets.
    pub(crate) fn set_markets(&self, phases: impl Iterator<Item = Phase>) {
        let mut counts = [0; Phase::ALL.len()];
        phases.for_each(|phase| counts[phase as usize] += 1);
        self.markets.iter().zip(counts).for_each(|(market, count)| market.store(count, Ordering::Relaxed));
    }

    /// A batch was matched in this time.
    pub(crate) fn took_to_match(&self, time: Duration) {
        self.matching.took(time);
        self.measures.took(Stage::Match, time);
    }

    /// A batch was committed in this time.
    pub(crate) fn took_to_commit(&self, time: Duration) {
        self.committing.took(time);
        self.measures.took(Stage::Commit, time);
    }

    /// A snapshot is stored.
    pub fn snapshot_stored(&self, seq: u64, verified_at: u64, bytes: u64) {
        self.set_snapshot_bytes(bytes);
        self.set_snapshot_at(verified_at);
        self.set_snapshot(seq);
    }

    gauge!(
        /// The number of the last command that was taken from the stream.
        sequenced, set_sequenced
    );
    gauge!(
        /// The last row that is in the log.
        committed, set_committed
    );
    gauge!(
        /// The last row that the projection shows.
        projected, set_projected
    );
    gauge!(
        /// The last row that the feed has published.
        fed, set_fed
    );
    gauge!(
        /// The last row that the history has.
        history, set_history
    );
    gauge!(
        /// The row of the newest snapshot.
        snapshot, set_snapshot
    );
    gauge!(
        /// When the newest snapshot was verified, in microseconds since 1970; 0 without one.
        snapshot_at, set_snapshot_at
    );
    gauge!(
        /// The size of the newest snapshot as it is stored.
        snapshot_bytes, set_snapshot_bytes
    );
    flag!(
        /// Whether the last read of the stream succeeded.
        reading, set_reading
    );
    flag!(
        /// Whether the stream was there at its last check, on the way that commands go in.
        appendable, set_appendable
    );
    flag!(
        /// Whether the last commit or beat succeeded.
        log_reachable, set_log_reachable
    );
    flag!(
        /// Whether the projection follows the log.
        projection_live, set_projection_live
    );
}
