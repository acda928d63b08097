//! One symbol's order book: price-time priority, in memory, in integer units. `docs/orders.md` is its rule book.
//!
//! Invariants between two commands: no level is empty; within a level, orders stand in the order of their priority; in
//! phase CONTINUOUS the best bid is below the best ask; nothing that a trade has woken still waits for its turn; of two
//! linked orders each names the other.

mod accounts;
mod amend;
mod auction;
mod cancel;
mod fold;
mod image;
mod incoming;
mod ladder;
mod levels;
mod messages;
mod orders;
mod place;
mod prevent;
mod waiting;
mod whole;

use serde::{Deserialize, Serialize};

pub(crate) use image::{BookImage, OpenImage};
pub use messages::{BookCommand, BookEvent, Ended, Extra, Extras, Indication, Owner, Placed, Selection, Traded};
pub(crate) use orders::Wait;

use crate::instrument::Instrument;
use crate::names::Metadata;
use crate::phase::Phase;
use crate::symbol::Symbol;
use crate::units::{OrderId, Price, Quantity, Seq, Side, SymbolSeq};

use accounts::Accounts;
use levels::Levels;
use orders::{NONE, Open, Orders, Rare, Slot};
use waiting::Waiting;

/// One symbol's order book.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "BookImage", into = "BookImage")]
pub struct Book {
    instrument: Instrument,
    phase: Phase,
    /// Counts this book's events.
    symbol_seq: SymbolSeq,
    /// The price of the last trade.
    last: Option<Price>,
    /// What was last said that the auction would give.
    indicated: Option<Indication>,
    orders: Orders,
    levels: Levels,
    waiting: Waiting,
    accounts: Accounts,
    /// The row that is being applied.
    seq: Seq,
}

/// An order in the book.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct RestingOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its limit.
    pub price: Price,
    /// What is left of it.
    pub remaining: Quantity,
    /// What is shown of that.
    pub displayed: Quantity,
    /// Its place among the orders of its price.
    pub priority: SymbolSeq,
}

impl Book {
    /// An empty book in phase CONTINUOUS.
    pub fn new(instrument: Instrument) -> Book {
        Book {
            instrument,
            phase: Phase::Continuous,
            symbol_seq: SymbolSeq::ZERO,
            last: None,
            indicated: None,
            orders: Orders::new(),
            levels: Levels::new(),
            waiting: Waiting::default(),
            accounts: Accounts::default(),
            seq: Seq::ZERO,
        }
    }

    /// The book's market.
    pub fn symbol(&self) -> Symbol {
        self.instrument.symbol()
    }

    /// Events so far.
    pub fn symbol_seq(&self) -> SymbolSeq {
        self.symbol_seq
    }

    /// The phase that the market is in.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The highest price that somebody buys at.
    pub fn best_bid(&self) -> Option<Price> {
        self.levels.best(Side::Buy).map(|level| level.price)
    }

    /// The lowest price that somebody sells at.
    pub fn best_ask(&self) -> Option<Price> {
        self.levels.best(Side::Sell).map(|level| level.price)
    }

    /// Whether an order is open: stands in the book, or waits for a trade.
    pub fn is_open(&self, order_id: OrderId) -> bool {
        self.orders.find(order_id).is_some()
    }

    /// The orders of one side that stand in the book: best price first, within a price oldest first.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = RestingOrder> + '_ {
        self.slots(side).map(|(price, slot)| {
            let Open { order_id, remaining, priority, .. } = *self.orders.get(slot);
            RestingOrder { order_id, price, remaining, displayed: self.orders.displayed(slot), priority }
        })
    }

    /// The places of the orders of one side, best price first, within a price oldest first.
    fn slots(&self, side: Side) -> impl Iterator<Item = (Price, Slot)> + '_ {
        self.levels.of(side).flat_map(|level| self.slots_from(level.head).map(|slot| (level.price, slot)))
    }

    fn slots_from(&self, head: Slot) -> impl Iterator<Item = Slot> + '_ {
        std::iter::successors(Some(head), |slot| Some(self.orders.get(*slot).next).filter(|next| *next != NONE))
    }

    /// Applies a command of row `seq` and adds what happened to `out`. It cannot fail: a refusal is an event.
    pub fn apply(&mut self, seq: Seq, command: BookCommand, out: &mut Vec<BookEvent>) {
        self.seq = seq;
        match command {
            BookCommand::Place(order) => self.place(order, out),
            BookCommand::Amend { command_id, order_id, price, quantity, if_seq } => {
                self.amend(command_id, order_id, price, quantity, if_seq, out);
            }
            BookCommand::Cancel { command_id, order_id, reason_text } => {
                self.cancel(command_id, order_id, reason_text, out);
            }
            BookCommand::CancelAll { command_id, selection, reason } => {
                self.cancel_all(command_id, &selection, reason, out);
            }
            BookCommand::Expire { order_id } => self.expire(order_id, out),
            BookCommand::SetPhase { command_id, phase, then } => {
                if phase == Phase::Continuous {
                    self.uncross(out);
                }
                self.phase = phase;
                self.emit(out, |_| BookEvent::PhaseChanged { command_id, phase, then });
                if let (Phase::Continuous, Some(last)) = (phase, self.last) {
                    self.waiting.wake(&self.orders, last);
                }
            }
            BookCommand::UpdateInstrument { command_id, instrument } => {
                self.instrument = instrument;
                self.emit(out, |_| BookEvent::InstrumentUpdated { command_id, instrument });
            }
        }
        self.trigger_woken(out);
        self.indicate(out);
        self.assert_uncrossed();
    }

    /// Adds an event to `out`. It is made in its place there, field by field: made elsewhere and copied, it is slow, because
    /// a core does not read at once what it has just written in other pieces.
    #[inline(always)]
    fn emit(&mut self, out: &mut Vec<BookEvent>, event: impl FnOnce(&Book) -> BookEvent) {
        self.symbol_seq = self.symbol_seq.next();
        out.extend(std::iter::once_with(|| event(self)));
    }

    /// A trade was made at this price: trailing stops follow it, and in every phase it wakes what it reaches.
    #[inline]
    fn print(&mut self, price: Price) {
        // A trade at the last price reaches nobody that the last one did not; but outside CONTINUOUS, orders that a trade has
        // reached already may have come since.
        if self.last != Some(price) || self.phase != Phase::Continuous {
            self.last = Some(price);
            self.waiting.follow(&mut self.orders, price);
            self.waiting.wake(&self.orders, price);
        }
    }

    /// An order's limit, if it has one.
    fn limit_of(&self, slot: Slot) -> Option<Price> {
        match self.orders.get(slot).level {
            NONE => self.orders.wait(slot)?.limit,
            level => Some(self.levels.get(level).price),
        }
    }

    /// Whose an order is and what its client says about it.
    #[inline]
    fn owner_of(&self, slot: Slot) -> Owner {
        self.owner(self.orders.get(slot).account, self.orders.rare(slot).and_then(|rare| rare.metadata.clone()))
    }

    #[inline]
    fn owner(&self, account: u32, metadata: Option<Metadata>) -> Owner {
        Owner { account: self.accounts.name(account).cloned(), metadata }
    }

    /// How an order of the book would end now.
    #[inline(always)]
    fn ended(&self, slot: Slot) -> Ended {
        let Open { order_id, side, remaining, .. } = *self.orders.get(slot);
        let released = released(side, self.limit_of(slot), remaining, None);
        Ended { order_id, side, remaining, released, owner: self.owner_of(slot) }
    }

    /// Takes an order out of the book for good, and tells how it ended.
    fn end(&mut self, slot: Slot, out: &mut Vec<BookEvent>, event: impl FnOnce(Ended) -> BookEvent) {
        self.emit(out, |book| event(book.ended(slot)));
        self.remove(slot);
    }

    /// Takes an order out of the book for good.
    fn remove(&mut self, slot: Slot) {
        self.orders.remove_id(self.orders.get(slot).order_id);
        self.take_away(slot);
    }

    /// The same for an order whose id is taken away.
    #[inline]
    fn take_away(&mut self, slot: Slot) {
        let Open { rare, account, .. } = *self.orders.get(slot);
        self.leave_place(slot);
        if rare != NONE {
            let Rare { linked, .. } = self.orders.remove_rare(rare);
            self.unlink(linked);
        }
        self.orders.release(slot);
        self.accounts.remove(account);
    }

    /// Takes an order out of the book that comes to it anew. It stays its account's, and linked with what it is linked with.
    fn take_out(&mut self, slot: Slot) -> TakenOut {
        let (open, limit) = (*self.orders.get(slot), self.limit_of(slot));
        self.orders.remove_id(open.order_id);
        self.leave_place(slot);
        let rare = if open.rare == NONE { Rare::default() } else { self.orders.remove_rare(open.rare) };
        self.orders.release(slot);
        TakenOut { open, rare, limit }
    }

    /// Takes an order out of its level, or from among those that wait.
    #[inline]
    fn leave_place(&mut self, slot: Slot) {
        if self.orders.get(slot).level != NONE {
            self.levels.detach(&mut self.orders, slot);
        } else if self.orders.wait(slot).is_some() {
            self.waiting.remove(&self.orders, slot);
        }
    }

    /// An order that this one was linked with is linked no more.
    fn unlink(&mut self, linked: Option<OrderId>) {
        if let Some(slot) = linked.and_then(|linked| self.orders.find(linked))
            && let Some(rare) = self.orders.rare_mut(slot)
        {
            rare.linked = None;
        }
    }

    fn assert_uncrossed(&self) {
        if let (Phase::Continuous, Some(bid), Some(ask)) = (self.phase, self.best_bid(), self.best_ask()) {
            assert!(bid < ask, "{} is crossed: bid {bid:?}, ask {ask:?}", self.symbol());
        }
    }
}

/// An order that was taken out of the book.
struct TakenOut {
    open: Open,
    rare: Rare,
    limit: Option<Price>,
}

/// What the owner of an order that ends gets back: of a sale the rest; of a purchase what the rest would have cost at its
/// limit, or what is left of its quote amount; none where that was never fixed.
fn released(side: Side, limit: Option<Price>, remaining: Quantity, quote: Option<u128>) -> Option<u128> {
    match side {
        Side::Buy => quote.or_else(|| limit.map(|limit| limit.times(remaining))),
        Side::Sell => quote.is_none().then(|| u128::from(remaining.units())),
    }
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        BookImage::from(self).fmt(f)
    }
}

impl PartialEq for Book {
    fn eq(&self, other: &Book) -> bool {
        BookImage::from(self) == BookImage::from(other)
    }
}

impl Eq for Book {}
