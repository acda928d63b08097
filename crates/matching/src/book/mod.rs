//! One symbol's order book: price-time priority, in memory, in integer units.
//!
//! Invariants: a level is never empty; the best bid is below the best ask between two commands; within a level, orders
//! stand in the order of their priority.

mod messages;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use messages::{BookCommand, BookEvent, Ended, Indication, Owner, Placed, Selection, Traded};

use crate::instrument::Instrument;
use crate::planted::{Bug, is_planted};
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::units::{OrderId, Price, Quantity, Seq, Side, SymbolSeq};

/// A place in the slab of orders.
type Slot = u32;

/// Orders that the id map holds before it grows.
const INITIAL_ORDERS: usize = 1 << 10;

/// One symbol's order book.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "BookImage", into = "BookImage")]
pub struct Book {
    symbol: Symbol,
    /// Counts this book's events.
    symbol_seq: SymbolSeq,
    bids: BTreeMap<Price, Level>,
    asks: BTreeMap<Price, Level>,
    slots: Vec<Resting>,
    /// Slots that are not in use.
    free: Vec<Slot>,
    by_id: FxHashMap<OrderId, Slot>,
}

/// The orders of one price, oldest first.
#[derive(Debug, Clone, Copy)]
struct Level {
    head: Slot,
    tail: Slot,
}

/// An order in the book.
#[derive(Debug, Clone, Copy)]
struct Resting {
    order_id: OrderId,
    side: Side,
    price: Price,
    remaining: Quantity,
    priority: SymbolSeq,
    previous: Option<Slot>,
    next: Option<Slot>,
}

/// An order in the book, as an image holds it.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestingOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its limit.
    pub price: Price,
    /// What is left of it.
    pub remaining: Quantity,
    /// Its place among the orders of its price.
    pub priority: SymbolSeq,
}

impl Book {
    /// An empty book.
    pub fn new(instrument: Instrument) -> Book {
        Book {
            symbol: instrument.symbol(),
            symbol_seq: SymbolSeq::ZERO,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_id: FxHashMap::with_capacity_and_hasher(INITIAL_ORDERS, Default::default()),
        }
    }

    /// The book's market.
    pub fn symbol(&self) -> Symbol {
        self.symbol
    }

    /// Events so far.
    pub fn symbol_seq(&self) -> SymbolSeq {
        self.symbol_seq
    }

    /// The highest price that somebody buys at.
    pub fn best_bid(&self) -> Option<Price> {
        self.bids.last_key_value().map(|(price, _)| *price)
    }

    /// The lowest price that somebody sells at.
    pub fn best_ask(&self) -> Option<Price> {
        self.asks.first_key_value().map(|(price, _)| *price)
    }

    /// The orders of one side: best price first, within a price oldest first.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = RestingOrder> + '_ {
        let levels: Box<dyn Iterator<Item = &Level>> = match side {
            Side::Buy => Box::new(self.bids.values().rev()),
            Side::Sell => Box::new(self.asks.values()),
        };
        levels.flat_map(|level| std::iter::successors(Some(level.head), |slot| self.slots[*slot as usize].next)).map(
            |slot| {
                let Resting { order_id, price, remaining, priority, .. } = self.slots[slot as usize];
                RestingOrder { order_id, price, remaining, priority }
            },
        )
    }

    /// Applies a command and adds what happened to `out`. It cannot fail: a refusal is an event.
    pub fn apply(&mut self, _: Seq, command: BookCommand, out: &mut Vec<BookEvent>) {
        match command {
            BookCommand::Place(order) => {
                let (order_id, side, quantity) = (order.order_id, order.side, order.quantity);
                let priority = self.count_event();
                let Some(price) = order.price else {
                    out.push(BookEvent::Rejected { order, symbol_seq: priority, reason: Reason::Incoherent });
                    return;
                };
                out.push(BookEvent::Accepted { order, priority });
                let remaining = self.trade(order_id, side, price, quantity, out);
                if !remaining.is_zero() {
                    self.rest(side, RestingOrder { order_id, price, remaining, priority });
                }
                self.assert_uncrossed();
            }
            BookCommand::Cancel { command_id, order_id, reason_text } => {
                self.count_event();
                out.push(match self.by_id.get(&order_id).copied() {
                    Some(slot) => {
                        let ended = self.end(slot);
                        let command_id = Some(command_id);
                        BookEvent::Cancelled { ended, command_id, reason: Reason::ByUser, reason_text }
                    }
                    None => BookEvent::CancelRejected { command_id, order_id },
                });
            }
            BookCommand::Expire { order_id } => {
                // It may have closed in a row that the router had not heard of when it asked.
                if let Some(slot) = self.by_id.get(&order_id).copied() {
                    self.count_event();
                    out.push(BookEvent::Expired { ended: self.end(slot), reason: Reason::Due });
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, slot: Slot) -> Ended {
        let Resting { order_id, side, remaining, price, .. } = self.remove(slot);
        let released = match side {
            Side::Buy => price.times(remaining),
            Side::Sell => u128::from(remaining.units()),
        };
        Ended { order_id, side, remaining, released: Some(released), owner: Owner::default() }
    }

    /// Takes in what happened: the same state as applying the command that it happened to.
    ///
    /// # Panics
    /// If the event does not fit the book: a broken invariant.
    pub fn fold(&mut self, _: Seq, event: &BookEvent) {
        let number = self.count_event();
        match event {
            BookEvent::Accepted { order, priority } => {
                let (order_id, side, quantity) = (order.order_id, order.side, order.quantity);
                assert!(*priority == number, "order {order_id} has priority {priority} at event {number}");
                let Some(price) = order.price else { return };
                self.rest(side, RestingOrder { order_id, price, remaining: quantity, priority: *priority });
            }
            BookEvent::Traded(traded) => {
                self.reduce(self.slot_of(traded.maker_order_id), traded.quantity, traded.maker_remaining);
                self.reduce(self.slot_of(traded.taker_order_id), traded.quantity, traded.taker_remaining);
            }
            BookEvent::Cancelled { ended, .. } | BookEvent::Expired { ended, .. } => {
                self.remove(self.slot_of(ended.order_id));
            }
            _ => {}
        }
    }

    fn count_event(&mut self) -> SymbolSeq {
        self.symbol_seq = self.symbol_seq.next();
        self.symbol_seq
    }

    /// Trades an order that comes with what is on the other side, best price first, oldest first; what is left of it.
    fn trade(
        &mut self,
        taker_order_id: OrderId,
        taker_side: Side,
        limit: Price,
        quantity: Quantity,
        out: &mut Vec<BookEvent>,
    ) -> Quantity {
        assert!(!quantity.is_zero(), "order {taker_order_id} wants nothing");
        let mut taker_remaining = quantity;
        while !taker_remaining.is_zero()
            && let Some((price, head)) = self.best_for(taker_side, limit)
        {
            let maker = self.slots[head as usize];
            let quantity = maker.remaining.min(taker_remaining);
            taker_remaining = taker_remaining - quantity;
            let maker_remaining = maker.remaining - quantity;
            self.reduce(head, quantity, maker_remaining);
            self.count_event();
            let price = if is_planted(Bug::TakersPrice) { limit } else { price };
            out.push(BookEvent::Traded(Traded {
                price,
                quantity,
                maker_order_id: maker.order_id,
                taker_order_id,
                taker_side,
                maker_remaining,
                taker_remaining,
                taker_quote_remaining: None,
                improvement: 0,
                auction: false,
                maker: Owner::default(),
                taker: Owner::default(),
            }));
        }
        taker_remaining
    }

    /// The oldest order of the best price on the other side, if a taker with this limit accepts that price.
    fn best_for(&self, taker_side: Side, limit: Price) -> Option<(Price, Slot)> {
        let (price, level) = match taker_side {
            Side::Buy => self.asks.first_key_value().filter(|(price, _)| **price <= limit)?,
            Side::Sell => self.bids.last_key_value().filter(|(price, _)| **price >= limit)?,
        };
        Some((*price, if is_planted(Bug::LastInFirstOut) { level.tail } else { level.head }))
    }

    /// Puts an order at the end of its level.
    fn rest(&mut self, side: Side, order: RestingOrder) {
        let RestingOrder { order_id, price, remaining, priority } = order;
        let resting = Resting { order_id, side, price, remaining, priority, previous: None, next: None };
        let slot = self.occupy(resting);
        match self.levels(side).get_mut(&price) {
            Some(level) => {
                let before = std::mem::replace(&mut level.tail, slot);
                self.slots[before as usize].next = Some(slot);
                self.slots[slot as usize].previous = Some(before);
            }
            None => {
                self.levels(side).insert(price, Level { head: slot, tail: slot });
            }
        }
        let twin = self.by_id.insert(order_id, slot);
        assert!(twin.is_none(), "order {order_id} is in {} already", self.symbol);
    }

    fn occupy(&mut self, resting: Resting) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = resting;
            return slot;
        }
        let Ok(slot) = Slot::try_from(self.slots.len()) else {
            panic!("{} has no room for another order", self.symbol)
        };
        self.slots.push(resting);
        slot
    }

    /// Takes a traded quantity from an order, which leaves the book when nothing is left.
    fn reduce(&mut self, slot: Slot, quantity: Quantity, expected: Quantity) {
        let order = &mut self.slots[slot as usize];
        order.remaining = order.remaining - quantity;
        assert!(
            order.remaining == expected,
            "order {} has {:?} left, not {expected:?}",
            order.order_id,
            order.remaining
        );
        if order.remaining.is_zero() {
            self.remove(slot);
        }
    }

    /// Takes an order out of its level, and the level away when it was the last.
    fn remove(&mut self, slot: Slot) -> Resting {
        let order = self.slots[slot as usize];
        if let Some(previous) = order.previous {
            self.slots[previous as usize].next = order.next;
        }
        if let Some(next) = order.next {
            self.slots[next as usize].previous = order.previous;
        }
        match (order.previous, order.next) {
            (None, None) => {
                self.levels(order.side).remove(&order.price);
            }
            (None, Some(next)) => self.level(order.side, order.price).head = next,
            (Some(previous), None) => self.level(order.side, order.price).tail = previous,
            (Some(_), Some(_)) => {}
        }
        self.by_id.remove(&order.order_id);
        self.free.push(slot);
        order
    }

    fn levels(&mut self, side: Side) -> &mut BTreeMap<Price, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn level(&mut self, side: Side, price: Price) -> &mut Level {
        match self.levels(side).get_mut(&price) {
            Some(level) => level,
            None => panic!("an order at {price:?} has no level"),
        }
    }

    fn slot_of(&self, order_id: OrderId) -> Slot {
        match self.by_id.get(&order_id) {
            Some(slot) => *slot,
            None => panic!("order {order_id} is not in {}", self.symbol),
        }
    }

    fn assert_uncrossed(&self) {
        if let (Some(bid), Some(ask)) = (self.best_bid(), self.best_ask()) {
            assert!(bid < ask, "{} is crossed: bid {bid:?}, ask {ask:?}", self.symbol);
        }
    }
}

/// A book as an image holds it: each side best price first, within a price oldest first. Where orders lay in memory
/// does not show.
#[derive(Serialize, Deserialize)]
struct BookImage {
    symbol: Symbol,
    symbol_seq: SymbolSeq,
    bids: Vec<RestingOrder>,
    asks: Vec<RestingOrder>,
}

impl From<Book> for BookImage {
    fn from(book: Book) -> BookImage {
        BookImage {
            symbol: book.symbol,
            symbol_seq: book.symbol_seq,
            bids: book.orders(Side::Buy).collect(),
            asks: book.orders(Side::Sell).collect(),
        }
    }
}

/// The image is of no possible book.
#[derive(Debug, thiserror::Error)]
#[error("the image of {0}'s book has an order without quantity, twice, or out of its place")]
pub struct ImpossibleBook(Symbol);

impl TryFrom<BookImage> for Book {
    type Error = ImpossibleBook;

    fn try_from(image: BookImage) -> Result<Book, ImpossibleBook> {
        let mut book = Book::new(Instrument::finest(image.symbol));
        book.symbol_seq = image.symbol_seq;
        for (side, orders) in [(Side::Buy, image.bids), (Side::Sell, image.asks)] {
            for order in orders {
                let after_its_elder = book.levels(side).get(&order.price).copied();
                let in_place =
                    after_its_elder.is_none_or(|level| book.slots[level.tail as usize].priority < order.priority);
                let possible = in_place && !order.remaining.is_zero() && order.priority <= image.symbol_seq;
                if !possible || book.by_id.contains_key(&order.order_id) {
                    return Err(ImpossibleBook(image.symbol));
                }
                book.rest(side, order);
            }
        }
        Ok(book)
    }
}

impl PartialEq for Book {
    fn eq(&self, other: &Book) -> bool {
        let same = |side| self.orders(side).eq(other.orders(side));
        self.symbol == other.symbol && self.symbol_seq == other.symbol_seq && same(Side::Buy) && same(Side::Sell)
    }
}

impl Eq for Book {}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book")
            .field("symbol", &self.symbol)
            .field("symbol_seq", &self.symbol_seq)
            .field("bids", &self.orders(Side::Buy).collect::<Vec<_>>())
            .field("asks", &self.orders(Side::Sell).collect::<Vec<_>>())
            .finish()
    }
}
