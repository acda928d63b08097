//! One simulation: a world, its clients and its adversary for some virtual seconds; then calm, in which everything that was
//! promised must come about; then the checkers.

use std::cell::RefCell;
use std::panic;
use std::sync::{Arc, Once};
use std::time::Duration;

use actix::System;
use matching::Seq;
use tokio::runtime;
use tokio::time::sleep;

use crate::adversary::{Adversary, Processes};
use crate::checkers::{self, Facts};
use crate::faults::FaultPlan;
use crate::lock;
use crate::process::ProcessSettings;
use crate::random::Random;
use crate::workload::Client;
use crate::world::{Violation, World};

/// In calm, everything that was promised comes about within so many virtual milliseconds: a take-over takes 5 s, and a
/// call that was under way when calm came may take as long again.
const LIVELY_WITHIN: u64 = 30_000;

/// What a simulation came to.
#[derive(Debug)]
pub struct Report {
    /// The seed that it is derived from.
    pub seed: u64,
    /// Broken promises. None is the right answer.
    pub violations: Vec<Violation>,
    /// Commands that were acknowledged or answered for good.
    pub acknowledged: u64,
    /// Of these, those that are not in the log.
    pub lost: u64,
    /// Of these, those that were executed more than once.
    pub twice: u64,
    /// Rows in the log.
    pub rows: u64,
    /// Processes that were started.
    pub processes: u64,
    /// The trace's number of lines, and their hash.
    pub fingerprint: (u64, String),
    /// The end of the trace.
    pub tail: Vec<String>,
}

impl Report {
    /// What to print of a seed that broke a promise: so many last lines of the trace, the promises, and how to see it again.
    pub fn explain(&self, lines: usize) -> String {
        let mut text = String::new();
        for line in &self.tail[self.tail.len().saturating_sub(lines)..] {
            text.push_str(line);
            text.push('\n');
        }
        for violation in self.violations.iter().take(10) {
            text.push_str(&format!("seed {} breaks \"{}\": {}\n", self.seed, violation.rule, violation.what));
        }
        text.push_str(&format!("run it again: make simulate SEED={} SEEDS=1 LINES=20000\n", self.seed));
        text
    }
}

/// Runs the simulation of a seed on this thread.
///
/// # Panics
/// If there is no runtime to run it on.
pub fn simulate(seed: u64) -> Report {
    note_panics();
    PANICS.take();
    SIMULATING.set(true);
    let runtime =
        || runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let mut report = System::with_tokio_rt(runtime).block_on(run(seed));
    SIMULATING.set(false);
    for panic in PANICS.take() {
        report.violations.push(Violation::new("invariants hold", panic));
    }
    report
}

async fn run(seed: u64) -> Report {
    let mut random = Random::new(seed);
    let plan = FaultPlan::new(&mut random);
    let settings = ProcessSettings::new(&mut random);
    let world = World::new(random.fork(), plan);
    let processes = Processes::new(Arc::clone(&world), settings.clone());
    processes.start();
    let until = random.between(4_000, 18_000);
    let mut clients = Vec::new();
    for number in 1..=random.between(1, 4) {
        let client = Client::new(number, random.fork(), Arc::clone(&world), Arc::clone(&processes));
        clients.push(actix::spawn(client.run(until + 1_000)));
    }
    let adversary = Adversary::new(random.fork(), Arc::clone(&world), Arc::clone(&processes), plan.events);
    adversary.run(until).await;
    world.trace(|| "calm".to_owned());
    world.calm_down();
    for client in clients {
        // A client that panicked was noted.
        let _ = client.await;
    }
    settle(&world, &processes).await;
    let facts = Facts::gather(&world, &settings, random.fork());
    let mut violations = world.violations();
    violations.extend(checkers::check(&facts));
    let (fingerprint, tail) = world.trace_so_far();
    let (acknowledged, lost, twice) = checkers::once::count(&facts);
    let rows = facts.rows.len() as u64;
    Report { seed, violations, acknowledged, lost, twice, rows, processes: processes.started(), fingerprint, tail }
}

/// Waits until everything that was promised has come about, or the time for it is up.
async fn settle(world: &Arc<World>, processes: &Arc<Processes>) {
    let deadline = world.now() + LIVELY_WITHIN;
    let mut quiet = 0;
    while quiet < 3 {
        sleep(Duration::from_millis(500)).await;
        processes.care();
        let missing = missing(world, processes);
        quiet = if missing.is_none() { quiet + 1 } else { 0 };
        if let Some(missing) = missing
            && world.now() > deadline
        {
            return world.violate("what was promised comes about", missing);
        }
    }
}

/// What has not come about yet.
fn missing(world: &World, processes: &Processes) -> Option<String> {
    if processes.serving().is_empty() {
        return Some("no process serves".to_owned());
    }
    let committed = processes.committed_ids();
    let owed = {
        let history = lock(&world.history);
        let owed =
            history.sent.iter().find(|(id, sent)| sent.is_promised() && !sent.excused && !committed.contains(id));
        owed.map(|(id, _)| *id)
    };
    if let Some(id) = owed {
        return Some(format!("command {id} was acknowledged and is not in the log"));
    }
    let end = world.log.writer().position.seq;
    let shown = world.projection.position().map_or(Seq::ZERO, |shown| shown.seq);
    (shown != end).then(|| format!("the log ends at row {end}, and the projection shows row {shown}"))
}

thread_local! {
    static SIMULATING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A panic in an actor ends the service; in a simulation it is a broken promise.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SIMULATING.get() {
                PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            } else {
                print(info);
            }
        }));
    });
}
