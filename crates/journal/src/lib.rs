//! Between the pure core and the world: how commands and events are written down, how rows are chained, and the
//! ports behind which queue, log, snapshots and projection stand.

mod canonical;
pub mod chain;
pub mod clock;
pub mod encoding;
pub mod keys;
pub mod ports;
pub mod position;
pub mod record;
pub mod snapshot;
mod trace;

pub use chain::Chain;
pub use clock::{Clock, ServiceClock, Times};
pub use keys::{KeyRecord, KeyStore, KeyStoreError};
pub use ports::{
    CommandQueue, Committed, ConsumerPosition, Consumers, EnqueueError, Entry, EventLog, FatalRecord, History,
    HistoryError, HistoryWrite, LastFatal, LogError, PastOrder, Payload, Projection, ProjectionError,
    ProjectionPosition, ProjectionState, ProjectionWrite, QueueError, Shelf, Shelves, SnapshotError, SnapshotStore,
    SnapshotSummary, Standing, WriterPosition, Written,
};
pub use position::{Epoch, Position, StreamId};
pub use record::{Batch, Record};
pub use snapshot::{SNAPSHOT_FORMAT, Snapshot};
pub use trace::{ParseRequestIdError, RequestId, request_id};
