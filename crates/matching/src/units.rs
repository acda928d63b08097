//! The numbers of the core: each its own type, each valid by construction.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// One above the greatest price, in units: up to here a price is exact as the score of a Redis sorted set.
pub const PRICE_LIMIT: u64 = 1 << 53;
/// One above the greatest quantity, in units: sums of two quantities fit 64 bits, a quantity fits PostgreSQL's `bigint`.
pub const QUANTITY_LIMIT: u64 = 1 << 63;
/// One above the greatest id: ids are exact as JSON numbers everywhere.
pub const ID_LIMIT: u64 = 1 << 53;

/// A price in integer units of its instrument's scale: at least 1, below [`PRICE_LIMIT`].
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Price(NonZeroU64);

impl Price {
    /// The smallest price.
    pub const ONE: Price = Price(NonZeroU64::MIN);
    /// The greatest price.
    pub const MAX: Price = match Price::new(PRICE_LIMIT - 1) {
        Some(price) => price,
        None => panic!("the limit is above one"),
    };

    /// The price of `units`, if it is one.
    pub const fn new(units: u64) -> Option<Price> {
        match NonZeroU64::new(units) {
            Some(number) if units < PRICE_LIMIT => Some(Price(number)),
            _ => None,
        }
    }

    /// The price in units.
    pub fn units(self) -> u64 {
        self.0.get()
    }

    /// What a quantity costs at this price, in units of both.
    pub fn times(self, quantity: Quantity) -> u128 {
        u128::from(self.units()) * u128::from(quantity.0)
    }
}

/// A quantity in integer units of its instrument's scale: below [`QUANTITY_LIMIT`]; zero is "nothing left".
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Quantity(u64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity(0);
    /// The smallest quantity that can change hands.
    pub const ONE: Quantity = Quantity(1);

    /// The quantity of `units`, if it is one.
    pub fn new(units: u64) -> Option<Quantity> {
        (units < QUANTITY_LIMIT).then_some(Quantity(units))
    }

    /// The quantity in units.
    pub fn units(self) -> u64 {
        self.0
    }

    /// Whether nothing is left.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Sub for Quantity {
    type Output = Quantity;

    /// # Panics
    /// If more is taken than is there: a broken invariant.
    fn sub(self, other: Quantity) -> Quantity {
        assert!(other.0 <= self.0, "a quantity of {} cannot give {}", self.0, other.0);
        Quantity(self.0 - other.0)
    }
}

impl Add for Quantity {
    type Output = Quantity;

    /// # Panics
    /// If the sum is no quantity: a broken invariant.
    fn add(self, other: Quantity) -> Quantity {
        let sum = self.0 + other.0;
        assert!(sum < QUANTITY_LIMIT, "the sum of {} and {} is no quantity", self.0, other.0);
        Quantity(sum)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $limit:expr) => {
        $(#[$doc])*
        // One more than the number: so zero is free to be None, and an Option takes no more room.
        #[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The value, if it is below the type's limit.
            pub fn new(value: u64) -> Option<$name> {
                (value < $limit).then(|| $name::of(value))
            }

            const fn of(value: u64) -> $name {
                match NonZeroU64::MIN.checked_add(value) {
                    Some(number) => $name(number),
                    None => panic!("the numbers have run out"),
                }
            }

            /// The plain number.
            pub fn get(self) -> u64 {
                self.0.get() - 1
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.get())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.get(), f)
            }
        }

        checked_conversion!($name, get);
    };
}

macro_rules! checked_conversion {
    ($name:ident, $plain:ident) => {
        impl TryFrom<u64> for $name {
            type Error = OutOfRange;

            fn try_from(value: u64) -> Result<$name, OutOfRange> {
                $name::new(value).ok_or(OutOfRange { kind: stringify!($name), value })
            }
        }

        impl From<$name> for u64 {
            fn from(number: $name) -> u64 {
                number.$plain()
            }
        }
    };
}

/// A number that its type does not allow.
#[derive(Debug, thiserror::Error)]
#[error("{value} is out of range for {kind}")]
pub struct OutOfRange {
    kind: &'static str,
    value: u64,
}

number!(
    /// The id of an order, given at acknowledgement: unique for ever, without meaning in its order.
    OrderId, ID_LIMIT
);
number!(
    /// The id of a command. Orders and other commands take theirs from one counter; a new order's command id is its order id.
    CommandId, ID_LIMIT
);
number!(
    /// The number of a trade: 1, 2, 3, ... in the order of the log.
    TradeId, ID_LIMIT
);
number!(
    /// The place of a command in the log: 1, 2, 3, ... without gaps; 0 is "before the first".
    Seq, QUANTITY_LIMIT
);
number!(
    /// A point in time: microseconds since 1970-01-01 00:00 UTC.
    Micros, QUANTITY_LIMIT
);
number!(
    /// The number of an event in its symbol's book: 1, 2, 3, ...; an order's priority is the number of the event that put it in its place.
    SymbolSeq, QUANTITY_LIMIT
);
checked_conversion!(Price, units);
checked_conversion!(Quantity, units);

impl Seq {
    /// Before the first command.
    pub const ZERO: Seq = Seq::of(0);
    /// The last that can be.
    pub const LAST: Seq = Seq::of(QUANTITY_LIMIT - 1);

    /// The number before this one; none before [`Seq::ZERO`].
    pub fn previous(self) -> Option<Seq> {
        self.get().checked_sub(1).map(Seq::of)
    }

    /// The number after this one.
    pub fn next(self) -> Seq {
        Seq::of(self.get() + 1)
    }
}

impl SymbolSeq {
    /// Before the first event.
    pub const ZERO: SymbolSeq = SymbolSeq::of(0);

    /// The number after this one.
    pub fn next(self) -> SymbolSeq {
        SymbolSeq::of(self.get() + 1)
    }
}

impl TradeId {
    /// The first trade's number.
    pub const FIRST: TradeId = TradeId::of(1);

    /// The number after this one.
    pub fn next(self) -> TradeId {
        TradeId::of(self.get() + 1)
    }
}

impl Micros {
    /// 1970-01-01 00:00 UTC.
    pub const ZERO: Micros = Micros::of(0);
}

impl OrderId {
    /// Below every order's id.
    pub const FIRST: OrderId = OrderId::of(0);
}

impl From<OrderId> for CommandId {
    /// A new order's command id is its order id.
    fn from(order_id: OrderId) -> CommandId {
        CommandId(order_id.0)
    }
}

/// Which side of the book.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// Buys the base asset.
    Buy,
    /// Sells the base asset.
    Sell,
}

impl Side {
    /// The side that this one trades with.
    pub fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// Whether an order of this side with one price goes before one with the other.
    #[inline]
    pub fn prefers(self, price: Price, other: Price) -> bool {
        match self {
            Side::Buy => price > other,
            Side::Sell => price < other,
        }
    }

    /// As it is written: `BUY` or `SELL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Buy => "BUY",
            Side::Sell => "SELL",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
