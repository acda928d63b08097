//! The ports on one local file: SQLite in WAL mode with `synchronous=FULL`, so that what is committed survives a power
//! cut. No server is needed; every promise holds as long as the file does.
//!
//! Everything that is written goes through one connection, which commits whatever waits in one transaction and one sync
//! of the disk (`writer`). A lock on a file beside it keeps a second service from the same folder.

mod consumers;
mod file;
mod keys;
mod last_fatal;
mod log;
mod projection;
mod queue;
mod shelves;
mod snapshots;
mod writer;

pub use consumers::EmbeddedConsumers;
pub use file::{Embedded, EmbeddedError};
pub use keys::EmbeddedKeys;
pub use last_fatal::EmbeddedFatalRecord;
pub use log::EmbeddedLog;
pub use projection::EmbeddedProjection;
pub use queue::EmbeddedQueue;
pub use shelves::EmbeddedShelves;
pub use snapshots::EmbeddedSnapshots;

/// The only partition so far.
const PARTITION: i64 = 0;
