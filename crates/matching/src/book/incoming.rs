//! An order that comes to the book trades with what is on the other side, best price first, oldest first; what is left of
//! it rests or ends.

use crate::names::Metadata;
use crate::order::SelfTradePrevention;
use crate::phase::Phase;
use crate::planted::{Bug, is_planted};
use crate::reason::Reason;
use crate::units::{OrderId, Price, QUANTITY_LIMIT, Quantity, Side, SymbolSeq};

use super::messages::{BookEvent, Ended, Traded};
use super::orders::{NONE, Open, Rare, Slot};
use super::{Book, released};

/// An order that comes to the book.
pub(super) struct Incoming {
    pub(super) order_id: OrderId,
    pub(super) side: Side,
    pub(super) limit: Option<Price>,
    /// The worst price that it trades at.
    pub(super) bound: Price,
    pub(super) quantity: Quantity,
    pub(super) remaining: Quantity,
    /// What is left of its quote amount.
    pub(super) quote: Option<u128>,
    pub(super) priority: SymbolSeq,
    /// Whether what is left of it stays in the book.
    pub(super) rests: bool,
    /// Whether it trades whole or not at all.
    pub(super) whole: bool,
    /// It trades at least so much, or not at all.
    pub(super) least: Option<Quantity>,
    pub(super) prevention: SelfTradePrevention,
    pub(super) post_only: bool,
    pub(super) display: Option<Quantity>,
    pub(super) linked: Option<OrderId>,
    /// Whose it is: counted among that account's orders while it is on its way.
    pub(super) account: u32,
    pub(super) metadata: Option<Metadata>,
}

/// How trading ended for an order that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has nothing left.
    Done,
    /// What is left of its quote amount buys no lot.
    Spent,
    /// Nobody is left to trade with.
    Left,
    /// It was taken away because it met its own account.
    Prevented,
}

impl Incoming {
    /// Orders of this account it must not trade with; [`NONE`]: it does not care.
    #[inline]
    pub(super) fn prevented(&self) -> u32 {
        if self.prevention == SelfTradePrevention::None { NONE } else { self.account }
    }

    pub(super) fn refuses(&self, price: Price) -> bool {
        self.side.prefers(price, self.bound)
    }
}

impl Book {
    /// An order has come: it trades, and what is left of it finds its place or its end.
    pub(super) fn enter(&mut self, incoming: &mut Incoming, out: &mut Vec<BookEvent>) {
        let mut outcome = Outcome::Left;
        if self.phase == Phase::Continuous {
            if let Some(reason) = self.unmet(incoming) {
                self.unlink(incoming.linked);
                self.end_incoming(incoming, out, |ended| BookEvent::Expired { ended, reason });
                return;
            }
            outcome = self.trade(incoming, out);
        }
        match outcome {
            Outcome::Done => self.accounts.remove(incoming.account),
            Outcome::Prevented => {
                self.unlink(incoming.linked);
                let reason = Reason::SelfTrade;
                self.end_incoming(incoming, out, |ended| BookEvent::Cancelled {
                    ended,
                    command_id: None,
                    reason,
                    reason_text: None,
                });
            }
            Outcome::Spent => self.end_incoming(incoming, out, BookEvent::Filled),
            Outcome::Left if incoming.rests => self.rest(incoming),
            Outcome::Left => {
                self.end_incoming(incoming, out, |ended| BookEvent::Expired { ended, reason: Reason::Unfilled });
            }
        }
    }

    /// An order on its way comes to its end.
    pub(super) fn end_incoming(
        &mut self,
        incoming: &mut Incoming,
        out: &mut Vec<BookEvent>,
        event: impl FnOnce(Ended) -> BookEvent,
    ) {
        let Incoming { order_id, side, limit, remaining, quote, account, .. } = *incoming;
        self.emit(out, |book| {
            let owner = book.owner(account, incoming.metadata.take());
            event(Ended { order_id, side, remaining, released: released(side, limit, remaining, quote), owner })
        });
        self.accounts.remove(account);
    }

    fn trade(&mut self, taker: &mut Incoming, out: &mut Vec<BookEvent>) -> Outcome {
        let mut traded = false;
        while let Some(level) = self.levels.best(taker.side.opposite()) {
            let price = level.price;
            if taker.refuses(price) {
                break;
            }
            let slot = if is_planted(Bug::LastInFirstOut) { level.tail() } else { level.head };
            let maker = self.orders.get(slot);
            if maker.account != NONE && maker.account == taker.prevented() {
                if self.prevent(slot, taker, out) {
                    return Outcome::Prevented;
                }
                continue;
            }
            let available = if maker.rare == NONE { maker.remaining } else { self.orders.displayed(slot) };
            let wanted = self.wanted(taker, price);
            if wanted.is_zero() {
                // It has traded at a better price, or can buy nothing at all.
                return if traded { Outcome::Spent } else { Outcome::Left };
            }
            self.trade_with(slot, taker, price, wanted.min(available), out);
            traded = true;
            match taker.quote {
                None if taker.remaining.is_zero() => return Outcome::Done,
                Some(_) if self.wanted(taker, price).is_zero() => return Outcome::Spent,
                _ => {}
            }
        }
        Outcome::Left
    }

    /// How much an order that comes would take at a price.
    fn wanted(&self, taker: &Incoming, price: Price) -> Quantity {
        match taker.quote {
            None => taker.remaining,
            Some(quote) => self.lots_for(quote, price),
        }
    }

    /// The most whole lots that a quote amount buys at a price.
    pub(super) fn lots_for(&self, quote: u128, price: Price) -> Quantity {
        let most = (quote / u128::from(price.units())).min(u128::from(QUANTITY_LIMIT - 1)) as u64;
        Quantity::new(most - most % self.instrument.lot().units()).unwrap_or_default()
    }

    /// Trades a quantity that both have.
    fn trade_with(
        &mut self,
        slot: Slot,
        taker: &mut Incoming,
        price: Price,
        quantity: Quantity,
        out: &mut Vec<BookEvent>,
    ) {
        match &mut taker.quote {
            None => taker.remaining = taker.remaining - quantity,
            Some(quote) => *quote -= price.times(quantity),
        }
        let (maker_order_id, maker_remaining) = self.fill(slot, quantity);
        let shown = if is_planted(Bug::TakersPrice) { taker.limit.unwrap_or(price) } else { price };
        let improvement = match (taker.side, taker.limit) {
            (Side::Buy, Some(limit)) => u128::from(limit.units() - price.units()) * u128::from(quantity.units()),
            _ => 0,
        };
        self.emit(out, |book| {
            BookEvent::Traded(Traded {
                price: shown,
                quantity,
                maker_order_id,
                taker_order_id: taker.order_id,
                taker_side: taker.side,
                maker_remaining,
                taker_remaining: taker.remaining,
                taker_quote_remaining: taker.quote,
                improvement,
                auction: false,
                maker: book.owner_of(slot),
                taker: book.owner(taker.account, taker.metadata.clone()),
            })
        });
        self.print(price);
        if self.orders.get(slot).rare != NONE {
            let linked = self.orders.rare_mut(slot).and_then(|rare| rare.linked.take());
            self.cancel_linked(linked, out);
        }
        if taker.linked.is_some() {
            let linked = taker.linked.take();
            self.cancel_linked(linked, out);
        }
        if maker_remaining.is_zero() {
            self.remove(slot);
        } else if self.orders.get(slot).rare != NONE && self.orders.displayed(slot).is_zero() {
            self.replenish(slot, out);
        }
    }

    /// Takes a traded quantity from an order of a level; it stays there even with nothing left.
    #[inline]
    fn fill(&mut self, slot: Slot, quantity: Quantity) -> (OrderId, Quantity) {
        let seq = self.seq;
        let order = self.orders.get_mut(slot);
        order.remaining = order.remaining - quantity;
        order.changed = seq;
        let Open { order_id, remaining, level, rare, .. } = *order;
        self.levels.lessen(level, quantity);
        if rare != NONE {
            self.orders.show_less(slot, quantity);
        }
        (order_id, remaining)
    }

    /// An iceberg shows its next part, behind the others of its price.
    fn replenish(&mut self, slot: Slot, out: &mut Vec<BookEvent>) {
        let priority = self.symbol_seq.next();
        let Some(price) = self.limit_of(slot) else { panic!("an iceberg without a price") };
        self.levels.detach(&mut self.orders, slot);
        self.orders.get_mut(slot).priority = priority;
        self.levels.append(&mut self.orders, slot, price);
        self.orders.show_tranche(slot);
        self.emit(out, |book| {
            let (order_id, displayed) = (book.orders.get(slot).order_id, book.orders.displayed(slot));
            BookEvent::Replenished { order_id, displayed, priority, owner: book.owner_of(slot) }
        });
    }

    /// Puts what is left of an order at the end of its level.
    pub(super) fn rest(&mut self, incoming: &mut Incoming) {
        let Incoming { order_id, remaining, .. } = *incoming;
        let Some(limit) = incoming.limit else { panic!("order {order_id} has no price to rest at") };
        let metadata = incoming.metadata.take();
        let rare = if metadata.is_some() || incoming.display.is_some() || incoming.linked.is_some() {
            let displayed = incoming.display.map_or(remaining, |display| display.min(remaining));
            let (display, linked) = (incoming.display, incoming.linked);
            self.orders.insert_rare(Rare { metadata, display, displayed, linked, wait: None })
        } else {
            NONE
        };
        let slot = self.orders.insert(Open {
            order_id,
            quantity: incoming.quantity,
            remaining,
            priority: incoming.priority,
            changed: self.seq,
            previous: NONE,
            next: NONE,
            level: NONE,
            account: incoming.account,
            rare,
            side: incoming.side,
            prevention: incoming.prevention,
            post_only: incoming.post_only,
        });
        self.levels.append(&mut self.orders, slot, limit);
    }
}
