//! What goes from the ledger to its readers with each row: the index of orders, beside the ledger, and the rows for the
//! feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::Recipient;
use market::{FeedRow, OrderIndex, touched};
use matching::ledger::OrderRecord;
use matching::{Event, Ledger, OrderId, Seq};

use crate::feed::FeedRows;

/// The orders that a row changes, with the row that changed each of them last.
pub(crate) type Touched = Vec<(OrderId, Option<Seq>)>;

/// What these events will change in a ledger that has not folded them yet.
pub(crate) fn touched_by(events: &[Event], ledger: &Ledger) -> Touched {
    let before = |order_id| ledger.order(order_id).map(|order| order.seq);
    touched(events).into_iter().map(|order_id| (order_id, before(order_id))).collect()
}

pub(crate) struct Readers {
    index: OrderIndex,
    feed: Recipient<FeedRows>,
    /// Rows that were sent to the feed and not handled there.
    backlog: Arc<AtomicU64>,
    rows: Vec<FeedRow>,
}

impl Readers {
    pub(crate) fn new(index: OrderIndex, feed: Recipient<FeedRows>, backlog: Arc<AtomicU64>) -> Readers {
        Readers { index, feed, backlog, rows: Vec::new() }
    }

    pub(crate) fn index(&self) -> &OrderIndex {
        &self.index
    }

    /// The ledger has folded a row: its events, the orders that they changed, and those that it dropped then.
    pub(crate) fn row(&mut self, ledger: &Ledger, events: Vec<Event>, touched: Touched, dropped: &[OrderRecord]) {
        let (mut orders, mut gone) = (Vec::new(), Vec::new());
        for (order_id, before) in touched {
            match ledger.order(order_id) {
                Some(order) => {
                    self.index.changed(before, order);
                    orders.push(order.clone());
                }
                None => gone.extend(dropped.iter().find(|order| order.order_id == order_id).cloned()),
            }
        }
        dropped.iter().for_each(|order| self.index.dropped(order));
        self.rows.push(FeedRow { seq: ledger.seq(), time: ledger.time(), events, orders, gone });
    }

    /// Sends the rows on.
    pub(crate) fn publish(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.backlog.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.feed.do_send(FeedRows(rows));
    }
}
