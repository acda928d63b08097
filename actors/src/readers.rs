//! What goes from the ledger to its readers with each row: the index of orders, beside the ledger, and the rows for the
//! feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::Recipient;
use market::{Before, ChangedOrder, FeedRow, OrderIndex};
use matching::ledger::OrderRecord;
use matching::{Event, Ledger, OrderId};

use crate::feed::FeedRows;

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

    /// The ledger has folded a row: its events, the orders that they changed and what those were before, and the
    /// orders that it dropped then.
    pub(crate) fn row(
        &mut self,
        ledger: &Ledger,
        events: Vec<Event>,
        touched: Vec<(OrderId, Option<Before>)>,
        dropped: &[OrderRecord],
    ) {
        let mut orders = Vec::with_capacity(touched.len());
        for (order_id, before) in touched {
            let kept = ledger.order(order_id);
            if let Some(order) = kept {
                self.index.changed(before, order);
            }
            let order = kept.or_else(|| dropped.iter().find(|order| order.order_id == order_id));
            orders.extend(order.cloned().map(|order| ChangedOrder { order, before }));
        }
        dropped.iter().for_each(|order| self.index.dropped(order));
        self.rows.push(FeedRow { seq: ledger.seq(), time: ledger.time(), events, orders });
    }

    /// Sends the rows on.
    pub(crate) fn publish(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.backlog.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.feed.do_send(FeedRows(rows));
    }
}
