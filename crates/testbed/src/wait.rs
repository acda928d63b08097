//! Waiting for a condition, with a deadline: the only place that sleeps.

use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// Short against the milliseconds that a server needs to start, long against a look into `/proc`.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks `condition` again and again until it holds; an error that names `what` once `within` has passed.
pub fn wait_until(within: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Error> {
    poll(within, what, || Ok(condition().then_some(())))
}

/// Like [`wait_until`], for an attempt that gives a value or fails for good.
pub(crate) fn poll<T>(
    within: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let begin = Instant::now();
    loop {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if begin.elapsed() >= within {
            return Err(Error::Late { what: what.to_owned(), within });
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_at_once_or_names_what_was_awaited() {
        wait_until(Duration::ZERO, "nothing", || true).unwrap();
        let late = wait_until(Duration::ZERO, "the moon", || false).unwrap_err();
        assert_eq!(late.to_string(), "waited 0ns in vain for the moon");
    }
}
