//! Follows the event log from a cursor: the page of rows after it, as soon as there is one.

use std::sync::Arc;

use matching::Seq;
use tokio::sync::watch;

use super::Engine;
use super::problem::{Code, Problem};
use super::recent::{RecentRows, WrittenRow};

/// A reader of the log from a cursor on.
pub struct EventTail {
    rows: Arc<RecentRows>,
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
        Ok(EventTail { rows: Arc::clone(&engine.recent), published, after })
    }

    /// The last row that was read.
    pub fn after(&self) -> Seq {
        self.after
    }

    /// Whether there are rows that were not read.
    pub fn has_more(&self) -> bool {
        *self.published.borrow() > self.after
    }

    /// The next rows that are there, at most `limit`; none when there are no more.
    pub async fn page(&mut self, limit: usize) -> Result<Vec<WrittenRow>, Problem> {
        let end = *self.published.borrow_and_update();
        if end <= self.after {
            return Ok(Vec::new());
        }
        let rows = self.rows.after(self.after, limit, end).await?;
        if let Some(last) = rows.last() {
            self.after = last.seq;
        }
        Ok(rows)
    }

    /// The next rows, as soon as there are some.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<WrittenRow>, Problem> {
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
