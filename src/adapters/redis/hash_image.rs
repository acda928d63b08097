//! A whole hash as `RESTORE` takes it. `HSET` in a script takes three times as long: it makes a text of each name and value,
//! and looks for each among those that are there already.
//!
//! The form is what `DUMP` gives of a small hash since Redis 7.0: a listpack of names and values in turn, as a string of the
//! RDB format, then that format's version and a CRC-64 over all before it. Where a hash is too large for a listpack by the
//! server's settings, Redis makes a table of it.

use std::fmt::Display;
use std::io::Write;

use crc::{CRC_64_REDIS, Crc};

/// A hash in a listpack, in the RDB format.
const HASH_LISTPACK: u8 = 16;
/// The first version of the RDB format that has it; a server reads older ones than its own.
const RDB_VERSION: u16 = 10;
/// In front of a length of 32 bits, most significant first.
const RDB_LENGTH_32: u8 = 0x80;
/// What it is, and the length of the listpack behind it: [`RDB_LENGTH_32`] and 4 bytes.
const RDB_HEAD: usize = 6;
/// The listpack's length, in 4 bytes, and the number of its entries, in 2.
const LISTPACK_HEAD: usize = 6;
const LISTPACK_END: u8 = 0xff;
/// Marks of an entry's text: with a length of 6 and of 12 bits beside it, and of 32 bits behind it.
const TEXT_6: u8 = 0x80;
const TEXT_12: u8 = 0xe0;
const TEXT_32: u8 = 0xf0;

const CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_REDIS);

/// About what an order takes.
const USUAL: usize = 512;

/// A hash that is being written, field by field.
pub struct HashImage {
    /// As far as it is known: lengths and numbers are filled in at the end.
    image: Vec<u8>,
    entries: u16,
    text: Vec<u8>,
}

impl Default for HashImage {
    fn default() -> HashImage {
        let mut image = Vec::with_capacity(USUAL);
        image.extend([HASH_LISTPACK, RDB_LENGTH_32]);
        image.resize(RDB_HEAD + LISTPACK_HEAD, 0);
        HashImage { image, entries: 0, text: Vec::with_capacity(32) }
    }
}

impl HashImage {
    /// Adds a field. The caller says each name once: Redis does not look.
    pub fn field(&mut self, name: &str, value: &dyn Display) {
        self.entry(name.as_bytes());
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        // Writing to memory cannot fail.
        let _ = write!(text, "{value}");
        self.entry(&text);
        self.text = text;
    }

    /// A mark with the length, the text, and how long both are, to be read from the end.
    fn entry(&mut self, text: &[u8]) {
        let begin = self.image.len();
        match text.len() {
            length @ ..0x40 => self.image.push(TEXT_6 | length as u8),
            length @ ..0x1000 => self.image.extend((u16::from(TEXT_12) << 8 | length as u16).to_be_bytes()),
            length => {
                self.image.push(TEXT_32);
                self.image.extend(length_32(length).to_le_bytes());
            }
        }
        self.image.extend_from_slice(text);
        let length = self.image.len() - begin;
        let bytes = back_length(length);
        // Seven bits a byte, the most significant first; all but the first byte are marked.
        self.image.extend((0..bytes).rev().map(|at| {
            let bits = (length >> (7 * at)) as u8 & 0x7f;
            if at + 1 == bytes { bits } else { bits | 0x80 }
        }));
        self.entries += 1;
    }

    /// The argument of `RESTORE`.
    pub fn finish(mut self) -> Vec<u8> {
        self.image.push(LISTPACK_END);
        let length = length_32(self.image.len() - RDB_HEAD);
        self.image[2..RDB_HEAD].copy_from_slice(&length.to_be_bytes());
        self.image[RDB_HEAD..][..4].copy_from_slice(&length.to_le_bytes());
        self.image[RDB_HEAD + 4..][..2].copy_from_slice(&self.entries.to_le_bytes());
        self.image.extend(RDB_VERSION.to_le_bytes());
        self.image.extend(CRC.checksum(&self.image).to_le_bytes());
        self.image
    }
}

/// How many bytes the length of an entry takes behind it. Redis counts on these, also where one less would hold it.
fn back_length(length: usize) -> usize {
    1 + [0x7f, 0x3ffe, 0x1f_fffe, 0x0fff_fffe].iter().filter(|most| length > **most).count()
}

/// # Panics
/// If it is over 4 GB: an order's texts are some hundred bytes.
fn length_32(length: usize) -> u32 {
    match u32::try_from(length) {
        Ok(length) => length,
        Err(_) => panic!("{length} bytes in one hash"),
    }
}
