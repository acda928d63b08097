//! The matching itself, judged twice: against the naive book, event by event; and by plain sums over the events, which
//! share nothing with any book: never crossed, the maker's price, nothing gained or lost, nothing expired trades.

use std::collections::BTreeMap;

use matching::event::Trade;
use matching::naive::NaiveEngine;
use matching::{Decimal, Event, Micros, Order, OrderId, Side, Symbol};

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

/// Applies every command with naive books, and compares what they say with what the log says.
fn against_the_naive_book(facts: &Facts, found: &mut Vec<Violation>) {
    let mut naive = NaiveEngine::default();
    for row in &facts.rows {
        let expected = naive.apply(&row.command);
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
    /// None accepts any.
    price: Option<u64>,
    /// None: it has a quote amount instead.
    remaining: Option<u64>,
    expire_at: Option<Micros>,
    /// Whether it waits for a trade.
    waits: bool,
}

/// The open orders, by the events alone.
#[derive(Default)]
struct Sums {
    open: BTreeMap<OrderId, Open>,
}

type Wrong = (&'static str, String);

impl Sums {
    fn row(&mut self, row: &Row, found: &mut Vec<Violation>) {
        for event in &row.events {
            let wrong = match event {
                Event::OrderAccepted(accepted) => self.accept(&accepted.order, row),
                Event::OrderTriggered(triggered) => self.change(triggered.order_id, |open| open.waits = false),
                Event::OrderAmended(amended) => self.change(amended.order_id, |open| {
                    open.price = amended.price.map(units);
                    open.remaining = Some(units(amended.remaining));
                }),
                Event::OrderReduced(reduced) => {
                    self.change(reduced.order_id, |open| open.remaining = Some(units(reduced.remaining)))
                }
                Event::Trade(trade) => self.trade(trade, row.command.time),
                Event::OrderFilled(filled) => self.change(filled.order_id, |_| {}).map(|()| {
                    self.open.remove(&filled.order_id);
                }),
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

    fn accept(&mut self, order: &Order, row: &Row) -> Result<(), Wrong> {
        let open = Open {
            symbol: order.symbol,
            side: order.side,
            price: order.price.map(units),
            remaining: order.quantity.map(units),
            expire_at: order.expire_at,
            waits: order.order_type.waits(),
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

    fn change(&mut self, order_id: OrderId, change: impl FnOnce(&mut Open)) -> Result<(), Wrong> {
        match self.open.get_mut(&order_id) {
            Some(open) => {
                change(open);
                Ok(())
            }
            None => Err(("conservation", format!("order {order_id} changes, and is not open"))),
        }
    }

    fn trade(&mut self, trade: &Trade, now: Micros) -> Result<(), Wrong> {
        let ids = (trade.maker_order_id, trade.taker_order_id);
        let (Some(maker), Some(taker)) = (self.open.get(&ids.0), self.open.get(&ids.1)) else {
            return Err(("conservation", format!("{ids:?} trade, and are not both open")));
        };
        let price = units(trade.price);
        if Some(price) != maker.price && !trade.auction {
            return Err(("a trade is at the maker's price", format!("{ids:?} trade at {}", trade.price)));
        }
        let accepts = |order: &Open| {
            order.price.is_none_or(|limit| match order.side {
                Side::Buy => price <= limit,
                Side::Sell => price >= limit,
            })
        };
        let strangers = maker.side == taker.side || maker.symbol != taker.symbol || maker.waits || taker.waits;
        if strangers || !accepts(taker) || !accepts(maker) {
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

    fn reduce(&mut self, order_id: OrderId, quantity: u64, left: u64) -> Result<(), Wrong> {
        let Some(order) = self.open.get_mut(&order_id) else { return Ok(()) };
        let Some(remaining) = order.remaining else { return Ok(()) };
        if quantity == 0 || remaining.checked_sub(quantity) != Some(left) {
            return Err(("conservation", format!("{order:?} gives {quantity} and has {left} left")));
        }
        order.remaining = Some(left);
        if left == 0 {
            self.open.remove(&order_id);
        }
        Ok(())
    }

    fn close(&mut self, order_id: OrderId, remaining: Decimal) -> Result<(), Wrong> {
        match self.open.remove(&order_id) {
            Some(order) if order.remaining.is_none_or(|left| left == units(remaining)) => Ok(()),
            other => Err(("conservation", format!("order {order_id} closes with {remaining} left: {other:?}"))),
        }
    }

    fn crossed(&self, row: &Row, found: &mut Vec<Violation>) {
        let mut best: BTreeMap<Symbol, (u64, u64)> = BTreeMap::new();
        for order in self.open.values().filter(|order| !order.waits) {
            let Some(price) = order.price else { continue };
            let (bid, ask) = best.entry(order.symbol).or_insert((0, u64::MAX));
            match order.side {
                Side::Buy => *bid = price.max(*bid),
                Side::Sell => *ask = price.min(*ask),
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
