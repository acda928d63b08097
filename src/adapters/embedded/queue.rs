//! The stream of commands. An entry's id is its number in the file.

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

const NUMBER: &str = "UPDATE command_stream SET last = last + 1 WHERE partition = ?1 RETURNING last";
const APPEND: &str = "INSERT INTO command_queue (id, format, text) VALUES (?1, ?2, ?3)";
const READ: &str = "SELECT id, format, text FROM command_queue WHERE id > ?1 ORDER BY id LIMIT ?2";
const OPEN: &str = "INSERT INTO command_stream (partition, last) VALUES (?1, ?2) \
    ON CONFLICT (partition) DO UPDATE SET last = max(last, excluded.last)";
const TRIM: &str = "DELETE FROM command_queue WHERE id < ?1";

/// The stream in the file.
pub struct EmbeddedQueue {
    file: Embedded,
    /// The number of the newest entry that was appended here, for the reader who waits for it.
    newest: watch::Sender<i64>,
}

impl EmbeddedQueue {
    /// The stream in this file.
    pub fn new(file: &Embedded) -> EmbeddedQueue {
        EmbeddedQueue { file: file.clone(), newest: watch::Sender::new(0) }
    }

    async fn entries(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
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
        let appended = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let id = sqlx::query_scalar::<_, i64>(NUMBER).bind(PARTITION).fetch_optional(&mut *connection).await?;
                if let Some(id) = id {
                    let append = sqlx::query(APPEND).bind(id).bind(encoding::STREAM_FORMAT).bind(text);
                    append.execute(connection).await?;
                }
                Ok(id)
            })
        });
        let id = appended.await.map_err(|error| match error {
            WriteError::Refused(error) | WriteError::NotNow(error) => EnqueueError::NotTaken(error),
            WriteError::InDoubt(error) => EnqueueError::Unknown(error),
        })?;
        let id = id.ok_or_else(|| EnqueueError::NotTaken("the stream is not open".to_owned()))?;
        self.newest.send_modify(|newest| *newest = id.max(*newest));
        Ok(stream_id(id))
    }

    async fn read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        // Taken before the first look: what is appended after that look shows.
        let mut newest = self.newest.subscribe();
        let entries = self.entries(after, limit).await?;
        if !entries.is_empty() || timeout(BLOCK, newest.changed()).await.is_err() {
            return Ok(entries);
        }
        self.entries(after, limit).await
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
