//! The name of a market.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const PART_LENGTH: std::ops::RangeInclusive<usize> = 2..=12;
const MAX_LENGTH: usize = 25;

/// A market's name, `BASE_QUOTE`: each part 2 to 12 of `A-Z` and `0-9`. Kept in place, so copying it allocates nothing.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    // Padded with zeros, which sort below every character: the derived order is the text's order.
    bytes: [u8; MAX_LENGTH],
    length: u8,
}

/// The text is no symbol.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a symbol is BASE_QUOTE, each part 2 to 12 of A-Z and 0-9, for example BTC_USDT")]
pub struct ParseSymbolError;

impl Symbol {
    /// The symbol's text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl FromStr for Symbol {
    type Err = ParseSymbolError;

    fn from_str(text: &str) -> Result<Symbol, ParseSymbolError> {
        let (base, quote) = text.split_once('_').ok_or(ParseSymbolError)?;
        for part in [base, quote] {
            let allowed = part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if !allowed || !PART_LENGTH.contains(&part.len()) {
                return Err(ParseSymbolError);
            }
        }
        let mut bytes = [0; MAX_LENGTH];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Symbol { bytes, length: text.len() as u8 })
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Symbol, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Symbol;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a symbol such as \"BTC_USDT\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Symbol, E> {
                text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_symbols_are_read_and_the_rest_refused() {
        for text in ["BTC_USDT", "A1_B2", "ABCDEFGHIJKL_ABCDEFGHIJKL"] {
            assert_eq!(text.parse::<Symbol>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "_",
            "BTCUSDT",
            "B_USDT",
            "BTC_U",
            "btc_usdt",
            "BTC-USDT",
            "BTC_USDT_X",
            "ABCDEFGHIJKLM_USDT",
            "BTÇ_USDT",
            "BTC_USDT\n",
        ] {
            assert_eq!(text.parse::<Symbol>(), Err(ParseSymbolError), "{text:?}");
        }
    }

    #[test]
    fn symbols_sort_as_their_text() {
        let mut symbols: Vec<Symbol> =
            ["ETH_USDT", "BTC_USDT", "BTC_USD", "BTC2_USDT"].iter().map(|t| t.parse().expect("a symbol")).collect();
        symbols.sort();
        let texts: Vec<String> = symbols.iter().map(Symbol::to_string).collect();
        assert_eq!(texts, ["BTC2_USDT", "BTC_USD", "BTC_USDT", "ETH_USDT"]);
    }
}
