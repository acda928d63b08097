//! The signatures that were shown: each counts once, so that a request that somebody else has overheard cannot be sent
//! again.
//!
//! Invariant: a signature is remembered for longer than its time is near enough to be taken. Two halves, each of one
//! period; the older one is forgotten as a whole.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::signature::WINDOW;

/// From the earliest moment at which a signature is taken to the last one.
const PERIOD: u64 = 2 * WINDOW;
/// Signatures of one period: 16,000 a second, and 50 MB.
const MOST: usize = 1_000_000;

/// What became of a signature that was shown.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It is the first time.
    First,
    /// It was shown before.
    Again,
    /// There are too many to remember this one.
    Full,
}

/// The signatures that were shown.
#[derive(Debug, Default)]
pub struct Replays(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
    /// The period that the newer half is of.
    period: u64,
}

impl Replays {
    /// A signature is shown, now.
    pub fn show(&self, key: &str, signature: &str, now: u64) -> Shown {
        self.show_among(key, signature, now, MOST)
    }

    fn show_among(&self, key: &str, signature: &str, now: u64, most: usize) -> Shown {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes()).update(b"\n").update(signature.as_bytes());
        let mut mark = [0; 16];
        hasher.finalize_xof().fill(&mut mark);
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.turn(now / PERIOD);
        if halves.newer.contains(&mark) || halves.older.contains(&mark) {
            return Shown::Again;
        }
        if halves.newer.len() >= most {
            return Shown::Full;
        }
        halves.newer.insert(mark);
        Shown::First
    }
}

impl Halves {
    /// Forgets what is too old. A clock that is set back forgets nothing.
    fn turn(&mut self, period: u64) {
        match period.saturating_sub(self.period) {
            0 => return,
            1 => self.older = std::mem::take(&mut self.newer),
            _ => {
                self.newer = HashSet::new();
                self.older = HashSet::new();
            }
        }
        self.period = period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_counts_once_for_as_long_as_it_is_timely() {
        let replays = Replays::default();
        let start = 1_000 * PERIOD + PERIOD - 1;
        assert_eq!(replays.show("a", "1", start), Shown::First);
        for later in [0, 1, WINDOW, PERIOD - 1, PERIOD] {
            assert_eq!(replays.show("a", "1", start + later), Shown::Again, "{later}");
        }
        assert_eq!(replays.show("b", "1", start), Shown::First);
        assert_eq!(replays.show("a", "2", start + PERIOD), Shown::First);
        assert_eq!(replays.show("a", "1", start + 3 * PERIOD), Shown::First);
        assert!(replays.0.lock().expect("the halves").older.is_empty());
    }

    #[test]
    fn there_are_as_many_as_may_be() {
        let replays = Replays::default();
        assert_eq!(replays.show_among("a", "1", 7, 1), Shown::First);
        assert_eq!(replays.show_among("a", "2", 7, 1), Shown::Full);
        assert_eq!(replays.show_among("a", "1", 7, 1), Shown::Again);
        assert_eq!(replays.show_among("a", "2", 7 + PERIOD, 1), Shown::First);
    }
}
