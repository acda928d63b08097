//! The newest rows of the event log, written down once for everybody who follows it.
//!
//! Whoever is at the end of the log asks here, and one question to the log answers all of them; whoever is far behind reads
//! the log alone.

use std::collections::VecDeque;
use std::sync::Arc;

use journal::{EventLog, Record};
use matching::{Micros, Seq, Symbol};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::order_queries::log_away;
use super::problem::{Code, Problem};

/// The rows that are kept, and their length in bytes: a follower that is further behind reads the log.
const KEPT: usize = 10_000;
const KEPT_BYTES: usize = 16 << 20;
/// The most rows of one question to the log.
const PAGE: usize = 1_000;

/// A row of the event log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "seq": 5, "sequenced_at": 1732880001123456_u64, "kind": "NewOrder", "symbol": "BTC_USDT",
    "events": [{"type": "OrderAccepted"}]
}))]
pub struct EventRow {
    /// Its number: the cursor behind it.
    seq: u64,
    /// When its command was numbered.
    #[schema(value_type = u64)]
    sequenced_at: Micros,
    /// The command's type.
    kind: String,
    /// The market; absent where the row concerns none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<Symbol>,
    /// The `X-Request-Id` of the request that the command came with, if it had one.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// What came of the command, as it stands in the log.
    #[schema(value_type = Vec<Object>)]
    events: Box<RawValue>,
}

/// A row, written down.
#[derive(Debug, Clone)]
pub struct WrittenRow {
    /// Its number.
    pub seq: Seq,
    /// Its JSON.
    pub text: Arc<str>,
}

impl WrittenRow {
    fn new(record: Record) -> Result<WrittenRow, Problem> {
        let seq = record.seq;
        let unreadable = |error: serde_json::Error| {
            tracing::error!(%seq, %error, "a row of the log cannot be read");
            Problem::new(Code::InternalError, "a row of the log cannot be read")
        };
        let events = RawValue::from_string(record.events).map_err(unreadable)?;
        let (sequenced_at, kind, symbol) = (record.time, record.kind, record.symbol);
        let request_id = journal::request_id(&record.command).map(|id| id.to_string());
        let row = EventRow { seq: seq.get(), sequenced_at, kind, symbol, request_id, events };
        Ok(WrittenRow { seq, text: serde_json::to_string(&row).map_err(unreadable)?.into() })
    }
}

/// The newest rows.
pub struct RecentRows {
    log: Arc<dyn EventLog>,
    kept: Mutex<Kept>,
}

/// Consecutive rows, oldest first.
#[derive(Default)]
struct Kept {
    rows: VecDeque<WrittenRow>,
    bytes: usize,
}

impl RecentRows {
    /// The newest rows of this log.
    pub fn new(log: Arc<dyn EventLog>) -> RecentRows {
        RecentRows { log, kept: Mutex::default() }
    }

    /// The rows after `after`, at most `limit`; `end` is the last row that is known to be there.
    pub async fn after(&self, after: Seq, limit: usize, end: Seq) -> Result<Vec<WrittenRow>, Problem> {
        if end.get().saturating_sub(after.get()) > KEPT as u64 {
            return self.read(after, limit).await;
        }
        // Held while the log is asked: everybody who waits here wants the same rows.
        let mut kept = self.kept.lock().await;
        let first = kept.rows.front().map(|row| row.seq);
        let last = kept.rows.back().map(|row| row.seq);
        match (first, last) {
            (Some(first), Some(last)) if first <= after.next() && after <= last => {
                if last < end && after == last {
                    let rows = self.read(last, PAGE).await?;
                    kept.extend(rows);
                }
            }
            // Nobody has asked for a while, or somebody from a little further back.
            (first, _) if first.is_none_or(|first| after >= first) => {
                let rows = self.read(after, PAGE).await?;
                *kept = Kept::default();
                kept.extend(rows);
            }
            _ => {
                drop(kept);
                return self.read(after, limit).await;
            }
        }
        let skipped = kept.rows.partition_point(|row| row.seq <= after);
        Ok(kept.rows.iter().skip(skipped).take(limit).cloned().collect())
    }

    /// Rows of the log.
    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<WrittenRow>, Problem> {
        let records = self.log.page(after, limit).await.map_err(|error| log_away(&error))?;
        if let Some(first) = records.first()
            && first.seq != after.next()
        {
            let detail = format!("the log begins at row {}; what was before it is archived", first.seq);
            return Err(Problem::new(Code::CursorTooOld, detail).field("after"));
        }
        records.into_iter().map(WrittenRow::new).collect()
    }
}

impl Kept {
    fn extend(&mut self, rows: Vec<WrittenRow>) {
        for row in rows {
            self.bytes += row.text.len();
            self.rows.push_back(row);
        }
        while self.rows.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.rows.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }
}

/// Rows as a JSON array.
pub fn array(rows: &[WrittenRow]) -> String {
    let mut text = String::with_capacity(2 + rows.iter().map(|row| row.text.len() + 1).sum::<usize>());
    text.push('[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&row.text);
    }
    text.push(']');
    text
}
