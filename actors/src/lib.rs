//! The actors that move a command from the queue to the log and out to its readers. The walk through the code is the
//! way of an order: [`dispatcher`](self) with its matcher and books, event log, projection; snapshots beside them.

mod book;
mod dispatcher;
mod event_log;
mod histogram;
mod matcher;
mod projection;
mod readers;
mod retention;
mod snapshot;

pub mod audit;
pub mod fatal;
pub mod feed;
pub mod guard;
pub mod history;
pub mod intake;
pub mod measures;
pub mod outcomes;
mod pace;
pub mod pipeline;
pub mod placement;
pub mod progress;
pub mod recovery;
pub mod reopening;
pub mod runbook;
pub mod standby;
pub mod sweep;
pub mod timings;

pub use audit::{Audit, AuditError};
pub use fatal::Fatal;
pub use feed::Feed;
pub use histogram::Histogram;
pub use intake::{Intake, IntakeError, IntakeLimits, Lag, Lane, Permit};
pub use measures::{Count, Measures, Stage};
pub use outcomes::{Outcome, Outcomes, Stopping, Unanswered};
pub use pace::Pace;
pub use pipeline::{Pipeline, PipelineSettings, Ports};
pub use placement::{Computing, Placement, name_thread};
pub use progress::Progress;
pub use projection::{Instruments, write_of};
pub use recovery::{Recovered, RecoveryError, Replay, recover};
pub use reopening::Reopening;
pub use runbook::Runbook;
pub use snapshot::TakeSnapshot;
pub use sweep::{Proof, Sweep};
