//! Exact decimal numbers, as text outside and as integers inside.
//!
//! Invariant: a [`Decimal`] is always in its shortest form (no trailing zero after the point), so that
//! equal values are equal structures and have one text. Nothing here goes through floating point.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The greatest number of digits after the point that any instrument has.
pub const MAX_DECIMALS: u8 = 8;

const POWERS_OF_TEN: [u64; MAX_DECIMALS as usize + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A non-negative decimal number: `coefficient / 10^decimals`, with at most [`MAX_DECIMALS`] decimals.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    coefficient: u64,
    decimals: u8,
}

/// Why a text is not a [`Decimal`].
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// Not a decimal number as JSON writes them.
    #[error("it is not a decimal number")]
    Malformed,
    /// Below zero.
    #[error("it is negative")]
    Negative,
    /// More significant digits after the point than [`MAX_DECIMALS`].
    #[error("it has more than {MAX_DECIMALS} decimals")]
    TooManyDecimals,
    /// Does not fit 64 bits once written without its point.
    #[error("it is too large")]
    OutOfRange,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { coefficient: 0, decimals: 0 };

    /// The number that `units` stands for at a scale of `decimals` digits after the point.
    ///
    /// # Panics
    /// If `decimals` is above [`MAX_DECIMALS`].
    pub fn from_units(units: u64, decimals: u8) -> Decimal {
        assert!(decimals <= MAX_DECIMALS, "a scale of {decimals} decimals");
        let (mut coefficient, mut decimals) = (units, decimals);
        while decimals > 0 && coefficient % 10 == 0 {
            coefficient /= 10;
            decimals -= 1;
        }
        Decimal { coefficient, decimals }
    }

    /// This number in integer units at a scale of `decimals` digits; `None` when it has more decimals
    /// than that or does not fit 64 bits.
    pub fn to_units(self, decimals: u8) -> Option<u64> {
        let missing = decimals.checked_sub(self.decimals)?;
        self.coefficient.checked_mul(*POWERS_OF_TEN.get(usize::from(missing))?)
    }

    /// Digits after the point in the shortest form.
    pub fn decimals(self) -> u8 {
        self.decimals
    }

    /// The digits of the shortest form, read as an integer.
    pub fn coefficient(self) -> u64 {
        self.coefficient
    }
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    /// Reads a number in JSON's grammar (`1`, `1.50`, `2e-3`), exactly. Zeros that say nothing (`1.5000000000`)
    /// are not counted as decimals.
    fn from_str(text: &str) -> Result<Decimal, ParseDecimalError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(ParseDecimalError::Malformed),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let digits_only = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if whole.is_empty() || leading_zero || !digits_only {
            return Err(ParseDecimalError::Malformed);
        }
        let value = from_digits(whole, fraction, exponent)?;
        if negative && value != Decimal::ZERO { Err(ParseDecimalError::Negative) } else { Ok(value) }
    }
}

/// An exponent; one too long for `i64` saturates, which is as far out of range as it is.
fn parse_exponent(text: &str) -> Result<i64, ParseDecimalError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParseDecimalError::Malformed);
    }
    // Halved so that the number of digits can be added to it without overflow.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    Ok(if negative { -size } else { size })
}

/// Puts the digits together. Zeros are held back until a digit that counts follows them, so that
/// neither leading nor trailing zeros can overflow.
fn from_digits(whole: &str, fraction: &str, exponent: i64) -> Result<Decimal, ParseDecimalError> {
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() as i64 - exponent > i64::from(MAX_DECIMALS) && !fraction.is_empty() {
        return Err(ParseDecimalError::TooManyDecimals);
    }
    let mut coefficient: u64 = 0;
    let mut held_zeros: u32 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).map(|b| u64::from(b - b'0')) {
        if digit == 0 {
            held_zeros += u32::from(coefficient > 0);
            continue;
        }
        coefficient = 10u64
            .checked_pow(held_zeros + 1)
            .and_then(|shift| coefficient.checked_mul(shift))
            .and_then(|shifted| shifted.checked_add(digit))
            .ok_or(ParseDecimalError::OutOfRange)?;
        held_zeros = 0;
    }
    if coefficient == 0 {
        return Ok(Decimal::ZERO);
    }
    // The value is coefficient × 10^scale; a coefficient here has no trailing zero.
    let scale = exponent - fraction.len() as i64 + i64::from(held_zeros);
    if scale >= 0 {
        let whole = u32::try_from(scale)
            .ok()
            .and_then(|scale| 10u64.checked_pow(scale))
            .and_then(|shift| coefficient.checked_mul(shift))
            .ok_or(ParseDecimalError::OutOfRange)?;
        return Ok(Decimal { coefficient: whole, decimals: 0 });
    }
    match u8::try_from(-scale) {
        Ok(decimals) if decimals <= MAX_DECIMALS => Ok(Decimal { coefficient, decimals }),
        _ => Err(ParseDecimalError::TooManyDecimals),
    }
}

/// The 20 digits of the greatest coefficient, and a point.
const LONGEST_TEXT: usize = 21;

impl Decimal {
    /// Writes its text into the end of a buffer, from the last digit on. Each row of the log has a dozen decimals, and the
    /// standard library's formatting takes three times as long for one.
    fn text(self, buffer: &mut [u8; LONGEST_TEXT]) -> &str {
        let (mut rest, mut begin, mut digits) = (self.coefficient, LONGEST_TEXT, 0);
        while digits <= self.decimals || rest > 0 {
            if digits == self.decimals && digits > 0 {
                begin -= 1;
                buffer[begin] = b'.';
            }
            begin -= 1;
            buffer[begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            digits += 1;
        }
        match std::str::from_utf8(&buffer[begin..]) {
            Ok(text) => text,
            Err(error) => panic!("digits are text: {error}"),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; LONGEST_TEXT]))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; LONGEST_TEXT]))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, ParseDecimalError>) {
        let parsed = text.parse::<Decimal>().map(|decimal| decimal.to_string());
        assert_eq!(parsed, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn numbers_are_read_exactly() {
        check("100.0", Ok("100"));
        check("0.00000001", Ok("0.00000001"));
        check("123456789012.12345678", Ok("123456789012.12345678"));
        check("1234567890123.12345678", Err(ParseDecimalError::OutOfRange));
        check("90071992.54740991", Ok("90071992.54740991"));
        check("184467440737.09551615", Ok("184467440737.09551615"));
        check("10.05", Ok("10.05"));
        check("1.500000000000000000000000000000000000000000", Ok("1.5"));
        check("1e2", Ok("100"));
        check("15E-1", Ok("1.5"));
        check("1.50e+1", Ok("15"));
        check("1000e-3", Ok("1"));
        check("1.123456789e1", Ok("11.23456789"));
        check("0.0000000000000000000000001e20", Ok("0.00001"));
        check("0", Ok("0"));
        check("-0.0", Ok("0"));
        check("0e400", Ok("0"));
        check("18446744073709551615", Ok("18446744073709551615"));
    }

    #[test]
    fn what_is_no_decimal_says_why() {
        for text in
            ["", "-", ".", ".5", "5.", "1..2", "01", "+1", "1e", "1e+", "NaN", "Infinity", "0x10", " 1", "1 ", "1,0"]
        {
            check(text, Err(ParseDecimalError::Malformed));
        }
        check("-1", Err(ParseDecimalError::Negative));
        check("1e400", Err(ParseDecimalError::OutOfRange));
        check("1e99999999999999999999999", Err(ParseDecimalError::OutOfRange));
        check("18446744073709551616", Err(ParseDecimalError::OutOfRange));
        check("0.000000001", Err(ParseDecimalError::TooManyDecimals));
        check("1e-9", Err(ParseDecimalError::TooManyDecimals));
        check("1e-99999999999999999999999", Err(ParseDecimalError::TooManyDecimals));
        check("0.123456789012345678901234567890", Err(ParseDecimalError::TooManyDecimals));
        check("0.000000000000000000000000000001", Err(ParseDecimalError::TooManyDecimals));
    }

    #[test]
    fn units_and_decimals_are_two_views_of_one_number() {
        let price: Decimal = "100.5".parse().expect("a number");
        assert_eq!(price.to_units(8), Some(10_050_000_000));
        assert_eq!(price.to_units(1), Some(1005));
        assert_eq!(price.to_units(0), None);
        assert_eq!(Decimal::from_units(10_050_000_000, 8), price);
        assert_eq!(Decimal::from_units(u64::MAX, 0).to_units(1), None);
    }
}
