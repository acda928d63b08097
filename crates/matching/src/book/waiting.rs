//! The orders that wait for a trade. Each trade wakes those that it reaches, oldest place first; they come to the book one
//! after the other, behind those that earlier trades woke, once the order that traded is done.

use std::collections::{BTreeSet, VecDeque};

use crate::units::{OrderId, Price, Side, SymbolSeq};

use super::orders::{Orders, Slot};

/// The orders that wait, by the price that wakes them.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    /// Woken by a trade at this price or above.
    rising: BTreeSet<(Price, SymbolSeq, Slot)>,
    /// Woken by a trade at this price or below.
    falling: BTreeSet<(Price, SymbolSeq, Slot)>,
    /// Trailing sales by the best trade they have seen: those below a trade follow it up. Zero: none seen.
    climbing: BTreeSet<(u64, Slot)>,
    /// Trailing purchases: those above a trade follow it down. The greatest number: none seen.
    sinking: BTreeSet<(u64, Slot)>,
    /// Woken, with the trade that did it. Empty between two commands.
    woken: VecDeque<(OrderId, Price)>,
}

impl Waiting {
    /// Takes in an order of the slab that waits.
    pub(super) fn insert(&mut self, orders: &Orders, slot: Slot) {
        let order = orders.get(slot);
        let Some(wait) = orders.wait(slot) else { panic!("order {} does not wait", order.order_id) };
        if let Some(price) = wait.price(order.side) {
            self.triggers(wait.rises(order.side)).insert((price, order.priority, slot));
        }
        if wait.delta.is_some() {
            self.followers(order.side).insert((seen(wait.reference, order.side), slot));
        }
    }

    /// Takes out an order of the slab, woken already or not.
    pub(super) fn remove(&mut self, orders: &Orders, slot: Slot) {
        let order = orders.get(slot);
        let Some(wait) = orders.wait(slot) else { panic!("order {} does not wait", order.order_id) };
        if let Some(price) = wait.price(order.side) {
            self.triggers(wait.rises(order.side)).remove(&(price, order.priority, slot));
        }
        if wait.delta.is_some() {
            self.followers(order.side).remove(&(seen(wait.reference, order.side), slot));
        }
    }

    fn triggers(&mut self, rises: bool) -> &mut BTreeSet<(Price, SymbolSeq, Slot)> {
        if rises { &mut self.rising } else { &mut self.falling }
    }

    fn followers(&mut self, side: Side) -> &mut BTreeSet<(u64, Slot)> {
        match side {
            Side::Buy => &mut self.sinking,
            Side::Sell => &mut self.climbing,
        }
    }

    /// Trailing stops follow a trade that goes their way.
    #[inline]
    pub(super) fn follow(&mut self, orders: &mut Orders, price: Price) {
        while let Some((seen, slot)) = self.climbing.first().copied()
            && seen < price.units()
        {
            self.refer(orders, slot, price);
        }
        while let Some((seen, slot)) = self.sinking.last().copied()
            && seen > price.units()
        {
            self.refer(orders, slot, price);
        }
    }

    fn refer(&mut self, orders: &mut Orders, slot: Slot, price: Price) {
        self.remove(orders, slot);
        if let Some(wait) = orders.rare_mut(slot).and_then(|rare| rare.wait.as_mut()) {
            wait.reference = Some(price);
        }
        self.insert(orders, slot);
    }

    /// A trade at this price wakes the orders that it reaches.
    #[inline]
    pub(super) fn wake(&mut self, orders: &Orders, price: Price) {
        let rising = self.rising.first().is_some_and(|(stop, ..)| *stop <= price);
        let falling = self.falling.last().is_some_and(|(stop, ..)| *stop >= price);
        if rising || falling {
            self.wake_reached(orders, price);
        }
    }

    fn wake_reached(&mut self, orders: &Orders, price: Price) {
        let mut reached: Vec<(SymbolSeq, Slot)> = Vec::new();
        while let Some((_, priority, slot)) = self.rising.first().copied().filter(|(stop, ..)| *stop <= price) {
            self.remove(orders, slot);
            reached.push((priority, slot));
        }
        while let Some((_, priority, slot)) = self.falling.last().copied().filter(|(stop, ..)| *stop >= price) {
            self.remove(orders, slot);
            reached.push((priority, slot));
        }
        reached.sort_unstable();
        self.woken.extend(reached.into_iter().map(|(_, slot)| (orders.get(slot).order_id, price)));
    }

    /// The next order whose turn it is, with the trade that woke it.
    #[inline]
    pub(super) fn next_woken(&mut self) -> Option<(OrderId, Price)> {
        self.woken.pop_front()
    }
}

/// How a trailing stop is sorted by what it has seen: what has seen nothing follows any trade.
fn seen(reference: Option<Price>, side: Side) -> u64 {
    let nothing = match side {
        Side::Buy => u64::MAX,
        Side::Sell => 0,
    };
    reference.map_or(nothing, Price::units)
}
