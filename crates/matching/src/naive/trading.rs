//! How an order that comes trades. Whether one could have what it insists on is found out by trying, on a copy.

use crate::book::{BookEvent, Traded};
use crate::order::{SelfTradePrevention, TimeInForce};
use crate::phase::Phase;
use crate::reason::Reason;
use crate::units::{OrderId, Price, QUANTITY_LIMIT, Quantity, Side};

use super::{NaiveBook, State, shown};

impl NaiveBook {
    /// An order comes to the book. `insists`: whether it comes for the first time, with all its conditions.
    pub(super) fn enter(&mut self, order_id: OrderId, insists: bool) {
        let order = self.get(order_id).order.clone();
        if self.phase == Phase::Continuous {
            if insists && let Some(reason) = self.unmet(order_id) {
                let ended = self.end(order_id);
                self.tell(BookEvent::Expired { ended, reason });
                return;
            }
            self.trade(order_id);
        }
        if !self.is_open(order_id) {
            return;
        }
        let never_rests =
            order.price.is_none() || order.time_in_force == TimeInForce::Ioc || order.time_in_force == TimeInForce::Fok;
        if never_rests {
            let ended = self.end(order_id);
            self.tell(BookEvent::Expired { ended, reason: Reason::Unfilled });
        } else {
            let open = self.get_mut(order_id);
            open.state = State::Resting;
            open.displayed = shown(&open.order, open.remaining);
        }
    }

    /// Why an order may not trade at all.
    fn unmet(&self, order_id: OrderId) -> Option<Reason> {
        let open = self.get(order_id);
        let whole = open.order.time_in_force == TimeInForce::Fok;
        if !whole && open.order.extras.min_quantity.is_none() {
            return None;
        }
        let mut copy = self.clone();
        copy.events.clear();
        copy.trade(order_id);
        let (mut traded, mut spent) = (0, false);
        for event in &copy.events {
            match event {
                BookEvent::Traded(trade) if trade.taker_order_id == order_id => traded += trade.quantity.units(),
                BookEvent::Filled(ended) => spent = spent || ended.order_id == order_id,
                _ => {}
            }
        }
        if whole {
            let all = if open.quote.is_some() { spent } else { traded == open.remaining.units() };
            return (!all).then_some(Reason::FillOrKill);
        }
        let least = open.order.extras.min_quantity.map_or(0, Quantity::units);
        (traded < least).then_some(Reason::MinQuantity)
    }

    /// The order that one of this side with this limit would meet first.
    pub(super) fn first_maker(&self, side: Side, limit: Price) -> Option<OrderId> {
        let accepts = |price: Price| if side == Side::Buy { price <= limit } else { price >= limit };
        let makers = self.open.iter().filter(|open| {
            open.state == State::Resting && open.order.side != side && open.order.price.is_some_and(accepts)
        });
        makers.min_by_key(|open| (open.rank(), open.priority)).map(|open| open.order.order_id)
    }

    /// Trades an order until nothing is left of it, or nobody to trade with.
    fn trade(&mut self, taker: OrderId) {
        let order = self.get(taker).order.clone();
        let any = if order.side == Side::Buy { Price::MAX } else { Price::ONE };
        let within_band = self.band().map(|(lowest, highest)| if order.side == Side::Buy { highest } else { lowest });
        let limit = order.price.or(within_band).unwrap_or(any);
        let mut traded = false;
        while self.is_open(taker)
            && let Some(maker) = self.first_maker(order.side, limit)
        {
            let own = order.account.is_some() && self.get(maker).order.account == order.account;
            if own && order.self_trade_prevention != SelfTradePrevention::None {
                self.prevent(maker, taker);
                continue;
            }
            let price = self.get(maker).order.price.unwrap_or(limit);
            let wanted = self.wanted(taker, price);
            if wanted.is_zero() && !traded {
                return;
            }
            if !wanted.is_zero() {
                self.trade_once(maker, taker, price, wanted.min(self.get(maker).displayed));
                traded = true;
            }
            // What is left of its quote amount buys no lot.
            if self.is_open(taker) && self.get(taker).quote.is_some() && self.wanted(taker, price).is_zero() {
                let ended = self.end(taker);
                self.tell(BookEvent::Filled(ended));
            }
        }
    }

    /// How much an order would take at a price.
    fn wanted(&self, taker: OrderId, price: Price) -> Quantity {
        let open = self.get(taker);
        let Some(quote) = open.quote else { return open.remaining };
        let most = (quote / u128::from(price.units())).min(u128::from(QUANTITY_LIMIT - 1)) as u64;
        let lot = self.instrument.lot().units();
        Quantity::new(most / lot * lot).unwrap_or_default()
    }

    fn trade_once(&mut self, maker: OrderId, taker: OrderId, price: Price, quantity: Quantity) {
        let seq = self.seq;
        let open = self.get_mut(maker);
        open.remaining = open.remaining - quantity;
        open.displayed = open.displayed - quantity;
        open.changed = seq;
        let open = self.get_mut(taker);
        open.changed = seq;
        match open.quote {
            None => open.remaining = open.remaining - quantity,
            Some(quote) => open.quote = Some(quote - price.times(quantity)),
        }
        self.tell_trade(maker, taker, price, quantity, false);
        self.print(price);
        self.cancel_linked(maker);
        self.cancel_linked(taker);
        if self.get(maker).remaining.is_zero() {
            self.end(maker);
        } else if self.get(maker).displayed.is_zero() {
            let (priority, owner) = (self.symbol_seq.next(), self.owner(maker));
            let open = self.get_mut(maker);
            open.priority = priority;
            open.displayed = shown(&open.order, open.remaining);
            let displayed = open.displayed;
            self.tell(BookEvent::Replenished { order_id: maker, displayed, priority, owner });
        }
        let open = self.get(taker);
        if open.quote.is_none() && open.remaining.is_zero() {
            self.end(taker);
        }
    }

    pub(super) fn tell_trade(
        &mut self,
        maker: OrderId,
        taker: OrderId,
        price: Price,
        quantity: Quantity,
        auction: bool,
    ) {
        let (resting, coming) = (self.get(maker), self.get(taker));
        let buyer = if coming.order.side == Side::Buy { coming } else { resting };
        let improvement = buyer.order.price.map_or(0, |limit| limit.times(quantity) - price.times(quantity));
        let traded = Traded {
            price,
            quantity,
            maker_order_id: maker,
            taker_order_id: taker,
            taker_side: coming.order.side,
            maker_remaining: resting.remaining,
            taker_remaining: coming.remaining,
            taker_quote_remaining: coming.quote,
            improvement,
            auction,
            maker: self.owner(maker),
            taker: self.owner(taker),
        };
        self.tell(BookEvent::Traded(traded));
    }

    /// Two orders of one account meet; the taker decides what happens.
    pub(super) fn prevent(&mut self, maker: OrderId, taker: OrderId) {
        match self.get(taker).order.self_trade_prevention {
            SelfTradePrevention::None => {}
            SelfTradePrevention::ExpireTaker => self.take_away(taker),
            SelfTradePrevention::ExpireMaker => self.take_away(maker),
            SelfTradePrevention::ExpireBoth => {
                self.take_away(maker);
                self.take_away(taker);
            }
            SelfTradePrevention::Decrement => {
                let both = self.get(maker).remaining.min(self.get(taker).remaining);
                for order_id in [maker, taker] {
                    if self.get(order_id).remaining == both {
                        self.take_away(order_id);
                        continue;
                    }
                    let (seq, owner) = (self.seq, self.owner(order_id));
                    let open = self.get_mut(order_id);
                    open.order.quantity = open.order.quantity - both;
                    open.remaining = open.remaining - both;
                    open.displayed = open.displayed.min(open.remaining);
                    open.changed = seq;
                    let (quantity, remaining) = (open.order.quantity, open.remaining);
                    self.tell(BookEvent::Reduced { order_id, quantity, remaining, owner });
                }
            }
        }
    }

    fn take_away(&mut self, order_id: OrderId) {
        let (ended, reason) = (self.end(order_id), Reason::SelfTrade);
        self.tell(BookEvent::Cancelled { ended, command_id: None, reason, reason_text: None });
    }
}
