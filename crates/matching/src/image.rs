//! The whole state at one row, as bytes, and their hash.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::book::Book;
use crate::hex;
use crate::ledger::Ledger;
use crate::router::Router;

/// The state of router, books and ledger at one row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineImage {
    /// What is global.
    pub router: Router,
    /// The books, in symbol order.
    pub books: Vec<Book>,
    /// What readers see.
    pub ledger: Ledger,
}

/// The bytes are no image.
#[derive(Debug, thiserror::Error)]
#[error("an image cannot be decoded: {0}")]
pub struct DecodeImageError(#[from] postcard::Error);

impl EngineImage {
    /// The canonical bytes: equal states have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        match postcard::to_allocvec(self) {
            Ok(bytes) => bytes,
            // Memory is the only thing that this can lack.
            Err(error) => panic!("an image has no encoding: {error}"),
        }
    }

    /// Reads an image.
    pub fn decode(bytes: &[u8]) -> Result<EngineImage, DecodeImageError> {
        Ok(postcard::from_bytes(bytes)?)
    }
}

/// The hash of a state: BLAKE3 over its canonical bytes.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct StateHash([u8; 32]);

impl StateHash {
    /// The hash of an image's bytes.
    pub fn of(bytes: &[u8]) -> StateHash {
        StateHash(blake3::hash(bytes).into())
    }

    /// A hash as it was stored; `None` when it has not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<StateHash> {
        bytes.try_into().ok().map(StateHash)
    }

    /// A hash as it is written; `None` when it is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<StateHash> {
        hex::bytes32(text).map(StateHash)
    }

    /// The hash as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
