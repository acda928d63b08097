//! Keeps the history up to date: reads the log behind the writer, in pages, and writes what ended and what was traded.
//!
//! It folds the log into a ledger of its own that keeps no closed orders, so an order is written as it last was, once. It
//! may lag, and after a restart it goes on from its own position.

use std::sync::Arc;
use std::time::Duration;

use journal::{
    EventLog, History, HistoryError, HistoryWrite, LogError, PastOrder, SnapshotError, SnapshotStore, encoding,
};
use market::touched;
use matching::{Changes, Ledger, OrderId, Seq};
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::progress::Progress;
use crate::recovery::Replay;

/// Rows of one transaction: enough to spread its cost thin.
const ROWS: usize = 2_000;
/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long rows may collect before they are written: a lag that nobody notices, for a tenth of the transactions.
const COLLECT: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the history stands at another row than this process left it at")]
    Moved,
}

/// Follows the log for ever; `published` tells when there is more.
pub async fn follow(
    log: Arc<dyn EventLog>,
    snapshots: Arc<dyn SnapshotStore>,
    history: Arc<dyn History>,
    progress: Arc<Progress>,
    mut published: watch::Receiver<Seq>,
) {
    loop {
        let followed = async {
            let mut follower = Follower::start(&*log, &*snapshots, &*history).await?;
            progress.set_history(follower.ledger.seq().get());
            loop {
                while follower.ledger.seq() < *published.borrow_and_update() {
                    follower.page(&*log, &*history).await?;
                    progress.set_history(follower.ledger.seq().get());
                }
                if published.changed().await.is_err() {
                    return Ok::<(), FollowError>(());
                }
                sleep(COLLECT).await;
            }
        };
        match followed.await {
            Ok(()) => return,
            Err(error) => warn!(%error, "the history is not written; trying again until it can be"),
        }
        sleep(RETRY).await;
    }
}

struct Follower {
    ledger: Ledger,
    /// The rows of each open order.
    rows: FxHashMap<OrderId, Vec<Seq>>,
}

impl Follower {
    /// The state at the history's position, from the newest snapshot before it.
    async fn start(
        log: &dyn EventLog,
        snapshots: &dyn SnapshotStore,
        history: &dyn History,
    ) -> Result<Follower, FollowError> {
        let position = history.position().await?;
        let mut replay = Replay::from_snapshot(snapshots, position, 0).await?;
        let from = replay.position.seq;
        let mut rows = FxHashMap::default();
        replay
            .advance::<FollowError>(log, position, |record, events| {
                note(&mut rows, record.seq, events);
                Ok(())
            })
            .await?;
        let (_, _, ledger) = replay.engine.into_parts();
        rows.retain(|order_id, _| ledger.order(*order_id).is_some());
        info!(seq = %position, %from, "the history goes on");
        Ok(Follower { ledger, rows })
    }

    async fn page(&mut self, log: &dyn EventLog, history: &dyn History) -> Result<(), FollowError> {
        let from = self.ledger.seq();
        let mut changes = Changes::default();
        for record in log.page(from, ROWS).await? {
            let damaged =
                |error: encoding::DecodeError| LogError::Damaged { seq: record.seq, error: error.to_string() };
            let events = encoding::decode_events(record.format, &record.events).map_err(damaged)?;
            note(&mut self.rows, record.seq, &events);
            self.ledger.fold(record.seq, record.time, &events, &mut changes);
        }
        let ended = changes.dropped_orders.into_iter().map(|order| {
            let rows = self.rows.remove(&order.order_id).unwrap_or_default();
            PastOrder { order, rows }
        });
        let write = HistoryWrite { from, to: self.ledger.seq(), orders: ended.collect(), trades: changes.trades };
        if write.from == write.to || history.write(&write).await? { Ok(()) } else { Err(FollowError::Moved) }
    }
}

fn note(rows: &mut FxHashMap<OrderId, Vec<Seq>>, seq: Seq, events: &[matching::Event]) {
    for order_id in touched(events) {
        rows.entry(order_id).or_default().push(seq);
    }
}
