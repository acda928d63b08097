//! Orders, amends and cancels: what the router checks of them, and what it keeps.

use crate::book::{BookCommand, Placed};
use crate::command::{AmendOrder, CancelByKey, CancelOrder, NewOrder};
use crate::event::{AmendRejected, CancelRejected, Event, OrderRejected};
use crate::keys::Named;
use crate::order::{Order, TimeInForce};
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::translate;
use crate::units::{CommandId, Micros, OrderId, Seq};

use super::window::{ID_WINDOW, Known};
use super::{Routed, Router};

/// A day of logged time, which has no leap seconds.
const DAY: u64 = 24 * 60 * 60 * 1_000_000;

impl Router {
    pub(super) fn route_order(&mut self, new: &NewOrder, own: &mut Vec<Event>, routed: &mut Routed) {
        let order = &new.order;
        if let Some(repeated) = Named::of(order).and_then(|named| self.window.keys.repeated(order, &named)) {
            self.remember(order.order_id.into());
            own.push(Event::OrderRepeated(repeated));
            return;
        }
        match self.check(new) {
            Ok(placed) => {
                self.keep(order, placed.extras.expire_at);
                routed.push((order.symbol, BookCommand::Place(placed)));
            }
            Err(reason_code) => {
                self.keep_refused(order);
                let order = order.clone();
                own.push(Event::OrderRejected(OrderRejected { order, symbol_seq: None, reason_code }));
            }
        }
    }

    /// Everything about an order that its book need not know: in the order in which the reasons are given.
    fn check(&self, new: &NewOrder) -> Result<Placed, Reason> {
        let order = &new.order;
        if new.stale || new.deadline.is_some_and(|deadline| deadline < self.time) {
            return Err(Reason::Stale);
        }
        if !order.is_coherent() {
            return Err(Reason::Incoherent);
        }
        let expire_at = self.expiry(order)?;
        let instrument = self.markets.get(order.symbol).ok_or(Reason::UnknownSymbol)?;
        let placed = translate::place(instrument, order, expire_at)?;
        if order.account.as_ref().is_some_and(|account| self.blocked.contains(account)) {
            return Err(Reason::AccountBlocked);
        }
        Ok(placed)
    }

    fn expiry(&self, order: &Order) -> Result<Option<Micros>, Reason> {
        if order.time_in_force == TimeInForce::Day {
            return Ok(Micros::new((self.time.get() / DAY + 1) * DAY));
        }
        match order.expire_at {
            Some(expire_at) if expire_at <= self.time => Err(Reason::AlreadyExpired),
            expire_at => Ok(expire_at),
        }
    }

    pub(super) fn route_amend(&mut self, amend: &AmendOrder, own: &mut Vec<Event>, routed: &mut Routed) {
        self.remember(amend.command_id);
        let AmendOrder { command_id, order_id, .. } = *amend;
        match self.check_amend(amend) {
            Ok(to_book) => routed.push(to_book),
            Err(reason_code) => {
                own.push(Event::AmendRejected(AmendRejected { command_id, order_id, symbol: None, reason_code }));
            }
        }
    }

    fn check_amend(&self, amend: &AmendOrder) -> Result<(Symbol, BookCommand), Reason> {
        let AmendOrder { command_id, order_id, if_seq, .. } = *amend;
        let known = self.window.orders.get(&order_id).ok_or(Reason::UnknownOrder)?;
        if amend.price.is_none() && amend.quantity.is_none() {
            return Err(Reason::NotAmendable);
        }
        let instrument = self.markets.at(known.index);
        let price = amend.price.map(|price| instrument.price(price)).transpose()?;
        let quantity = amend.quantity.map(|quantity| instrument.whole_quantity(quantity)).transpose()?;
        Ok((instrument.symbol(), BookCommand::Amend { command_id, order_id, price, quantity, if_seq }))
    }

    pub(super) fn route_cancel(&mut self, cancel: &CancelOrder, own: &mut Vec<Event>, routed: &mut Routed) {
        self.remember(cancel.command_id);
        self.send_cancel(cancel.command_id, Some(cancel.order_id), &cancel.reason_text, own, routed);
    }

    pub(super) fn route_cancel_by_key(&mut self, cancel: &CancelByKey, own: &mut Vec<Event>, routed: &mut Routed) {
        self.remember(cancel.command_id);
        let order_id = self.window.keys.order_of(cancel.symbol, cancel.account.as_ref(), &cancel.client_order_id);
        self.send_cancel(cancel.command_id, order_id, &cancel.reason_text, own, routed);
    }

    /// A cancel of an order whose id is kept goes to its book, which alone knows whether it is open.
    fn send_cancel(
        &self,
        command_id: CommandId,
        order_id: Option<OrderId>,
        reason_text: &Option<String>,
        own: &mut Vec<Event>,
        routed: &mut Routed,
    ) {
        match order_id.filter(|order_id| self.window.orders.contains_key(order_id)) {
            Some(order_id) => {
                let reason_text = reason_text.clone();
                routed.push((self.symbol_of(order_id), BookCommand::Cancel { command_id, order_id, reason_text }));
            }
            None => {
                let reason_code = Reason::UnknownOrder;
                own.push(Event::CancelRejected(CancelRejected { command_id, order_id, symbol: None, reason_code }));
            }
        }
    }

    pub(super) fn symbol_of(&self, order_id: OrderId) -> Symbol {
        match self.window.orders.get(&order_id) {
            Some(known) => self.markets.at(known.index).symbol(),
            None => panic!("order {order_id} is not known"),
        }
    }

    /// Keeps the id and the name of an order as the log has it.
    pub(super) fn keep_order(&mut self, order: &Order) {
        self.keep(order, order.expire_at);
    }

    fn keep(&mut self, order: &Order, expire_at: Option<Micros>) {
        let index = self.markets.index(order.symbol);
        let index = index.unwrap_or_else(|| panic!("order {} in the unlisted {}", order.order_id, order.symbol));
        self.window.keep(order.order_id, Known::new(index, expire_at), Named::of(order));
        if let Some(expire_at) = expire_at {
            self.due.add_order(expire_at, order.order_id);
        }
    }

    /// Keeps the id of an order that no book will know as a command's, and its name as long.
    pub(super) fn keep_refused(&mut self, order: &Order) {
        self.remember(order.order_id.into());
        self.window.keys.insert(order.order_id, Named::of(order));
    }

    /// An order closed in row `seq`. Learnt while later rows may have been routed already, but long before its window
    /// ends: so nothing depends on when.
    pub(super) fn learn_close(&mut self, seq: Seq, order_id: OrderId) {
        assert!(self.seq.get() - seq.get() < ID_WINDOW, "row {seq} is published after row {}", self.seq);
        self.window.closed.push_back((seq, order_id));
        if let Some(expire_at) = self.window.orders.get(&order_id).and_then(|known| known.expire_at()) {
            self.due.remove_order(expire_at, order_id);
        }
    }
}
