//! Where a writer stands: in the stream, in the log, in the chain.

use std::fmt;
use std::str::FromStr;

use matching::Seq;

use crate::chain::Chain;

/// The id of a stream entry. Compared as two integers: as text, `9-1` would come after `10-0`.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds of the stream server's clock.
    pub millis: u64,
    /// A counter within the millisecond.
    pub index: u64,
}

impl StreamId {
    /// Before every entry.
    pub const ZERO: StreamId = StreamId { millis: 0, index: 0 };
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.index)
    }
}

/// The text is no stream id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no stream id: one is <milliseconds>-<index>")]
pub struct ParseStreamIdError(String);

impl FromStr for StreamId {
    type Err = ParseStreamIdError;

    fn from_str(text: &str) -> Result<StreamId, ParseStreamIdError> {
        text.split_once('-')
            .and_then(|(millis, index)| Some(StreamId { millis: millis.parse().ok()?, index: index.parse().ok()? }))
            .ok_or_else(|| ParseStreamIdError(text.to_owned()))
    }
}

/// The number of a writer's term: each take-over adds one, and a commit under an older one touches nothing.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The end of the log: the last row's number, how far the stream was consumed, and the chain up to here.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Position {
    /// The last row's number.
    pub seq: Seq,
    /// The last stream entry that is in the log.
    pub stream_id: StreamId,
    /// The chain's value at that row.
    pub chain: Chain,
}

impl Position {
    /// The beginning of an empty log.
    pub const START: Position = Position { seq: Seq::ZERO, stream_id: StreamId::ZERO, chain: Chain::START };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_ids_are_compared_as_numbers() {
        let id = |text: &str| text.parse::<StreamId>().expect("an id");
        assert!(id("9-1") < id("10-0"));
        assert!(id("10-2") < id("10-10"));
        assert_eq!(id("1732880000123-7").to_string(), "1732880000123-7");
        for text in ["", "1", "-", "1-", "-1", "a-1", "1-1-1", "1--1"] {
            assert!(text.parse::<StreamId>().is_err(), "{text:?}");
        }
    }
}
