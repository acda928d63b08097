//! Candles: what a market traded in each second, minute, ... day. Only intervals with trades have one.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use matching::Micros;

/// The candles that are kept of each interval of each market.
const KEPT: usize = 1_000;
const SECOND: u64 = 1_000_000;

/// How long a candle is.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u8);

/// Names and microseconds.
const TABLE: [(&str, u64); 7] = [
    ("1s", SECOND),
    ("1m", 60 * SECOND),
    ("5m", 300 * SECOND),
    ("15m", 900 * SECOND),
    ("1h", 3_600 * SECOND),
    ("4h", 14_400 * SECOND),
    ("1d", 86_400 * SECOND),
];

/// All of them, shortest first.
pub const INTERVALS: [Interval; 7] =
    [Interval(0), Interval(1), Interval(2), Interval(3), Interval(4), Interval(5), Interval(6)];

/// The text is no interval.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an interval is 1s, 1m, 5m, 15m, 1h, 4h or 1d")]
pub struct ParseIntervalError;

impl Interval {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// Its length in microseconds.
    pub fn micros(self) -> u64 {
        TABLE[usize::from(self.0)].1
    }

    /// The beginning of the interval that `time` is in.
    pub fn start(self, time: Micros) -> u64 {
        time.get() - time.get() % self.micros()
    }
}

impl FromStr for Interval {
    type Err = ParseIntervalError;

    fn from_str(text: &str) -> Result<Interval, ParseIntervalError> {
        INTERVALS.into_iter().find(|interval| interval.as_str() == text).ok_or(ParseIntervalError)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was traded in one interval. Numbers are in the instrument's units.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Candle {
    /// When the interval begins: microseconds since 1970.
    pub start: u64,
    /// The first price.
    pub open: u64,
    /// The highest.
    pub high: u64,
    /// The lowest.
    pub low: u64,
    /// The last.
    pub close: u64,
    /// How much changed hands.
    pub volume: u128,
    /// Prices times quantities.
    pub quote: u128,
    /// How many trades.
    pub trades: u64,
}

impl Candle {
    pub(crate) fn of(start: u64, price: u64, quantity: u64) -> Candle {
        let quote = u128::from(price) * u128::from(quantity);
        let (open, high, low, close) = (price, price, price, price);
        Candle { start, open, high, low, close, volume: u128::from(quantity), quote, trades: 1 }
    }

    /// Adds what came after.
    pub(crate) fn add(&mut self, later: &Candle) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume += later.volume;
        self.quote += later.quote;
        self.trades += later.trades;
    }
}

/// Candles of one length, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    candles: VecDeque<Candle>,
}

impl Series {
    /// Adds a trade, no older than those before it.
    pub(crate) fn add(&mut self, start: u64, price: u64, quantity: u64, keep: usize) {
        let trade = Candle::of(start, price, quantity);
        match self.candles.back_mut() {
            Some(last) if last.start == start => last.add(&trade),
            _ => {
                self.candles.push_back(trade);
                if self.candles.len() > keep {
                    self.candles.pop_front();
                }
            }
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Candle> {
        self.candles.iter()
    }
}

/// A market's candles of every length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Candles {
    series: [Series; INTERVALS.len()],
}

impl Candles {
    pub(crate) fn trade(&mut self, time: Micros, price: u64, quantity: u64) {
        for (interval, series) in INTERVALS.into_iter().zip(&mut self.series) {
            series.add(interval.start(time), price, quantity, KEPT);
        }
    }

    pub(crate) fn of(&self, interval: Interval) -> &Series {
        &self.series[usize::from(interval.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_of_one_interval_are_one_candle() {
        let mut candles = Candles::default();
        let time = |seconds: u64| Micros::new(seconds * SECOND).expect("a time");
        for (at, price, quantity) in [(60, 100, 1), (61, 130, 2), (61, 90, 3), (119, 110, 4), (120, 105, 5)] {
            candles.trade(time(at), price, quantity);
        }
        let minute: Vec<_> = candles.of("1m".parse().expect("an interval")).iter().copied().collect();
        let first = Candle {
            start: 60 * SECOND,
            open: 100,
            high: 130,
            low: 90,
            close: 110,
            volume: 10,
            quote: 100 + 260 + 270 + 440,
            trades: 4,
        };
        assert_eq!(minute, [first, Candle::of(120 * SECOND, 105, 5)]);
        assert_eq!(candles.of("1s".parse().expect("an interval")).iter().count(), 4);
        assert!("2m".parse::<Interval>().is_err());
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut series = Series::default();
        (1..=5).for_each(|start| series.add(start, start, 1, 3));
        assert_eq!(series.iter().map(|candle| candle.start).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
