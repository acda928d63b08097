//! The stream of commands. An entry's id is its number in the file.
//!
//! Nobody else appends while a service runs on the file, so its newest entries are also kept in memory, where the dispatcher
//! finds them without asking SQLite.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use journal::{CommandQueue, EnqueueError, Entry, Payload, QueueError, StreamId, encoding};
use tokio::sync::watch;
use tokio::time::timeout;

use super::PARTITION;
use super::file::Embedded;
use super::writer::WriteError;
use crate::adapters::rows::number;

/// How long a read waits for the first entry.
const BLOCK: Duration = Duration::from_secs(1);

/// Entries that are kept in memory, each of up to 500 commands: a dispatcher that is further behind asks SQLite.
const NEWEST: usize = 16;

/// Two statements, and one trip to SQLite's thread. A stream that is not open has no row, and gives none.
const APPEND: &str = "UPDATE command_stream SET last = last + 1 WHERE partition = ?; \
    INSERT INTO command_queue (id, format, text) SELECT last, ?, ? FROM command_stream WHERE partition = ? RETURNING id";
const READ: &str = "SELECT id, format, text FROM command_queue WHERE id > ?1 ORDER BY id LIMIT ?2";
const OPEN: &str = "INSERT INTO command_stream (partition, last) VALUES (?1, ?2) \
    ON CONFLICT (partition) DO UPDATE SET last = max(last, excluded.last)";
const TRIM: &str = "DELETE FROM command_queue WHERE id < ?1";

/// The stream in the file.
pub struct EmbeddedQueue {
    file: Embedded,
    /// The number of the newest entry that was appended here, for the reader who waits for it.
    newest: watch::Sender<i64>,
    tail: Mutex<Tail>,
}

/// The newest entries that were appended here, as far as their numbers follow one another: what is in the file between the
/// first and the last is all here.
#[derive(Default)]
struct Tail(VecDeque<(i64, String)>);

impl Tail {
    fn push(&mut self, id: i64, text: String) {
        // What is between may be in the file, of an append that was in doubt or is told of late.
        if self.0.back().is_some_and(|(last, _)| last + 1 != id) {
            self.0.clear();
        }
        if self.0.len() == NEWEST {
            self.0.pop_front();
        }
        self.0.push_back((id, text));
    }

    fn trim(&mut self, oldest_kept: i64) {
        while self.0.front().is_some_and(|(id, _)| *id < oldest_kept) {
            self.0.pop_front();
        }
    }

    /// The entries after a number; none when it is not known here which those are.
    fn after(&self, id: i64, limit: usize) -> Option<Vec<Entry>> {
        let (first, _) = self.0.front()?;
        let skip = usize::try_from(id + 1 - first).ok()?;
        let entry = |(id, text): &(i64, String)| {
            let payload = Payload { format: encoding::STREAM_FORMAT, text: text.clone() };
            Entry { id: stream_id(*id), payload: Ok(payload) }
        };
        Some(self.0.iter().skip(skip).take(limit).map(entry).collect())
    }
}

impl EmbeddedQueue {
    /// The stream in this file.
    pub fn new(file: &Embedded) -> EmbeddedQueue {
        EmbeddedQueue { file: file.clone(), newest: watch::Sender::new(0), tail: Mutex::default() }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries after this one, from the file.
    async fn stored(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = sqlx::query_as::<_, (i64, i16, String)>(READ).bind(row_id(after)).bind(limit);
        let rows = read.fetch_all(self.file.readers()).await.map_err(unreachable)?;
        let entry = |(id, format, text)| Entry { id: stream_id(id), payload: Ok(Payload { format, text }) };
        Ok(rows.into_iter().map(entry).collect())
    }
}

#[async_trait]
impl CommandQueue for EmbeddedQueue {
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError> {
        let text = text.to_owned();
        let kept = text.clone();
        let appended = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let append = sqlx::query_scalar::<_, i64>(APPEND).bind(PARTITION);
                append.bind(encoding::STREAM_FORMAT).bind(text).bind(PARTITION).fetch_optional(connection).await
            })
        });
        let id = appended.await.map_err(|error| match error {
            WriteError::Refused(error) | WriteError::NotNow(error) => EnqueueError::NotTaken(error),
            WriteError::InDoubt(error) => EnqueueError::Unknown(error),
        })?;
        let id = id.ok_or_else(|| EnqueueError::NotTaken("the stream is not open".to_owned()))?;
        self.tail().push(id, kept);
        self.newest.send_modify(|newest| *newest = id.max(*newest));
        Ok(stream_id(id))
    }

    async fn read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        // Taken before the first look: what is appended after that look shows.
        let mut newest = self.newest.subscribe();
        let known = || self.tail().after(row_id(after), limit);
        let entries = match known() {
            Some(entries) => entries,
            None => self.stored(after, limit).await?,
        };
        if !entries.is_empty() {
            return Ok(entries);
        }
        let appended = timeout(BLOCK, newest.changed()).await.is_ok();
        match known().filter(|entries| appended && !entries.is_empty()) {
            Some(entries) => Ok(entries),
            // Now and then the file is asked: an append that was in doubt may be there, and nobody tells.
            None => self.stored(after, limit).await,
        }
    }

    /// The stream and the log are one file: neither is lost without the other.
    async fn check(&self, _: StreamId) -> Result<(), QueueError> {
        Ok(())
    }

    async fn last(&self) -> Result<StreamId, QueueError> {
        let last = sqlx::query_scalar::<_, Option<i64>>("SELECT max(id) FROM command_queue");
        let last = last.fetch_one(self.file.readers()).await.map_err(unreachable)?;
        Ok(StreamId { millis: last.and_then(number).unwrap_or_default(), index: 0 })
    }

    async fn open(&self, last: StreamId) -> Result<(), QueueError> {
        let last = row_id(last);
        let opened = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(OPEN).bind(PARTITION).bind(last).execute(connection).await })
        });
        opened.await.map(drop).map_err(unreachable)
    }

    async fn trim(&self, oldest_kept: StreamId) -> Result<(), QueueError> {
        let oldest_kept = row_id(oldest_kept);
        self.tail().trim(oldest_kept);
        let trimmed = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(TRIM).bind(oldest_kept).execute(connection).await })
        });
        trimmed.await.map(drop).map_err(unreachable)
    }
}

fn stream_id(row_id: i64) -> StreamId {
    StreamId { millis: number(row_id).unwrap_or_default(), index: 0 }
}

fn row_id(id: StreamId) -> i64 {
    i64::try_from(id.millis).unwrap_or(i64::MAX)
}

fn unreachable(error: impl ToString) -> QueueError {
    QueueError::Unreachable(error.to_string())
}
