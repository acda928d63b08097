//! The actors, run for real on ports in memory.

mod commit;
mod harness;
mod intake;
mod order;
mod panic;
mod projection;
mod recovery;
mod reopening;
mod snapshot;
mod stop;
mod stream;
mod sweep;
