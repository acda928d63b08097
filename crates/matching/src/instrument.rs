//! What may be traded, and in which steps. An instrument is logged state: it changes by commands only.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::amount::Amount;
use crate::decimal::{Decimal, MAX_DECIMALS};
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::units::{PRICE_LIMIT, Price, Quantity};

/// The most parts that an iceberg shows itself in: each is a trade and an event of its own, and one command may meet all.
pub const MAX_TRANCHES: u64 = 1_000;

/// A market's scale and rules. The scale never changes, so a number of units means one amount for ever.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Instrument {
    symbol: Symbol,
    price_decimals: u8,
    quantity_decimals: u8,
    tick: Price,
    lot: Quantity,
    min_quantity: Option<Quantity>,
    max_quantity: Option<Quantity>,
    min_notional: Option<Decimal>,
    max_notional: Option<Decimal>,
    price_band: Option<u32>,
    max_open_orders: Option<u32>,
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
    /// The smallest quantity of an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_quantity: Option<Decimal>,
    /// The largest quantity of an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_quantity: Option<Decimal>,
    /// The smallest price times quantity of an order with a limit, and the smallest amount of one by quote amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_notional: Option<Decimal>,
    /// The largest of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_notional: Option<Decimal>,
    /// How far from the last trade a limit may be and a market order trades, in hundredths of a per cent of that trade's
    /// price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_band: Option<u32>,
    /// How many orders an account may have open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
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
    /// A limit of quantity that is zero, too large, finer than the quantity's scale, or below the other.
    #[error(
        "min_quantity and max_quantity must be above zero, in order, and have no more decimals than quantities have"
    )]
    Quantity,
    /// A limit of notional that is finer than a price times a quantity, or below the other.
    #[error(
        "min_notional and max_notional must be in order and have no more decimals than prices and quantities together"
    )]
    Notional,
    /// A band of nothing.
    #[error("price_band must be above zero")]
    Band,
    /// No order at all.
    #[error("max_open_orders must be above zero")]
    OpenOrders,
}

impl TryFrom<InstrumentSpec> for Instrument {
    type Error = InvalidInstrument;

    fn try_from(spec: InstrumentSpec) -> Result<Instrument, InvalidInstrument> {
        if spec.price_decimals > MAX_DECIMALS || spec.quantity_decimals > MAX_DECIMALS {
            return Err(InvalidInstrument::Scale);
        }
        let quantity = |decimal: Decimal, error| {
            let quantity = decimal.to_units(spec.quantity_decimals).and_then(Quantity::new);
            quantity.filter(|quantity| !quantity.is_zero()).ok_or(error)
        };
        let limit = |decimal: Option<Decimal>| decimal.map(|decimal| quantity(decimal, InvalidInstrument::Quantity));
        let instrument = Instrument {
            symbol: spec.symbol,
            price_decimals: spec.price_decimals,
            quantity_decimals: spec.quantity_decimals,
            tick: spec.tick.to_units(spec.price_decimals).and_then(Price::new).ok_or(InvalidInstrument::Tick)?,
            lot: quantity(spec.lot, InvalidInstrument::Lot)?,
            min_quantity: limit(spec.min_quantity).transpose()?,
            max_quantity: limit(spec.max_quantity).transpose()?,
            min_notional: spec.min_notional,
            max_notional: spec.max_notional,
            price_band: spec.price_band,
            max_open_orders: spec.max_open_orders,
        };
        let in_order =
            |least: Option<u128>, most: Option<u128>| least.zip(most).is_none_or(|(least, most)| least <= most);
        let units = |quantity: Option<Quantity>| quantity.map(|quantity| u128::from(quantity.units()));
        let notional = |decimal: Option<Decimal>| {
            decimal.map(|decimal| instrument.quote_units(decimal).ok_or(InvalidInstrument::Notional)).transpose()
        };
        if !in_order(units(instrument.min_quantity), units(instrument.max_quantity)) {
            Err(InvalidInstrument::Quantity)
        } else if !in_order(notional(spec.min_notional)?, notional(spec.max_notional)?) {
            Err(InvalidInstrument::Notional)
        } else if spec.price_band == Some(0) {
            Err(InvalidInstrument::Band)
        } else if spec.max_open_orders == Some(0) {
            Err(InvalidInstrument::OpenOrders)
        } else {
            Ok(instrument)
        }
    }
}

impl From<Instrument> for InstrumentSpec {
    fn from(instrument: Instrument) -> InstrumentSpec {
        let quantity = |quantity: Quantity| instrument.quantity_decimal(quantity);
        InstrumentSpec {
            symbol: instrument.symbol,
            price_decimals: instrument.price_decimals,
            quantity_decimals: instrument.quantity_decimals,
            tick: instrument.price_decimal(instrument.tick),
            lot: quantity(instrument.lot),
            min_quantity: instrument.min_quantity.map(quantity),
            max_quantity: instrument.max_quantity.map(quantity),
            min_notional: instrument.min_notional,
            max_notional: instrument.max_notional,
            price_band: instrument.price_band,
            max_open_orders: instrument.max_open_orders,
        }
    }
}

/// An instrument in an image, whose encoding has no names and so cannot leave anything out.
type Packed = (Symbol, u8, u8, [Decimal; 2], [Option<Decimal>; 4], [Option<u32>; 2]);

impl Serialize for Instrument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spec = InstrumentSpec::from(*self);
        if serializer.is_human_readable() {
            return spec.serialize(serializer);
        }
        let limits = [spec.min_quantity, spec.max_quantity, spec.min_notional, spec.max_notional];
        let packed: Packed = (
            spec.symbol,
            spec.price_decimals,
            spec.quantity_decimals,
            [spec.tick, spec.lot],
            limits,
            [spec.price_band, spec.max_open_orders],
        );
        packed.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Instrument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instrument, D::Error> {
        let spec = if deserializer.is_human_readable() {
            InstrumentSpec::deserialize(deserializer)?
        } else {
            let (symbol, price_decimals, quantity_decimals, [tick, lot], limits, [price_band, max_open_orders]) =
                Packed::deserialize(deserializer)?;
            let [min_quantity, max_quantity, min_notional, max_notional] = limits;
            InstrumentSpec {
                symbol,
                price_decimals,
                quantity_decimals,
                tick,
                lot,
                min_quantity,
                max_quantity,
                min_notional,
                max_notional,
                price_band,
                max_open_orders,
            }
        };
        Instrument::try_from(spec).map_err(de::Error::custom)
    }
}

impl Instrument {
    /// The finest instrument: eight decimals, tick and lot of one unit, no further rule. What a symbol gets when nothing
    /// else is said of it.
    pub fn finest(symbol: Symbol) -> Instrument {
        Instrument {
            symbol,
            price_decimals: MAX_DECIMALS,
            quantity_decimals: MAX_DECIMALS,
            tick: Price::ONE,
            lot: Quantity::ONE,
            min_quantity: None,
            max_quantity: None,
            min_notional: None,
            max_notional: None,
            price_band: None,
            max_open_orders: None,
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

    /// Digits after the point of a price times a quantity.
    pub fn quote_decimals(&self) -> u8 {
        self.price_decimals + self.quantity_decimals
    }

    /// What every quantity is a multiple of.
    pub fn lot(&self) -> Quantity {
        self.lot
    }

    /// How many orders an account may have open.
    pub fn max_open_orders(&self) -> Option<u32> {
        self.max_open_orders
    }

    /// Whether another instrument is of the same market and scale.
    pub fn has_scale_of(&self, other: &Instrument) -> bool {
        let scale =
            |instrument: &Instrument| (instrument.symbol, instrument.price_decimals, instrument.quantity_decimals);
        scale(self) == scale(other)
    }

    /// Whether a price is a multiple of the tick.
    pub fn is_on_tick(&self, price: Price) -> bool {
        price.units().is_multiple_of(self.tick.units())
    }

    /// A price in this instrument's units, or why it is none.
    pub fn price(&self, price: Decimal) -> Result<Price, Reason> {
        if price == Decimal::ZERO {
            return Err(Reason::PriceNotPositive);
        }
        if price.decimals() > self.price_decimals {
            return Err(Reason::OffTick);
        }
        let price = self.price_units(price).ok_or(Reason::OutOfRange)?;
        if self.is_on_tick(price) { Ok(price) } else { Err(Reason::OffTick) }
    }

    /// A quantity in this instrument's units that is a multiple of the lot, or why it is none.
    pub fn quantity(&self, quantity: Decimal) -> Result<Quantity, Reason> {
        if quantity == Decimal::ZERO {
            return Err(Reason::QuantityNotPositive);
        }
        if quantity.decimals() > self.quantity_decimals {
            return Err(Reason::OffLot);
        }
        let quantity = self.quantity_units(quantity).ok_or(Reason::OutOfRange)?;
        if quantity.units() % self.lot.units() == 0 { Ok(quantity) } else { Err(Reason::OffLot) }
    }

    /// An order's whole quantity in this instrument's units, or why an order cannot have it.
    pub fn whole_quantity(&self, quantity: Decimal) -> Result<Quantity, Reason> {
        let quantity = self.quantity(quantity)?;
        if self.min_quantity.is_some_and(|least| quantity < least) {
            return Err(Reason::QuantityTooSmall);
        }
        if self.max_quantity.is_some_and(|most| quantity > most) {
            return Err(Reason::QuantityTooLarge);
        }
        Ok(quantity)
    }

    /// An amount of quote in units of price times quantity, or why it is none.
    pub fn quote(&self, quote: Decimal) -> Result<u128, Reason> {
        if quote == Decimal::ZERO {
            return Err(Reason::QuantityNotPositive);
        }
        self.quote_units(quote).ok_or(Reason::OffLot)
    }

    /// Whether an order may be of this value, in units of price times quantity.
    pub fn check_notional(&self, notional: u128) -> Result<(), Reason> {
        let units = |limit: Option<Decimal>| limit.and_then(|limit| self.quote_units(limit));
        if units(self.min_notional).is_some_and(|least| notional < least) {
            return Err(Reason::NotionalTooSmall);
        }
        if units(self.max_notional).is_some_and(|most| notional > most) {
            return Err(Reason::NotionalTooLarge);
        }
        Ok(())
    }

    /// The lowest and the highest price within the band around a trade; none where there is no band.
    pub fn band(&self, last: Price) -> Option<(Price, Price)> {
        let width = u128::from(last.units()) * u128::from(self.price_band?) / 10_000;
        let width = u64::try_from(width).unwrap_or(PRICE_LIMIT);
        let lowest = Price::new(last.units().saturating_sub(width)).unwrap_or(Price::ONE);
        let highest = Price::new(last.units().saturating_add(width)).unwrap_or(Price::MAX);
        Some((lowest, highest))
    }

    /// A price of the log in units, on tick or not: the tick may have changed since.
    pub fn price_units(&self, price: Decimal) -> Option<Price> {
        price.to_units(self.price_decimals).and_then(Price::new)
    }

    /// A quantity of the log in units, a multiple of the lot or not: the lot may have changed since.
    pub fn quantity_units(&self, quantity: Decimal) -> Option<Quantity> {
        quantity.to_units(self.quantity_decimals).and_then(Quantity::new)
    }

    fn quote_units(&self, quote: Decimal) -> Option<u128> {
        let missing = self.quote_decimals().checked_sub(quote.decimals())?;
        Some(u128::from(quote.coefficient()) * 10u128.pow(u32::from(missing)))
    }

    /// A price of this instrument as a decimal number.
    pub fn price_decimal(&self, price: Price) -> Decimal {
        Decimal::from_units(price.units(), self.price_decimals)
    }

    /// A quantity of this instrument as a decimal number.
    pub fn quantity_decimal(&self, quantity: Quantity) -> Decimal {
        Decimal::from_units(quantity.units(), self.quantity_decimals)
    }

    /// An amount in units of price times quantity as a decimal number.
    pub fn quote_amount(&self, units: u128) -> Amount {
        Amount::from_units(units, self.quote_decimals())
    }

    /// A sum of quantities as a decimal number.
    pub fn quantity_amount(&self, units: u128) -> Amount {
        Amount::from_units(units, self.quantity_decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenths() -> Instrument {
        let spec = InstrumentSpec {
            price_decimals: 2,
            quantity_decimals: 1,
            tick: "0.05".parse().expect("a number"),
            lot: "0.5".parse().expect("a number"),
            ..Instrument::finest("BTC_USDT".parse().expect("a symbol")).into()
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
        let number = |text: &str| text.parse().expect("a number");
        let some = |text: &str| Some(number(text));
        let check = |spec: InstrumentSpec, expected: Result<(), InvalidInstrument>| {
            assert_eq!(Instrument::try_from(spec).map(drop), expected, "{spec:?}");
        };
        check(InstrumentSpec { price_decimals: 8, quantity_decimals: 8, ..spec }, Ok(()));
        check(InstrumentSpec { price_decimals: 9, ..spec }, Err(InvalidInstrument::Scale));
        check(InstrumentSpec { quantity_decimals: 9, ..spec }, Err(InvalidInstrument::Scale));
        check(InstrumentSpec { tick: Decimal::ZERO, ..spec }, Err(InvalidInstrument::Tick));
        check(InstrumentSpec { tick: number("0.001"), ..spec }, Err(InvalidInstrument::Tick));
        check(InstrumentSpec { lot: Decimal::ZERO, ..spec }, Err(InvalidInstrument::Lot));
        check(InstrumentSpec { min_quantity: some("0.05"), ..spec }, Err(InvalidInstrument::Quantity));
        check(InstrumentSpec { max_quantity: some("0"), ..spec }, Err(InvalidInstrument::Quantity));
        let quantities = |least, most| InstrumentSpec { min_quantity: some(least), max_quantity: some(most), ..spec };
        check(quantities("2", "2"), Ok(()));
        check(quantities("2.5", "2"), Err(InvalidInstrument::Quantity));
        let notionals = |least, most| InstrumentSpec { min_notional: some(least), max_notional: some(most), ..spec };
        check(notionals("0.001", "0.001"), Ok(()));
        check(notionals("0.002", "0.001"), Err(InvalidInstrument::Notional));
        check(notionals("0.0001", "1"), Err(InvalidInstrument::Notional));
        check(InstrumentSpec { price_band: Some(0), ..spec }, Err(InvalidInstrument::Band));
        check(InstrumentSpec { max_open_orders: Some(0), ..spec }, Err(InvalidInstrument::OpenOrders));
    }

    #[test]
    fn limits_themselves_are_allowed() {
        let number = |text: &str| text.parse::<Decimal>().expect("a number");
        let limited = Instrument::try_from(InstrumentSpec {
            min_quantity: Some(number("1.5")),
            max_quantity: Some(number("3")),
            min_notional: Some(number("100")),
            max_notional: Some(number("200.001")),
            price_band: Some(500),
            max_open_orders: Some(7),
            ..tenths().into()
        });
        let limited = limited.expect("an instrument");
        assert_eq!((limited.price_decimals(), limited.quantity_decimals(), limited.quote_decimals()), (2, 1, 3));
        assert_eq!((limited.lot().units(), limited.max_open_orders()), (5, Some(7)));
        let check = |quantity: &str| limited.whole_quantity(number(quantity)).map(Quantity::units);
        assert_eq!(check("1"), Err(Reason::QuantityTooSmall));
        assert_eq!((check("1.5"), check("3")), (Ok(15), Ok(30)));
        assert_eq!(check("3.5"), Err(Reason::QuantityTooLarge));
        assert_eq!(limited.check_notional(99_999), Err(Reason::NotionalTooSmall));
        assert_eq!((limited.check_notional(100_000), limited.check_notional(200_001)), (Ok(()), Ok(())));
        assert_eq!(limited.check_notional(200_002), Err(Reason::NotionalTooLarge));
        assert_eq!(limited.quote(number("1.005")), Ok(1_005));
        assert_eq!(limited.quote(number("1.0005")), Err(Reason::OffLot));
        assert_eq!(limited.quote(Decimal::ZERO), Err(Reason::QuantityNotPositive));
        let units = |price: u64| Price::new(price).expect("a price");
        assert_eq!(limited.band(units(1_000)), Some((units(950), units(1_050))));
        assert_eq!(tenths().band(units(1_000)), None);
    }
}
