//! The naive book: written for obviousness, with one list of orders and a scan for everything. The fast book must say
//! the same, event by event. For tests and checkers; nothing that ships uses it.

use crate::book::{BookCommand, BookEvent, Placed};
use crate::units::{OrderId, Price, Quantity, Side, SymbolSeq};

/// An order that waits in the naive book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NaiveOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its side.
    pub side: Side,
    /// Its limit.
    pub price: Price,
    /// What is left of it.
    pub remaining: Quantity,
    /// Its place: lower goes first.
    pub priority: SymbolSeq,
}

/// One symbol's orders, in no particular order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NaiveBook {
    orders: Vec<NaiveOrder>,
    events: u64,
}

impl NaiveBook {
    /// An empty book.
    pub fn new() -> NaiveBook {
        NaiveBook::default()
    }

    /// The orders of one side, in the order in which they would trade.
    pub fn orders(&self, side: Side) -> Vec<NaiveOrder> {
        let mut orders: Vec<NaiveOrder> = self.orders.iter().filter(|order| order.side == side).cloned().collect();
        orders.sort_by_key(|order| (distance(order), order.priority));
        orders
    }

    /// Applies a command and adds what happened to `out`.
    pub fn apply(&mut self, command: BookCommand, out: &mut Vec<BookEvent>) {
        match command {
            BookCommand::Place(order) => {
                let Placed { order_id, side, price, quantity, .. } = order;
                let priority = self.count_event();
                out.push(BookEvent::Accepted { order, priority });
                let mut taker = NaiveOrder { order_id, side, price, remaining: quantity, priority };
                while let Some(maker) = self.best_maker(&taker) {
                    self.trade(maker, &mut taker, out);
                }
                if !taker.remaining.is_zero() {
                    self.orders.push(taker);
                }
            }
            BookCommand::Cancel { command_id, order_id, reason_text } => {
                self.count_event();
                match self.orders.iter().position(|order| order.order_id == order_id) {
                    Some(index) => {
                        let remaining = self.orders.remove(index).remaining;
                        out.push(BookEvent::Cancelled { order_id, command_id, remaining, reason_text });
                    }
                    None => out.push(BookEvent::CancelRejected { command_id, order_id }),
                }
            }
            BookCommand::Expire { order_id } => {
                if let Some(index) = self.orders.iter().position(|order| order.order_id == order_id) {
                    self.count_event();
                    out.push(BookEvent::Expired { order_id, remaining: self.orders.remove(index).remaining });
                }
            }
        }
    }

    fn count_event(&mut self) -> SymbolSeq {
        self.events += 1;
        match SymbolSeq::new(self.events) {
            Some(number) => number,
            None => panic!("more events than numbers"),
        }
    }

    /// The order that a taker trades with first: the best price that it accepts, and of those the oldest.
    fn best_maker(&self, taker: &NaiveOrder) -> Option<usize> {
        let accepts = |maker: &NaiveOrder| match taker.side {
            Side::Buy => maker.price <= taker.price,
            Side::Sell => maker.price >= taker.price,
        };
        let makers = self.orders.iter().enumerate().filter(|(_, maker)| maker.side != taker.side && accepts(maker));
        let best = makers.min_by_key(|(_, maker)| (distance(maker), maker.priority));
        best.filter(|_| !taker.remaining.is_zero()).map(|(index, _)| index)
    }

    fn trade(&mut self, index: usize, taker: &mut NaiveOrder, out: &mut Vec<BookEvent>) {
        self.count_event();
        let maker = &mut self.orders[index];
        let quantity = maker.remaining.min(taker.remaining);
        maker.remaining = maker.remaining - quantity;
        taker.remaining = taker.remaining - quantity;
        out.push(BookEvent::Traded {
            price: maker.price,
            quantity,
            maker_order_id: maker.order_id,
            taker_order_id: taker.order_id,
            taker_side: taker.side,
            maker_remaining: maker.remaining,
            taker_remaining: taker.remaining,
        });
        if self.orders[index].remaining.is_zero() {
            self.orders.remove(index);
        }
    }
}

/// How far an order's price is from the best that there could be on its side: the least trades first.
fn distance(order: &NaiveOrder) -> u64 {
    match order.side {
        Side::Buy => u64::MAX - order.price.units(),
        Side::Sell => order.price.units(),
    }
}
