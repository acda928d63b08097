//! For tests: the ports in memory, with faults that a test asks for; and simulations, in which the real actors live on
//! those ports in virtual time, with clients and an adversary that a seed decides about. Never part of what ships.
//!
//! A simulation is read from [`simulation`]: its world ([`world`]), the processes ([`process`]) and how they reach the
//! world ([`ports`]), the clients ([`workload`]), what goes wrong ([`faults`], [`adversary`]), and what must hold
//! ([`checkers`]).

pub mod adversary;
pub mod campaign;
pub mod checkers;
pub mod clock;
pub mod faults;
pub mod history;
pub mod life;
pub mod log;
pub mod ports;
pub mod process;
pub mod projection;
pub mod queue;
pub mod random;
pub mod simulation;
pub mod snapshots;
pub mod trace;
pub mod workload;
pub mod world;

pub use clock::ManualClock;
pub use log::{CommitFault, MemoryLog};
pub use projection::MemoryProjection;
pub use queue::MemoryQueue;
pub use simulation::{Report, simulate};
pub use snapshots::MemorySnapshots;
pub use world::Violation;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test that panicked while it held the lock has failed already; the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
