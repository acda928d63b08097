//! How often a socket is written to. What happens between two writes goes out with one: a thousand sockets that each hear
//! of every commit on its own would keep the processor from those who make the commits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// All sockets together are written to about this often in a second, as far as [`LONGEST`] lets them.
const WRITES: u64 = 20_000;
/// A rest is not shorter: timers count milliseconds. So up to twenty sockets hear of each commit at once.
const SHORTEST: Duration = Duration::from_millis(1);
/// Nor longer, however many sockets there are: what comes meanwhile waits in a bounded queue.
const LONGEST: Duration = Duration::from_millis(100);

/// Counts the sockets that are written to. One that hears nothing, or that nobody reads, makes the others no slower.
#[derive(Debug)]
pub struct Writes {
    since: Instant,
    counted: Mutex<Counted>,
}

/// Sockets written to within a window of [`LONGEST`], and within the one before.
#[derive(Debug, Default)]
struct Counted {
    window: u64,
    now: u64,
    before: u64,
}

impl Default for Writes {
    fn default() -> Writes {
        Writes { since: Instant::now(), counted: Mutex::default() }
    }
}

impl Writes {
    /// A socket, last written to in the window `last`, is written to; returns this window, and how many sockets were lately.
    fn count(&self, last: Option<u64>) -> (u64, u64) {
        // Windows since the start are far fewer than 2^64.
        let window = u64::try_from(self.since.elapsed().as_millis() / LONGEST.as_millis()).unwrap_or(u64::MAX);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        (window, counted.count(window, last))
    }
}

impl Counted {
    fn count(&mut self, window: u64, last: Option<u64>) -> u64 {
        if self.window != window {
            let before = if self.window + 1 == window { self.now } else { 0 };
            *self = Counted { window, now: 0, before };
        }
        if last != Some(window) {
            self.now += 1;
        }
        self.now.max(self.before)
    }
}

/// The time after a write in which a session sends nothing of its channels. Replies do not wait.
#[derive(Debug, Default)]
pub struct Rest {
    until: Option<Instant>,
    /// The window of the last write.
    window: Option<u64>,
}

impl Rest {
    /// Everything was sent that there was.
    pub fn begin(&mut self, writes: &Writes) {
        let (window, sockets) = writes.count(self.window);
        self.window = Some(window);
        let rest = length(sockets);
        self.until = (!rest.is_zero()).then(|| Instant::now() + rest);
    }

    /// Whether the session rests.
    pub fn lasts(&self) -> bool {
        self.until.is_some()
    }

    /// Returns once the rest is over.
    pub async fn over(&mut self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
            self.until = None;
        }
    }
}

/// How long each of so many sockets rests.
fn length(sockets: u64) -> Duration {
    let rest = Duration::from_micros(sockets.saturating_mul(1_000_000 / WRITES)).min(LONGEST);
    if rest < SHORTEST { Duration::ZERO } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_sockets_do_not_wait_and_many_share_the_writes() {
        let lengths = [1, 19, 20, 100, 1_000, 100_000, u64::MAX].map(|sockets| length(sockets).as_millis());
        assert_eq!(lengths, [0, 0, 1, 5, 50, 100, 100]);
    }

    #[test]
    fn sockets_count_while_they_are_written_to() {
        let mut counted = Counted::default();
        for _ in 0..40 {
            counted.count(7, None);
        }
        assert_eq!(counted.count(7, Some(7)), 40, "one that is written to again");
        assert_eq!(counted.count(8, Some(7)), 40, "those of the window before");
        assert_eq!(counted.count(9, Some(8)), 1);
        assert_eq!(counted.count(11, Some(9)), 1, "nobody was written to in between");
    }
}
