//! The rows behind the feed, for one follower that may be slower for a while. What waits for it is bounded: a follower
//! that falls behind further finds the end, and goes on from the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use market::FeedRow;
use matching::Seq;
use tokio::sync::mpsc;

/// Rows that may wait: some seconds at full load, in about 100 MB.
const WAITING: u64 = 100_000;

/// The feed's end.
pub(super) struct Tail {
    rows: mpsc::UnboundedSender<Vec<FeedRow>>,
    waiting: Arc<AtomicU64>,
}

/// The follower's end.
pub(crate) struct Rows {
    after: Seq,
    rows: mpsc::UnboundedReceiver<Vec<FeedRow>>,
    waiting: Arc<AtomicU64>,
}

/// Both ends, for all rows after `seq`.
pub(super) fn after(seq: Seq) -> (Tail, Rows) {
    let (sender, rows) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicU64::new(0));
    (Tail { rows: sender, waiting: Arc::clone(&waiting) }, Rows { after: seq, rows, waiting })
}

impl Tail {
    /// Passes rows on; none when nobody takes them any more, or too many wait.
    pub(super) fn pass(self, rows: Vec<FeedRow>) -> Option<Tail> {
        let waiting = self.waiting.fetch_add(rows.len() as u64, Ordering::Relaxed);
        (waiting <= WAITING && self.rows.send(rows).is_ok()).then_some(self)
    }
}

impl Rows {
    /// The row before the first one.
    pub(crate) fn after(&self) -> Seq {
        self.after
    }

    /// The next rows; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Vec<FeedRow>> {
        let rows = self.rows.recv().await?;
        self.taken(&rows);
        Some(rows)
    }

    /// The next rows, if some wait.
    pub(crate) fn waiting(&mut self) -> Option<Vec<FeedRow>> {
        let rows = self.rows.try_recv().ok()?;
        self.taken(&rows);
        Some(rows)
    }

    fn taken(&self, rows: &[FeedRow]) {
        self.waiting.fetch_sub(rows.len() as u64, Ordering::Relaxed);
    }
}
