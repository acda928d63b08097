//! What may go wrong in a simulation. Each seed has its own mix: most faults are off in most seeds, so that each is seen
//! with and without the others, and what is on may be rare or frequent.

use crate::random::Random;

/// A part of the world that calls go to.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Port {
    /// The command stream.
    Queue,
    /// The event log.
    Log,
    /// The snapshots.
    Snapshots,
    /// The projection.
    Projection,
}

impl Port {
    /// All of them.
    pub const ALL: [Port; 4] = [Port::Queue, Port::Log, Port::Snapshots, Port::Projection];
}

/// How often, in ten thousand calls to a port, each thing happens.
#[derive(Debug, Copy, Clone, Default)]
pub struct CallFaults {
    /// It is refused and certainly does not happen.
    pub refused: u64,
    /// It never happens, and there is no answer.
    pub request_lost: u64,
    /// It happens, and there is no answer.
    pub answer_lost: u64,
    /// There is no answer, and it happens long after.
    pub late: u64,
    /// It takes long.
    pub slow: u64,
    /// The caller dies with the call under way.
    pub crash: u64,
}

/// How many seconds pass between two of each, on average; zero: it does not happen.
#[derive(Debug, Copy, Clone, Default)]
pub struct EventFaults {
    /// The process dies.
    pub crash: u64,
    /// The process is paused for as long as it takes another one to take over.
    pub pause: u64,
    /// The log takes the writer for gone while it lives.
    pub usurp: u64,
    /// The process stops in good order and is started again.
    pub stop: u64,
    /// A port answers nobody for a while.
    pub outage: u64,
    /// The stream is lost.
    pub lose_stream: u64,
    /// Something unreadable is in the stream.
    pub garbage: u64,
    /// A command is in the stream again.
    pub repeat_entry: u64,
    /// The projection is emptied.
    pub flush: u64,
    /// The newest snapshot is lost.
    pub lose_snapshot: u64,
    /// The wall clock is set.
    pub clock: u64,
}

/// The faults of one seed.
#[derive(Debug, Copy, Clone)]
pub struct FaultPlan {
    /// By port, in the order of [`Port::ALL`].
    pub calls: [CallFaults; 4],
    /// Whatever is no answer to a call.
    pub events: EventFaults,
    /// In ten thousand reads of the stream, those that give old entries again.
    pub reread: u64,
}

impl FaultPlan {
    /// The mix of a seed.
    pub fn new(random: &mut Random) -> FaultPlan {
        let mut calls = [CallFaults::default(); 4];
        for faults in &mut calls {
            let mut rate = || rate(random, &[20, 100, 600]);
            *faults = CallFaults {
                refused: rate(),
                request_lost: rate(),
                answer_lost: rate(),
                late: rate(),
                slow: rate(),
                crash: 0,
            };
            faults.crash = self::rate(random, &[5, 20, 60]);
        }
        let mut every = || rate(random, &[2, 5, 15]);
        let events = EventFaults {
            crash: every(),
            pause: every(),
            usurp: every(),
            stop: every(),
            outage: every(),
            lose_stream: every(),
            garbage: every(),
            repeat_entry: every(),
            flush: every(),
            lose_snapshot: every(),
            clock: every(),
        };
        FaultPlan { calls, events, reread: rate(random, &[50, 500]) }
    }
}

/// Off for three seeds in five; else one of these.
fn rate(random: &mut Random, rates: &[u64]) -> u64 {
    if random.below(5) < 3 { 0 } else { random.pick(rates) }
}

/// What happens to one call.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is refused after so many milliseconds.
    Refused(u64),
    /// It never happens; the caller gives up after so many milliseconds.
    RequestLost(u64),
    /// It happens after `by` milliseconds; the caller has given up after `gives_up`.
    Unanswered {
        /// When it happens.
        by: u64,
        /// When the caller gives up.
        gives_up: u64,
    },
    /// It happens after `before` milliseconds and is answered `after` as many more.
    Answered {
        /// Until it happens.
        before: u64,
        /// Until the answer.
        after: u64,
    },
}

impl CallFaults {
    /// Decides about a call.
    pub fn fate(&self, random: &mut Random) -> Fate {
        let patience = random.between(20, 600);
        if random.chance(self.refused) {
            Fate::Refused(random.below(5))
        } else if random.chance(self.request_lost) {
            Fate::RequestLost(patience)
        } else if random.chance(self.answer_lost) {
            Fate::Unanswered { by: random.below(4), gives_up: patience }
        } else if random.chance(self.late) {
            Fate::Unanswered { by: patience + random.between(1, 2_500), gives_up: patience }
        } else if random.chance(self.slow) {
            Fate::Answered { before: random.between(10, 1_500), after: random.between(0, 300) }
        } else {
            quick(random)
        }
    }
}

/// A call to which nothing happens.
pub fn quick(random: &mut Random) -> Fate {
    let (before, after) = if random.below(4) == 0 { (random.below(4), random.below(3)) } else { (0, 0) };
    Fate::Answered { before, after }
}
