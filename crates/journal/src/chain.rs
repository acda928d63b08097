//! The hash chain over the log's rows: whoever alters, removes or inserts a row breaks it from there on.

use std::fmt;

use matching::{Micros, Seq, hex};

use crate::position::{Epoch, StreamId};

/// The chain's value at one row.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Chain([u8; 32]);

impl Chain {
    /// Before the first row.
    pub const START: Chain = Chain([0; 32]);

    /// A value as it was stored; `None` when it has not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Chain> {
        bytes.try_into().ok().map(Chain)
    }

    /// A value as it is written; `None` when it is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Chain> {
        hex::bytes32(text).map(Chain)
    }

    /// The value as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value at the row after this one. BLAKE3 over: this value; seq, the stream id's two numbers, epoch and
    /// time as 8 bytes each, most significant first; the command's length likewise; the command; the events.
    pub fn next(
        &self,
        seq: Seq,
        stream_id: StreamId,
        epoch: Epoch,
        time: Micros,
        command: &str,
        events: &str,
    ) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        let numbers = [seq.get(), stream_id.millis, stream_id.index, epoch.0, time.get(), command.len() as u64];
        hasher.update(numbers.map(u64::to_be_bytes).as_flattened());
        hasher.update(command.as_bytes());
        hasher.update(events.as_bytes());
        Chain(hasher.finalize().into())
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of any part, or of where one text ends and the next begins, gives another value.
    #[test]
    fn every_part_counts() {
        let seq = |n| Seq::new(n).expect("a number");
        let time = |n| Micros::new(n).expect("a time");
        let id = StreamId { millis: 5, index: 1 };
        let values = [
            Chain::START.next(seq(1), id, Epoch(1), time(9), "ab", "c"),
            Chain::START.next(seq(2), id, Epoch(1), time(9), "ab", "c"),
            Chain::START.next(seq(1), StreamId { index: 2, ..id }, Epoch(1), time(9), "ab", "c"),
            Chain::START.next(seq(1), id, Epoch(2), time(9), "ab", "c"),
            Chain::START.next(seq(1), id, Epoch(1), time(8), "ab", "c"),
            Chain::START.next(seq(1), id, Epoch(1), time(9), "a", "bc"),
            Chain([1; 32]).next(seq(1), id, Epoch(1), time(9), "ab", "c"),
        ];
        for (i, value) in values.iter().enumerate() {
            assert!(!values[..i].contains(value), "value {i} repeats");
        }
    }
}
