//! What happened in a simulation, line by line: a hash of all of it, and the end of it to look at.

use std::collections::VecDeque;

/// Lines that are kept.
const KEPT: usize = 20_000;

/// The lines so far.
pub struct Trace {
    hasher: blake3::Hasher,
    lines: u64,
    tail: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { hasher: blake3::Hasher::new(), lines: 0, tail: VecDeque::with_capacity(KEPT) }
    }
}

impl Trace {
    /// Adds a line.
    pub fn add(&mut self, line: String) {
        self.hasher.update(line.as_bytes());
        self.hasher.update(b"\n");
        self.lines += 1;
        if self.tail.len() == KEPT {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// How many lines there are, and their hash: equal for equal traces.
    pub fn fingerprint(&self) -> (u64, String) {
        (self.lines, self.hasher.finalize().to_hex().to_string())
    }

    /// The last lines.
    pub fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}
