//! Attacks on real processes: every kind of fault, and every planted bug that only real processes show.

mod disk;
mod faults;
mod lies;
mod plants;

use std::path::Path;
use std::time::Duration;

use chaos::check::Report;
use chaos::load::Plan;
use chaos::{Build, Fault, Mode, Round};

fn build(mode: Mode) -> Build {
    Build::new(Path::new(env!("CARGO_BIN_EXE_pricetime")), mode)
}

fn round(build: Build, faults: &[Fault], seed: u64) -> Round {
    let plan = Plan { clients: 16, seed, pause: Duration::from_millis(5) };
    Round { build, standby: false, plan, faults: faults.to_vec(), between: Duration::from_millis(300) }
}

/// The report of a round in which every fault hit what served.
fn report(round: &Round) -> Report {
    let verdict = round.run(&mut |line| println!("{line}")).expect("a round");
    for (kind, tally) in &verdict.tallies {
        assert!(tally.runs > 0, "no {kind} was effective");
    }
    println!("seed {}: {}", round.plan.seed, verdict.report.line());
    verdict.report
}

/// Holds that a round breaks no promise.
fn survives(round: &Round) {
    let report = report(round);
    assert!(report.findings.is_empty(), "seed {}: {:#?}", round.plan.seed, report.findings);
    assert!(report.acknowledged > 100, "only {} acknowledged: that shows nothing", report.acknowledged);
}
