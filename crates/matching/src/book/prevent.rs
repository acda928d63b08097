//! Self-trade prevention: what happens instead of a trade when two orders of one account meet. The order that comes, in an
//! auction the younger, decides for both; the other's end is told first.

use crate::order::SelfTradePrevention;
use crate::reason::Reason;
use crate::units::Quantity;

use super::Book;
use super::incoming::Incoming;
use super::messages::BookEvent;
use super::orders::Slot;

impl Book {
    /// Whether the order that came is done with.
    pub(super) fn prevent(&mut self, maker: Slot, taker: &mut Incoming, out: &mut Vec<BookEvent>) -> bool {
        match taker.prevention {
            SelfTradePrevention::None => false,
            SelfTradePrevention::ExpireTaker => true,
            SelfTradePrevention::ExpireMaker => {
                self.end_prevented(maker, out);
                false
            }
            SelfTradePrevention::ExpireBoth => {
                self.end_prevented(maker, out);
                true
            }
            SelfTradePrevention::Decrement => {
                let both = taker.remaining.min(self.orders.get(maker).remaining);
                self.decrement(maker, both, out);
                if taker.remaining == both {
                    return true;
                }
                (taker.quantity, taker.remaining) = (taker.quantity - both, taker.remaining - both);
                let (quantity, remaining) = (taker.quantity, taker.remaining);
                self.emit(out, |book| {
                    let owner = book.owner(taker.account, taker.metadata.clone());
                    BookEvent::Reduced { order_id: taker.order_id, quantity, remaining, owner }
                });
                false
            }
        }
    }

    /// The same for two orders of the book that meet in an auction.
    pub(super) fn prevent_in_auction(&mut self, older: Slot, younger: Slot, out: &mut Vec<BookEvent>) {
        match self.orders.get(younger).prevention {
            SelfTradePrevention::None => {}
            SelfTradePrevention::ExpireTaker => self.end_prevented(younger, out),
            SelfTradePrevention::ExpireMaker => self.end_prevented(older, out),
            SelfTradePrevention::ExpireBoth => {
                self.end_prevented(older, out);
                self.end_prevented(younger, out);
            }
            SelfTradePrevention::Decrement => {
                let both = self.orders.get(older).remaining.min(self.orders.get(younger).remaining);
                self.decrement(older, both, out);
                self.decrement(younger, both, out);
            }
        }
    }

    /// Makes an order of the book smaller, or takes it away if that is all of it.
    fn decrement(&mut self, slot: Slot, by: Quantity, out: &mut Vec<BookEvent>) {
        if self.orders.get(slot).remaining == by {
            self.end_prevented(slot, out);
            return;
        }
        let order = *self.orders.get(slot);
        self.levels.lessen(order.level, by);
        self.resize(slot, order.quantity - by, order.remaining - by);
        let (quantity, remaining) = (order.quantity - by, order.remaining - by);
        self.emit(out, |book| {
            let owner = book.owner_of(slot);
            BookEvent::Reduced { order_id: order.order_id, quantity, remaining, owner }
        });
    }

    /// Gives an order a smaller size in its place.
    pub(super) fn resize(&mut self, slot: Slot, quantity: Quantity, remaining: Quantity) {
        let seq = self.seq;
        let order = self.orders.get_mut(slot);
        (order.quantity, order.remaining, order.changed) = (quantity, remaining, seq);
        self.orders.show_less(slot, Quantity::ZERO);
    }

    fn end_prevented(&mut self, slot: Slot, out: &mut Vec<BookEvent>) {
        let reason = Reason::SelfTrade;
        self.end(slot, out, |ended| BookEvent::Cancelled { ended, command_id: None, reason, reason_text: None });
    }
}
