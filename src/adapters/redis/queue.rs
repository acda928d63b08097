//! The stream of commands. What [`CommandQueue::enqueue`] acknowledges was synced to disk by Redis (`appendfsync always`,
//! see `durability`), and nothing is ever sent twice: a client library that repeated XADD doubled one order per crash.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use journal::encoding::STREAM_FORMAT;
use journal::{CommandQueue, EnqueueError, Entry, Payload, QueueError, StreamId};
use redis::{Value, cmd};

use super::durability::RedisError;
use super::keys::Keys;
use super::link::{Link, LinkError};

/// A disk that takes this long to sync is as good as gone for the client who waits.
const ENQUEUE_WITHIN: Duration = Duration::from_secs(2);
/// How long replicas may take to have a command: less than a whole enqueue, so that their number is known.
const WAIT_MS: u64 = 1_000;
/// How long a read waits for the first entry.
const BLOCK_MS: u64 = 1_000;
/// A read is answered after [`BLOCK_MS`] at the latest, unless the server is in trouble.
const READ_WITHIN: Duration = Duration::from_secs(4);

/// An entry's field with the format number.
const FORMAT_FIELD: &[u8] = b"f";
/// An entry's field with the commands.
const VALUE_FIELD: &[u8] = b"v";
/// The field of the entry that only makes the stream exist.
const INIT_FIELD: &[u8] = b"init";

/// The first id that a stream can have. On an empty system the writer's own `init` entry has it, so nothing is missed by
/// reading after it.
const FIRST: StreamId = StreamId { millis: 0, index: 1 };

/// Makes the stream if it is absent; where it is there but behind the last id (its data went back in time), moves its
/// last id up, so that no later entry hides below what was read already. The numbers stay below 2^53 for ages.
const OPEN: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[1], ARGV[1], 'init', '1')
  return 1
end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then
    local have_ms, have_n = string.match(info[i + 1], '(%d+)-(%d+)')
    local want_ms, want_n = string.match(ARGV[1], '(%d+)-(%d+)')
    have_ms, have_n, want_ms, want_n = tonumber(have_ms), tonumber(have_n), tonumber(want_ms), tonumber(want_n)
    if have_ms < want_ms or (have_ms == want_ms and have_n < want_n) then
      redis.call('XSETID', KEYS[1], ARGV[1])
    end
  end
end
return 0
";

/// `matching:queue`.
pub struct RedisQueue {
    key: String,
    writes: Link,
    /// How many replicas must have an entry before it is acknowledged.
    replicas_ack: u32,
    /// A connection of its own: a blocking read holds up whatever is sent behind it.
    reads: Link,
    /// How many entries were ever added, as the last check saw, to notice that the stream is not the same any more.
    entries_added: Mutex<Option<u64>>,
}

impl RedisQueue {
    /// Connects; an address that cannot be used or a server that does not answer is an error.
    /// An entry is acknowledged once `replicas_ack` replicas have it too.
    pub async fn connect(url: &str, replicas_ack: u32) -> Result<RedisQueue, RedisError> {
        let writes = Link::new(url, ENQUEUE_WITHIN).map_err(RedisError::url)?;
        let reads = Link::new(url, READ_WITHIN).map_err(RedisError::url)?;
        writes.send::<Value>(&cmd("PING")).await.map_err(RedisError::unreachable)?;
        Ok(RedisQueue { key: Keys::new().queue(), writes, replicas_ack, reads, entries_added: Mutex::default() })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.entries_added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends and waits until replicas have what was appended; how many do. On one connection, since that is whose writes
    /// `WAIT` is about: so one command at a time travels to the replicas and back.
    async fn add_and_wait(&self, add: redis::Cmd, replicas: u32) -> Result<(Value, u32), LinkError> {
        let mut pipe = redis::pipe();
        pipe.add_command(add).cmd("WAIT").arg(replicas).arg(WAIT_MS);
        self.writes.send_all(&pipe).await
    }

    async fn read_raw(&self, after: StreamId, limit: usize) -> Result<Vec<(StreamId, Value)>, QueueError> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(limit).arg("BLOCK").arg(BLOCK_MS);
        read.arg("STREAMS").arg(&self.key).arg(after.to_string());
        let reply: Value = self.reads.send(&read).await.map_err(unreachable)?;
        // One pair of key and entries, or nil when the time was up.
        let Some(Value::Array(entries)) = pairs(reply).into_iter().next().map(|(_, entries)| entries) else {
            return Ok(Vec::new());
        };
        let pairs = entries.into_iter().map(|entry| match entry {
            Value::Array(mut parts) if parts.len() == 2 => {
                let fields = parts.pop().unwrap_or(Value::Nil);
                Some((stream_id(parts.first()?)?, fields))
            }
            _ => None,
        });
        pairs.collect::<Option<_>>().ok_or_else(|| {
            QueueError::Unreachable(format!("Redis at {} answers XREAD as no Redis does", self.reads.address()))
        })
    }
}

#[async_trait]
impl CommandQueue for RedisQueue {
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError> {
        let mut add = cmd("XADD");
        add.arg(&self.key).arg("NOMKSTREAM").arg("*");
        add.arg(FORMAT_FIELD).arg(STREAM_FORMAT).arg(VALUE_FIELD).arg(text);
        let sent = match self.replicas_ack {
            0 => self.writes.send(&add).await.map(|reply| (reply, 0)),
            replicas => self.add_and_wait(add, replicas).await,
        };
        let (reply, replicas): (Value, u32) = sent.map_err(|error| match error {
            LinkError::NotSent(_) | LinkError::Refused(_) => EnqueueError::NotTaken(error.to_string()),
            LinkError::NoAnswer(_) => EnqueueError::Unknown(error.to_string()),
        })?;
        match &reply {
            Value::Nil => Err(EnqueueError::NotTaken(format!("the stream {} is gone", self.key))),
            _ if replicas < self.replicas_ack => Err(EnqueueError::Unknown(format!(
                "{replicas} of the {} replicas that QUEUE_REPLICAS_ACK asks for have the command within {WAIT_MS} ms",
                self.replicas_ack
            ))),
            id => stream_id(id).ok_or_else(|| EnqueueError::Unknown(format!("XADD answered {reply:?}"))),
        }
    }

    async fn read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        let mut after = after.max(FIRST);
        loop {
            let entries = self.read_raw(after, limit).await?;
            let Some(last) = entries.last().map(|(id, _)| *id) else { return Ok(Vec::new()) };
            let commands: Vec<Entry> = entries.into_iter().filter_map(|(id, fields)| entry(id, &fields)).collect();
            if !commands.is_empty() {
                return Ok(commands);
            }
            // Nothing but the entry that made the stream: what waits is behind it.
            after = last;
        }
    }

    /// Comparing ids alone would miss FLUSHALL: ids made after it are mostly higher.
    async fn check(&self, read_to: StreamId) -> Result<(), QueueError> {
        // Not on the reading connection, where it would wait for a read to end.
        let info: Value = match self.writes.send(cmd("XINFO").arg("STREAM").arg(&self.key)).await {
            Ok(info) => info,
            Err(LinkError::Refused(error)) if error.to_string().contains("no such key") => {
                return Err(QueueError::Lost);
            }
            Err(error) => return Err(unreachable(error)),
        };
        if !self.writes.is_live() {
            let address = self.writes.address();
            return Err(QueueError::Unreachable(format!("Redis at {address} answered when it was given up already")));
        }
        let last = field(&info, b"last-generated-id").and_then(stream_id).unwrap_or(StreamId::ZERO);
        let entries_added = field(&info, b"entries-added").and_then(integer);
        let mut seen = self.seen();
        let fewer = entries_added.is_some_and(|now| seen.is_some_and(|before| now < before));
        if last < read_to || fewer {
            return Err(QueueError::Lost);
        }
        *seen = entries_added;
        Ok(())
    }

    async fn last(&self) -> Result<StreamId, QueueError> {
        let mut last = cmd("XREVRANGE");
        last.arg(&self.key).arg("+").arg("-").arg("COUNT").arg(1);
        let reply: Value = self.writes.send(&last).await.map_err(unreachable)?;
        let newest = pairs(reply).into_iter().next();
        // The entry that made the stream holds no command: then nothing waits.
        let newest = newest.filter(|(_, fields)| field(fields, INIT_FIELD).is_none());
        Ok(newest.and_then(|(id, _)| stream_id(&id)).unwrap_or(StreamId::ZERO))
    }

    async fn open(&self, last: StreamId) -> Result<(), QueueError> {
        let mut open = cmd("EVAL");
        open.arg(OPEN).arg(1).arg(&self.key).arg(last.max(FIRST).to_string());
        self.writes.send::<Value>(&open).await.map_err(unreachable)?;
        *self.seen() = None;
        Ok(())
    }

    async fn trim(&self, oldest_kept: StreamId) -> Result<(), QueueError> {
        let mut trim = cmd("XTRIM");
        trim.arg(&self.key).arg("MINID").arg(oldest_kept.to_string());
        self.writes.send::<Value>(&trim).await.map_err(unreachable)?;
        Ok(())
    }
}

fn unreachable(error: LinkError) -> QueueError {
    QueueError::Unreachable(error.to_string())
}

/// An entry of commands; none for the entry that only made the stream. One that is neither says why: somebody else
/// writes to the stream, and the log must say so.
fn entry(id: StreamId, fields: &Value) -> Option<Entry> {
    if field(fields, INIT_FIELD).is_some() {
        return None;
    }
    Some(Entry { id, payload: payload(fields) })
}

fn payload(fields: &Value) -> Result<Payload, String> {
    let text = |name: &[u8]| {
        let missing = || format!("the entry has no field {}", String::from_utf8_lossy(name));
        let value = field(fields, name).and_then(bytes).ok_or_else(missing)?;
        std::str::from_utf8(value).map_err(|_| format!("field {} is no UTF-8", String::from_utf8_lossy(name)))
    };
    let format = text(FORMAT_FIELD)?;
    let format = format.parse().map_err(|_| format!("field f is {format:?}, which is no format number"))?;
    Ok(Payload { format, text: text(VALUE_FIELD)?.to_owned() })
}

/// The value of a field, in a reply of alternating names and values or in a map.
fn field<'a>(reply: &'a Value, name: &[u8]) -> Option<&'a Value> {
    match reply {
        Value::Array(items) => items.chunks_exact(2).find(|pair| bytes(&pair[0]) == Some(name)).map(|pair| &pair[1]),
        Value::Map(pairs) => pairs.iter().find(|(key, _)| bytes(key) == Some(name)).map(|(_, value)| value),
        _ => None,
    }
}

/// The pairs of a map, as RESP3 has it or as RESP2's array of arrays.
fn pairs(reply: Value) -> Vec<(Value, Value)> {
    match reply {
        Value::Map(pairs) => pairs,
        Value::Array(items) => items
            .into_iter()
            .filter_map(|item| match item {
                Value::Array(parts) => <[Value; 2]>::try_from(parts).ok().map(|[key, value]| (key, value)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn stream_id(value: &Value) -> Option<StreamId> {
    std::str::from_utf8(bytes(value)?).ok()?.parse().ok()
}
