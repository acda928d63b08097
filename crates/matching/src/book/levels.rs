//! The levels of both sides. A level is the orders of one price, oldest first; none is empty.

use crate::units::{Price, Quantity, Side};

use super::ladder::Ladder;
use super::orders::{NONE, Orders, Slot, index_of};

/// The orders of one price.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) price: Price,
    pub(super) head: Slot,
    tail: Slot,
    /// The sum of what is left of its orders, hidden parts included.
    pub(super) total: u128,
}

impl Level {
    /// The youngest order.
    pub(super) fn tail(&self) -> Slot {
        self.tail
    }
}

/// The levels of both sides.
#[derive(Clone)]
pub(super) struct Levels {
    slab: Vec<Level>,
    free: Vec<u32>,
    bids: Ladder,
    asks: Ladder,
    /// The best level of each side, [`NONE`] of an empty one.
    best_bid: u32,
    best_ask: u32,
}

impl Levels {
    pub(super) fn new() -> Levels {
        Levels {
            slab: Vec::new(),
            free: Vec::new(),
            bids: Ladder::default(),
            asks: Ladder::default(),
            best_bid: NONE,
            best_ask: NONE,
        }
    }

    #[inline]
    pub(super) fn get(&self, level: u32) -> &Level {
        &self.slab[level as usize]
    }

    /// The best level of a side.
    #[inline]
    pub(super) fn best(&self, side: Side) -> Option<&Level> {
        let best = match side {
            Side::Buy => self.best_bid,
            Side::Sell => self.best_ask,
        };
        (best != NONE).then(|| self.get(best))
    }

    /// The levels of a side, best first.
    pub(super) fn of(&self, side: Side) -> impl Iterator<Item = &Level> + '_ {
        let ladder = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        ladder.best_first().map(|level| self.get(level))
    }

    /// Puts an order at the end of the level of its price.
    pub(super) fn append(&mut self, orders: &mut Orders, slot: Slot, price: Price) {
        let (side, remaining) = (orders.get(slot).side, orders.get(slot).remaining);
        let index = self.level_of(side, price);
        let level = &mut self.slab[index as usize];
        let before = std::mem::replace(&mut level.tail, slot);
        level.total += u128::from(remaining.units());
        if before == NONE {
            level.head = slot;
        } else {
            orders.get_mut(before).next = slot;
        }
        let order = orders.get_mut(slot);
        (order.level, order.previous, order.next) = (index, before, NONE);
    }

    /// Takes an order out of its level, and the level away when it was the last.
    pub(super) fn detach(&mut self, orders: &mut Orders, slot: Slot) {
        let order = *orders.get(slot);
        let level = &mut self.slab[order.level as usize];
        level.total -= u128::from(order.remaining.units());
        if order.previous == NONE {
            level.head = order.next;
        } else {
            orders.get_mut(order.previous).next = order.next;
        }
        if order.next == NONE {
            level.tail = order.previous;
        } else {
            orders.get_mut(order.next).previous = order.previous;
        }
        if level.head == NONE {
            let price = level.price;
            self.take_away(order.side, price, order.level);
        }
    }

    /// An order of a level has less left.
    #[inline]
    pub(super) fn lessen(&mut self, level: u32, by: Quantity) {
        self.slab[level as usize].total -= u128::from(by.units());
    }

    /// The level of a price, made if there is none.
    #[inline]
    fn level_of(&mut self, side: Side, price: Price) -> u32 {
        let (ladder, best) = match side {
            Side::Buy => (&mut self.bids, &mut self.best_bid),
            Side::Sell => (&mut self.asks, &mut self.best_ask),
        };
        let place = match ladder.find(rank(side, price)) {
            Ok(level) => return level,
            Err(place) => place,
        };
        let level = Level { price, head: NONE, tail: NONE, total: 0 };
        let index = match self.free.pop() {
            Some(index) => {
                self.slab[index as usize] = level;
                index
            }
            None => {
                self.slab.push(level);
                index_of(self.slab.len() - 1)
            }
        };
        ladder.insert(place, rank(side, price), index);
        if *best == NONE || side.prefers(price, self.slab[*best as usize].price) {
            *best = index;
        }
        index
    }

    fn take_away(&mut self, side: Side, price: Price, index: u32) {
        self.free.push(index);
        let (ladder, best) = match side {
            Side::Buy => (&mut self.bids, &mut self.best_bid),
            Side::Sell => (&mut self.asks, &mut self.best_ask),
        };
        ladder.remove(rank(side, price));
        if *best == index {
            *best = ladder.best().unwrap_or(NONE);
        }
    }
}

/// How good a price is: the greater the better.
fn rank(side: Side, price: Price) -> u64 {
    match side {
        Side::Buy => price.units(),
        Side::Sell => u64::MAX - price.units(),
    }
}
