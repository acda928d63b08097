//! Follows the event log from a cursor: the page of rows after it, as soon as there is one.

use std::sync::Arc;

use journal::{EventLog, Record};
use matching::{Micros, Seq, Symbol};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::Engine;
use super::order_queries::log_away;
use super::problem::{Code, Problem};

/// A row of the event log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "seq": 5, "sequenced_at": 1732880001123456_u64, "kind": "NewOrder", "symbol": "BTC_USDT",
    "events": [{"type": "OrderAccepted"}]
}))]
pub struct EventRow {
    /// Its number: the cursor behind it.
    pub seq: u64,
    /// When its command was numbered.
    #[schema(value_type = u64)]
    pub sequenced_at: Micros,
    /// The command's type.
    pub kind: String,
    /// The market; absent where the row concerns none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// What came of the command, as it stands in the log.
    #[schema(value_type = Vec<Object>)]
    pub events: Box<RawValue>,
}

impl EventRow {
    fn new(record: Record) -> Result<EventRow, Problem> {
        let events = RawValue::from_string(record.events).map_err(|error| {
            tracing::error!(seq = %record.seq, %error, "a row of the log cannot be read");
            Problem::new(Code::InternalError, "a row of the log cannot be read")
        })?;
        let (sequenced_at, kind, symbol) = (record.time, record.kind, record.symbol);
        Ok(EventRow { seq: record.seq.get(), sequenced_at, kind, symbol, events })
    }
}

/// A reader of the log from a cursor on.
pub struct EventTail {
    log: Arc<dyn EventLog>,
    published: watch::Receiver<Seq>,
    /// The last row that was read.
    after: Seq,
}

impl EventTail {
    /// A reader of the rows after `after`; a problem when the log ends before that row.
    pub fn new(engine: &Engine, after: Seq) -> Result<EventTail, Problem> {
        let published = engine.feed.published.clone();
        let end = *published.borrow();
        // Rows that are committed and not published yet may have been read before.
        if after > end && after.get() > engine.progress.committed() {
            let detail = format!("the log ends at row {end}, before this cursor: it is one of another log");
            return Err(Problem::new(Code::InvalidParameter, detail).field("after"));
        }
        Ok(EventTail { log: Arc::clone(&engine.log), published, after })
    }

    /// The last row that was read.
    pub fn after(&self) -> Seq {
        self.after
    }

    /// The next rows that are there, at most `limit`; none when there are no more.
    pub async fn page(&mut self, limit: usize) -> Result<Vec<EventRow>, Problem> {
        if *self.published.borrow_and_update() <= self.after {
            return Ok(Vec::new());
        }
        let records = self.log.page(self.after, limit).await.map_err(|error| log_away(&error))?;
        if let Some(first) = records.first()
            && first.seq != self.after.next()
        {
            let detail = format!("the log begins at row {}; what was before it is archived", first.seq);
            return Err(Problem::new(Code::CursorTooOld, detail).field("after"));
        }
        if let Some(last) = records.last() {
            self.after = last.seq;
        }
        records.into_iter().map(EventRow::new).collect()
    }

    /// The next rows, as soon as there are some.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<EventRow>, Problem> {
        loop {
            let rows = self.page(limit).await?;
            if !rows.is_empty() {
                return Ok(rows);
            }
            let stopped = || Problem::new(Code::NotReady, "the service is stopping; come back with the same cursor");
            self.published.changed().await.map_err(|_| stopped())?;
        }
    }
}
