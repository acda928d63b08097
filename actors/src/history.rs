//! Keeps the history up to date: writes what ended and what was traded, behind the writer.
//!
//! After a start it reads the log from its own position on, and folds it into a ledger of its own that keeps no closed
//! orders. Once it has read what was published, it takes the rows that the feed passes on, with the orders as they are
//! after each, and needs neither log nor ledger. It may lag; when it falls too far behind the feed, it reads the log again.

use std::sync::Arc;
use std::time::Duration;

use journal::{
    EventLog, History, HistoryError, HistoryWrite, LogError, PastOrder, Position, SnapshotError, SnapshotStore,
};
use market::{ChangedOrder, EarlierRows, FeedRow, touched};
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Changes, Event, Ledger, Seq};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::feed::{Feed, Rows};
use crate::outcomes::Stopping;
use crate::progress::Progress;
use crate::recovery::{Replay, folded, next_events};

/// Rows of one transaction: enough to spread its cost thin.
const ROWS: u64 = 4_000;
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
    #[error("the feed passes no more rows on: too many wait")]
    Behind,
    #[error(transparent)]
    Stopping(#[from] Stopping),
}

/// Follows the log for ever.
pub async fn follow(
    log: Arc<dyn EventLog>,
    snapshots: Arc<dyn SnapshotStore>,
    history: Arc<dyn History>,
    progress: Arc<Progress>,
    feed: Feed,
) {
    loop {
        let followed = async {
            let mut reader = Reader::start(&*log, &*snapshots, &*history).await?;
            progress.set_history(reader.position.seq.get());
            let to = *feed.published.borrow();
            reader.read(&*log, &*history, &progress, to).await?;
            // What was published while it read is little; from here on nothing is missed.
            let rows = feed.rows().await?;
            reader.read(&*log, &*history, &progress, rows.after()).await?;
            follow_feed(rows, reader.rows, &*history, &progress).await
        };
        match followed.await {
            Ok(()) | Err(FollowError::Stopping(_)) => return,
            Err(FollowError::Behind) => {
                info!("the history is too far behind the feed: it reads the log");
                continue;
            }
            Err(error) => warn!(%error, "the history is not written; trying again until it can be"),
        }
        sleep(RETRY).await;
    }
}

/// Reads the log.
struct Reader {
    position: Position,
    ledger: Ledger,
    rows: EarlierRows,
}

impl Reader {
    /// The state at the history's position, from the newest snapshot before it.
    async fn start(
        log: &dyn EventLog,
        snapshots: &dyn SnapshotStore,
        history: &dyn History,
    ) -> Result<Reader, FollowError> {
        let position = history.position().await?;
        let mut replay = Replay::from_snapshot(snapshots, position, 0).await?;
        let from = replay.position.seq;
        let mut rows = EarlierRows::default();
        replay
            .advance::<FollowError>(log, position, |ledger, _, events| {
                note(&mut rows, ledger, events);
                Ok(())
            })
            .await?;
        let reached = replay.position;
        let (_, _, ledger) = replay.engine.into_parts();
        rows.retain(|order_id| ledger.order(order_id).is_some());
        info!(seq = %position, %from, "the history goes on");
        Ok(Reader { position: reached, ledger, rows })
    }

    /// Takes in the rows up to `to`.
    async fn read(
        &mut self,
        log: &dyn EventLog,
        history: &dyn History,
        progress: &Progress,
        to: Seq,
    ) -> Result<(), FollowError> {
        while self.position.seq < to {
            self.page(log, history, to).await?;
            progress.set_history(self.position.seq.get());
        }
        Ok(())
    }

    /// Takes in the next rows, none after `to`, each proven to follow the one before.
    async fn page(&mut self, log: &dyn EventLog, history: &dyn History, to: Seq) -> Result<(), FollowError> {
        let from = self.position.seq;
        let mut changes = Changes::default();
        let wanted = (to.get() - from.get()).min(ROWS);
        for record in log.page(from, wanted as usize).await? {
            let events = next_events(&self.position, &record)?;
            self.position = record.position();
            note(&mut self.rows, &self.ledger, &events);
            folded(record.seq, || self.ledger.fold(record.seq, record.time, &events, &mut changes))?;
        }
        let ended = changes.dropped_orders.into_iter().map(|order| past(order, &mut self.rows));
        let write = HistoryWrite { from, to: self.position.seq, orders: ended.collect(), trades: changes.trades };
        write_surely(history, &write).await
    }
}

/// Takes the rows that the feed passes on; ends when they are passed on no more.
async fn follow_feed(
    mut rows: Rows,
    mut earlier_rows: EarlierRows,
    history: &dyn History,
    progress: &Progress,
) -> Result<(), FollowError> {
    let (mut at, mut more_waits) = (rows.after(), false);
    loop {
        let mut taken = rows.next().await;
        if taken.is_none() {
            return Err(FollowError::Behind);
        }
        if !more_waits {
            sleep(COLLECT).await;
        }
        let mut write = HistoryWrite { from: at, to: at, orders: Vec::new(), trades: Vec::new() };
        more_waits = false;
        while let Some(passed_on) = taken.take() {
            passed_on.into_iter().for_each(|row| take(row, &mut earlier_rows, &mut write));
            more_waits = write.to.get() - at.get() >= ROWS;
            if !more_waits {
                taken = rows.waiting();
            }
        }
        write_surely(history, &write).await?;
        at = write.to;
        progress.set_history(at.get());
    }
}

fn take(row: FeedRow, rows: &mut EarlierRows, write: &mut HistoryWrite) {
    assert!(row.seq == write.to.next(), "the feed passes row {} on after row {}", row.seq, write.to);
    write.to = row.seq;
    for event in &row.events {
        if let Event::Trade(trade) = event {
            write.trades.push(TradeRecord::of(trade, row.seq, row.time));
        }
    }
    for ChangedOrder { order, before } in row.orders {
        rows.changed(order.order_id, before);
        if !order.status.is_open() {
            write.orders.push(past(order, rows));
        }
    }
}

fn past(order: OrderRecord, rows: &mut EarlierRows) -> PastOrder {
    let mut rows = rows.take(order.order_id);
    rows.push(order.seq);
    PastOrder { order, rows }
}

async fn write_surely(history: &dyn History, write: &HistoryWrite) -> Result<(), FollowError> {
    if write.from == write.to || history.write(write).await? { Ok(()) } else { Err(FollowError::Moved) }
}

fn note(rows: &mut EarlierRows, ledger: &Ledger, events: &[Event]) {
    for (order_id, before) in touched(ledger, events) {
        rows.changed(order_id, before);
    }
}
