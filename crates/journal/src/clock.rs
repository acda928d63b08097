//! The service's one clock. It never runs backwards, so recorded time never does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use matching::Micros;

/// Tells the time that is stamped on commands.
pub trait Clock: Send + Sync {
    /// Now; never before what an earlier call said.
    fn now(&self) -> Micros;
}

/// The wall clock made monotonic: starts at the later of the last recorded time and the wall clock, goes by the
/// monotonic clock, follows the wall clock when that is ahead, and runs at half speed while it is itself ahead, so that
/// a wall clock set back is met again without ever standing still.
pub struct ServiceClock {
    started: Instant,
    reading: Mutex<Reading>,
}

impl ServiceClock {
    /// A clock that starts no earlier than `last_recorded`.
    pub fn starting_at(last_recorded: Micros) -> ServiceClock {
        let reading = Reading { now: last_recorded.get().max(wall_micros()), monotonic: 0 };
        ServiceClock { started: Instant::now(), reading: Mutex::new(reading) }
    }
}

impl Clock for ServiceClock {
    fn now(&self) -> Micros {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.advance(micros(self.started.elapsed()), wall_micros());
        Micros::new(reading.now).unwrap_or(Micros::ZERO)
    }
}

/// The rule itself, on plain numbers of microseconds.
struct Reading {
    now: u64,
    monotonic: u64,
}

impl Reading {
    fn advance(&mut self, monotonic: u64, wall: u64) {
        let elapsed = monotonic.saturating_sub(self.monotonic);
        self.monotonic = self.monotonic.max(monotonic);
        // Behind the wall clock it is set to it; ahead of it, it goes at half the speed of time and is met.
        self.now = (self.now + elapsed / 2).max(wall);
    }
}

fn wall_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
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
        let mut reading = Reading { now: start, monotonic: 0 };
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
}
