//! The prices of one side in order, each with its level. Sorted runs of bounded length: what is near the best price is found and
//! changed at the end of the last run, and far away a change moves no more than one run.

/// The most prices in a run. Moving half of them costs about as much as a miss of the cache or two.
const RUN: usize = 512;

/// How many prices are found without a search, at most: a power of two.
const KNOWN: usize = 256;

/// A price's rank, the greater the better, and its level.
type Step = (u64, u32);

/// Of no rank: prices are below it and above zero.
const NO_STEP: Step = (u64::MAX, 0);

/// The prices of one side. No run is empty, but for the only one of an empty ladder.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    runs: Vec<Vec<Step>>,
    /// A run that was emptied, to be used again.
    spare: Vec<Step>,
    /// Steps that were found or made last, each at the one place that its rank may have here.
    known: Box<[Step; KNOWN]>,
}

/// Where a rank is or belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    run: usize,
    step: usize,
}

impl Default for Ladder {
    fn default() -> Ladder {
        Ladder { runs: vec![Vec::with_capacity(RUN + 1)], spare: Vec::new(), known: Box::new([NO_STEP; KNOWN]) }
    }
}

impl Ladder {
    /// The level of a rank, or where it belongs.
    #[inline]
    pub(super) fn find(&mut self, rank: u64) -> Result<u32, Place> {
        let (known, level) = self.known[known_at(rank)];
        if known == rank { Ok(level) } else { self.search(rank) }
    }

    fn search(&mut self, rank: u64) -> Result<u32, Place> {
        let last = self.runs.len() - 1;
        // Nearly always the last run, which has the best prices.
        let run = if last == 0 || self.runs[last].first().is_some_and(|(first, _)| *first <= rank) {
            last
        } else {
            self.runs.partition_point(|run| run.last().is_some_and(|(best, _)| *best < rank)).min(last)
        };
        match self.runs[run].binary_search_by_key(&rank, |(rank, _)| *rank) {
            Ok(step) => {
                self.known[known_at(rank)] = self.runs[run][step];
                Ok(self.runs[run][step].1)
            }
            Err(step) => Err(Place { run, step }),
        }
    }

    /// Puts a level where [`Ladder::find`] said that it belongs.
    pub(super) fn insert(&mut self, Place { run, step }: Place, rank: u64, level: u32) {
        self.runs[run].insert(step, (rank, level));
        self.known[known_at(rank)] = (rank, level);
        if self.runs[run].len() > RUN {
            let mut better = std::mem::take(&mut self.spare);
            better.reserve(RUN + 1);
            better.extend(self.runs[run].drain(RUN / 2..));
            self.runs.insert(run + 1, better);
        }
    }

    /// # Panics
    /// If the rank is not there: a broken invariant.
    pub(super) fn remove(&mut self, rank: u64) {
        let last = self.runs.len() - 1;
        let run = self.runs.partition_point(|run| run.last().is_some_and(|(best, _)| *best < rank)).min(last);
        match self.runs[run].binary_search_by_key(&rank, |(rank, _)| *rank) {
            Ok(step) => self.runs[run].remove(step),
            Err(_) => panic!("no level of rank {rank}"),
        };
        let known = &mut self.known[known_at(rank)];
        if known.0 == rank {
            *known = NO_STEP;
        }
        if self.runs[run].is_empty() && last > 0 {
            self.spare = self.runs.remove(run);
        }
    }

    /// The best level.
    pub(super) fn best(&self) -> Option<u32> {
        self.runs.last()?.last().map(|(_, level)| *level)
    }

    /// All levels, best first.
    pub(super) fn best_first(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs.iter().rev().flat_map(|run| run.iter().rev()).map(|(_, level)| *level)
    }
}

/// Spreads ranks that follow each other at any distance.
fn known_at(rank: u64) -> usize {
    (rank.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - KNOWN.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Against an ordered map: enough ranks for runs to split and to empty, in random order and from either end.
    #[test]
    fn a_ladder_is_an_ordered_map() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let (mut ladder, mut map) = (Ladder::default(), BTreeMap::new());
        for round in 0..60_000u32 {
            let growing = round / 10_000 % 2 == 0;
            let rank = match round / 20_000 {
                0 => random() % 5_000,
                1 => u64::from(round % 10_000),
                _ => 10_000 - u64::from(round % 10_000),
            };
            match (ladder.find(rank), map.get(&rank).copied()) {
                (Ok(level), Some(expected)) => {
                    assert_eq!(level, expected);
                    if !growing || random() % 4 == 0 {
                        ladder.remove(rank);
                        map.remove(&rank);
                    }
                }
                (Err(place), None) if growing => {
                    ladder.insert(place, rank, round);
                    map.insert(rank, round);
                }
                (Err(_), None) => {}
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
            assert_eq!(ladder.best(), map.last_key_value().map(|(_, level)| *level), "round {round}");
        }
        assert!(ladder.best_first().eq(map.values().rev().copied()));
    }
}
