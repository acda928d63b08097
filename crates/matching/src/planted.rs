//! Bugs that tests plant, each at the place where its rule lives: a checker that misses one is broken.
//!
//! Without the feature `planted`, which nothing that ships has, [`is_planted`] is a constant and nothing can be planted.

use std::fmt;
use std::str::FromStr;

/// A bug that can be planted.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bug {
    /// A command is acknowledged before the queue says that it is on disk.
    AckBeforeFsync = 1,
    /// Callers are told the outcome before it is committed.
    AnswerBeforeCommit,
    /// An id or a name that comes again is executed again.
    SkipDedupe,
    /// Stream entries go as soon as they are read.
    TrimBeforeCommit,
    /// A commit that another writer's term forbids counts as one that happened.
    NoFence,
    /// Within a level the youngest order trades first.
    LastInFirstOut,
    /// Trades are at the taker's limit.
    TakersPrice,
    /// The projection is written before the rows are committed.
    ProjectionAheadOfLog,
    /// The state hash is over a map in whatever order it iterates.
    HashOverMapOrder,
    /// A commit in doubt counts as one that happened.
    GuessInDoubt,
    /// A lost stream is made again without what was acknowledged.
    RestoreNothing,
    /// What is due does not expire.
    ForgetExpiry,
    /// A writer that the log has not heard for long tells its state all the same.
    StaleAnswers,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 13] = [
        Bug::AckBeforeFsync,
        Bug::AnswerBeforeCommit,
        Bug::SkipDedupe,
        Bug::TrimBeforeCommit,
        Bug::NoFence,
        Bug::LastInFirstOut,
        Bug::TakersPrice,
        Bug::ProjectionAheadOfLog,
        Bug::HashOverMapOrder,
        Bug::GuessInDoubt,
        Bug::RestoreNothing,
        Bug::ForgetExpiry,
        Bug::StaleAnswers,
    ];

    /// Its name, as it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Bug::AckBeforeFsync => "ack-before-fsync",
            Bug::AnswerBeforeCommit => "answer-before-commit",
            Bug::SkipDedupe => "skip-dedupe",
            Bug::TrimBeforeCommit => "trim-before-commit",
            Bug::NoFence => "no-fence",
            Bug::LastInFirstOut => "last-in-first-out",
            Bug::TakersPrice => "takers-price",
            Bug::ProjectionAheadOfLog => "projection-ahead-of-log",
            Bug::HashOverMapOrder => "hash-over-map-order",
            Bug::GuessInDoubt => "guess-in-doubt",
            Bug::RestoreNothing => "restore-nothing",
            Bug::ForgetExpiry => "forget-expiry",
            Bug::StaleAnswers => "stale-answers",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no bug that can be planted: one of {known}", known = Bug::ALL.map(Bug::name).join(", "))]
pub struct ParseBugError(String);

impl FromStr for Bug {
    type Err = ParseBugError;

    fn from_str(text: &str) -> Result<Bug, ParseBugError> {
        Bug::ALL.into_iter().find(|bug| bug.name() == text).ok_or_else(|| ParseBugError(text.to_owned()))
    }
}

#[cfg(feature = "planted")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    /// The bug that is planted in this process; zero: none.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug in this process, in place of any other.
    pub fn plant(bug: Bug) {
        PLANTED.store(bug as u8, Ordering::SeqCst);
    }

    /// Takes out whatever is planted.
    pub fn weed() {
        PLANTED.store(0, Ordering::SeqCst);
    }

    /// Whether a bug is planted in this process.
    #[inline]
    pub fn is_planted(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8
    }
}

#[cfg(feature = "planted")]
pub use switch::{is_planted, plant, weed};

/// Whether a bug is planted: never, without the feature.
#[cfg(not(feature = "planted"))]
#[inline]
pub const fn is_planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own() {
        for (index, bug) in Bug::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(bug as u8), index + 1);
            assert_eq!(bug.to_string().parse(), Ok(bug));
        }
        let unknown = "no-such-bug".parse::<Bug>().expect_err("no bug");
        assert!(unknown.to_string().contains("ack-before-fsync"), "{unknown}");
    }
}
