//! A clock that goes when the test says so.

use std::sync::atomic::{AtomicU64, Ordering};

use journal::Clock;
use matching::Micros;

/// Stands still until it is set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that says `micros`.
    pub fn at(micros: u64) -> ManualClock {
        ManualClock(AtomicU64::new(micros))
    }

    /// Sets what it says.
    pub fn set(&self, micros: u64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        Micros::new(self.0.load(Ordering::Relaxed)).expect("a time that fits")
    }
}
