//! PostgreSQL: the log of commands and events, which is the truth, and the snapshots that shorten its replay.

mod commit;
pub mod connect;
pub mod consumers;
pub mod history;
pub mod keys;
pub mod last_fatal;
pub mod log;
pub mod shelves;
pub mod snapshots;
pub mod watch;

pub use connect::{Postgres, PostgresError};
pub use consumers::PostgresConsumers;
pub use history::PostgresHistory;
pub use keys::PostgresKeys;
pub use last_fatal::PostgresFatalRecord;
pub use log::PostgresLog;
pub use shelves::PostgresShelves;
pub use snapshots::PostgresSnapshots;
pub use watch::PostgresWatch;

/// The partition that this process works for: the only one today, and the first column of every key.
const PARTITION: i16 = 0;
