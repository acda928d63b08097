//! A histogram of plain atomic numbers: what is observed costs a look for its bucket and two additions, and no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bounds in microseconds around what a stage of the way takes: 50 µs is a batch of a few orders, 200 µs one disk sync, 5 s
/// is when a standby takes over.
const MICROSECONDS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];
/// Bounds around how many rows are committed at once: up to an entry of 500 commands behind a read of 1,000 entries.
const ROWS: [u64; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];

/// Counts by size, in one unit.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Of times, in microseconds.
    pub fn of_times() -> Histogram {
        Histogram::new(&MICROSECONDS)
    }

    /// Of numbers of rows.
    pub fn of_rows() -> Histogram {
        Histogram::new(&ROWS)
    }

    fn new(bounds: &'static [u64]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a time.
    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted up to each bound and above the one before it; the last, without a bound, is the rest.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::of_rows();
        for value in [0, 1, 2, 3, 2_500, 2_501, u64::MAX / 2] {
            histogram.observe(value);
        }
        let counted: Vec<(Option<u64>, u64)> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Some(1), 2), (Some(2), 1), (Some(5), 1), (Some(2_500), 1), (None, 2)]);
        assert_eq!(histogram.sum(), 5_007 + u64::MAX / 2);
    }
}
