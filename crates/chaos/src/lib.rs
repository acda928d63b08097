//! Attacks on the service as it really runs, and the proof that it kept its promises.
//!
//! A [`Target`] is the service on its own Redis and PostgreSQL, or on its file. Clients ([`load`]) trade on it and
//! remember what they were told ([`history`]), while faults ([`fault`], [`strike`]) hit it: kills, pauses, power cuts
//! ([`disk`]), a broken network ([`proxy`]), two writers at once. Then the checker ([`check`]) holds the answers against
//! the log, and the log against the naive book. A [`Round`] is all of that once.
//!
//! Blocking, with a runtime of its own for clients and proxies. Linux only, as is the testbed. For tests and for
//! `make prove` and `make chaos`: never imported by what ships.

mod answers;
pub mod campaign;
pub mod check;
pub mod disk;
mod error;
pub mod fault;
pub mod history;
pub mod load;
mod orders;
mod promises;
pub mod prove;
pub mod proxy;
mod random;
mod round;
mod rows;
pub mod strike;
pub mod takeover;
mod target;
mod watch;

pub use error::Error;
pub use fault::Fault;
pub use random::Random;
pub use round::{Round, Tally, Verdict};
pub use target::{Build, Mode, Target};
