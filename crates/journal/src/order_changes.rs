//! What a run of rows did to each order, as far as a mirror can make less work of it.
//!
//! Invariant: what is not known is [`OrderChange::Any`], which is right for every order.

use std::collections::HashMap;

use matching::ledger::OrderRecord;
use matching::{Event, OrderId};

/// What happened to an order since the row that a projection shows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum OrderChange {
    /// It traded, and nothing else: the projection shows the rest, and its place in the book if it is still there.
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
                Event::Trade(trade) => {
                    self.0.entry(trade.maker_order_id).or_insert(OrderChange::Traded);
                    self.0.entry(trade.taker_order_id).or_insert(OrderChange::Traded);
                }
                Event::OrderAccepted(accepted) => self.changed(accepted.order.order_id),
                Event::OrderRejected(rejected) => self.changed(rejected.order.order_id),
                Event::OrderTriggered(order) => self.changed(order.order_id),
                Event::OrderAmended(order) => self.changed(order.order_id),
                Event::OrderReduced(order) => self.changed(order.order_id),
                Event::OrderReplenished(order) => self.changed(order.order_id),
                Event::OrderFilled(order) => self.changed(order.order_id),
                Event::OrderCancelled(order) => self.changed(order.order_id),
                Event::OrderExpired(order) => self.changed(order.order_id),
                // No order is another one after these. Each kind of event is named here, so that a new one is decided upon.
                Event::InstrumentListed(_)
                | Event::ListingRejected(_)
                | Event::InstrumentUpdated(_)
                | Event::PhaseChanged(_)
                | Event::AuctionIndicated(_)
                | Event::OrderRepeated(_)
                | Event::CancelRejected(_)
                | Event::AmendRejected(_)
                | Event::MassCancelled(_)
                | Event::CancelAfterSet(_)
                | Event::CancelAfterFired(_)
                | Event::AccountBlocked(_)
                | Event::AccountUnblocked(_)
                | Event::CommandRejected(_)
                | Event::DuplicateRejected(_)
                | Event::TimeAdvanced(_)
                | Event::EntryRejected(_) => {}
            }
        }
    }

    /// What happened to an order that changed. A trade of an order by quote amount changes its quantity, too.
    pub fn of(&self, order: &OrderRecord) -> OrderChange {
        let known = self.0.get(&order.order_id).copied().filter(|_| order.quote_quantity().is_none());
        known.unwrap_or(OrderChange::Any)
    }

    fn changed(&mut self, order: OrderId) {
        self.0.insert(order, OrderChange::Any);
    }
}

#[cfg(test)]
mod tests {
    use matching::event::{OrderCancelled, OrderFilled, OrderReduced, OrderRejected, Trade};
    use matching::{Amount, Changes, Decimal, Ledger, Micros, Order, Reason, Seq, Side, Symbol, TradeId};

    use super::*;

    fn id(number: u64) -> OrderId {
        OrderId::new(number).expect("an id")
    }

    fn symbol() -> Symbol {
        "BTC_USDT".parse().expect("a symbol")
    }

    fn limit(order: u64) -> Order {
        let one: Decimal = "1".parse().expect("a number");
        Order::limit(id(order), symbol(), Side::Buy, one, one, Micros::ZERO)
    }

    fn rejected(order: Order) -> Event {
        Event::OrderRejected(OrderRejected { order, symbol_seq: None, reason_code: Reason::Stale })
    }

    fn trade(maker: u64, taker: u64) -> Event {
        Event::Trade(Trade {
            trade_id: TradeId::FIRST,
            symbol: symbol(),
            price: Decimal::ZERO,
            quantity: Decimal::ZERO,
            quote_quantity: Amount::ZERO,
            maker_order_id: id(maker),
            taker_order_id: id(taker),
            taker_side: Side::Buy,
            maker_remaining: Decimal::ZERO,
            taker_remaining: Decimal::ZERO,
            taker_quote_remaining: None,
            improvement: None,
            auction: false,
            maker_account: None,
            taker_account: None,
            maker_metadata: None,
            taker_metadata: None,
        })
    }

    fn cancelled(order: u64) -> Event {
        Event::OrderCancelled(OrderCancelled {
            order_id: id(order),
            symbol: symbol(),
            side: Side::Buy,
            command_id: None,
            remaining: Decimal::ZERO,
            released: None,
            reason_code: Reason::ByUser,
            reason_text: None,
            account: None,
            metadata: None,
        })
    }

    fn reduced(order: u64) -> Event {
        Event::OrderReduced(OrderReduced {
            order_id: id(order),
            symbol: symbol(),
            quantity: Decimal::ZERO,
            remaining: Decimal::ZERO,
            account: None,
            metadata: None,
        })
    }

    fn filled(order: u64) -> Event {
        Event::OrderFilled(OrderFilled {
            order_id: id(order),
            symbol: symbol(),
            side: Side::Buy,
            released: None,
            account: None,
            metadata: None,
        })
    }

    /// An order as a ledger has it.
    fn record(order: Order) -> OrderRecord {
        let (mut ledger, order_id) = (Ledger::new(10), order.order_id);
        ledger.fold(Seq::ZERO.next(), Micros::ZERO, &[rejected(order)], &mut Changes::default());
        ledger.order(order_id).expect("it is there").clone()
    }

    #[test]
    fn an_order_only_traded_or_anything() {
        let check = |known: &[u64], events: &[Event], change: OrderChange| {
            let mut changes = OrderChanges::unknown(known.iter().map(|order| id(*order)));
            changes.note(events);
            assert_eq!(changes.of(&record(limit(1))), change, "{events:?} of {known:?}");
        };
        check(&[], &[], OrderChange::Any);
        check(&[], &[rejected(limit(1))], OrderChange::Any);
        check(&[], &[rejected(limit(1)), trade(1, 2), cancelled(1)], OrderChange::Any);
        check(&[], &[trade(1, 2)], OrderChange::Traded);
        check(&[], &[trade(2, 1), trade(1, 3), cancelled(2)], OrderChange::Traded);
        check(&[], &[trade(1, 2), cancelled(1)], OrderChange::Any);
        check(&[], &[reduced(1), trade(1, 2)], OrderChange::Any);
        check(&[], &[filled(1)], OrderChange::Any);
        check(&[1], &[trade(1, 2)], OrderChange::Any);
    }

    /// Its quantity is what it has bought so far.
    #[test]
    fn a_trade_changes_more_of_an_order_by_quote_amount() {
        let quote_quantity = Some("1".parse().expect("a number"));
        let by_quote = Order { price: None, quantity: None, quote_quantity, ..limit(1) };
        let mut changes = OrderChanges::default();
        changes.note(&[trade(2, 1)]);
        assert_eq!(changes.of(&record(by_quote)), OrderChange::Any);
    }
}
