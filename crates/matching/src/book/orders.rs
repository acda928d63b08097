//! The open orders of a book, in a slab: those that stand in a level and those that wait for a trade.
//!
//! What matching reads lies together in [`Open`]; what few orders have lies apart in [`Rare`].

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use crate::names::Metadata;
use crate::order::{OrderType, SelfTradePrevention, TimeInForce};
use crate::units::{OrderId, Price, Quantity, Seq, Side, SymbolSeq};

/// A place in the slab of orders.
pub(super) type Slot = u32;

/// No place: in a slab of orders, levels, accounts or rare attributes.
pub(super) const NONE: u32 = u32::MAX;

/// Orders that there is room for from the start.
const INITIAL_ORDERS: usize = 1 << 10;

/// An open order: a line of the cache, since a cancel mostly finds it cold.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Open {
    pub(super) order_id: OrderId,
    /// Its whole quantity.
    pub(super) quantity: Quantity,
    pub(super) remaining: Quantity,
    pub(super) priority: SymbolSeq,
    /// The last row that changed it.
    pub(super) changed: Seq,
    /// The orders before and behind it in its level.
    pub(super) previous: Slot,
    pub(super) next: Slot,
    /// [`NONE`]: it stands in no level.
    pub(super) level: u32,
    /// [`NONE`]: nobody's.
    pub(super) account: u32,
    /// [`NONE`]: it has nothing that is rare.
    pub(super) rare: u32,
    pub(super) side: Side,
    pub(super) prevention: SelfTradePrevention,
    pub(super) post_only: bool,
}

const _: () = assert!(size_of::<Open>() == 64);

impl Open {
    /// What a place has before its first order is written there.
    const NOTHING: Open = Open {
        order_id: OrderId::FIRST,
        quantity: Quantity::ZERO,
        remaining: Quantity::ZERO,
        priority: SymbolSeq::ZERO,
        changed: Seq::ZERO,
        previous: NONE,
        next: NONE,
        level: NONE,
        account: NONE,
        rare: NONE,
        side: Side::Buy,
        prevention: SelfTradePrevention::None,
        post_only: false,
    };
}

/// What few orders have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) metadata: Option<Metadata>,
    /// How much of it is shown at once.
    pub(super) display: Option<Quantity>,
    /// What is shown of it now.
    pub(super) displayed: Quantity,
    /// The other of two linked orders.
    pub(super) linked: Option<OrderId>,
    /// What it waits for, and what it is then.
    pub(super) wait: Option<Wait>,
}

/// What an order waits for, and what it is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wait {
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) limit: Option<Price>,
    /// The last trade that wakes it: of all but trailing stops.
    pub(crate) stop: Option<Price>,
    /// How far behind its reference a trailing stop is.
    pub(crate) delta: Option<Price>,
    /// The best trade that a trailing stop has seen since it came.
    pub(crate) reference: Option<Price>,
}

impl Wait {
    /// Whether it is woken by a trade at its price or above; else at or below.
    pub(super) fn rises(&self, side: Side) -> bool {
        let favourable = matches!(self.order_type, OrderType::TakeProfit | OrderType::TakeProfitLimit);
        (side == Side::Buy) != favourable
    }

    /// The last trade that wakes it; none while a trailing stop's price would be no price.
    pub(super) fn price(&self, side: Side) -> Option<Price> {
        let Some(delta) = self.delta else { return self.stop };
        let reference = self.reference?.units();
        match side {
            Side::Buy => Price::new(reference + delta.units()),
            Side::Sell => Price::new(reference.saturating_sub(delta.units())),
        }
    }
}

/// The slab.
#[derive(Clone)]
pub(super) struct Orders {
    slots: Vec<Open>,
    free: Vec<Slot>,
    /// The places by the orders' ids, which are looked up where the orders are: so the table is small enough for the cache.
    by_id: HashTable<Slot>,
    rare: Vec<Rare>,
    free_rare: Vec<u32>,
}

impl Orders {
    pub(super) fn new() -> Orders {
        Orders {
            slots: Vec::with_capacity(INITIAL_ORDERS),
            free: Vec::new(),
            by_id: HashTable::with_capacity(INITIAL_ORDERS),
            rare: Vec::new(),
            free_rare: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn find(&self, order_id: OrderId) -> Option<Slot> {
        self.by_id.find(hash(order_id), |slot| self.get(*slot).order_id == order_id).copied()
    }

    /// # Panics
    /// If the order is not open: a broken invariant.
    pub(super) fn slot_of(&self, order_id: OrderId) -> Slot {
        self.find(order_id).unwrap_or_else(|| panic!("order {order_id} is not open"))
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &Open {
        &self.slots[slot as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Open {
        &mut self.slots[slot as usize]
    }

    #[inline]
    pub(super) fn rare(&self, slot: Slot) -> Option<&Rare> {
        self.rare.get(self.get(slot).rare as usize)
    }

    pub(super) fn rare_mut(&mut self, slot: Slot) -> Option<&mut Rare> {
        let index = self.get(slot).rare;
        self.rare.get_mut(index as usize)
    }

    /// The rare attributes of an order, made if it has none.
    pub(super) fn rare_or_default(&mut self, slot: Slot) -> &mut Rare {
        if self.get(slot).rare == NONE {
            let index = self.insert_rare(Rare::default());
            self.get_mut(slot).rare = index;
        }
        let index = self.get(slot).rare;
        &mut self.rare[index as usize]
    }

    pub(super) fn wait(&self, slot: Slot) -> Option<Wait> {
        self.rare(slot)?.wait
    }

    /// What others see of an order, and what trades of it before it loses its place.
    #[inline]
    pub(super) fn displayed(&self, slot: Slot) -> Quantity {
        match self.rare(slot) {
            Some(Rare { display: Some(_), displayed, .. }) => *displayed,
            _ => self.get(slot).remaining,
        }
    }

    /// Shows a whole tranche of an iceberg, or what is left of it; nothing for any other order.
    pub(super) fn show_tranche(&mut self, slot: Slot) {
        let remaining = self.get(slot).remaining;
        if let Some(rare) = self.rare_mut(slot)
            && let Some(display) = rare.display
        {
            rare.displayed = display.min(remaining);
        }
    }

    /// Shows less of an iceberg because `traded` of what it showed is gone, or because less is left of it.
    pub(super) fn show_less(&mut self, slot: Slot, traded: Quantity) {
        let remaining = self.get(slot).remaining;
        if let Some(rare) = self.rare_mut(slot)
            && rare.display.is_some()
        {
            rare.displayed = (rare.displayed - traded).min(remaining);
        }
    }

    /// Takes an order in. Inlined: it is written field by field in its place.
    #[inline(always)]
    pub(super) fn insert(&mut self, open: Open) -> Slot {
        let slot = self.occupy(open.order_id);
        self.slots[slot as usize] = open;
        slot
    }

    /// A place for an order that comes, by whose id it is found.
    fn occupy(&mut self, order_id: OrderId) -> Slot {
        let slots = &mut self.slots;
        let id_at = |slot: &Slot| slots[*slot as usize].order_id;
        match self.by_id.entry(hash(order_id), |slot| id_at(slot) == order_id, |slot| hash(id_at(slot))) {
            Entry::Occupied(_) => panic!("order {order_id} is open already"),
            Entry::Vacant(place) => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    slots.push(Open::NOTHING);
                    index_of(slots.len() - 1)
                });
                place.insert(slot);
                slot
            }
        }
    }

    /// Takes in what is rare of an order.
    pub(super) fn insert_rare(&mut self, rare: Rare) -> u32 {
        match self.free_rare.pop() {
            Some(index) => {
                self.rare[index as usize] = rare;
                index
            }
            None => {
                self.rare.push(rare);
                index_of(self.rare.len() - 1)
            }
        }
    }

    /// Takes an order's id away; its place, if it is open.
    #[inline]
    pub(super) fn remove_id(&mut self, order_id: OrderId) -> Option<Slot> {
        let slots = &self.slots;
        let entry = self.by_id.find_entry(hash(order_id), |slot| slots[*slot as usize].order_id == order_id).ok()?;
        Some(entry.remove().0)
    }

    /// Takes away what was rare of an order.
    pub(super) fn remove_rare(&mut self, index: u32) -> Rare {
        self.free_rare.push(index);
        std::mem::take(&mut self.rare[index as usize])
    }

    /// Gives the place of an order whose id is taken away to the next.
    #[inline]
    pub(super) fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// All open orders, in no order that means anything.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots.iter().enumerate().filter_map(|(index, open)| {
            let slot = index as Slot;
            (self.find(open.order_id) == Some(slot)).then_some(slot)
        })
    }
}

fn hash(order_id: OrderId) -> u64 {
    FxBuildHasher.hash_one(order_id)
}

/// A place in a slab that has so many.
pub(super) fn index_of(len: usize) -> u32 {
    match u32::try_from(len) {
        Ok(index) if index != NONE => index,
        _ => panic!("a book has no room for another {len} things"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that follow each other fall on places far apart; others meet in the table and are told apart by the orders.
    #[test]
    fn orders_of_any_ids_are_found() {
        let mut orders = Orders::new();
        let ids: Vec<OrderId> = (1..=10_000_u64).filter_map(|root| OrderId::new(root.pow(3))).collect();
        let slots: Vec<Slot> = ids.iter().map(|id| orders.insert(Open { order_id: *id, ..Open::NOTHING })).collect();
        assert!(ids.iter().zip(&slots).all(|(id, slot)| orders.find(*id) == Some(*slot)));
        assert_eq!(OrderId::new(2).and_then(|id| orders.find(id)), None);
    }

    #[test]
    fn the_places_of_orders_that_left_are_used_again() {
        let mut orders = Orders::new();
        for id in 1..=100 {
            let order_id = OrderId::new(id).expect("an id");
            let rare = orders.insert_rare(Rare { display: Quantity::new(id), ..Rare::default() });
            let slot = orders.insert(Open { order_id, rare, ..Open::NOTHING });
            assert_eq!((orders.find(order_id), orders.remove_id(order_id)), (Some(slot), Some(slot)));
            assert_eq!(orders.remove_rare(rare).display, Quantity::new(id));
            orders.release(slot);
        }
        assert_eq!((orders.slots.len(), orders.rare.len()), (1, 1));
    }
}
