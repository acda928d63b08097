//! `pricetime serve --demo`: markets that are alive, for whoever looks at the service for the first time.
//!
//! A market maker and takers trade in three markets of their own (`desk`), so that what others do in other markets is left
//! alone. On an empty log an hour of the same is written first, as of the hour before (`hour`); from then on they trade over
//! HTTP like anybody else (`trading`). What they do depends on nothing but a seed, the state of the market and the time.

mod desk;
pub mod hour;
mod random;
pub mod trading;

use matching::{Account, Decimal, Instrument, InstrumentSpec, Symbol};

/// Whose the resting orders are.
const MAKER: &str = "demo-maker";
/// Whose the others are.
const TAKER: &str = "demo-taker";
/// What all numbers are derived from.
const SEED: u64 = 20_091_031;

/// A market of the demonstration. Prices are in units of the market's last decimal, sizes in lots likewise.
#[derive(Debug)]
struct MarketPlan {
    symbol: &'static str,
    price_decimals: u8,
    quantity_decimals: u8,
    /// Where prices begin, and where they are drawn to.
    base: u64,
    /// How far the price moves within a second, at most.
    step: u64,
    /// Between two prices of the book.
    gap: u64,
    /// An order's usual size.
    size: u64,
}

/// A hundredth of a per cent a second is half of the price a year: what such markets do.
const MARKETS: [MarketPlan; 3] = [
    MarketPlan {
        symbol: "BTC_USD",
        price_decimals: 2,
        quantity_decimals: 4,
        base: 6_425_000,
        step: 1_000,
        gap: 600,
        size: 2_500,
    },
    MarketPlan {
        symbol: "ETH_USD",
        price_decimals: 2,
        quantity_decimals: 3,
        base: 312_000,
        step: 55,
        gap: 30,
        size: 4_000,
    },
    MarketPlan {
        symbol: "SOL_USD",
        price_decimals: 3,
        quantity_decimals: 2,
        base: 148_000,
        step: 28,
        gap: 15,
        size: 6_000,
    },
];

impl MarketPlan {
    fn symbol(&self) -> Symbol {
        named(self.symbol)
    }

    fn instrument(&self) -> Instrument {
        let spec = InstrumentSpec {
            price_decimals: self.price_decimals,
            quantity_decimals: self.quantity_decimals,
            tick: Decimal::from_units(1, self.price_decimals),
            lot: Decimal::from_units(1, self.quantity_decimals),
            ..Instrument::finest(self.symbol()).into()
        };
        match Instrument::try_from(spec) {
            Ok(instrument) => instrument,
            Err(error) => panic!("{} is no instrument: {error}", self.symbol),
        }
    }

    fn price(&self, units: u64) -> Decimal {
        Decimal::from_units(units, self.price_decimals)
    }

    fn quantity(&self, units: u64) -> Decimal {
        Decimal::from_units(units, self.quantity_decimals)
    }
}

/// A name of the tables above.
fn named(name: &'static str) -> Symbol {
    match name.parse() {
        Ok(symbol) => symbol,
        Err(error) => panic!("{name} is no symbol: {error}"),
    }
}

fn account(name: &'static str) -> Account {
    match name.parse() {
        Ok(account) => account,
        Err(error) => panic!("{name} is no account: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_markets_are_instruments_and_none_of_the_usual_ones() {
        for market in &MARKETS {
            assert_eq!(market.instrument().symbol().as_str(), market.symbol);
            assert!(!["BTC_USDT", "ETH_USDT", "XRP_USDT"].contains(&market.symbol));
        }
        assert_ne!(account(MAKER), account(TAKER));
    }
}
