//! Orders that are changed. No more of it at the same price keeps its place; anything else comes to the book anew.

use crate::instrument::MAX_TRANCHES;
use crate::phase::Phase;
use crate::reason::Reason;
use crate::units::{CommandId, OrderId, Price, Quantity, Seq};

use super::incoming::Incoming;
use super::messages::BookEvent;
use super::orders::{NONE, Open, Rare, Slot};
use super::{Book, TakenOut};

/// What an amend comes to.
enum Plan {
    /// It asks for no more than is filled: the rest goes.
    Cancel,
    /// Its place stays.
    Keep(Quantity),
    /// It gets a new place.
    Move(Option<Price>, Quantity),
}

impl Book {
    pub(super) fn amend(
        &mut self,
        command_id: CommandId,
        order_id: OrderId,
        price: Option<Price>,
        quantity: Option<Quantity>,
        if_seq: Option<Seq>,
        out: &mut Vec<BookEvent>,
    ) {
        let plan = match self.orders.find(order_id) {
            None => Err(Reason::NotOpen),
            Some(slot) => self.plan(slot, price, quantity, if_seq).map(|plan| (slot, plan)),
        };
        match plan {
            Err(reason) => self.emit(out, |_| BookEvent::AmendRejected { command_id, order_id, reason }),
            Ok((slot, Plan::Cancel)) => {
                let (command_id, reason) = (Some(command_id), Reason::AmendedBelowFilled);
                self.end(slot, out, |ended| BookEvent::Cancelled { ended, command_id, reason, reason_text: None });
            }
            Ok((slot, Plan::Keep(quantity))) => self.amend_in_place(slot, command_id, quantity, out),
            Ok((slot, Plan::Move(price, quantity))) if self.orders.get(slot).level == NONE => {
                self.amend_waiting(slot, command_id, price, quantity, out);
            }
            Ok((slot, Plan::Move(price, quantity))) => self.amend_anew(slot, command_id, price, quantity, out),
        }
    }

    /// What is to be done, or why nothing is; in the order in which the reasons are given.
    fn plan(
        &self,
        slot: Slot,
        price: Option<Price>,
        quantity: Option<Quantity>,
        if_seq: Option<Seq>,
    ) -> Result<Plan, Reason> {
        let order = self.orders.get(slot);
        let (before, filled) = (self.limit_of(slot), order.quantity - order.remaining);
        if if_seq.is_some_and(|seq| seq != order.changed) {
            return Err(Reason::SeqDiffers);
        }
        if price.is_some() && before.is_none() {
            return Err(Reason::NotAmendable);
        }
        let (price, quantity) = (price.or(before), quantity.unwrap_or(order.quantity));
        let keeps = price == before && quantity <= order.quantity;
        if self.phase == Phase::Closed || (self.phase == Phase::CancelOnly && !keeps) {
            return Err(Reason::PhaseForbids);
        }
        if quantity <= filled {
            return Ok(Plan::Cancel);
        }
        if let Some(price) = price {
            self.instrument.check_notional(price.times(quantity))?;
        }
        let display = self.orders.rare(slot).and_then(|rare| rare.display);
        if display.is_some_and(|display| quantity.units() > display.units().saturating_mul(MAX_TRANCHES)) {
            return Err(Reason::DisplayTooSmall);
        }
        if keeps {
            return Ok(Plan::Keep(quantity));
        }
        if let Some(price) = price.filter(|_| order.level != NONE) {
            if Some(price) != before && self.is_outside_band(price) {
                return Err(Reason::OutsidePriceBand);
            }
            if self.must_not_trade(order.side, price, order.post_only) {
                return Err(Reason::PostOnlyWouldTrade);
            }
        }
        Ok(Plan::Move(price, quantity))
    }

    fn amend_in_place(&mut self, slot: Slot, command_id: CommandId, quantity: Quantity, out: &mut Vec<BookEvent>) {
        let Open { order_id, quantity: before, remaining, priority, level, .. } = *self.orders.get(slot);
        let less = before - quantity;
        if level != NONE {
            self.levels.lessen(level, less);
        }
        let remaining = remaining - less;
        self.resize(slot, quantity, remaining);
        self.emit(out, |book| {
            let (price, owner) = (book.limit_of(slot), book.owner_of(slot));
            BookEvent::Amended { command_id, order_id, price, quantity, remaining, priority, owner }
        });
    }

    /// An order that waits gets the last place among those that one trade wakes.
    fn amend_waiting(
        &mut self,
        slot: Slot,
        command_id: CommandId,
        price: Option<Price>,
        quantity: Quantity,
        out: &mut Vec<BookEvent>,
    ) {
        let (priority, remaining) = (self.symbol_seq.next(), quantity);
        self.change_waiting(slot, price, quantity, priority);
        self.emit(out, |book| {
            let (order_id, owner) = (book.orders.get(slot).order_id, book.owner_of(slot));
            BookEvent::Amended { command_id, order_id, price, quantity, remaining, priority, owner }
        });
    }

    /// Gives an order that waits other terms and another place.
    pub(super) fn change_waiting(
        &mut self,
        slot: Slot,
        limit: Option<Price>,
        quantity: Quantity,
        priority: crate::units::SymbolSeq,
    ) {
        self.waiting.remove(&self.orders, slot);
        let seq = self.seq;
        let order = self.orders.get_mut(slot);
        (order.quantity, order.remaining, order.priority, order.changed) = (quantity, quantity, priority, seq);
        if let Some(wait) = self.orders.rare_mut(slot).and_then(|rare| rare.wait.as_mut()) {
            wait.limit = limit;
        }
        self.orders.show_tranche(slot);
        self.waiting.insert(&self.orders, slot);
    }

    /// An order of a level comes to the book as if just placed.
    fn amend_anew(
        &mut self,
        slot: Slot,
        command_id: CommandId,
        limit: Option<Price>,
        quantity: Quantity,
        out: &mut Vec<BookEvent>,
    ) {
        let TakenOut { open, rare: Rare { metadata, display, linked, .. }, .. } = self.take_out(slot);
        let Open { order_id, side, prevention, post_only, account, .. } = open;
        let remaining = quantity - (open.quantity - open.remaining);
        let priority = self.symbol_seq.next();
        self.emit(out, |book| {
            let owner = book.owner(account, metadata.clone());
            BookEvent::Amended { command_id, order_id, price: limit, quantity, remaining, priority, owner }
        });
        let Some(bound) = limit else { panic!("order {order_id} stands in a level without a price") };
        self.enter(
            &mut Incoming {
                order_id,
                side,
                limit,
                bound,
                quantity,
                remaining,
                quote: None,
                priority,
                rests: true,
                whole: false,
                least: None,
                prevention,
                post_only,
                display,
                linked,
                account,
                metadata,
            },
            out,
        );
    }
}
