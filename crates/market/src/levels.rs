//! A book by price: how much is shown at each, from how many orders.
//!
//! Invariant: a level's quantity is the sum of what its orders show, and a level without orders is not kept. A change is
//! what an order adds now in place of what it added before, whatever happened to it.

use std::collections::BTreeMap;

use matching::Side;
use matching::ledger::OrderRecord;

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
    price: u64,
    quantity: u64,
}

impl Shown {
    /// None of an order that is in no level.
    pub(crate) fn of(order: &OrderRecord) -> Option<Shown> {
        order.place()?;
        Some(Shown { price: order.price_units()?, quantity: order.displayed_units() })
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Levels {
    bids: BTreeMap<u64, Level>,
    asks: BTreeMap<u64, Level>,
}

impl Levels {
    pub(crate) fn side(&self, side: Side) -> &BTreeMap<u64, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// An order of this side shows one thing in place of another; `changed` gets each price whose level is another one.
    pub(crate) fn change(
        &mut self,
        side: Side,
        before: Option<Shown>,
        now: Option<Shown>,
        changed: &mut impl FnMut(u64),
    ) {
        if before == now {
            return;
        }
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if let Some(Shown { price, quantity }) = before {
            let level = levels.entry(price).or_default();
            let left = level.quantity.checked_sub(u128::from(quantity)).zip(level.orders.checked_sub(1));
            let Some((quantity, orders)) = left else { panic!("an order leaves the level {price} that lacks it") };
            *level = Level { quantity, orders };
            if orders == 0 {
                assert!(quantity == 0, "a level without orders shows {quantity}");
                levels.remove(&price);
            }
            changed(price);
        }
        if let Some(Shown { price, quantity }) = now {
            let level = levels.entry(price).or_default();
            level.quantity += u128::from(quantity);
            level.orders += 1;
            changed(price);
        }
    }
}
