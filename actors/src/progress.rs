//! How far the service has come: numbers that the actors write and health and metrics read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters and flags of the running service. Each is written by one actor.
#[derive(Debug, Default)]
pub struct Progress {
    sequenced: AtomicU64,
    committed: AtomicU64,
    projected: AtomicU64,
    reading: AtomicBool,
    log_reachable: AtomicBool,
    projection_live: AtomicBool,
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
    flag!(
        /// Whether the last read of the stream succeeded.
        reading, set_reading
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
