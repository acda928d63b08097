//! What may be traded, and in which steps. An instrument is logged state: it changes by commands only.

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, MAX_DECIMALS};
use crate::event::Reason;
use crate::symbol::Symbol;
use crate::units::{Price, Quantity};

/// A market's scale and steps. The scale never changes, so a number of units means one amount for ever.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "InstrumentSpec", into = "InstrumentSpec")]
pub struct Instrument {
    symbol: Symbol,
    price_decimals: u8,
    quantity_decimals: u8,
    tick: Price,
    lot: Quantity,
}

/// An instrument as it is written in commands, events and answers.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentSpec {
    /// The market's name.
    pub symbol: Symbol,
    /// Digits after the point of a price, at most [`MAX_DECIMALS`].
    pub price_decimals: u8,
    /// Digits after the point of a quantity, at most [`MAX_DECIMALS`].
    pub quantity_decimals: u8,
    /// Every price is a multiple of this.
    pub tick: Decimal,
    /// Every quantity is a multiple of this.
    pub lot: Decimal,
}

/// The specification is no instrument.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInstrument {
    /// A scale above the limit.
    #[error("an instrument has at most {MAX_DECIMALS} decimals")]
    Scale,
    /// A tick that is zero, too large, or finer than the price's scale.
    #[error("the tick must be above zero and have no more decimals than prices have")]
    Tick,
    /// A lot that is zero, too large, or finer than the quantity's scale.
    #[error("the lot must be above zero and have no more decimals than quantities have")]
    Lot,
}

impl TryFrom<InstrumentSpec> for Instrument {
    type Error = InvalidInstrument;

    fn try_from(spec: InstrumentSpec) -> Result<Instrument, InvalidInstrument> {
        if spec.price_decimals > MAX_DECIMALS || spec.quantity_decimals > MAX_DECIMALS {
            return Err(InvalidInstrument::Scale);
        }
        let tick = spec.tick.to_units(spec.price_decimals).and_then(Price::new);
        let lot = spec.lot.to_units(spec.quantity_decimals).and_then(Quantity::new);
        Ok(Instrument {
            symbol: spec.symbol,
            price_decimals: spec.price_decimals,
            quantity_decimals: spec.quantity_decimals,
            tick: tick.ok_or(InvalidInstrument::Tick)?,
            lot: lot.filter(|lot| !lot.is_zero()).ok_or(InvalidInstrument::Lot)?,
        })
    }
}

impl From<Instrument> for InstrumentSpec {
    fn from(instrument: Instrument) -> InstrumentSpec {
        InstrumentSpec {
            symbol: instrument.symbol,
            price_decimals: instrument.price_decimals,
            quantity_decimals: instrument.quantity_decimals,
            tick: Decimal::from_units(instrument.tick.units(), instrument.price_decimals),
            lot: Decimal::from_units(instrument.lot.units(), instrument.quantity_decimals),
        }
    }
}

impl Instrument {
    /// The finest instrument: eight decimals, tick and lot of one unit. What a symbol gets when nothing else is said of it.
    pub fn finest(symbol: Symbol) -> Instrument {
        Instrument {
            symbol,
            price_decimals: MAX_DECIMALS,
            quantity_decimals: MAX_DECIMALS,
            tick: Price::ONE,
            lot: Quantity::ONE,
        }
    }

    /// The market's name.
    pub fn symbol(&self) -> Symbol {
        self.symbol
    }

    /// Digits after the point of a price.
    pub fn price_decimals(&self) -> u8 {
        self.price_decimals
    }

    /// Digits after the point of a quantity.
    pub fn quantity_decimals(&self) -> u8 {
        self.quantity_decimals
    }

    /// A price in this instrument's units, or why it is none.
    pub fn price(&self, price: Decimal) -> Result<Price, Reason> {
        if price == Decimal::ZERO {
            return Err(Reason::PriceNotPositive);
        }
        if price.decimals() > self.price_decimals {
            return Err(Reason::OffTick);
        }
        let price = price.to_units(self.price_decimals).and_then(Price::new).ok_or(Reason::OutOfRange)?;
        if price.units() % self.tick.units() == 0 { Ok(price) } else { Err(Reason::OffTick) }
    }

    /// An order's quantity in this instrument's units, or why it is none.
    pub fn quantity(&self, quantity: Decimal) -> Result<Quantity, Reason> {
        if quantity == Decimal::ZERO {
            return Err(Reason::QuantityNotPositive);
        }
        if quantity.decimals() > self.quantity_decimals {
            return Err(Reason::OffLot);
        }
        let quantity = quantity.to_units(self.quantity_decimals).and_then(Quantity::new).ok_or(Reason::OutOfRange)?;
        if quantity.units() % self.lot.units() == 0 { Ok(quantity) } else { Err(Reason::OffLot) }
    }

    /// A price of this instrument as a decimal number.
    pub fn price_decimal(&self, price: Price) -> Decimal {
        Decimal::from_units(price.units(), self.price_decimals)
    }

    /// A quantity of this instrument as a decimal number.
    pub fn quantity_decimal(&self, quantity: Quantity) -> Decimal {
        Decimal::from_units(quantity.units(), self.quantity_decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenths() -> Instrument {
        let spec = InstrumentSpec {
            symbol: "BTC_USDT".parse().expect("a symbol"),
            price_decimals: 2,
            quantity_decimals: 1,
            tick: "0.05".parse().expect("a number"),
            lot: "0.5".parse().expect("a number"),
        };
        Instrument::try_from(spec).expect("an instrument")
    }

    #[test]
    fn amounts_are_on_tick_and_lot_and_in_range() {
        let check = |price: &str| tenths().price(price.parse().expect("a number")).map(Price::units);
        assert_eq!(check("100.05"), Ok(10_005));
        assert_eq!(check("100.01"), Err(Reason::OffTick));
        assert_eq!(check("100.005"), Err(Reason::OffTick));
        assert_eq!(check("0"), Err(Reason::PriceNotPositive));
        assert_eq!(check("90071992547409.9"), Ok((1 << 53) - 2));
        assert_eq!(check("90071992547410"), Err(Reason::OutOfRange));

        let check = |quantity: &str| tenths().quantity(quantity.parse().expect("a number")).map(Quantity::units);
        assert_eq!(check("1.5"), Ok(15));
        assert_eq!(check("1.6"), Err(Reason::OffLot));
        assert_eq!(check("0.00"), Err(Reason::QuantityNotPositive));
        assert_eq!(check("922337203685477580.5"), Ok(9_223_372_036_854_775_805));
        assert_eq!(check("922337203685477581"), Err(Reason::OutOfRange));
    }

    #[test]
    fn a_specification_that_is_no_instrument_is_refused() {
        let spec = InstrumentSpec::from(tenths());
        let zero = Decimal::ZERO;
        let fine = "0.001".parse().expect("a number");
        assert_eq!(Instrument::try_from(InstrumentSpec { price_decimals: 9, ..spec }), Err(InvalidInstrument::Scale));
        assert_eq!(Instrument::try_from(InstrumentSpec { tick: zero, ..spec }), Err(InvalidInstrument::Tick));
        assert_eq!(Instrument::try_from(InstrumentSpec { tick: fine, ..spec }), Err(InvalidInstrument::Tick));
        assert_eq!(Instrument::try_from(InstrumentSpec { lot: zero, ..spec }), Err(InvalidInstrument::Lot));
        assert_eq!(Instrument::try_from(spec), Ok(tenths()));
    }
}
