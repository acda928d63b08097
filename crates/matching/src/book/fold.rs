//! What happened, taken in as facts: the same state as applying the command that it happened to. Nothing is decided here.

use crate::units::{Price, Quantity, Seq, SymbolSeq};

use super::messages::{BookEvent, Placed, Traded};
use super::orders::{NONE, Open, Rare, Slot};
use super::{Book, TakenOut};

impl Book {
    /// Takes in an event of row `seq`.
    ///
    /// # Panics
    /// If the event does not fit the book: a broken invariant.
    pub fn fold(&mut self, seq: Seq, event: &BookEvent) {
        self.seq = seq;
        self.symbol_seq = self.symbol_seq.next();
        match event {
            BookEvent::Accepted { order, priority } => self.fold_accepted(order, *priority),
            BookEvent::Triggered { order_id, priority, .. } => {
                let slot = self.orders.slot_of(*order_id);
                self.fold_moved(slot, *priority, |open, rare, limit| {
                    rare.wait = None;
                    (*open, limit)
                });
            }
            BookEvent::Amended { order_id, price, quantity, remaining, priority, .. } => {
                self.fold_amended(self.orders.slot_of(*order_id), *price, *quantity, *remaining, *priority);
            }
            BookEvent::Reduced { order_id, quantity, remaining, .. } => {
                let slot = self.orders.slot_of(*order_id);
                self.fold_resized(slot, *quantity, *remaining);
            }
            BookEvent::Replenished { order_id, displayed, priority, .. } => {
                let slot = self.orders.slot_of(*order_id);
                self.fold_moved(slot, *priority, |open, _, limit| (*open, limit));
                assert!(self.orders.displayed(slot) == *displayed, "order {order_id} shows {displayed:?}");
            }
            BookEvent::Traded(traded) => self.fold_traded(traded),
            BookEvent::Filled(ended) | BookEvent::Cancelled { ended, .. } | BookEvent::Expired { ended, .. } => {
                self.remove(self.orders.slot_of(ended.order_id));
            }
            BookEvent::PhaseChanged { phase, .. } => self.phase = *phase,
            BookEvent::InstrumentUpdated { instrument, .. } => self.instrument = *instrument,
            BookEvent::AuctionIndicated(indication) => self.indicated = *indication,
            BookEvent::Rejected { .. } | BookEvent::CancelRejected { .. } | BookEvent::AmendRejected { .. } => {}
        }
    }

    fn fold_accepted(&mut self, order: &Placed, priority: SymbolSeq) {
        let order_id = order.order_id;
        assert!(priority == self.symbol_seq, "order {order_id} has place {priority} at event {}", self.symbol_seq);
        if let Some(partner) = order.extras.linked_order_id {
            let partner = self.orders.slot_of(partner);
            self.orders.rare_or_default(partner).linked = Some(order_id);
        }
        if let Some(wait) = order.wait(self.last) {
            self.insert_waiting(order, wait, priority);
            return;
        }
        let rare = Rare {
            metadata: order.extras.metadata.clone(),
            display: order.extras.display_quantity,
            displayed: order.extras.display_quantity.map_or(order.quantity, |display| display.min(order.quantity)),
            linked: order.extras.linked_order_id,
            wait: None,
        };
        let open = Open {
            order_id,
            quantity: order.quantity,
            remaining: order.quantity,
            priority,
            changed: self.seq,
            previous: NONE,
            next: NONE,
            level: NONE,
            account: self.accounts.add(order.account.as_ref()),
            rare: self.orders.insert_rare(rare),
            side: order.side,
            prevention: order.self_trade_prevention,
            post_only: order.post_only,
        };
        let slot = self.orders.insert(open);
        self.put(slot, order.price);
    }

    /// Puts an order at the end of its level. One without a limit is in none: it ends in the same row.
    fn put(&mut self, slot: Slot, limit: Option<Price>) {
        if let Some(limit) = limit {
            self.levels.append(&mut self.orders, slot, limit);
        }
    }

    /// Takes an order from its place to another one at the end of a level, changed.
    fn fold_moved(
        &mut self,
        slot: Slot,
        priority: SymbolSeq,
        change: impl FnOnce(&mut Open, &mut Rare, Option<Price>) -> (Open, Option<Price>),
    ) {
        let TakenOut { mut open, mut rare, limit } = self.take_out(slot);
        let (open, limit) = change(&mut open, &mut rare, limit);
        let rare = self.orders.insert_rare(rare);
        let open = Open { priority, changed: self.seq, rare, ..open };
        let moved = self.orders.insert(open);
        self.put(moved, limit);
        self.orders.show_tranche(moved);
    }

    fn fold_amended(
        &mut self,
        slot: Slot,
        price: Option<Price>,
        quantity: Quantity,
        remaining: Quantity,
        priority: SymbolSeq,
    ) {
        let order = *self.orders.get(slot);
        if priority == order.priority {
            self.fold_resized(slot, quantity, remaining);
        } else if order.level == NONE {
            self.change_waiting(slot, price, quantity, priority);
        } else {
            self.fold_moved(slot, priority, |open, _, _| (Open { quantity, remaining, ..*open }, price));
        }
    }

    fn fold_resized(&mut self, slot: Slot, quantity: Quantity, remaining: Quantity) {
        let order = *self.orders.get(slot);
        if order.level != NONE {
            self.levels.lessen(order.level, order.remaining - remaining);
        }
        self.resize(slot, quantity, remaining);
    }

    fn fold_traded(&mut self, traded: &Traded) {
        for (order_id, remaining) in
            [(traded.maker_order_id, traded.maker_remaining), (traded.taker_order_id, traded.taker_remaining)]
        {
            let slot = self.orders.slot_of(order_id);
            let is_taker = order_id == traded.taker_order_id;
            self.orders.get_mut(slot).changed = self.seq;
            if is_taker && traded.taker_quote_remaining.is_some() {
                continue;
            }
            let order = *self.orders.get(slot);
            let left = order.remaining - traded.quantity;
            assert!(left == remaining, "order {order_id} has {left:?} left, not {remaining:?}");
            self.orders.get_mut(slot).remaining = left;
            if order.level != NONE {
                self.levels.lessen(order.level, traded.quantity);
            }
            if is_taker || traded.auction {
                self.orders.show_tranche(slot);
            } else {
                self.orders.show_less(slot, traded.quantity);
            }
            if left.is_zero() {
                self.remove(slot);
            }
        }
        self.last = Some(traded.price);
        self.waiting.follow(&mut self.orders, traded.price);
    }
}
