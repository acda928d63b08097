//! The one connection that writes. Whatever waits is written in one transaction with one sync of the disk, and everybody
//! is answered after it: under load, hundreds of callers share a sync.
//!
//! Each change is undone alone when it fails; a commit that fails is in doubt for all of its changes.

use futures_util::future::BoxFuture;
use journal::LogError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor};
use tokio::sync::{mpsc, oneshot};

/// Changes in one transaction: enough that a sync is spread thin, few enough that nobody waits for long.
const CHANGES_PER_COMMIT: usize = 2_000;

/// A change that was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteError {
    /// It certainly was not; the same again would fail again.
    #[error("{0}")]
    Refused(String),
    /// It certainly was not; later it may succeed.
    #[error("{0}")]
    NotNow(String),
    /// It may have been.
    #[error("{0}")]
    InDoubt(String),
}

impl From<WriteError> for LogError {
    fn from(error: WriteError) -> LogError {
        match error {
            WriteError::Refused(error) => LogError::Refused(error),
            WriteError::NotNow(error) | WriteError::InDoubt(error) => LogError::Unknown(error),
        }
    }
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> WriteError {
        // SQLite's primary result codes for: error, corrupt, constraint, mismatch, not a database.
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
        let text = error.to_string();
        match code.map(|code| code & 0xff) {
            Some(1 | 11 | 19 | 20 | 26) => WriteError::Refused(text),
            _ => WriteError::NotNow(text),
        }
    }
}

/// Where changes are sent.
pub(super) struct Writer {
    changes: mpsc::UnboundedSender<Box<dyn Change>>,
}

/// Something to be written.
trait Change: Send {
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), sqlx::Error>>;

    /// Answers whoever waits.
    fn end(self: Box<Self>, written: Result<(), WriteError>);
}

impl Writer {
    /// Starts the task that writes.
    pub(super) fn start(options: SqliteConnectOptions) -> Writer {
        let (changes, waiting) = mpsc::unbounded_channel();
        tokio::spawn(write_all(options, waiting));
        Writer { changes }
    }

    /// Makes a change; returns once it is on disk. An error of `change` undoes it and nothing else.
    pub(super) async fn change<T, F>(&self, change: F) -> Result<T, WriteError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let change = Box::new(Pending { change: Some(change), value: None, reply });
        self.changes.send(change).map_err(|_| WriteError::NotNow("the file is closed".to_owned()))?;
        answer.await.unwrap_or_else(|_| Err(WriteError::InDoubt("the file was closed".to_owned())))
    }
}

/// A change that somebody waits for.
struct Pending<T, F> {
    change: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, WriteError>>,
}

impl<T, F> Change for Pending<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if let Some(change) = self.change.take() {
                self.value = Some(change(connection).await?);
            }
            Ok(())
        })
    }

    fn end(self: Box<Self>, written: Result<(), WriteError>) {
        let Pending { value, reply, .. } = *self;
        let not_run = || WriteError::NotNow("it was not tried".to_owned());
        // Whoever asked may have stopped waiting.
        let _ = reply.send(written.and_then(|()| value.ok_or_else(not_run)));
    }
}

/// Writes what waits until nobody can send any more.
async fn write_all(options: SqliteConnectOptions, mut waiting: mpsc::UnboundedReceiver<Box<dyn Change>>) {
    let mut connection = None;
    let mut changes = Vec::new();
    while waiting.recv_many(&mut changes, CHANGES_PER_COMMIT).await > 0 {
        let changes = std::mem::take(&mut changes);
        let usable = match connection.take() {
            Some(connection) => Ok(connection),
            None => options.connect().await,
        };
        match usable {
            Ok(mut usable) => {
                // After anything odd the connection's state is not known: the next one is new.
                if write(&mut usable, changes).await {
                    connection = Some(usable);
                }
            }
            Err(error) => {
                let error = WriteError::NotNow(error.to_string());
                changes.into_iter().for_each(|change| change.end(Err(error.clone())));
            }
        }
    }
}

/// Makes the changes in one transaction and answers them; returns whether the connection is still good.
async fn write(connection: &mut SqliteConnection, mut changes: Vec<Box<dyn Change>>) -> bool {
    match changes.pop() {
        Some(change) if changes.is_empty() => write_one(connection, change).await,
        last => write_many(connection, changes.into_iter().chain(last)).await,
    }
}

/// One change is undone with its transaction: the marks around it would be two more trips to SQLite's thread and back.
async fn write_one(connection: &mut SqliteConnection, mut change: Box<dyn Change>) -> bool {
    if let Err(error) = connection.execute("BEGIN IMMEDIATE").await {
        change.end(Err(WriteError::NotNow(error.to_string())));
        return false;
    }
    let (written, good) = match change.run(connection).await {
        Ok(()) => {
            let committed = commit(connection, "COMMIT").await;
            (committed.clone(), committed.is_ok())
        }
        Err(error) => (Err(error.into()), connection.execute("ROLLBACK").await.is_ok()),
    };
    change.end(written);
    good
}

/// Each of many changes can be undone alone.
async fn write_many(connection: &mut SqliteConnection, mut changes: impl Iterator<Item = Box<dyn Change>>) -> bool {
    let mut made = Vec::new();
    let mut mark = "BEGIN IMMEDIATE; SAVEPOINT change";
    let mut broken = None;
    while broken.is_none()
        && let Some(mut change) = changes.next()
    {
        match behind_mark(connection, mark, &mut *change).await {
            Ok(written) => made.push((change, written)),
            Err(error) => {
                broken = Some(error);
                made.push((change, Ok(())));
            }
        }
        mark = "RELEASE change; SAVEPOINT change";
    }
    if let Some(error) = broken {
        // Without a commit nothing was made, whatever its change said.
        let _ = connection.execute("ROLLBACK").await;
        let error = WriteError::NotNow(error.to_string());
        made.into_iter().map(|(change, _)| change).chain(changes).for_each(|change| change.end(Err(error.clone())));
        return false;
    }
    let committed = commit(connection, "RELEASE change; COMMIT").await;
    for (change, written) in made {
        change.end(written.and(committed.clone()));
    }
    committed.is_ok()
}

/// Makes a change behind a mark that it can be undone to. The outer error means that the transaction itself is gone.
async fn behind_mark(
    connection: &mut SqliteConnection,
    mark: &'static str,
    change: &mut dyn Change,
) -> Result<Result<(), WriteError>, sqlx::Error> {
    connection.execute(mark).await?;
    let written = change.run(connection).await.map_err(WriteError::from);
    if written.is_err() {
        connection.execute("ROLLBACK TO change").await?;
    }
    Ok(written)
}

async fn commit(connection: &mut SqliteConnection, end: &'static str) -> Result<(), WriteError> {
    connection.execute(end).await.map(drop).map_err(|error| WriteError::InDoubt(error.to_string()))
}
