//! Whether an order that insists on its whole quantity, or on a least one, could have it: over all levels and makers, what
//! they do not show included, and mindful of its own account's orders. Nothing changes here.

use std::collections::VecDeque;

use crate::order::SelfTradePrevention;
use crate::reason::Reason;
use crate::units::{Price, Quantity};

use super::Book;
use super::incoming::Incoming;
use super::levels::Level;
use super::orders::{NONE, Slot};

/// What an order would have traded so far.
struct Tally {
    left: u128,
    quote: Option<u128>,
    traded: u128,
    needed: u128,
}

impl Book {
    /// Why an order may not trade at all: what it insists on is not there.
    #[inline]
    pub(super) fn unmet(&self, incoming: &Incoming) -> Option<Reason> {
        match (incoming.whole, incoming.least) {
            (true, _) => (!self.can_trade(incoming, incoming.remaining)).then_some(Reason::FillOrKill),
            (false, Some(least)) => (!self.can_trade(incoming, least)).then_some(Reason::MinQuantity),
            (false, None) => None,
        }
    }

    /// Whether an order could trade so much now; one by quote amount: all of it.
    fn can_trade(&self, taker: &Incoming, needed: Quantity) -> bool {
        let mut tally = Tally {
            left: u128::from(taker.remaining.units()),
            quote: taker.quote,
            traded: 0,
            needed: u128::from(needed.units()),
        };
        let side = taker.side.opposite();
        for level in self.levels.of(side).take_while(|level| !taker.refuses(level.price)) {
            let answer = if taker.prevented() == NONE {
                self.take(&mut tally, level.price, level.total)
            } else {
                self.take_level(&mut tally, taker, level)
            };
            if let Some(answer) = answer {
                return answer;
            }
        }
        false
    }

    /// Takes what is there at a price; the answer, once it is known.
    fn take(&self, tally: &mut Tally, price: Price, available: u128) -> Option<bool> {
        match &mut tally.quote {
            None => {
                let quantity = tally.left.min(available);
                tally.left -= quantity;
                tally.traded += quantity;
                (tally.traded >= tally.needed).then_some(true).or((tally.left == 0).then_some(false))
            }
            Some(quote) => {
                let quantity = u128::from(self.lots_for(*quote, price).units()).min(available);
                *quote -= quantity * u128::from(price.units());
                tally.traded += quantity;
                self.lots_for(*quote, price).is_zero().then_some(tally.traded > 0)
            }
        }
    }

    /// The same with the orders of a level one by one, as they would come: an iceberg's next part behind the others.
    fn take_level(&self, tally: &mut Tally, taker: &Incoming, level: &Level) -> Option<bool> {
        let parts = |slot: Slot| (slot, self.orders.displayed(slot), self.orders.get(slot).remaining);
        let mut queue: VecDeque<(Slot, Quantity, Quantity)> = self.slots_from(level.head).map(parts).collect();
        while let Some((slot, displayed, remaining)) = queue.pop_front() {
            if self.orders.get(slot).account == taker.prevented() {
                match taker.prevention {
                    SelfTradePrevention::ExpireMaker => {}
                    SelfTradePrevention::Decrement if u128::from(remaining.units()) < tally.left => {
                        tally.left -= u128::from(remaining.units());
                    }
                    _ => return Some(false),
                }
                continue;
            }
            if let Some(answer) = self.take(tally, level.price, u128::from(displayed.units())) {
                return Some(answer);
            }
            let remaining = remaining - displayed;
            if !remaining.is_zero() {
                let display = self.orders.rare(slot).and_then(|rare| rare.display).unwrap_or(remaining);
                queue.push_back((slot, display.min(remaining), remaining));
            }
        }
        None
    }
}
