//! A position in the log as files have it.

use journal::{Chain, Position};
use matching::Seq;
use serde::{Deserialize, Serialize};

/// A position as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    seq: u64,
    stream_position: String,
    chain: String,
}

impl From<Position> for Place {
    fn from(position: Position) -> Place {
        Place {
            seq: position.seq.get(),
            stream_position: position.stream_id.to_string(),
            chain: position.chain.to_string(),
        }
    }
}

impl Place {
    /// The position, if it is one.
    pub fn position(&self) -> Option<Position> {
        Some(Position {
            seq: Seq::new(self.seq)?,
            stream_id: self.stream_position.parse().ok()?,
            chain: Chain::from_hex(&self.chain)?,
        })
    }
}
