//! The service's one clock. It never runs backwards, so recorded time never does.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use matching::Micros;

/// Tells the time that is stamped on commands.
pub trait Clock: Send + Sync {
    /// Now; never before what an earlier call said.
    fn now(&self) -> Micros;

    /// How long ago `then`, an earlier reading, really was: a leap of the wall clock in between is no time that passed.
    fn since(&self, then: Micros) -> Duration {
        Duration::from_micros(self.now().get().saturating_sub(then.get()))
    }
}

/// The wall clock is set, and did not only drift, when it is ahead by more than this.
const LEAP: u64 = 100_000;
/// Leaps that are remembered: nobody waits through more.
const LEAPS: usize = 64;

/// The wall clock made monotonic: starts at the later of the last recorded time and the wall clock, goes by the
/// monotonic clock, follows the wall clock when that is ahead, and runs at half speed while it is itself ahead, so that
/// a wall clock set back is met again without ever standing still.
pub struct ServiceClock {
    times: Box<dyn Times>,
    reading: Mutex<Reading>,
}

/// The two clocks that the service's clock is made of, in microseconds.
pub trait Times: Send + Sync {
    /// How long this process has run: never set, never back.
    fn monotonic(&self) -> u64;

    /// What the wall clock says, since 1970: anybody may set it.
    fn wall(&self) -> u64;
}

/// The machine's own.
struct MachineTimes(Instant);

impl Times for MachineTimes {
    fn monotonic(&self) -> u64 {
        micros(self.0.elapsed())
    }

    fn wall(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
    }
}

impl ServiceClock {
    /// A clock that starts no earlier than `last_recorded`.
    pub fn starting_at(last_recorded: Micros) -> ServiceClock {
        ServiceClock::on(MachineTimes(Instant::now()), last_recorded)
    }

    /// The same on other clocks than the machine's.
    pub fn on(times: impl Times + 'static, last_recorded: Micros) -> ServiceClock {
        let mut reading = Reading::starting_at(last_recorded.get().max(times.wall()));
        reading.monotonic = times.monotonic();
        ServiceClock { times: Box::new(times), reading: Mutex::new(reading) }
    }

    fn read(&self) -> MutexGuard<'_, Reading> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.advance(self.times.monotonic(), self.times.wall());
        reading
    }
}

impl Clock for ServiceClock {
    fn now(&self) -> Micros {
        Micros::new(self.read().now).unwrap_or(Micros::ZERO)
    }

    fn since(&self, then: Micros) -> Duration {
        Duration::from_micros(self.read().since(then.get()))
    }
}

/// The rule itself, on plain numbers of microseconds.
struct Reading {
    now: u64,
    monotonic: u64,
    /// When the clock leapt ahead, after which time that did not pass, and how much of it; oldest first.
    leaps: VecDeque<(u64, u64)>,
}

impl Reading {
    fn starting_at(now: u64) -> Reading {
        Reading { now, monotonic: 0, leaps: VecDeque::new() }
    }

    fn since(&self, then: u64) -> u64 {
        let leapt: u64 = self.leaps.iter().filter(|(at, _)| *at > then).map(|(_, by)| by).sum();
        self.now.saturating_sub(then).saturating_sub(leapt)
    }

    fn advance(&mut self, monotonic: u64, wall: u64) {
        let elapsed = monotonic.saturating_sub(self.monotonic);
        self.monotonic = self.monotonic.max(monotonic);
        let leap = wall.saturating_sub(self.now + elapsed);
        // Behind the wall clock it is set to it; ahead of it, it goes at half the speed of time and is met.
        self.now = (self.now + elapsed / 2).max(wall);
        if leap > LEAP {
            self.leaps.push_back((self.now, leap));
            if self.leaps.len() > LEAPS {
                self.leaps.pop_front();
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step: (monotonic, wall) read, and what the clock says then.
    #[track_caller]
    fn check(start: u64, steps: &[(u64, u64, u64)]) {
        let mut reading = Reading::starting_at(start);
        for &(monotonic, wall, expected) in steps {
            reading.advance(monotonic, wall);
            assert_eq!(reading.now, expected, "at {monotonic}, wall {wall}");
        }
    }

    #[test]
    fn it_follows_the_wall_clock_forward_and_never_back() {
        check(1_000, &[(10, 1_010, 1_010), (20, 1_020, 1_020)]);
        // The wall clock jumps ahead: followed at once.
        check(1_000, &[(10, 5_000, 5_000)]);
        // The wall clock is set back by 500: half speed until they meet.
        check(1_000, &[(100, 600, 1_050), (500, 1_000, 1_250), (1_000, 1_500, 1_500), (1_100, 1_600, 1_600)]);
        // The wall clock stands still: time goes on.
        check(1_000, &[(10, 1_000, 1_005), (30, 1_000, 1_015)]);
    }

    #[test]
    fn a_leap_of_the_wall_clock_is_no_time_that_passed() {
        let hour = 3_600_000_000;
        let mut reading = Reading::starting_at(1_000);
        reading.advance(500, 1_500);
        assert_eq!(reading.since(1_000), 500);
        reading.advance(700, 1_700 + hour);
        assert_eq!(reading.now, 1_700 + hour);
        assert_eq!(reading.since(1_000), 700, "the hour was not waited");
        assert_eq!(reading.since(1_700 + hour), 0);
        reading.advance(900, 1_900 + hour);
        assert_eq!((reading.since(1_000), reading.since(1_700 + hour)), (900, 200));
    }
}
