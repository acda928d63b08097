//! The figures of the last 24 hours, to the minute: what was traded in the running minute and the 1,439 before it.

use matching::Micros;

use crate::candles::{Candle, Series};

const MINUTE: u64 = 60_000_000;
const MINUTES: u64 = 1_440;

/// What was traded in the last 24 hours. Numbers are in the instrument's units.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct DayFigures {
    /// One candle over all of it.
    pub candle: Candle,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Day {
    minutes: Series,
}

impl Day {
    pub(crate) fn trade(&mut self, time: Micros, price: u64, quantity: u64) {
        self.minutes.add(time.get() - time.get() % MINUTE, price, quantity, MINUTES as usize);
    }

    /// None when nothing was traded.
    pub(crate) fn figures(&self, now: Micros) -> Option<DayFigures> {
        let oldest = (now.get() - now.get() % MINUTE).saturating_sub((MINUTES - 1) * MINUTE);
        let mut minutes = self.minutes.iter().filter(|minute| minute.start >= oldest);
        let mut candle = *minutes.next()?;
        minutes.for_each(|minute| candle.add(minute));
        Some(DayFigures { candle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ago_is_the_limit() {
        let minute = |minute: u64| Micros::new(minute * MINUTE + 7).expect("a time");
        let mut day = Day::default();
        assert_eq!(day.figures(minute(1)), None);
        day.trade(minute(100), 50, 1);
        day.trade(minute(101), 70, 2);
        let figures = |now| day.figures(minute(now)).map(|figures| (figures.candle.open, figures.candle.volume));
        assert_eq!(figures(101), Some((50, 3)));
        assert_eq!(figures(100 + MINUTES - 1), Some((50, 3)));
        assert_eq!(figures(100 + MINUTES), Some((70, 2)));
        assert_eq!(figures(101 + MINUTES), None);
    }
}
