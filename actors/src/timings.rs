//! How long the last steps of a kind took: a ring of samples that one thread writes and anybody reads.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Samples that are kept: the last seconds under load, and enough for a 99th percentile.
const KEPT: usize = 512;

/// The last [`KEPT`] samples.
#[derive(Debug)]
pub struct Timings {
    /// In microseconds, of which 32 bits hold an hour.
    samples: [AtomicU32; KEPT],
    /// How many were ever taken.
    count: AtomicUsize,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings { samples: std::array::from_fn(|_| AtomicU32::new(0)), count: AtomicUsize::new(0) }
    }
}

impl Timings {
    /// Takes a sample.
    pub fn took(&self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let place = self.count.fetch_add(1, Ordering::Relaxed) % KEPT;
        self.samples[place].store(micros, Ordering::Relaxed);
    }

    /// The times that so many hundredths of the samples were below, in microseconds; none without a sample.
    pub fn percentiles<const N: usize>(&self, hundredths: [usize; N]) -> Option<[u32; N]> {
        let count = self.count.load(Ordering::Relaxed).min(KEPT);
        let mut samples: Vec<u32> = self.samples[..count].iter().map(|one| one.load(Ordering::Relaxed)).collect();
        samples.sort_unstable();
        let last = count.checked_sub(1)?;
        Some(hundredths.map(|hundredths| samples[(count * hundredths / 100).min(last)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_samples() {
        let timings = Timings::default();
        assert_eq!(timings.percentiles([50]), None);
        timings.took(Duration::from_micros(7));
        assert_eq!(timings.percentiles([50, 99]), Some([7, 7]));
        for micros in 0..KEPT as u64 * 3 {
            timings.took(Duration::from_micros(micros % 100));
        }
        let [median, most] = timings.percentiles([50, 99]).expect("samples");
        assert!((48..=52).contains(&median) && most >= 97, "{median} {most}");
    }
}
