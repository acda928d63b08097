//! How long a start takes: what the last one took, applied to what the next one would find.

use std::time::Duration;

/// Below so many rows, or bytes of a snapshot, a start is over too soon to say anything about a longer one.
const TELLING_ROWS: u64 = 20_000;
const TELLING_BYTES: u64 = 1_000_000;
/// What a start takes until it is told otherwise: 324,906 rows were read, proven and folded in 7.8 s, and a snapshot of
/// 16,684,218 bytes opened in 0.36 s, in full mode on two cores beside other work (the line `the state is recovered`).
const PER_ROW: Duration = Duration::from_micros(24);
const PER_BYTE: Duration = Duration::from_nanos(22);

/// What the last start read, and how long that took.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    /// Bytes of the snapshot, as it is stored.
    pub bytes: u64,
    /// How long it took to open.
    pub opening: Duration,
    /// Rows of the log behind it.
    pub rows: u64,
    /// How long they took to read, prove and fold.
    pub folding: Duration,
}

impl Pace {
    /// How long a start would take with a snapshot of `bytes` and `rows` of the log behind it.
    pub fn estimate(&self, bytes: u64, rows: u64) -> Duration {
        let per_byte = per(self.opening, self.bytes, TELLING_BYTES, PER_BYTE);
        let per_row = per(self.folding, self.rows, TELLING_ROWS, PER_ROW);
        Duration::from_secs_f64(per_byte * bytes as f64 + per_row * rows as f64)
    }
}

fn per(took: Duration, count: u64, telling: u64, otherwise: Duration) -> f64 {
    if count < telling { otherwise.as_secs_f64() } else { took.as_secs_f64() / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_start_tells_about_the_next_and_a_short_one_does_not() {
        let long = Pace {
            bytes: 10_000_000,
            opening: Duration::from_secs(2),
            rows: 500_000,
            folding: Duration::from_secs(10),
        };
        assert_eq!(long.estimate(20_000_000, 1_000_000).as_millis(), 24_000);
        let short = Pace { bytes: 1_000, opening: Duration::from_secs(2), rows: 10, folding: Duration::from_secs(10) };
        assert_eq!(short.estimate(1_000, 10), Pace::default().estimate(1_000, 10));
        assert_eq!(Pace::default().estimate(0, 1_000_000), PER_ROW * 1_000_000);
    }
}
