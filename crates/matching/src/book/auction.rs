//! The auction: one price for all at which the most trades; of those, the one that leaves the least over; of those, the one
//! nearest to the last trade; of those, the lowest. The prices to choose from are the limits of the orders that cross, and
//! the last trade's price where it is on tick and between them.

use std::cmp::Reverse;

use crate::phase::Phase;
use crate::units::{Price, Quantity, Side};

use super::Book;
use super::messages::{BookEvent, Indication, Traded};
use super::orders::{NONE, Open, Slot};

impl Book {
    /// What an auction that ended now would give; none while no orders cross.
    pub(super) fn indication(&self) -> Option<Indication> {
        let (bid, ask) = (self.best_bid()?, self.best_ask()?);
        if bid < ask {
            return None;
        }
        let bids = || self.levels.of(Side::Buy).take_while(|level| level.price >= ask);
        let asks = || self.levels.of(Side::Sell).take_while(|level| level.price <= bid);
        let on_tick = |price: &Price| *price >= ask && *price <= bid && self.instrument.is_on_tick(*price);
        let mut prices: Vec<Price> =
            bids().chain(asks()).map(|level| level.price).chain(self.last.filter(on_tick)).collect();
        prices.sort_unstable();
        prices.dedup();
        let mut falling_bids: Vec<(Price, u128)> = bids().map(|level| (level.price, level.total)).collect();
        let mut rising_asks = asks().peekable();
        let mut demand: u128 = falling_bids.iter().map(|(_, total)| total).sum();
        let mut supply: u128 = 0;
        let indication = |price: Price| {
            while let Some((_, total)) = falling_bids.pop_if(|(bid, _)| *bid < price) {
                demand -= total;
            }
            while let Some(level) = rising_asks.next_if(|level| level.price <= price) {
                supply += level.total;
            }
            Indication { price, volume: demand.min(supply), imbalance: demand as i128 - supply as i128 }
        };
        let distance = |price: Price| self.last.map_or(0, |last| last.units().abs_diff(price.units()));
        prices.into_iter().map(indication).max_by_key(|indication| {
            let Indication { price, volume, imbalance } = *indication;
            (volume, Reverse(imbalance.unsigned_abs()), Reverse(distance(price)), Reverse(price))
        })
    }

    /// Tells what the auction would give when that has changed.
    #[inline]
    pub(super) fn indicate(&mut self, out: &mut Vec<BookEvent>) {
        if self.phase != Phase::Auction && self.indicated.is_none() {
            return;
        }
        let indication = if self.phase == Phase::Auction { self.indication() } else { None };
        if indication != self.indicated {
            self.indicated = indication;
            self.emit(out, |_| BookEvent::AuctionIndicated(indication));
        }
    }

    /// Trades whatever crosses at one price. Where orders were taken away because they met their own account, others may
    /// cross still: they are uncrossed in the same way.
    pub(super) fn uncross(&mut self, out: &mut Vec<BookEvent>) {
        while let Some(Indication { price, .. }) = self.indication() {
            while let Some((bid, ask)) = self.pair_at(price) {
                self.meet(bid, ask, price, out);
            }
        }
    }

    /// The first orders of both sides, if both take this price.
    fn pair_at(&self, price: Price) -> Option<(Slot, Slot)> {
        let bid = self.levels.best(Side::Buy).filter(|level| level.price >= price)?;
        let ask = self.levels.best(Side::Sell).filter(|level| level.price <= price)?;
        Some((bid.head, ask.head))
    }

    fn meet(&mut self, bid: Slot, ask: Slot, price: Price, out: &mut Vec<BookEvent>) {
        let (buy, sell) = (*self.orders.get(bid), *self.orders.get(ask));
        let buy_is_older = buy.priority < sell.priority;
        let (older, younger) = if buy_is_older { (bid, ask) } else { (ask, bid) };
        let taker = *self.orders.get(younger);
        let own = buy.account != NONE && buy.account == sell.account;
        if own && taker.prevention != crate::order::SelfTradePrevention::None {
            self.prevent_in_auction(older, younger, out);
            return;
        }
        let quantity = buy.remaining.min(sell.remaining);
        let improvement = self
            .limit_of(bid)
            .map_or(0, |limit| u128::from(limit.units() - price.units()) * u128::from(quantity.units()));
        let (maker_order_id, maker_remaining) = self.fill_whole(older, quantity);
        let (taker_order_id, taker_remaining) = self.fill_whole(younger, quantity);
        self.emit(out, |book| {
            BookEvent::Traded(Traded {
                price,
                quantity,
                maker_order_id,
                taker_order_id,
                taker_side: taker.side,
                maker_remaining,
                taker_remaining,
                taker_quote_remaining: None,
                improvement,
                auction: true,
                maker: book.owner_of(older),
                taker: book.owner_of(younger),
            })
        });
        self.print(price);
        for slot in [older, younger] {
            let linked = self.orders.rare_mut(slot).and_then(|rare| rare.linked.take());
            self.cancel_linked(linked, out);
        }
        for (slot, remaining) in [(older, maker_remaining), (younger, taker_remaining)] {
            if remaining.is_zero() {
                self.remove(slot);
            }
        }
    }

    /// Takes a traded quantity from all of an order, what it does not show included; it shows a whole part again.
    fn fill_whole(&mut self, slot: Slot, quantity: Quantity) -> (crate::units::OrderId, Quantity) {
        let seq = self.seq;
        let order = self.orders.get_mut(slot);
        order.remaining = order.remaining - quantity;
        order.changed = seq;
        let Open { order_id, remaining, level, .. } = *order;
        self.levels.lessen(level, quantity);
        self.orders.show_tranche(slot);
        (order_id, remaining)
    }
}
