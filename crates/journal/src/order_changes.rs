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

#[cfg(test)]
mod tests {
    use matching::event::{OrderCancelled, OrderExpired, OrderRejected, Trade};
    use matching::{CommandId, Decimal, Micros, Reason, Side, Symbol, TradeId};

    use super::*;

    fn id(number: u64) -> OrderId {
        OrderId::new(number).expect("an id")
    }

    fn symbol() -> Symbol {
        "BTC_USDT".parse().expect("a symbol")
    }

    fn rejected(order: u64) -> Event {
        Event::OrderRejected(OrderRejected {
            order_id: id(order),
            symbol: symbol(),
            side: Side::Buy,
            price: Decimal::ZERO,
            quantity: Decimal::ZERO,
            received_at: Micros::ZERO,
            account: None,
            client_order_id: None,
            expire_at: None,
            reason_code: Reason::Stale,
        })
    }

    fn trade(maker: u64, taker: u64) -> Event {
        Event::Trade(Trade {
            trade_id: TradeId::FIRST,
            symbol: symbol(),
            price: Decimal::ZERO,
            quantity: Decimal::ZERO,
            maker_order_id: id(maker),
            taker_order_id: id(taker),
            taker_side: Side::Buy,
            maker_remaining: Decimal::ZERO,
            taker_remaining: Decimal::ZERO,
        })
    }

    fn cancelled(order: u64) -> Event {
        Event::OrderCancelled(OrderCancelled {
            order_id: id(order),
            symbol: symbol(),
            command_id: CommandId::new(1).expect("an id"),
            remaining: Decimal::ZERO,
            reason_code: Reason::ByUser,
            reason_text: None,
        })
    }

    fn expired(order: u64) -> Event {
        Event::OrderExpired(OrderExpired { order_id: id(order), symbol: symbol(), remaining: Decimal::ZERO })
    }

    /// What happened first decides whether anything is shown, what happened besides how much of it changed.
    #[test]
    fn an_order_is_new_or_only_traded_or_anything() {
        let check = |known: &[u64], events: &[Event], change: OrderChange| {
            let mut changes = OrderChanges::unknown(known.iter().map(|order| id(*order)));
            changes.note(events);
            assert_eq!(changes.of(id(1)), change, "{events:?} of {known:?}");
        };
        check(&[], &[], OrderChange::Any);
        check(&[], &[rejected(1)], OrderChange::Came);
        check(&[], &[rejected(1), trade(1, 2), cancelled(1)], OrderChange::Came);
        check(&[], &[trade(1, 2)], OrderChange::Traded);
        check(&[], &[trade(2, 1), trade(1, 3)], OrderChange::Traded);
        check(&[], &[trade(1, 2), cancelled(1)], OrderChange::Any);
        check(&[], &[expired(1)], OrderChange::Any);
        check(&[1], &[trade(1, 2)], OrderChange::Any);
    }
}
