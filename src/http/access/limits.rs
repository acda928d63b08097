//! How many orders, cancels and questions a second: a token bucket for each key, or where no key is asked for, for each
//! address. Each kind has buckets of its own, so that whoever sent too many orders can still cancel and look.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Caller;
use crate::http::problem::{Code, Problem};

static LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// After so many requests full buckets are forgotten: whoever comes again finds a full one.
const TIDY_AFTER: u32 = 10_000;
/// Attempts to log in from one address: a person's mistakes, and hopeless for guessing.
const LOGINS: (u32, u32) = (1, 10);

/// What requests are counted as.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Counts {
    /// Orders and amends.
    Order,
    /// Cancels.
    Cancel,
    /// Questions.
    Read,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Those of a key.
    Key(Arc<str>),
    /// Those of the administrator's token.
    Administrator,
    /// Those from an address.
    Address(IpAddr),
}

/// What is left after a request.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Left {
    limit: u32,
    remaining: u32,
    /// Seconds until there is more, or all.
    reset: u32,
}

impl Left {
    /// Tells it, in the headers of an answer.
    pub fn tell(self, headers: &mut HeaderMap) {
        for (name, value) in [(&LIMIT, self.limit), (&REMAINING, self.remaining), (&RESET, self.reset)] {
            headers.insert(name.clone(), HeaderValue::from(value));
        }
    }
}

type Buckets = RateLimiter<Counted, DashMapStateStore<Counted>, DefaultClock, StateInformationMiddleware>;

/// The buckets of one kind of request.
struct Rate {
    buckets: Buckets,
    limit: u32,
    burst: u32,
    what: &'static str,
    taken: AtomicU32,
}

impl Rate {
    fn new(rate: NonZero<u32>, burst: NonZero<u32>, what: &'static str) -> Rate {
        let quota = Quota::per_second(rate).allow_burst(burst);
        let buckets = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Rate { buckets, limit: rate.get(), burst: burst.get(), what, taken: AtomicU32::new(0) }
    }

    fn take(&self, counted: &Counted, count: NonZero<u32>) -> Result<Left, Problem> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            self.buckets.retain_recent();
        }
        let (limit, what) = (self.limit, self.what);
        match self.buckets.check_key_n(counted, count) {
            Ok(Ok(state)) => {
                let remaining = state.remaining_burst_capacity();
                Ok(Left { limit, remaining, reset: (self.burst - remaining.min(self.burst)).div_ceil(limit) })
            }
            Ok(Err(until)) => {
                let wait = until.wait_time_from(self.buckets.clock().now()).as_secs_f64().ceil().max(1.0);
                let left = Left { limit, remaining: 0, reset: wait as u32 };
                let detail = format!("more than {limit} {what} a second; send them again, more slowly");
                Err(Problem::new(Code::RateLimited, detail).limited(left, left.reset))
            }
            Err(_) => {
                let detail = format!("{count} {what} at once are more than {} may ever be; send fewer", self.burst);
                Err(Problem::new(Code::RateLimited, detail).limited(Left { limit, remaining: 0, reset: 1 }, 1))
            }
        }
    }
}

/// The limits of this service.
pub struct Limits {
    orders: Option<Rate>,
    cancels: Option<Rate>,
    reads: Option<Rate>,
    logins: Rate,
}

impl Limits {
    /// These rates, a second.
    pub fn new(orders: Option<NonZero<u32>>, cancels: Option<NonZero<u32>>, reads: Option<NonZero<u32>>) -> Limits {
        let (login_rate, login_burst) = (NonZero::new(LOGINS.0), NonZero::new(LOGINS.1));
        let logins = Rate::new(
            login_rate.unwrap_or(NonZero::<u32>::MIN),
            login_burst.unwrap_or(NonZero::<u32>::MIN),
            "attempts to log in",
        );
        Limits {
            orders: orders.map(|rate| Rate::new(rate, rate, "orders")),
            cancels: cancels.map(|rate| Rate::new(rate, rate, "cancels")),
            reads: reads.map(|rate| Rate::new(rate, rate, "questions")),
            logins,
        }
    }

    /// Takes so many of one kind for this caller; what is left to him, where there is a limit.
    pub fn take(&self, caller: &Caller, counts: Counts, count: usize) -> Result<Option<Left>, Problem> {
        let rate = match counts {
            Counts::Order => &self.orders,
            Counts::Cancel => &self.cancels,
            Counts::Read => &self.reads,
        };
        let count = NonZero::new(u32::try_from(count).unwrap_or(u32::MAX));
        let (Some(rate), Some(count)) = (rate, count) else { return Ok(None) };
        rate.take(&caller.counted(), count).map(Some)
    }

    /// Takes an attempt to log in.
    pub fn log_in(&self, caller: &Caller) -> Result<(), Problem> {
        self.logins.take(&caller.counted(), NonZero::<u32>::MIN).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: impl Into<IpAddr>) -> Caller {
        Caller::Anyone { address: Some(address.into()), debug: true }
    }

    #[test]
    fn each_kind_has_buckets_of_its_own_for_everyone() {
        let limits = Limits::new(NonZero::new(3), NonZero::new(2), NonZero::new(1));
        let (one, other) = (from([10, 0, 0, 1]), from([10, 0, 0, 2]));
        let mut left = Vec::new();
        for _ in 0..3 {
            left.push(limits.take(&one, Counts::Order, 1).expect("taken").expect("a limit").remaining);
        }
        assert_eq!(left, [2, 1, 0]);
        let refused = limits.take(&one, Counts::Order, 1).expect_err("too many");
        assert_eq!(refused.code(), Code::RateLimited);
        assert!(limits.take(&one, Counts::Cancel, 2).is_ok());
        assert!(limits.take(&one, Counts::Read, 1).is_ok() && limits.take(&one, Counts::Read, 1).is_err());
        assert!(limits.take(&other, Counts::Order, 3).is_ok());
        assert!(limits.take(&Caller::Administrator, Counts::Order, 4).is_err(), "more than ever fit");
        assert!(limits.take(&Caller::Administrator, Counts::Order, 3).is_ok());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = Limits::new(None, None, None);
        for counts in [Counts::Order, Counts::Cancel, Counts::Read].into_iter().cycle().take(100) {
            assert_eq!(limits.take(&from([10, 0, 0, 1]), counts, 1_000_000), Ok(None));
        }
        assert_eq!(limits.take(&from([10, 0, 0, 1]), Counts::Order, 0), Ok(None));
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let rate = NonZero::new(1_000_000).expect("a rate");
        let limits = Limits::new(Some(rate), None, None);
        for turn in 0..3 * TIDY_AFTER {
            limits.take(&from(turn.to_be_bytes()), Counts::Order, 1).expect("taken");
        }
        let kept = limits.orders.as_ref().expect("a limit").buckets.len();
        assert!(kept <= 2 * TIDY_AFTER as usize, "{kept}");
    }
}
