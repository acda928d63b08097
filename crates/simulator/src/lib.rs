//! For tests: the ports in memory, with faults that a test asks for. Never part of what ships.

pub mod clock;
pub mod log;
pub mod projection;
pub mod queue;
pub mod snapshots;

pub use clock::ManualClock;
pub use log::{CommitFault, MemoryLog};
pub use projection::MemoryProjection;
pub use queue::MemoryQueue;
pub use snapshots::MemorySnapshots;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test that panicked while it held the lock has failed already; the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
