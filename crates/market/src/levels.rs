//! A book by price: how much is shown at each, from how many orders.
//!
//! Invariant: a level's quantity is the sum of what its orders show, and a level without orders is not kept. What each
//! order adds is remembered, so a change is what it adds now in place of what it added before, whatever happened to it.

use std::collections::BTreeMap;

use matching::{OrderId, Side};
use rustc_hash::FxHashMap;

/// A price of a book.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// What is shown at it, in the instrument's units.
    pub quantity: u128,
    /// From how many orders.
    pub orders: u64,
}

/// What an order adds to its level, in the instrument's units.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub price: u64,
    pub quantity: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Levels {
    bids: SideLevels,
    asks: SideLevels,
}

impl Levels {
    pub(crate) fn side(&self, side: Side) -> &SideLevels {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    pub(crate) fn side_mut(&mut self, side: Side) -> &mut SideLevels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SideLevels {
    levels: BTreeMap<u64, Level>,
    shown: FxHashMap<OrderId, Shown>,
}

impl SideLevels {
    pub(crate) fn levels(&self) -> &BTreeMap<u64, Level> {
        &self.levels
    }

    /// The order shows this now; `changed` gets each price whose level is another one.
    pub(crate) fn set(&mut self, order_id: OrderId, now: Option<Shown>, changed: &mut impl FnMut(u64)) {
        let before = match now {
            Some(now) => self.shown.insert(order_id, now),
            None => self.shown.remove(&order_id),
        };
        if before == now {
            return;
        }
        if let Some(Shown { price, quantity }) = before {
            let level = self.levels.entry(price).or_default();
            let left = level.quantity.checked_sub(u128::from(quantity)).zip(level.orders.checked_sub(1));
            let Some((quantity, orders)) = left else { panic!("order {order_id} leaves a level that lacks it") };
            *level = Level { quantity, orders };
            if orders == 0 {
                assert!(quantity == 0, "a level without orders shows {quantity}");
                self.levels.remove(&price);
            }
            changed(price);
        }
        if let Some(Shown { price, quantity }) = now {
            let level = self.levels.entry(price).or_default();
            level.quantity += u128::from(quantity);
            level.orders += 1;
            changed(price);
        }
    }
}
