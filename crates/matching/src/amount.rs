//! Exact sums and products: what a trade is worth, how much waits in an auction. Wider than [`Decimal`], and like it
//! always in its shortest form.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decimal::{Decimal, MAX_DECIMALS};

/// A price times a quantity has as many decimals as both together.
const MOST_DECIMALS: u8 = 2 * MAX_DECIMALS;

/// A non-negative decimal number of up to 128 bits: `coefficient / 10^decimals`, with at most 16 decimals.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Amount {
    coefficient: u128,
    decimals: u8,
}

/// The text is no amount.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a decimal number with at most {MOST_DECIMALS} decimals, below 2^128 without its point")]
pub struct ParseAmountError;

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount { coefficient: 0, decimals: 0 };

    /// The amount that `units` stands for at a scale of `decimals` digits after the point.
    ///
    /// # Panics
    /// If `decimals` is above 16.
    pub fn from_units(units: u128, decimals: u8) -> Amount {
        assert!(decimals <= MOST_DECIMALS, "a scale of {decimals} decimals");
        let (mut coefficient, mut decimals) = (units, decimals);
        while decimals > 0 && coefficient.is_multiple_of(10) {
            coefficient /= 10;
            decimals -= 1;
        }
        Amount { coefficient, decimals }
    }

    /// This amount in integer units at a scale of `decimals` digits; none when it has more decimals or does not fit.
    pub fn to_units(self, decimals: u8) -> Option<u128> {
        let missing = decimals.checked_sub(self.decimals)?;
        self.coefficient.checked_mul(10u128.checked_pow(u32::from(missing))?)
    }

    /// The same as a number of 64 bits with at most eight decimals, if it is one.
    pub fn to_decimal(self) -> Option<Decimal> {
        let coefficient = u64::try_from(self.coefficient).ok()?;
        (self.decimals <= MAX_DECIMALS).then(|| Decimal::from_units(coefficient, self.decimals))
    }
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Amount, ParseAmountError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        let decimals = u8::try_from(fraction.len()).ok().filter(|decimals| *decimals <= MOST_DECIMALS);
        if whole.is_empty() || text.ends_with('.') || !digits().all(|digit| digit.is_ascii_digit()) {
            return Err(ParseAmountError);
        }
        let add = |sum: u128, digit: u8| sum.checked_mul(10)?.checked_add(u128::from(digit - b'0'));
        let coefficient = digits().try_fold(0, add).ok_or(ParseAmountError)?;
        Ok(Amount::from_units(coefficient, decimals.ok_or(ParseAmountError)?))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10u128.pow(u32::from(self.decimals));
        let (whole, fraction) = (self.coefficient / scale, self.coefficient % scale);
        if self.decimals == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{fraction:0width$}", width = usize::from(self.decimals))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount as text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_in_shortest_form() {
        let largest = (1u128 << 116) - 1;
        for (units, decimals, text) in [
            (0, 16, "0"),
            (1, 16, "0.0000000000000001"),
            (1_500, 3, "1.5"),
            (100, 0, "100"),
            (largest, 16, "8307674973655724205.6487941267521535"),
        ] {
            let amount = Amount::from_units(units, decimals);
            assert_eq!(amount.to_string(), text);
            assert_eq!(text.parse(), Ok(amount));
            assert_eq!(amount.to_units(decimals), Some(units));
        }
        assert_eq!(Amount::from_units(15, 1).to_units(0), None);
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1.00000000000000001", "999999999999999999999999999999999999999"]
        {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError), "{text:?}");
        }
    }
}
