//! The actors that move a command from the queue to the log and out to its readers.

pub mod outcomes;
pub mod progress;

pub use outcomes::{Outcome, Outcomes, Stopping};
pub use progress::Progress;
