//! What holds for every book, told from its events alone: quantity is conserved, priority is kept, prices are the makers',
//! nothing trades with its own account that must not, and in phase CONTINUOUS nothing crosses.

use std::collections::{BTreeMap, BTreeSet};

use matching::book::{Book, BookEvent, Ended, Placed, Traded};
use matching::{OrderId, Phase, Price, SelfTradePrevention, Side, SymbolSeq};

/// An open order, by the events so far.
#[derive(Debug, Clone)]
struct Life {
    placed: Placed,
    quantity: u64,
    remaining: u64,
    traded: u64,
    priority: SymbolSeq,
    waits: bool,
}

impl Life {
    /// How good its price is: smaller goes first.
    fn rank(&self) -> (u64, SymbolSeq) {
        let price = self.placed.price.map_or(0, Price::units);
        (if self.placed.side == Side::Buy { u64::MAX - price } else { price }, self.priority)
    }
}

/// What is wrong with a book and the events that led to it. Nothing is the right answer.
pub fn violations(book: &Book, events: &[BookEvent]) -> Vec<String> {
    let mut checker = Checker::default();
    events.iter().for_each(|event| checker.see(event));
    checker.compare(book);
    checker.found
}

#[derive(Default)]
struct Checker {
    lives: BTreeMap<OrderId, Life>,
    came: BTreeSet<OrderId>,
    found: Vec<String>,
}

impl Checker {
    fn see(&mut self, event: &BookEvent) {
        match event {
            BookEvent::Accepted { order, priority } => {
                let quantity = order.quantity.units();
                let life = Life {
                    placed: order.clone(),
                    quantity,
                    remaining: quantity,
                    traded: 0,
                    priority: *priority,
                    waits: order.order_type.waits(),
                };
                self.lives.insert(order.order_id, life);
                if !self.came.insert(order.order_id) {
                    self.found.push(format!("ids: order {} came twice", order.order_id));
                }
            }
            BookEvent::Triggered { order_id, priority, .. } => {
                if let Some(life) = self.open(*order_id) {
                    (life.waits, life.priority) = (false, *priority);
                }
            }
            BookEvent::Amended { order_id, price, quantity, remaining, priority, .. } => {
                if let Some(life) = self.open(*order_id) {
                    life.placed.price = *price;
                    (life.quantity, life.remaining) = (quantity.units(), remaining.units());
                    life.priority = *priority;
                }
            }
            BookEvent::Reduced { order_id, quantity, remaining, .. } => {
                if let Some(life) = self.open(*order_id) {
                    (life.quantity, life.remaining) = (quantity.units(), remaining.units());
                }
            }
            BookEvent::Replenished { order_id, priority, .. } => {
                if let Some(life) = self.open(*order_id) {
                    life.priority = *priority;
                }
            }
            BookEvent::Traded(traded) => self.see_trade(traded),
            BookEvent::Filled(ended) | BookEvent::Cancelled { ended, .. } | BookEvent::Expired { ended, .. } => {
                self.see_end(ended);
            }
            BookEvent::Rejected { .. }
            | BookEvent::CancelRejected { .. }
            | BookEvent::AmendRejected { .. }
            | BookEvent::PhaseChanged { .. }
            | BookEvent::InstrumentUpdated { .. }
            | BookEvent::AuctionIndicated(_) => {}
        }
    }

    fn open(&mut self, order_id: OrderId) -> Option<&mut Life> {
        if !self.lives.contains_key(&order_id) {
            self.found.push(format!("ids: order {order_id} is not open"));
        }
        self.lives.get_mut(&order_id)
    }

    fn see_trade(&mut self, traded: &Traded) {
        let (maker_id, taker_id) = (traded.maker_order_id, traded.taker_order_id);
        let pair = self.lives.get(&maker_id).cloned().zip(self.lives.get(&taker_id).cloned());
        let Some((maker, taker)) = pair else {
            self.found.push(format!("ids: {maker_id} and {taker_id} are not both open"));
            return;
        };
        if traded.quantity.is_zero() {
            self.found.push(format!("empty: {taker_id} takes nothing of {maker_id}"));
        }
        if maker.placed.side == taker.placed.side || taker.placed.side != traded.taker_side {
            self.found.push(format!("sides: {maker_id} and {taker_id}"));
        }
        let own = maker.placed.account.is_some() && maker.placed.account == taker.placed.account;
        if own && taker.placed.self_trade_prevention != SelfTradePrevention::None {
            self.found.push(format!("own: {taker_id} trades with {maker_id} of its account"));
        }
        self.check_price(traded, &maker, &taker);
        let first =
            |life: &&Life| life.placed.side == maker.placed.side && !life.waits && life.placed.order_id != taker_id;
        let best = self.lives.values().filter(first).min_by_key(|life| life.rank());
        if best.is_some_and(|best| best.placed.order_id != maker_id) {
            self.found.push(format!("priority: {maker_id} goes before {best:?}"));
        }
        for (order_id, left) in [(maker_id, traded.maker_remaining), (taker_id, traded.taker_remaining)] {
            self.take(order_id, traded.quantity.units(), left.units());
        }
    }

    fn check_price(&mut self, traded: &Traded, maker: &Life, taker: &Life) {
        let within = |life: &Life| match (life.placed.price, life.placed.side) {
            (None, _) => true,
            (Some(limit), Side::Buy) => traded.price <= limit,
            (Some(limit), Side::Sell) => traded.price >= limit,
        };
        let is_makers = traded.auction || maker.placed.price == Some(traded.price);
        if !is_makers || !within(maker) || !within(taker) {
            self.found.push(format!("price: {traded:?}"));
        }
    }

    fn take(&mut self, order_id: OrderId, quantity: u64, left: u64) {
        let Some(life) = self.lives.get_mut(&order_id) else { return };
        life.traded += quantity;
        if life.placed.extras.quote_quantity.is_some() {
            return;
        }
        if life.remaining.checked_sub(quantity) != Some(left) {
            self.found
                .push(format!("conservation: {order_id} had {} and has {left} left of {quantity}", life.remaining));
        }
        life.remaining = left;
        if life.quantity != life.traded + left {
            self.found.push(format!("conservation: {life:?}"));
        }
        if left == 0 {
            self.lives.remove(&order_id);
        }
    }

    fn see_end(&mut self, ended: &Ended) {
        match self.lives.remove(&ended.order_id) {
            None => self.found.push(format!("ids: order {} ends and is not open", ended.order_id)),
            Some(life) if life.remaining != ended.remaining.units() => {
                self.found.push(format!("conservation: {ended:?} of {life:?}"));
            }
            Some(_) => {}
        }
    }

    /// The book has exactly the orders that are open by the events, each in its place.
    fn compare(&mut self, book: &Book) {
        for side in [Side::Buy, Side::Sell] {
            let mut expected: Vec<&Life> =
                self.lives.values().filter(|life| life.placed.side == side && !life.waits).collect();
            expected.sort_by_key(|life| life.rank());
            let expected: Vec<_> = expected.iter().map(|life| (life.placed.order_id, life.remaining)).collect();
            let stands: Vec<_> = book.orders(side).map(|order| (order.order_id, order.remaining.units())).collect();
            if stands != expected {
                self.found.push(format!("book: {stands:?} stand, not {expected:?}"));
            }
        }
        let crossed = book.best_bid().zip(book.best_ask()).is_some_and(|(bid, ask)| bid >= ask);
        if book.phase() == Phase::Continuous && crossed {
            self.found.push("crossed".to_owned());
        }
        for order_id in &self.came {
            let open = self.lives.contains_key(order_id);
            if book.is_open(*order_id) != open {
                self.found.push(format!("book: order {order_id} is {}", if open { "lost" } else { "kept" }));
            }
        }
    }
}
