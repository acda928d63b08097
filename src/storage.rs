//! Opens what the engine stands on, as the settings say: queue, log, snapshots and projection behind their ports.

use std::sync::Arc;

use journal::{CommandQueue, Consumers, EventLog, FatalRecord, History, KeyStore, Projection, Shelves, SnapshotStore};

use crate::adapters::embedded::{
    Embedded, EmbeddedConsumers, EmbeddedError, EmbeddedFatalRecord, EmbeddedKeys, EmbeddedLog, EmbeddedProjection,
    EmbeddedQueue, EmbeddedShelves, EmbeddedSnapshots,
};
use crate::adapters::postgres::{
    Postgres, PostgresConsumers, PostgresFatalRecord, PostgresHistory, PostgresKeys, PostgresLog, PostgresShelves,
    PostgresSnapshots, PostgresWatch,
};
use crate::adapters::redis::{RedisProjection, RedisQueue, check_durability};
use crate::archive::{Archive, ArchivedLog};
use crate::config::{Settings, Storage};
use crate::exit::End;

/// As PostgreSQL lists the service's connections.
const APPLICATION_NAME: &str = "pricetime";

/// The ports, and what watches PostgreSQL.
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
    /// Orders and trades that left the ledger; none in embedded mode.
    pub history: Option<Arc<dyn History>>,
    /// The positions of named consumers.
    pub consumers: Arc<dyn Consumers>,
    /// The API keys.
    pub keys: Arc<dyn KeyStore>,
    /// Looks at what else goes on in PostgreSQL, where there is one.
    pub watch: Option<PostgresWatch>,
}

/// What the tools look at: the log and the snapshots, as they are.
#[derive(Clone)]
pub struct Records {
    /// Where events are committed.
    pub log: Arc<dyn EventLog>,
    /// Where snapshots are kept.
    pub snapshots: Arc<dyn SnapshotStore>,
}

/// As PostgreSQL lists the connections of tools.
const TOOL_NAME: &str = "pricetime tool";

/// Opens log and snapshots for a tool, beside a running service or without one; makes and changes nothing.
pub async fn records(settings: &Settings) -> Result<Records, End> {
    let (log, snapshots): (Arc<dyn EventLog>, Arc<dyn SnapshotStore>) = match &settings.storage {
        Storage::Embedded { data_dir } => {
            let file = Embedded::open_beside(data_dir).await?;
            (Arc::new(EmbeddedLog::new(&file)), Arc::new(EmbeddedSnapshots::new(&file)))
        }
        Storage::Full { database_url, .. } => {
            let postgres = Postgres::attach(database_url.expose(), TOOL_NAME)?;
            postgres.reach().await?;
            (Arc::new(PostgresLog::new(&postgres)), Arc::new(PostgresSnapshots::new(&postgres)))
        }
    };
    Ok(Records { log: with_archive(log, settings), snapshots })
}

/// The log with the rows that were archived behind its own.
fn with_archive(log: Arc<dyn EventLog>, settings: &Settings) -> Arc<dyn EventLog> {
    Arc::new(ArchivedLog::new(log, Archive::new(&settings.archive_dir)))
}

/// Opens the log's store for whoever takes rows out of it or puts them back; its tables are there already.
pub async fn shelves(settings: &Settings) -> Result<Arc<dyn Shelves>, End> {
    match &settings.storage {
        Storage::Embedded { data_dir } => Ok(Arc::new(EmbeddedShelves::new(&Embedded::open_beside(data_dir).await?))),
        Storage::Full { database_url, .. } => {
            let postgres = Postgres::attach(database_url.expose(), TOOL_NAME)?;
            postgres.reach().await?;
            Ok(Arc::new(PostgresShelves::new(&postgres)))
        }
    }
}

/// Opens stores that a restore is to fill, alone, and made ready as for the service: without archived rows behind the log.
pub async fn empty(settings: &Settings) -> Result<(Stores, Arc<dyn Shelves>), End> {
    match &settings.storage {
        Storage::Embedded { data_dir } => {
            let file = Embedded::open(data_dir).await?;
            Ok((embedded(&file).await?, Arc::new(EmbeddedShelves::new(&file))))
        }
        Storage::Full { database_url, .. } => {
            let stores = open_alone(settings).await?;
            let postgres = Postgres::attach(database_url.expose(), TOOL_NAME)?;
            let Some(shelves) = PostgresShelves::alone(&postgres).await? else {
                return Err(End::NotEmpty { what: "another restore fills the log".to_owned() });
            };
            Ok((stores, Arc::new(shelves)))
        }
    }
}

/// The positions of named consumers and the API keys, as they are, for a backup.
pub async fn small_tables(settings: &Settings) -> Result<(Arc<dyn Consumers>, Arc<dyn KeyStore>), End> {
    match &settings.storage {
        Storage::Embedded { data_dir } => {
            let file = Embedded::open_beside(data_dir).await?;
            Ok((Arc::new(EmbeddedConsumers::new(&file)), Arc::new(EmbeddedKeys::new(&file))))
        }
        Storage::Full { database_url, .. } => {
            let postgres = Postgres::attach(database_url.expose(), TOOL_NAME)?;
            Ok((Arc::new(PostgresConsumers::new(&postgres)), Arc::new(PostgresKeys::new(&postgres))))
        }
    }
}

/// Opens the API keys for a tool, beside a running service or before the first start, which needs a key: what holds them
/// is made or brought up to date where no service runs on it.
pub async fn keys(settings: &Settings) -> Result<Arc<dyn KeyStore>, End> {
    match &settings.storage {
        Storage::Embedded { data_dir } => {
            let file = match Embedded::open(data_dir).await {
                Err(EmbeddedError::Locked { .. }) => Embedded::open_beside(data_dir).await?,
                opened => opened?,
            };
            Ok(Arc::new(EmbeddedKeys::new(&file)))
        }
        Storage::Full { database_url, .. } => {
            let allow_unsafe = settings.allow_unsafe_durability;
            let postgres = Postgres::prepare(database_url.expose(), TOOL_NAME, allow_unsafe).await?;
            Ok(Arc::new(PostgresKeys::new(&postgres)))
        }
    }
}

/// Opens the notes of where the service stopped itself, on connections of their own.
pub async fn fatal_record(settings: &Settings) -> Result<Arc<dyn FatalRecord>, End> {
    match &settings.storage {
        Storage::Embedded { data_dir } => {
            Ok(Arc::new(EmbeddedFatalRecord::new(&Embedded::open_beside(data_dir).await?)))
        }
        Storage::Full { database_url, .. } => {
            let postgres = Postgres::attach(database_url.expose(), APPLICATION_NAME)?;
            Ok(Arc::new(PostgresFatalRecord::new(&postgres)))
        }
    }
}

/// Opens the stores for the service: made ready, brought up to date, and refused when they would not keep what they
/// acknowledge.
pub async fn open(settings: &Settings) -> Result<Stores, End> {
    let stores = open_alone(settings).await?;
    Ok(Stores { log: with_archive(stores.log, settings), ..stores })
}

async fn open_alone(settings: &Settings) -> Result<Stores, End> {
    match &settings.storage {
        Storage::Embedded { data_dir } => embedded(&Embedded::open(data_dir).await?).await,
        Storage::Full { redis_url, database_url } => {
            let (redis_url, allow_unsafe) = (redis_url.expose(), settings.allow_unsafe_durability);
            let postgres = Postgres::prepare(database_url.expose(), APPLICATION_NAME, allow_unsafe).await?;
            check_durability(redis_url, allow_unsafe).await?;
            full(redis_url, &postgres, settings.queue_replicas_ack).await
        }
    }
}

async fn embedded(file: &Embedded) -> Result<Stores, End> {
    let log = EmbeddedLog::new(file);
    Ok(Stores {
        queue: Arc::new(EmbeddedQueue::new(file)),
        projection: Arc::new(EmbeddedProjection::at_the_end_of(&log).await?),
        watch: None,
        log: Arc::new(log),
        snapshots: Arc::new(EmbeddedSnapshots::new(file)),
        history: None,
        consumers: Arc::new(EmbeddedConsumers::new(file)),
        keys: Arc::new(EmbeddedKeys::new(file)),
    })
}

async fn full(redis_url: &str, postgres: &Postgres, replicas_ack: u32) -> Result<Stores, End> {
    Ok(Stores {
        queue: Arc::new(RedisQueue::connect(redis_url, replicas_ack).await?),
        log: Arc::new(PostgresLog::new(postgres)),
        snapshots: Arc::new(PostgresSnapshots::new(postgres)),
        projection: Arc::new(RedisProjection::connect(redis_url).await?),
        history: Some(Arc::new(PostgresHistory::new(postgres))),
        consumers: Arc::new(PostgresConsumers::new(postgres)),
        keys: Arc::new(PostgresKeys::new(postgres)),
        watch: Some(PostgresWatch::new(postgres)),
    })
}
