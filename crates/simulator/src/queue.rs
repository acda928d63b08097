//! The command stream in memory.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use journal::{CommandQueue, EnqueueError, Entry, Payload, QueueError, StreamId, encoding};
use matching::Command;
use tokio::sync::Notify;

use crate::lock;

/// As a real queue waits for the first entry.
const BLOCK: Duration = Duration::from_secs(1);

/// A stream in memory.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    stream: Mutex<Stream>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct Stream {
    entries: VecDeque<Entry>,
    last: StreamId,
    unreachable: bool,
    lost: bool,
    reads: u64,
    /// Enqueues that succeed before one is refused.
    refuse_after: Option<usize>,
}

impl MemoryQueue {
    /// Appends commands as one entry.
    pub fn push(&self, commands: &[Command]) -> StreamId {
        let texts: Vec<String> = commands.iter().map(encoding::encode_command).collect();
        let text = if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(",")) };
        self.push_payload(Ok(Payload { format: encoding::STREAM_FORMAT, text }))
    }

    /// Appends an entry as it is, readable or not.
    pub fn push_payload(&self, payload: Result<Payload, String>) -> StreamId {
        let mut stream = lock(&self.stream);
        let id = StreamId { millis: stream.last.millis + 1, index: 0 };
        stream.last = id;
        stream.entries.push_back(Entry { id, payload });
        drop(stream);
        self.grown.notify_waiters();
        id
    }

    /// Makes every read fail, or succeed again.
    pub fn set_unreachable(&self, unreachable: bool) {
        lock(&self.stream).unreachable = unreachable;
        self.grown.notify_waiters();
    }

    /// Loses the stream with everything in it, until it is opened again.
    pub fn lose(&self) {
        let mut stream = lock(&self.stream);
        stream.entries.clear();
        stream.last = StreamId::ZERO;
        stream.lost = true;
        drop(stream);
        self.grown.notify_waiters();
    }

    /// Whether the stream is lost.
    pub fn is_lost(&self) -> bool {
        lock(&self.stream).lost
    }

    /// Takes so many entries and refuses the next one.
    pub fn refuse_after(&self, entries: usize) {
        lock(&self.stream).refuse_after = Some(entries);
    }

    /// How many reads gave entries.
    pub fn reads(&self) -> u64 {
        lock(&self.stream).reads
    }

    /// The ids that are in the stream.
    pub fn ids(&self) -> Vec<StreamId> {
        lock(&self.stream).entries.iter().map(|entry| entry.id).collect()
    }

    fn try_read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        let mut stream = lock(&self.stream);
        if stream.unreachable {
            return Err(QueueError::Unreachable("as the test asked".to_owned()));
        }
        let entries: Vec<Entry> = stream.entries.iter().filter(|entry| entry.id > after).take(limit).cloned().collect();
        stream.reads += u64::from(!entries.is_empty());
        Ok(entries)
    }
}

impl Stream {
    fn refuses(&mut self) -> bool {
        let now = self.refuse_after == Some(0);
        self.refuse_after = if now { None } else { self.refuse_after.map(|left| left - 1) };
        now || self.unreachable || self.lost
    }
}

#[async_trait]
impl CommandQueue for MemoryQueue {
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError> {
        if lock(&self.stream).refuses() {
            return Err(EnqueueError::NotTaken("as the test asked".to_owned()));
        }
        Ok(self.push_payload(Ok(Payload { format: encoding::STREAM_FORMAT, text: text.to_owned() })))
    }

    async fn read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        let grown = self.grown.notified();
        tokio::pin!(grown);
        grown.as_mut().enable();
        let entries = self.try_read(after, limit)?;
        if !entries.is_empty() || tokio::time::timeout(BLOCK, grown).await.is_err() {
            return Ok(entries);
        }
        self.try_read(after, limit)
    }

    async fn check(&self, read_to: StreamId) -> Result<(), QueueError> {
        let stream = lock(&self.stream);
        if stream.unreachable {
            return Err(QueueError::Unreachable("as the test asked".to_owned()));
        }
        if stream.lost || stream.last < read_to { Err(QueueError::Lost) } else { Ok(()) }
    }

    async fn last(&self) -> Result<StreamId, QueueError> {
        Ok(lock(&self.stream).entries.back().map_or(StreamId::ZERO, |entry| entry.id))
    }

    async fn open(&self, last: StreamId) -> Result<(), QueueError> {
        let mut stream = lock(&self.stream);
        stream.last = stream.last.max(last);
        stream.lost = false;
        Ok(())
    }

    async fn trim(&self, oldest_kept: StreamId) -> Result<(), QueueError> {
        lock(&self.stream).entries.retain(|entry| entry.id >= oldest_kept);
        Ok(())
    }
}
