//! Which orders a row of the log changes, and which rows changed them before.

use matching::ledger::OrderRecord;
use matching::{Event, Ledger, OrderId, Seq};
use rustc_hash::FxHashMap;

use crate::levels::Shown;

/// The orders that these events change, each once, in the order of the events, as they are before the ledger folds these;
/// none: it comes with them.
pub fn touched(ledger: &Ledger, events: &[Event]) -> Vec<(OrderId, Option<Before>)> {
    let mut touched = Vec::with_capacity(2);
    let mut add = |order_id: OrderId| {
        if !touched.iter().any(|(id, _)| *id == order_id) {
            touched.push((order_id, ledger.order(order_id).map(Before::of)));
        }
    };
    for event in events {
        match event {
            Event::OrderAccepted(event) => add(event.order.order_id),
            Event::OrderRejected(event) => add(event.order.order_id),
            Event::OrderTriggered(event) => add(event.order_id),
            Event::OrderAmended(event) => add(event.order_id),
            Event::OrderReduced(event) => add(event.order_id),
            Event::OrderReplenished(event) => add(event.order_id),
            Event::OrderFilled(event) => add(event.order_id),
            Event::OrderCancelled(event) => add(event.order_id),
            Event::OrderExpired(event) => add(event.order_id),
            Event::Trade(event) => {
                add(event.taker_order_id);
                add(event.maker_order_id);
            }
            _ => {}
        }
    }
    touched
}

/// What an order was before a row changed it.
#[derive(Debug, Copy, Clone)]
pub struct Before {
    /// The row that had changed it last.
    pub(crate) seq: Seq,
    pub(crate) shown: Option<Shown>,
}

impl Before {
    fn of(order: &OrderRecord) -> Before {
        Before { seq: order.seq, shown: Shown::of(order) }
    }
}

/// An order that a row changed, as it was then.
#[derive(Debug, Clone)]
pub struct ChangedOrder {
    /// The order.
    pub order: OrderRecord,
    /// What it was before; none: it came in this row.
    pub before: Option<Before>,
}

/// The rows before its last that changed an order, which knows its last itself: most open orders have none.
#[derive(Debug, Clone, Default)]
pub struct EarlierRows(FxHashMap<OrderId, Vec<Seq>>);

impl EarlierRows {
    /// A row changed an order; `before`: none, if it came in that row.
    pub fn changed(&mut self, order_id: OrderId, before: Option<Before>) {
        if let Some(before) = before {
            self.0.entry(order_id).or_default().push(before.seq);
        }
    }

    /// The earlier rows of an order, as far as they were seen.
    pub fn of(&self, order_id: OrderId) -> &[Seq] {
        self.0.get(&order_id).map_or(&[], Vec::as_slice)
    }

    /// Keeps those of some orders only.
    pub fn retain(&mut self, kept: impl Fn(OrderId) -> bool) {
        self.0.retain(|order_id, _| kept(*order_id));
    }

    /// Takes those of an order out.
    pub fn take(&mut self, order_id: OrderId) -> Vec<Seq> {
        self.0.remove(&order_id).unwrap_or_default()
    }
}
