//! A snapshot as it is stored: the engine's image in compressed parts, with its state hash.

use matching::{EngineImage, StateHash};

use crate::position::Position;

/// How an image is encoded and cut into parts.
pub const SNAPSHOT_FORMAT: i16 = 1;
/// The most bytes of an image in one part, before compression: a part is one value of a row, and is held in memory whole.
pub const PART_BYTES: usize = 8 * 1024 * 1024;
/// zstd's own default: at higher levels an image takes many times as long and gets a few per cent smaller.
const COMPRESSION_LEVEL: i32 = 3;

/// The state of the engine at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The log's position that it is the state at.
    pub position: Position,
    /// How the parts are encoded: [`SNAPSHOT_FORMAT`].
    pub format: i16,
    /// The hash of the state.
    pub state_hash: StateHash,
    /// The encoded image, cut and compressed.
    pub parts: Vec<Vec<u8>>,
}

/// A stored snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a release that this one does not know.
    #[error("its format is {0}, and this release reads format {SNAPSHOT_FORMAT}")]
    UnknownFormat(i16),
    /// A part does not decompress.
    #[error("part {index} does not decompress: {source}")]
    Part {
        /// Which part, from 0.
        index: usize,
        /// What the decompressor says.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not those that were written.
    #[error("its bytes hash to {found}, and {expected} was written")]
    Hash {
        /// The hash of what is there.
        found: StateHash,
        /// The hash that stands beside it.
        expected: StateHash,
    },
    /// The bytes are no image.
    #[error("it is no image: {0}")]
    Image(#[from] matching::image::DecodeImageError),
}

impl Snapshot {
    /// Encodes an image. Takes as long as the state is large: not on a thread that matches.
    pub fn new(position: Position, image: &EngineImage) -> std::io::Result<Snapshot> {
        let bytes = image.encode();
        let state_hash = StateHash::of(&bytes);
        let parts = bytes
            .chunks(PART_BYTES)
            .map(|part| zstd::bulk::compress(part, COMPRESSION_LEVEL))
            .collect::<Result<_, _>>()?;
        Ok(Snapshot { position, format: SNAPSHOT_FORMAT, state_hash, parts })
    }

    /// How many bytes are stored.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    /// The image's bytes, proven to be those that were hashed.
    fn bytes(&self) -> Result<Vec<u8>, OpenError> {
        if self.format != SNAPSHOT_FORMAT {
            return Err(OpenError::UnknownFormat(self.format));
        }
        let mut bytes = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let part = zstd::bulk::decompress(part, PART_BYTES).map_err(|source| OpenError::Part { index, source })?;
            bytes.extend_from_slice(&part);
        }
        let found = StateHash::of(&bytes);
        if found == self.state_hash { Ok(bytes) } else { Err(OpenError::Hash { found, expected: self.state_hash }) }
    }

    /// Proves that the parts are what was hashed: what a store does with what it read back.
    pub fn verify(&self) -> Result<(), OpenError> {
        self.bytes().map(drop)
    }

    /// The image, proven to be the one that was hashed.
    pub fn open(&self) -> Result<EngineImage, OpenError> {
        Ok(EngineImage::decode(&self.bytes()?)?)
    }
}
