//! Names that clients give: of accounts and of their own orders.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in characters: every name is kept with its order in memory, log and readers' answers.
pub const MAX_NAME: usize = 64;

/// The text is no name.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {MAX_NAME} of A-Z, a-z, 0-9, '.', '_', ':' and '-'")]
pub struct ParseNameError;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<$name, ParseNameError> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
                if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(allowed) {
                    return Err(ParseNameError);
                }
                Ok($name(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseNameError;

            fn try_from(text: String) -> Result<$name, ParseNameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

name!(
    /// Whose order it is, as the platform around the engine names it.
    Account
);
name!(
    /// A client's own name for an order, unique per account and symbol: what makes repeating a request safe.
    ClientOrderId
);

/// The longest metadata, in bytes: it is repeated in each of its order's events.
pub const MAX_METADATA: usize = 256;

/// A client's own words about an order, which the engine only repeats.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Metadata(Arc<str>);

/// The text is too long for metadata.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metadata has at most {MAX_METADATA} bytes")]
pub struct MetadataTooLong;

impl Metadata {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Metadata {
    type Error = MetadataTooLong;

    fn try_from(text: String) -> Result<Metadata, MetadataTooLong> {
        if text.len() <= MAX_METADATA { Ok(Metadata(text.into())) } else { Err(MetadataTooLong) }
    }
}

impl From<Metadata> for String {
    fn from(metadata: Metadata) -> String {
        metadata.as_str().to_owned()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_any_text_that_is_not_too_long() {
        let longest = "\u{e4}".repeat(MAX_METADATA / 2);
        assert_eq!(Metadata::try_from(longest.clone()).map(String::from), Ok(longest.clone()));
        assert_eq!(Metadata::try_from(longest + "x"), Err(MetadataTooLong));
    }

    #[test]
    fn a_name_is_short_and_plain() {
        let longest = "x".repeat(MAX_NAME);
        for good in ["a", "desk-7:2026.11_x", longest.as_str()] {
            assert_eq!(good.parse::<ClientOrderId>().map(String::from).as_deref(), Ok(good));
        }
        let too_long = "x".repeat(MAX_NAME + 1);
        for bad in ["", "a b", "a/b", "ä", "a\n", too_long.as_str()] {
            assert_eq!(bad.parse::<Account>(), Err(ParseNameError), "{bad:?}");
        }
    }
}
