//! Opens what the engine stands on, as the settings say: queue, log, snapshots and projection behind their ports.

use std::sync::Arc;

use journal::{CommandQueue, EventLog, Projection, SnapshotStore};

use crate::adapters::postgres::{Postgres, PostgresLog, PostgresSnapshots};
use crate::adapters::redis::{RedisProjection, RedisQueue, check_durability};
use crate::config::{Settings, Storage};
use crate::exit::End;

/// As PostgreSQL lists the service's connections.
const APPLICATION_NAME: &str = "pricetime";

/// The four ports.
#[derive(Clone)]
pub struct Stores {
    /// Where commands come from.
    pub queue: Arc<dyn CommandQueue>,
    /// Where events are committed.
    pub log: Arc<dyn EventLog>,
    /// Where snapshots are kept.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Where outside readers look.
    pub projection: Arc<dyn Projection>,
}

/// Opens the stores for the service: made ready, brought up to date, and refused when they would not keep what they
/// acknowledge.
pub async fn open(settings: &Settings) -> Result<Stores, End> {
    let Storage::Full { redis_url, database_url } = &settings.storage;
    let postgres = Postgres::prepare(database_url.expose(), APPLICATION_NAME, settings.allow_unsafe_durability).await?;
    check_durability(redis_url.expose(), settings.allow_unsafe_durability).await?;
    Ok(Stores {
        queue: Arc::new(RedisQueue::connect(redis_url.expose()).await?),
        log: Arc::new(PostgresLog::new(&postgres)),
        snapshots: Arc::new(PostgresSnapshots::new(&postgres)),
        projection: Arc::new(RedisProjection::connect(redis_url.expose()).await?),
    })
}
