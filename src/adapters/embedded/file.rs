//! The file, its lock, and the connections to it.

use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::writer::Writer;

/// The schema, built into the program.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/embedded");

/// In the data folder.
const FILE: &str = "pricetime.db";
/// In the data folder; held by the service that runs on it.
const LOCK: &str = "pricetime.lock";
/// What stands in the lock file once the file was made: from then on, a missing file is no first start.
const MADE: &[u8] = b"pricetime.db was made\n";
/// How long a write waits for another process's: a tool that stores a part of a snapshot beside the service.
const BUSY: Duration = Duration::from_secs(10);
/// Readers beside each other.
const READERS: u32 = 4;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder cannot be made or used.
    #[error("the data folder {} cannot be used: {error}; set DATA_DIR to a folder that this user may write to", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another service runs on it.
    #[error(
        "another service runs on the data folder {}; stop it first, or set DATA_DIR to another folder",
        folder.display()
    )]
    Locked {
        /// Which.
        folder: PathBuf,
    },
    /// There is nothing to look at.
    #[error("there is no data in {}; start `pricetime serve` there first, or set DATA_DIR to where it runs", folder.display())]
    Missing {
        /// Which.
        folder: PathBuf,
    },
    /// The file is not there, or has nothing in it, although it was made.
    #[error(
        "the file {} is gone or empty, although a service ran on it: restore it from a copy; only if it is lost for good, \
         remove {LOCK} beside it and start with nothing", file.display()
    )]
    Gone {
        /// Which.
        file: PathBuf,
    },
    /// The disk is full, or does not answer: later it may.
    #[error("the file {} cannot be used now: {error}; make room on its disk, and start again", file.display())]
    NotNow {
        /// Which.
        file: PathBuf,
        /// Why.
        error: String,
    },
    /// A newer release has brought it up to date.
    #[error(
        "the file {} was brought up to date by a newer release (migration {migration}), and this one does not know what that \
         changed: use that release or a newer one", file.display()
    )]
    Newer {
        /// Which.
        file: PathBuf,
        /// The first change that is not known here.
        migration: i64,
    },
    /// SQLite refuses the file.
    #[error("the file {} cannot be used: {error}", file.display())]
    Database {
        /// Which.
        file: PathBuf,
        /// Why.
        error: String,
    },
}

/// The open file.
#[derive(Clone)]
pub struct Embedded {
    parts: Arc<Parts>,
}

struct Parts {
    writer: Writer,
    readers: SqlitePool,
    /// Held as long as anything of the service still uses the file.
    _lock: Option<File>,
}

impl Embedded {
    /// Opens the file for the service, alone: made if it is absent, and brought up to date.
    pub async fn open(folder: &Path) -> Result<Embedded, EmbeddedError> {
        let unusable = |error| EmbeddedError::Folder { folder: folder.to_owned(), error };
        fs::create_dir_all(folder).map_err(unusable)?;
        let lock = File::options().read(true).append(true).create(true).open(folder.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::Locked { folder: folder.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let was_made = lock.metadata().map_err(unusable)?.len() > 0;
        if was_made && !fs::metadata(folder.join(FILE)).is_ok_and(|file| file.len() > 0) {
            return Err(EmbeddedError::Gone { file: folder.join(FILE) });
        }
        let options = options(folder).create_if_missing(true);
        migrate(&options).await.map_err(|error| database(folder, &*error))?;
        // A file that was just made must be in its folder after a power cut too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
        if !was_made {
            (&lock).write_all(MADE).and_then(|()| lock.sync_all()).map_err(unusable)?;
        }
        Ok(Embedded::with(options, Some(lock)))
    }

    /// Opens the file beside a running service or without one, as it is: for tools.
    pub async fn open_beside(folder: &Path) -> Result<Embedded, EmbeddedError> {
        if !folder.join(FILE).is_file() {
            return Err(EmbeddedError::Missing { folder: folder.to_owned() });
        }
        let options = options(folder);
        let connection = options.connect().await.map_err(|error| database(folder, &error))?;
        // It only had to show that the file can be read.
        let _ = connection.close().await;
        Ok(Embedded::with(options, None))
    }

    fn with(options: SqliteConnectOptions, lock: Option<File>) -> Embedded {
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.clone().pragma("query_only", "on"));
        Embedded { parts: Arc::new(Parts { writer: Writer::start(options), readers, _lock: lock }) }
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.parts.writer
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.parts.readers
    }
}

fn options(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

async fn migrate(options: &SqliteConnectOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut connection: SqliteConnection = options.connect().await?;
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    Ok(connection.close().await?)
}

/// SQLite's primary result codes for: busy, locked, I/O error, full, cannot open.
const PASSING: [u32; 5] = [5, 6, 10, 13, 14];

fn database(folder: &Path, error: &(dyn Error + 'static)) -> EmbeddedError {
    let (file, text) = (folder.join(FILE), error.to_string());
    if let Some(MigrateError::VersionMissing(migration)) = error.downcast_ref() {
        return EmbeddedError::Newer { file, migration: *migration };
    }
    let mut causes = std::iter::successors(Some(error), |error| (**error).source());
    let code = causes.find_map(|cause| {
        let error = cause.downcast_ref::<sqlx::Error>()?.as_database_error()?;
        error.code()?.parse::<u32>().ok()
    });
    match code {
        Some(code) if PASSING.contains(&(code & 0xff)) => EmbeddedError::NotNow { file, error: text },
        _ => EmbeddedError::Database { file, error: text },
    }
}
