//! What the engine counts and times while it works, for metrics. Plain atomic numbers, most of them added to once a batch;
//! nothing here decides anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use matching::{Decimal, Event, Reason};

use crate::histogram::Histogram;
use crate::matcher::Matched;

/// A part of the way that is timed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Of a new order: from its receipt until it is taken from the stream.
    Queue,
    /// Of a batch: from the plan until every book has answered.
    Match,
    /// Of a batch: the transaction, until it is certain.
    Commit,
    /// Of a write: until the projection shows it.
    Project,
}

impl Stage {
    /// All, in the order of the way.
    pub const ALL: [Stage; 4] = [Stage::Queue, Stage::Match, Stage::Commit, Stage::Project];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Queue => "queue",
            Stage::Match => "match",
            Stage::Commit => "commit",
            Stage::Project => "project",
        }
    }
}

/// Something that the log says, as it is counted.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Count {
    /// Orders that got their place.
    Accepted,
    /// Orders that were refused.
    Rejected,
    /// Orders that were there already under their name.
    Repeated,
    /// Trades.
    Trades,
    /// Orders that were filled.
    Filled,
    /// Orders that were cancelled.
    Cancelled,
    /// Orders that expired.
    Expired,
    /// Amends that changed an order.
    Amended,
    /// Cancels, amends and other commands that changed nothing.
    RefusedCommands,
    /// Commands whose id had been seen before.
    Duplicates,
    /// Stream entries that could not be read.
    Undecodable,
}

impl Count {
    const ALL: usize = Count::Undecodable as usize + 1;
}

/// Counters and times of the running engine.
#[derive(Debug)]
pub struct Measures {
    counts: [AtomicU64; Count::ALL],
    /// Rejected orders, by reason.
    reasons: Box<[AtomicU64]>,
    stages: [Histogram; Stage::ALL.len()],
    /// Rows of a batch.
    batches: Histogram,
    snapshot_failures: AtomicU64,
}

impl Default for Measures {
    fn default() -> Measures {
        Measures {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            reasons: Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            stages: std::array::from_fn(|_| Histogram::of_times()),
            batches: Histogram::of_rows(),
            snapshot_failures: AtomicU64::new(0),
        }
    }
}

impl Measures {
    /// The times of a stage.
    pub fn stage(&self, stage: Stage) -> &Histogram {
        &self.stages[stage as usize]
    }

    /// A stage took this long.
    pub fn took(&self, stage: Stage, time: Duration) {
        self.stage(stage).observe_time(time);
    }

    /// The rows of each batch.
    pub fn batches(&self) -> &Histogram {
        &self.batches
    }

    /// New orders that are committed, whatever became of them.
    pub fn orders(&self) -> u64 {
        [Count::Accepted, Count::Rejected, Count::Repeated].map(|count| self.count(count)).iter().sum()
    }

    /// How many there were since the start.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// Orders that were refused for this reason since the start.
    pub fn rejected_for(&self, reason: Reason) -> u64 {
        self.reasons[reason as usize].load(Ordering::Relaxed)
    }

    /// Snapshots that could not be taken.
    pub fn snapshot_failures(&self) -> u64 {
        self.snapshot_failures.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot_failed(&self) {
        self.snapshot_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch is committed: counts it and what its events say.
    pub(crate) fn committed(&self, matched: &[Matched]) {
        self.batches.observe(matched.len() as u64);
        let mut tally = [0u64; Count::ALL];
        for event in matched.iter().flat_map(|row| &row.events) {
            self.tally(event, &mut tally);
        }
        for (count, more) in self.counts.iter().zip(tally).filter(|(_, more)| *more > 0) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn tally(&self, event: &Event, tally: &mut [u64; Count::ALL]) {
        let mut add = |count: Count, more: u64| tally[count as usize] += more;
        match event {
            Event::OrderAccepted(_) => add(Count::Accepted, 1),
            Event::OrderRejected(rejected) => {
                self.reasons[rejected.reason_code as usize].fetch_add(1, Ordering::Relaxed);
                add(Count::Rejected, 1);
            }
            Event::OrderRepeated(_) => add(Count::Repeated, 1),
            Event::Trade(trade) => {
                // An order by quote amount says by an event of its own that it is done.
                let taker = trade.taker_remaining == Decimal::ZERO && trade.taker_quote_remaining.is_none();
                add(Count::Trades, 1);
                add(Count::Filled, u64::from(trade.maker_remaining == Decimal::ZERO) + u64::from(taker));
            }
            Event::OrderFilled(_) => add(Count::Filled, 1),
            Event::OrderCancelled(_) => add(Count::Cancelled, 1),
            Event::OrderExpired(_) => add(Count::Expired, 1),
            Event::OrderAmended(_) => add(Count::Amended, 1),
            Event::CancelRejected(_)
            | Event::AmendRejected(_)
            | Event::CommandRejected(_)
            | Event::ListingRejected(_) => add(Count::RefusedCommands, 1),
            Event::DuplicateRejected(_) => add(Count::Duplicates, 1),
            Event::EntryRejected(_) => add(Count::Undecodable, 1),
            _ => {}
        }
    }
}
