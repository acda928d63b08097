//! The maker and the takers of one market: what they do next, given what the book shows and how much time has passed.
//!
//! Invariant: the maker has at most one order in each of [`LEVELS`] slots of a side, so the book it makes is bounded.

use std::collections::BTreeSet;

use matching::{Decimal, OrderId, Side, TimeInForce};

use super::random::Random;
use super::{MAKER, MarketPlan, SEED, TAKER};

/// Slots for orders on each side.
const LEVELS: u64 = 12;
/// How often a step brings a taker, in a thousand.
const TAKERS: u64 = 450;
/// A trend lasts about this long.
const TREND_MS: u64 = 90_000;
/// How quickly prices are drawn back to where they began, in milliseconds.
const DRAWN_BACK_MS: i64 = 4 * 3_600_000;
/// The longest time that one step stands for: after a pause the market opens near where it was.
const LONGEST_STEP_MS: u64 = 10_000;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// The maker takes an order back.
    Cancel(OrderId),
    /// Somebody places an order.
    Place(Intent),
}

/// An order to place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    pub account: &'static str,
    pub side: Side,
    pub price: Decimal,
    pub quantity: Decimal,
    pub time_in_force: TimeInForce,
    pub post_only: bool,
}

/// The prices that a book shows, in units.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub bids: BTreeSet<u64>,
    pub asks: BTreeSet<u64>,
}

impl Shown {
    fn of(&self, side: Side) -> &BTreeSet<u64> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

/// An order of the maker's that rests, as far as is known.
#[derive(Debug, Clone)]
struct Quote {
    order_id: OrderId,
    side: Side,
    price: u64,
}

pub(super) struct Desk {
    pub market: &'static MarketPlan,
    random: Random,
    /// Between the maker's best prices.
    fair: i64,
    /// Where it goes, in units a second.
    trend: i64,
    quotes: Vec<Quote>,
}

impl Desk {
    /// A desk that has no order yet. `last_price`: that of the market's last trade; `salt` makes other numbers than another
    /// one.
    pub(super) fn new(market: &'static MarketPlan, last_price: Option<u64>, salt: u64) -> Desk {
        let name = market.symbol.bytes().fold(0, |name, byte| name * 256 + u64::from(byte));
        let fair = last_price.unwrap_or(market.base).clamp(market.base / 2, market.base * 2);
        Desk { market, random: Random::new(SEED ^ name ^ salt), fair: fair as i64, trend: 0, quotes: Vec::new() }
    }

    /// What to do after so much time, with this book.
    pub(super) fn step(&mut self, elapsed_ms: u64, shown: &Shown) -> Vec<Action> {
        self.move_price(elapsed_ms.clamp(1, LONGEST_STEP_MS));
        self.quotes.retain(|quote| shown.of(quote.side).contains(&quote.price));
        let mut actions = self.withdraw();
        for side in [Side::Buy, Side::Sell] {
            actions.extend(self.missing(side));
        }
        if self.random.chance(TAKERS) {
            actions.push(self.take());
        }
        actions
    }

    /// The maker's order rests now.
    pub(super) fn rests(&mut self, order_id: OrderId, intent: &Intent) {
        if let Some(price) = intent.price.to_units(self.market.price_decimals)
            && intent.account == MAKER
        {
            self.quotes.push(Quote { order_id, side: intent.side, price });
        }
    }

    /// A random walk with trends, drawn back to where it began; as rough over any length of time.
    fn move_price(&mut self, elapsed_ms: u64) {
        let MarketPlan { base, step, .. } = *self.market;
        if self.random.below(TREND_MS) < elapsed_ms {
            self.trend = self.random.around_zero(step / 12);
        }
        let spread = (step * step * elapsed_ms / 1_000).isqrt();
        let elapsed = elapsed_ms as i64;
        let drift = self.trend * elapsed / 1_000 + (base as i64 - self.fair) * elapsed / DRAWN_BACK_MS;
        self.fair += drift + self.random.around_zero(spread);
        self.fair = self.fair.clamp(base as i64 / 2, base as i64 * 2);
    }

    /// Takes back what is too near the price now, or too far, or not alone in its slot.
    fn withdraw(&mut self) -> Vec<Action> {
        let mut kept: Vec<Quote> = Vec::new();
        let mut taken_back = Vec::new();
        for quote in std::mem::take(&mut self.quotes) {
            let slot = self.slot(&quote);
            let is_alone = || kept.iter().all(|other| other.side != quote.side || self.slot(other) != slot);
            if slot.is_some() && is_alone() {
                kept.push(quote);
            } else {
                taken_back.push(Action::Cancel(quote.order_id));
            }
        }
        self.quotes = kept;
        taken_back
    }

    /// An order for each slot of a side that has none.
    fn missing(&mut self, side: Side) -> Vec<Action> {
        let of_side = self.quotes.iter().filter(|quote| quote.side == side);
        let taken: BTreeSet<u64> = of_side.filter_map(|quote| self.slot(quote)).collect();
        (0..LEVELS).filter(|slot| !taken.contains(slot)).map(|slot| self.quote(side, slot)).collect()
    }

    /// The slot that an order stands in now; none when it is too near the price, beyond it, or too far away.
    fn slot(&self, quote: &Quote) -> Option<u64> {
        let (fair, price, gap) = (self.fair.unsigned_abs(), quote.price, self.market.gap);
        let distance = if quote.side == Side::Buy { fair.checked_sub(price) } else { price.checked_sub(fair) };
        distance.filter(|distance| *distance >= gap / 3).map(|distance| distance / gap).filter(|slot| *slot < LEVELS)
    }

    /// Farther away orders are larger, as in most books.
    fn quote(&mut self, side: Side, slot: u64) -> Action {
        let MarketPlan { gap, size, .. } = *self.market;
        let away = (gap * slot + gap / 2 + self.random.below(gap / 2 + 1)) as i64;
        let price = if side == Side::Buy { self.fair - away } else { self.fair + away };
        let quantity = size / 4 + self.random.below(size) + size * slot / 3;
        Action::Place(Intent {
            account: MAKER,
            side,
            price: self.market.price(price.max(1).unsigned_abs()),
            quantity: self.market.quantity(quantity),
            time_in_force: TimeInForce::Gtc,
            post_only: true,
        })
    }

    /// Most takers are small; they lean the way that the price goes.
    fn take(&mut self) -> Action {
        let MarketPlan { gap, size, step, .. } = *self.market;
        let lean = self.trend * 3_000 / step as i64;
        let buys = self.random.below(1_000) as i64 - 500 < lean;
        let (side, limit) = if buys { (Side::Buy, 6) } else { (Side::Sell, -6) };
        let large = 1 + self.random.below(100);
        Action::Place(Intent {
            account: TAKER,
            side,
            price: self.market.price((self.fair + limit * gap as i64).max(1).unsigned_abs()),
            quantity: self.market.quantity(1 + size * large * large / 6_000),
            time_in_force: TimeInForce::Ioc,
            post_only: false,
        })
    }
}
