//! What a run of rows did to each order, as far as a mirror can make less work of it.
//!
//! Invariant: what is not known is [`OrderChange::Any`], which is right for every order.

use std::collections::HashMap;

use matching::{Event, OrderId};

/// What happened to an order since the row that a projection shows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum OrderChange {
    /// It came: the projection shows nothing of it.
    Came,
    /// It traded, and nothing else.
    Traded,
    /// Anything.
    Any,
}

/// The changes of a run of rows.
#[derive(Debug, Default)]
pub struct OrderChanges(HashMap<OrderId, OrderChange>);

impl OrderChanges {
    /// Of these orders it is only known that something happened to them.
    pub fn unknown(orders: impl IntoIterator<Item = OrderId>) -> OrderChanges {
        OrderChanges(orders.into_iter().map(|order| (order, OrderChange::Any)).collect())
    }

    /// Adds what the events of the next row did.
    pub fn note(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::OrderAccepted(order) => self.came(order.order_id),
                Event::OrderRejected(order) => self.came(order.order_id),
                Event::Trade(trade) => {
                    self.0.entry(trade.maker_order_id).or_insert(OrderChange::Traded);
                    self.0.entry(trade.taker_order_id).or_insert(OrderChange::Traded);
                }
                Event::OrderCancelled(order) => self.changed(order.order_id),
                Event::OrderExpired(order) => self.changed(order.order_id),
                // No order is another one after these. Each kind of event is named here, so that a new one is decided upon.
                Event::InstrumentListed(_)
                | Event::ListingRejected(_)
                | Event::OrderRepeated(_)
                | Event::CancelRejected(_)
                | Event::DuplicateRejected(_)
                | Event::TimeAdvanced(_)
                | Event::EntryRejected(_) => {}
            }
        }
    }

    /// What happened to an order that changed.
    pub fn of(&self, order: OrderId) -> OrderChange {
        self.0.get(&order).copied().unwrap_or(OrderChange::Any)
    }

    fn came(&mut self, order: OrderId) {
        self.0.insert(order, OrderChange::Came);
    }

    fn changed(&mut self, order: OrderId) {
        let change = self.0.entry(order).or_insert(OrderChange::Any);
        if *change == OrderChange::Traded {
            *change = OrderChange::Any;
        }
    }
}
