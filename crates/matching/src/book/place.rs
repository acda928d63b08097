//! Orders that come to the book: new, or woken by a trade.

use crate::order::{OrderType, TimeInForce};
use crate::phase::Phase;
use crate::reason::Reason;
use crate::units::{OrderId, Price, Side};

use super::incoming::Incoming;
use super::messages::{BookEvent, Placed};
use super::orders::{NONE, Open, Rare, Wait};
use super::{Book, TakenOut};

impl Placed {
    /// Whether it is never in the book once it has come: it trades at once or not at all.
    fn is_immediate(&self) -> bool {
        let immediate = matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        immediate || !self.order_type.has_limit()
    }

    /// Whether it may be open when the command that brought it is done.
    fn may_stay(&self) -> bool {
        self.order_type.waits() || !self.is_immediate()
    }

    /// What it waits for, if it does. `last`: the last trade, from which a trailing stop starts.
    pub(super) fn wait(&self, last: Option<Price>) -> Option<Wait> {
        self.order_type.waits().then_some(Wait {
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            limit: self.price,
            stop: self.extras.stop_price,
            delta: self.extras.trailing_delta,
            reference: last.filter(|_| self.extras.trailing_delta.is_some()),
        })
    }
}

impl Book {
    pub(super) fn place(&mut self, order: Placed, out: &mut Vec<BookEvent>) {
        let number = self.symbol_seq.next();
        if let Some(reason) = self.refusal(&order) {
            self.emit(out, |_| BookEvent::Rejected { order, symbol_seq: number, reason });
            return;
        }
        let linked = order.extras.linked_order_id;
        if let Some(partner) = linked {
            let partner = self.orders.slot_of(partner);
            self.orders.rare_or_default(partner).linked = Some(order.order_id);
        }
        if let Some(wait) = order.wait(self.last) {
            self.insert_waiting(&order, wait, number);
            self.emit(out, |_| BookEvent::Accepted { order, priority: number });
            if let (Phase::Continuous, Some(last)) = (self.phase, self.last) {
                self.waiting.wake(&self.orders, last);
            }
            return;
        }
        let market = order.order_type == OrderType::Market;
        let bound = if market { self.market_bound(order.side) } else { order.price.unwrap_or(Price::ONE) };
        let mut incoming = Incoming {
            order_id: order.order_id,
            side: order.side,
            limit: order.price,
            bound,
            quantity: order.quantity,
            remaining: order.quantity,
            quote: order.extras.quote_quantity,
            priority: number,
            rests: !order.is_immediate(),
            whole: order.time_in_force == TimeInForce::Fok,
            least: order.extras.min_quantity,
            prevention: order.self_trade_prevention,
            post_only: order.post_only,
            display: order.extras.display_quantity,
            linked,
            account: self.accounts.add(order.account.as_ref()),
            metadata: order.extras.metadata.clone(),
        };
        self.emit(out, |_| BookEvent::Accepted { order, priority: number });
        self.enter(&mut incoming, out);
    }

    /// Why the book does not take an order; in the order in which the reasons are given.
    fn refusal(&self, order: &Placed) -> Option<Reason> {
        let waits = order.order_type.waits();
        let forbidden = match self.phase {
            Phase::CancelOnly | Phase::Closed => true,
            Phase::PostOnly | Phase::Auction => !waits && (order.is_immediate() || order.extras.min_quantity.is_some()),
            Phase::Continuous => false,
        };
        if forbidden {
            return Some(Reason::PhaseForbids);
        }
        if order.extras.linked_order_id.is_some_and(|partner| !self.can_link(order, partner)) {
            return Some(Reason::LinkNotPossible);
        }
        if let (Some(account), Some(most)) = (&order.account, self.instrument.max_open_orders())
            && order.may_stay()
            && self.accounts.open(account) >= most
        {
            return Some(Reason::TooManyOpenOrders);
        }
        let price = order.price.filter(|_| !waits)?;
        if self.is_outside_band(price) {
            return Some(Reason::OutsidePriceBand);
        }
        self.must_not_trade(order.side, price, order.post_only).then_some(Reason::PostOnlyWouldTrade)
    }

    /// Whether an order with this limit would trade although it must not.
    pub(super) fn must_not_trade(&self, side: Side, price: Price, post_only: bool) -> bool {
        let applies = match self.phase {
            Phase::PostOnly => true,
            Phase::Auction => false,
            Phase::Continuous | Phase::CancelOnly | Phase::Closed => post_only,
        };
        let best = self.levels.best(side.opposite());
        applies && best.is_some_and(|best| !side.prefers(best.price, price))
    }

    pub(super) fn is_outside_band(&self, price: Price) -> bool {
        let band = self.last.and_then(|last| self.instrument.band(last));
        band.is_some_and(|(lowest, highest)| price < lowest || price > highest)
    }

    /// The worst price at which an order without a limit trades.
    fn market_bound(&self, side: Side) -> Price {
        let band = self.last.and_then(|last| self.instrument.band(last));
        match side {
            Side::Buy => band.map_or(Price::MAX, |(_, highest)| highest),
            Side::Sell => band.map_or(Price::ONE, |(lowest, _)| lowest),
        }
    }

    /// Two orders can be linked that are of one account and side, if one of them waits and the first is open, untraded and
    /// not linked yet.
    fn can_link(&self, order: &Placed, partner: OrderId) -> bool {
        let Some(slot) = self.orders.find(partner) else { return false };
        let first = self.orders.get(slot);
        let account = self.accounts.find(order.account.as_ref());
        let is_linked = self.orders.rare(slot).is_some_and(|rare| rare.linked.is_some());
        account != NONE
            && first.account == account
            && first.side == order.side
            && first.remaining == first.quantity
            && !is_linked
            && (order.order_type.waits() || self.orders.wait(slot).is_some())
    }

    /// Puts an order among those that wait for a trade.
    pub(super) fn insert_waiting(&mut self, order: &Placed, wait: Wait, priority: crate::units::SymbolSeq) {
        let rare = Rare {
            metadata: order.extras.metadata.clone(),
            display: order.extras.display_quantity,
            displayed: order.extras.display_quantity.map_or(order.quantity, |display| display.min(order.quantity)),
            linked: order.extras.linked_order_id,
            wait: Some(wait),
        };
        let open = Open {
            order_id: order.order_id,
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
        self.waiting.insert(&self.orders, slot);
    }

    /// Lets the orders that trades have woken come to the book, and those that their trades wake, until none is left.
    #[inline]
    pub(super) fn trigger_woken(&mut self, out: &mut Vec<BookEvent>) {
        while let Some((order_id, price)) = self.waiting.next_woken() {
            self.trigger(order_id, price, out);
        }
    }

    fn trigger(&mut self, order_id: OrderId, price: Price, out: &mut Vec<BookEvent>) {
        // The order that it is linked with may have traded or been triggered since it was woken.
        let Some(slot) = self.orders.find(order_id) else { return };
        let Some(wait) = self.orders.wait(slot) else { panic!("order {order_id} is woken twice") };
        let TakenOut { open, rare: Rare { metadata, display, linked, .. }, limit } = self.take_out(slot);
        let Open { side, quantity, remaining, prevention, account, .. } = open;
        let priority = self.symbol_seq.next();
        self.emit(out, |book| {
            let owner = book.owner(account, metadata.clone());
            BookEvent::Triggered { order_id, price, priority, owner }
        });
        self.cancel_linked(linked, out);
        let mut incoming = Incoming {
            order_id,
            side,
            limit,
            bound: limit.unwrap_or_else(|| self.market_bound(side)),
            quantity,
            remaining,
            quote: None,
            priority,
            rests: limit.is_some() && !matches!(wait.time_in_force, TimeInForce::Ioc | TimeInForce::Fok),
            whole: wait.time_in_force == TimeInForce::Fok,
            least: None,
            prevention,
            post_only: open.post_only,
            display,
            linked: None,
            account,
            metadata,
        };
        if limit.is_some_and(|limit| self.is_outside_band(limit)) {
            let reason = Reason::OutsidePriceBand;
            self.end_incoming(&mut incoming, out, |ended| BookEvent::Expired { ended, reason });
            return;
        }
        self.enter(&mut incoming, out);
    }
}
