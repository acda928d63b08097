//! A book as an image holds it: each side best price first, within a price oldest first; those that wait oldest first. Where
//! orders lay in memory does not show.

use serde::{Deserialize, Serialize};

use crate::instrument::Instrument;
use crate::names::{Account, Metadata};
use crate::order::{OrderType, SelfTradePrevention};
use crate::phase::Phase;
use crate::symbol::Symbol;
use crate::units::{OrderId, Price, Quantity, Seq, Side, SymbolSeq};

use super::Book;
use super::messages::Indication;
use super::orders::{NONE, Open, Rare, Slot, Wait};

/// A book as an image holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BookImage {
    pub(crate) instrument: Instrument,
    pub(crate) phase: Phase,
    pub(crate) symbol_seq: SymbolSeq,
    pub(crate) last: Option<Price>,
    pub(crate) indicated: Option<Indication>,
    pub(crate) bids: Vec<OpenImage>,
    pub(crate) asks: Vec<OpenImage>,
    pub(crate) waiting: Vec<OpenImage>,
}

/// An open order as an image holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenImage {
    pub(crate) order_id: OrderId,
    pub(crate) side: Side,
    /// Its limit: of an order that stands in a level.
    pub(crate) price: Option<Price>,
    pub(crate) quantity: Quantity,
    pub(crate) remaining: Quantity,
    pub(crate) priority: SymbolSeq,
    pub(crate) changed: Seq,
    pub(crate) account: Option<Account>,
    pub(crate) prevention: SelfTradePrevention,
    pub(crate) post_only: bool,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) display: Option<Quantity>,
    pub(crate) displayed: Quantity,
    pub(crate) linked: Option<OrderId>,
    /// Of an order that waits.
    pub(crate) wait: Option<Wait>,
}

impl Book {
    fn image_of(&self, slot: Slot, price: Option<Price>) -> OpenImage {
        let Open { order_id, side, quantity, remaining, priority, changed, account, prevention, post_only, .. } =
            *self.orders.get(slot);
        let rare = self.orders.rare(slot).cloned().unwrap_or_default();
        OpenImage {
            order_id,
            side,
            price,
            quantity,
            remaining,
            priority,
            changed,
            account: self.accounts.name(account).cloned(),
            prevention,
            post_only,
            metadata: rare.metadata,
            display: rare.display,
            displayed: self.orders.displayed(slot),
            linked: rare.linked,
            wait: rare.wait,
        }
    }
}

impl From<&Book> for BookImage {
    fn from(book: &Book) -> BookImage {
        let side = |side| book.slots(side).map(|(price, slot)| book.image_of(slot, Some(price))).collect();
        let waits = |slot: &Slot| book.orders.wait(*slot).is_some();
        let mut waiting: Vec<OpenImage> =
            book.orders.slots().filter(waits).map(|slot| book.image_of(slot, None)).collect();
        waiting.sort_unstable_by_key(|order| order.priority);
        BookImage {
            instrument: book.instrument,
            phase: book.phase,
            symbol_seq: book.symbol_seq,
            last: book.last,
            indicated: book.indicated,
            bids: side(Side::Buy),
            asks: side(Side::Sell),
            waiting,
        }
    }
}

impl From<Book> for BookImage {
    fn from(book: Book) -> BookImage {
        BookImage::from(&book)
    }
}

/// The image is of no possible book.
#[derive(Debug, thiserror::Error)]
#[error("the image of {0}'s book has an order that is out of its place, twice there, or not possible")]
pub struct ImpossibleBook(Symbol);

impl TryFrom<BookImage> for Book {
    type Error = ImpossibleBook;

    fn try_from(image: BookImage) -> Result<Book, ImpossibleBook> {
        let impossible = ImpossibleBook(image.instrument.symbol());
        let mut book = Book {
            phase: image.phase,
            symbol_seq: image.symbol_seq,
            last: image.last,
            indicated: image.indicated,
            ..Book::new(image.instrument)
        };
        let sides = [(Some(Side::Buy), image.bids), (Some(Side::Sell), image.asks), (None, image.waiting)];
        for (side, orders) in sides {
            let mut before: Option<(Option<Price>, SymbolSeq)> = None;
            for order in orders {
                let place = (order.price, order.priority);
                let is_there = book.orders.find(order.order_id).is_some();
                let follows = before.is_none_or(|before| order.stands_behind(before));
                if is_there || !follows || !order.is_possible(side) || order.priority > image.symbol_seq {
                    return Err(impossible);
                }
                before = Some(place);
                book.restore(order);
            }
        }
        let crossed = book.best_bid().zip(book.best_ask()).is_some_and(|(bid, ask)| bid >= ask);
        if (crossed && book.phase == Phase::Continuous) || !book.links_are_mutual() {
            return Err(impossible);
        }
        Ok(book)
    }
}

impl OpenImage {
    /// Whether it may stand behind another of the same list.
    fn stands_behind(&self, (price, priority): (Option<Price>, SymbolSeq)) -> bool {
        match (price, self.price) {
            (Some(before), Some(own)) if before != own => self.side.prefers(before, own),
            _ => priority < self.priority,
        }
    }

    /// Whether it may stand on a side; none: among those that wait.
    fn is_possible(&self, side: Option<Side>) -> bool {
        let place_fits = match side {
            Some(side) => side == self.side && self.price.is_some() && self.wait.is_none(),
            None => self.price.is_none() && self.remaining == self.quantity && self.wait.is_some_and(Wait::is_possible),
        };
        let shown = match self.display {
            Some(display) => self.displayed <= display && self.displayed <= self.remaining && !self.displayed.is_zero(),
            None => self.displayed == self.remaining,
        };
        place_fits && shown && !self.remaining.is_zero() && self.remaining <= self.quantity
    }
}

impl Wait {
    fn is_possible(self) -> bool {
        self.order_type.waits()
            && self.order_type.has_limit() == self.limit.is_some()
            && self.order_type.has_stop_price() == self.stop.is_some()
            && (self.order_type == OrderType::TrailingStop) == self.delta.is_some()
            && (self.reference.is_none() || self.delta.is_some())
    }
}

impl Book {
    fn restore(&mut self, order: OpenImage) {
        let is_rare =
            order.metadata.is_some() || order.display.is_some() || order.linked.is_some() || order.wait.is_some();
        let rare = Rare {
            metadata: order.metadata,
            display: order.display,
            displayed: order.displayed,
            linked: order.linked,
            wait: order.wait,
        };
        let open = Open {
            order_id: order.order_id,
            quantity: order.quantity,
            remaining: order.remaining,
            priority: order.priority,
            changed: order.changed,
            previous: NONE,
            next: NONE,
            level: NONE,
            account: self.accounts.add(order.account.as_ref()),
            rare: if is_rare { self.orders.insert_rare(rare) } else { NONE },
            side: order.side,
            prevention: order.prevention,
            post_only: order.post_only,
        };
        let slot = self.orders.insert(open);
        match order.price {
            Some(price) => self.levels.append(&mut self.orders, slot, price),
            None => self.waiting.insert(&self.orders, slot),
        }
    }

    fn links_are_mutual(&self) -> bool {
        let linked = |slot: Slot| self.orders.rare(slot).and_then(|rare| rare.linked);
        self.orders.slots().all(|slot| {
            let own = self.orders.get(slot).order_id;
            linked(slot).is_none_or(|other| other != own && self.orders.find(other).and_then(linked) == Some(own))
        })
    }
}
