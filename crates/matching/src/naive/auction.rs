//! The auction, by trying every price.

use crate::book::Indication;
use crate::order::SelfTradePrevention;
use crate::units::{OrderId, Price, Side};

use super::{NaiveBook, Open, State, shown};

impl NaiveBook {
    fn resting(&self, side: Side) -> impl Iterator<Item = &Open> {
        self.open.iter().filter(move |open| open.state == State::Resting && open.order.side == side)
    }

    /// What an auction that ended now would give.
    pub(super) fn indication(&self) -> Option<Indication> {
        let highest_bid = self.resting(Side::Buy).filter_map(|open| open.order.price).max()?;
        let lowest_ask = self.resting(Side::Sell).filter_map(|open| open.order.price).min()?;
        let limits = self.open.iter().filter(|open| open.state == State::Resting).filter_map(|open| open.order.price);
        let last = self.last.filter(|last| self.instrument.is_on_tick(*last));
        let mut best: Option<Indication> = None;
        let mut candidates: Vec<Price> =
            limits.chain(last).filter(|price| (lowest_ask..=highest_bid).contains(price)).collect();
        // The lowest comes first, and another one replaces it only by being better.
        candidates.sort();
        for price in candidates {
            let demand: u128 = self.sum(Side::Buy, |limit| limit >= price);
            let supply: u128 = self.sum(Side::Sell, |limit| limit <= price);
            let tried = Indication { price, volume: demand.min(supply), imbalance: demand as i128 - supply as i128 };
            if best.is_none_or(|best| self.is_better(tried, best)) {
                best = Some(tried);
            }
        }
        best
    }

    fn sum(&self, side: Side, takes_part: impl Fn(Price) -> bool) -> u128 {
        let orders = self.resting(side).filter(|open| open.order.price.is_some_and(&takes_part));
        orders.map(|open| u128::from(open.remaining.units())).sum()
    }

    fn is_better(&self, tried: Indication, best: Indication) -> bool {
        if tried.volume != best.volume {
            return tried.volume > best.volume;
        }
        if tried.imbalance.abs() != best.imbalance.abs() {
            return tried.imbalance.abs() < best.imbalance.abs();
        }
        let distance = |price: Price| self.last.map_or(0, |last| last.units().abs_diff(price.units()));
        distance(tried.price) < distance(best.price)
    }

    /// Trades whatever crosses.
    pub(super) fn uncross(&mut self) {
        while let Some(Indication { price, .. }) = self.indication() {
            while let (Some(ask), Some(bid)) = (self.first_maker(Side::Buy, price), self.first_maker(Side::Sell, price))
            {
                let bid_is_older = self.get(bid).priority < self.get(ask).priority;
                let (older, younger) = if bid_is_older { (bid, ask) } else { (ask, bid) };
                self.meet(older, younger, price);
            }
        }
    }

    fn meet(&mut self, older: OrderId, younger: OrderId, price: Price) {
        let (maker, taker) = (self.get(older), self.get(younger));
        let own = maker.order.account.is_some() && maker.order.account == taker.order.account;
        if own && taker.order.self_trade_prevention != SelfTradePrevention::None {
            self.prevent(older, younger);
            return;
        }
        let (seq, quantity) = (self.seq, maker.remaining.min(taker.remaining));
        for order_id in [older, younger] {
            let open = self.get_mut(order_id);
            open.remaining = open.remaining - quantity;
            open.displayed = shown(&open.order, open.remaining);
            open.changed = seq;
        }
        self.tell_trade(older, younger, price, quantity, true);
        self.print(price);
        self.cancel_linked(older);
        self.cancel_linked(younger);
        for order_id in [older, younger] {
            if self.get(order_id).remaining.is_zero() {
                self.end(order_id);
            }
        }
    }
}
