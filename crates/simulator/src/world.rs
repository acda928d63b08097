//! What outlives the processes of a simulation: the stores, the wall clock, and what is remembered of all that happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use journal::{ProjectionPosition, Times};
use matching::Seq;
use tokio::time::Instant;

use crate::faults::{Fate, FaultPlan, Port, quick};
use crate::history::History;
use crate::random::Random;
use crate::trace::Trace;
use crate::{MemoryLog, MemoryProjection, MemoryQueue, MemorySnapshots, lock};

/// When a simulation begins, by its wall clock, in microseconds since 1970.
const BEGINNING: u64 = 1_700_000_000_000_000;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// How.
    pub what: String,
}

impl Violation {
    /// A broken promise.
    pub fn new(rule: &'static str, what: impl Into<String>) -> Violation {
        Violation { rule, what: what.into() }
    }
}

/// The world of one simulation.
pub struct World {
    /// The command stream.
    pub queue: Arc<MemoryQueue>,
    /// The event log.
    pub log: Arc<MemoryLog>,
    /// The snapshots.
    pub snapshots: Arc<MemorySnapshots>,
    /// The projection.
    pub projection: Arc<MemoryProjection>,
    /// What was asked and answered.
    pub history: Mutex<History>,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    random: Random,
    plan: FaultPlan,
    /// No faults from now on.
    calm: bool,
    /// Until when each port is out of reach.
    outages: [Option<Instant>; 4],
    /// How far the wall clock was set from where it began.
    wall_offset: u64,
    trace: Trace,
    violations: Vec<Violation>,
}

impl World {
    /// A world at its beginning, on a runtime whose time is paused.
    pub fn new(mut random: Random, plan: FaultPlan) -> Arc<World> {
        let wall_offset = random.between(7_200_000, 7_300_000) * 1_000;
        let state = State {
            random,
            plan,
            calm: false,
            outages: [None; 4],
            wall_offset,
            trace: Trace::default(),
            violations: Vec::new(),
        };
        Arc::new(World {
            queue: Arc::default(),
            log: Arc::default(),
            snapshots: Arc::default(),
            projection: Arc::default(),
            history: Mutex::default(),
            began: Instant::now(),
            state: Mutex::new(state),
        })
    }

    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Adds a line to the trace.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        let line = format!("{:>6} {}", self.now(), line());
        lock(&self.state).trace.add(line);
    }

    /// Remembers a broken promise.
    pub fn violate(&self, rule: &'static str, what: impl Into<String>) {
        let violation = Violation::new(rule, what);
        self.trace(|| format!("VIOLATION {}: {}", violation.rule, violation.what));
        lock(&self.state).violations.push(violation);
    }

    /// What was broken so far.
    pub fn violations(&self) -> Vec<Violation> {
        lock(&self.state).violations.clone()
    }

    /// The trace's length and hash, and its end.
    pub fn trace_so_far(&self) -> ((u64, String), Vec<String>) {
        let state = lock(&self.state);
        (state.trace.fingerprint(), state.trace.tail())
    }

    /// From now on nothing goes wrong.
    pub fn calm_down(&self) {
        let mut state = lock(&self.state);
        state.calm = true;
        state.outages = [None; 4];
    }

    /// Puts a port out of reach for a while.
    pub fn begin_outage(&self, port: Port, milliseconds: u64) {
        lock(&self.state).outages[port as usize] = Some(Instant::now() + Duration::from_millis(milliseconds));
    }

    /// Sets the wall clock ahead, or back.
    pub fn set_wall(&self, change: impl FnOnce(u64) -> u64) {
        let mut state = lock(&self.state);
        state.wall_offset = change(state.wall_offset);
    }

    /// What happens to a call, and whether its caller dies of it.
    pub fn fate(&self, port: Port) -> (Fate, bool) {
        let mut state = lock(&self.state);
        let State { random, plan, calm, outages, .. } = &mut *state;
        if *calm {
            return (quick(random), false);
        }
        let faults = &plan.calls[port as usize];
        let crash = random.chance(faults.crash);
        let out = outages[port as usize].is_some_and(|until| until > Instant::now());
        let fate = match out {
            true if random.below(2) == 0 => Fate::Refused(random.below(20)),
            true => Fate::RequestLost(random.between(20, 600)),
            false => faults.fate(random),
        };
        (fate, crash)
    }

    /// How many entries back a read of the stream goes, where it goes back.
    pub fn reread(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        let State { random, plan, calm, .. } = &mut *state;
        (!*calm && random.chance(plan.reread)).then(|| random.between(1, 5))
    }

    /// Holds that what is shown to the outside is a row of the log at this moment.
    pub fn check_shown(&self, what: &str, shown: ProjectionPosition) {
        let held = match self.log.row(shown.seq) {
            Some(row) => row.chain == shown.chain && row.epoch == shown.epoch,
            None => shown.seq == Seq::ZERO,
        };
        if !held {
            self.violate(
                "nothing is visible before its commit",
                format!("{what} shows row {}, which is not in the log", shown.seq),
            );
        }
    }
}

/// The clocks of a simulated machine.
pub struct SimulatedTimes(pub Arc<World>);

impl Times for SimulatedTimes {
    fn monotonic(&self) -> u64 {
        self.0.began.elapsed().as_micros() as u64
    }

    fn wall(&self) -> u64 {
        BEGINNING + self.monotonic() + lock(&self.0.state).wall_offset
    }
}
