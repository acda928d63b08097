//! The matching itself, judged twice: against the naive book, event by event; and by plain sums over the events, which
//! share nothing with any book: never crossed, the maker's price, nothing gained or lost, nothing expired trades.

use std::collections::BTreeMap;

use matching::event::{OrderAccepted, Trade};
use matching::naive::NaiveBook;
use matching::{Decimal, Event, Micros, OrderId, Router, Side, Symbol};

use super::{Facts, Row};
use crate::world::Violation;

/// Decimals in which the sums are made: as fine as any instrument.
const DECIMALS: u8 = 8;

/// What is wrong.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut sums = Sums::default();
    for row in &facts.rows {
        sums.row(row, &mut found);
        if !found.is_empty() {
            return found;
        }
    }
    against_the_naive_book(facts, &mut found);
    found
}

/// Routes every command to naive books, and compares what they say with what the log says.
fn against_the_naive_book(facts: &Facts, found: &mut Vec<Violation>) {
    let mut router = Router::new();
    let mut books: BTreeMap<Symbol, NaiveBook> = BTreeMap::new();
    for row in &facts.rows {
        let mut routed = Vec::new();
        let mut expected: Vec<Event> = router.route(&row.command, &mut routed).into_iter().collect();
        for (symbol, command) in routed {
            let mut events = Vec::new();
            books.entry(symbol).or_default().apply(command, &mut events);
            expected.extend(events.into_iter().map(|event| router.publish(row.command.seq, symbol, event)));
        }
        if expected != row.events {
            let what = format!("row {}: the naive book says {expected:?}, the log {:?}", row.command.seq, row.events);
            return found.push(Violation::new("price-time priority, as the naive book has it", what));
        }
    }
}

/// An order that is open.
#[derive(Debug, Clone)]
struct Open {
    symbol: Symbol,
    side: Side,
    price: u64,
    remaining: u64,
    expire_at: Option<Micros>,
}

/// The open orders, by the events alone.
#[derive(Default)]
struct Sums {
    open: BTreeMap<OrderId, Open>,
}

impl Sums {
    fn row(&mut self, row: &Row, found: &mut Vec<Violation>) {
        for event in &row.events {
            let wrong = match event {
                Event::OrderAccepted(order) => self.accept(order, row),
                Event::Trade(trade) => self.trade(trade, row.command.time),
                Event::OrderCancelled(cancelled) => self.close(cancelled.order_id, cancelled.remaining),
                Event::OrderExpired(expired) => self.close(expired.order_id, expired.remaining),
                _ => Ok(()),
            };
            if let Err((rule, what)) = wrong {
                found.push(Violation::new(rule, format!("row {}: {what}", row.command.seq)));
            }
        }
        self.crossed(row, found);
    }

    fn accept(&mut self, order: &OrderAccepted, row: &Row) -> Result<(), (&'static str, String)> {
        let open = Open {
            symbol: order.symbol,
            side: order.side,
            price: units(order.price),
            remaining: units(order.quantity),
            expire_at: order.expire_at,
        };
        let late = match &row.command.value {
            matching::Command::NewOrder(asked) => asked.deadline.is_some_and(|deadline| deadline < row.command.time),
            _ => false,
        };
        if late || order.expire_at.is_some_and(|at| at <= row.command.time) {
            return Err(("nothing late is executed", format!("order {} came too late", order.order_id)));
        }
        match self.open.insert(order.order_id, open) {
            None => Ok(()),
            Some(_) => Err(("conservation", format!("order {} is accepted while it is open", order.order_id))),
        }
    }

    fn trade(&mut self, trade: &Trade, now: Micros) -> Result<(), (&'static str, String)> {
        let ids = (trade.maker_order_id, trade.taker_order_id);
        let (Some(maker), Some(taker)) = (self.open.get(&ids.0), self.open.get(&ids.1)) else {
            return Err(("conservation", format!("{ids:?} trade, and are not both open")));
        };
        let price = units(trade.price);
        if price != maker.price {
            return Err(("a trade is at the maker's price", format!("{ids:?} trade at {}", trade.price)));
        }
        let accepts = match taker.side {
            Side::Buy => price <= taker.price,
            Side::Sell => price >= taker.price,
        };
        if maker.side == taker.side || maker.symbol != taker.symbol || !accepts {
            return Err(("orders trade within their limits", format!("{maker:?} and {taker:?} trade at {price}")));
        }
        if maker.expire_at.is_some_and(|at| at <= now) {
            return Err(("what is due expires before anything trades", format!("order {} was due and trades", ids.0)));
        }
        let quantity = units(trade.quantity);
        for (order_id, left) in [(ids.0, trade.maker_remaining), (ids.1, trade.taker_remaining)] {
            self.reduce(order_id, quantity, units(left))?;
        }
        Ok(())
    }

    fn reduce(&mut self, order_id: OrderId, quantity: u64, left: u64) -> Result<(), (&'static str, String)> {
        let Some(order) = self.open.get_mut(&order_id) else { return Ok(()) };
        if quantity == 0 || order.remaining.checked_sub(quantity) != Some(left) {
            return Err(("conservation", format!("{order:?} gives {quantity} and has {left} left")));
        }
        order.remaining = left;
        if left == 0 {
            self.open.remove(&order_id);
        }
        Ok(())
    }

    fn close(&mut self, order_id: OrderId, remaining: Decimal) -> Result<(), (&'static str, String)> {
        match self.open.remove(&order_id) {
            Some(order) if order.remaining == units(remaining) => Ok(()),
            other => Err(("conservation", format!("order {order_id} closes with {remaining} left: {other:?}"))),
        }
    }

    fn crossed(&self, row: &Row, found: &mut Vec<Violation>) {
        let mut best: BTreeMap<Symbol, (u64, u64)> = BTreeMap::new();
        for order in self.open.values() {
            let (bid, ask) = best.entry(order.symbol).or_insert((0, u64::MAX));
            match order.side {
                Side::Buy => *bid = order.price.max(*bid),
                Side::Sell => *ask = order.price.min(*ask),
            }
        }
        for (symbol, (bid, ask)) in best {
            if bid >= ask {
                let what = format!("row {}: {symbol} has bid {bid} and ask {ask}", row.command.seq);
                found.push(Violation::new("never crossed", what));
            }
        }
    }
}

/// # Panics
/// If a decimal of the log is finer than any instrument: then the log is not of this service.
fn units(decimal: Decimal) -> u64 {
    decimal.to_units(DECIMALS).expect("a decimal of an instrument")
}
