//! `make prove`: about a minute of load and faults before one's eyes, and the verdict.

use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::fault::{Fault, Parts};
use crate::load::Plan;
use crate::round::{Round, Verdict};
use crate::target::{Build, Mode};

/// What happens in the minute: every part dies, with and without its power, alone and together.
const MINUTE: [Fault; 13] = [
    Fault::Kill(Parts::SERVICE),
    Fault::PowerCutRedis,
    Fault::Kill(Parts::POSTGRES),
    Fault::PowerCutMachine,
    Fault::FlushAll,
    Fault::Kill(Parts::REDIS),
    Fault::SplitBrain,
    Fault::PowerCutMachine,
    Fault::Pause(Parts::POSTGRES),
    Fault::SplitBrainUnheard,
    Fault::Kill(Parts::ALL),
    Fault::FlushAll,
    Fault::PowerCutMachine,
];

/// The plant that is no bug of the service but a setting of Redis.
pub const EVERYSEC: &str = "everysec";

/// What is proven, of this program; with a plant, what is to fail.
pub fn minute(binary: &Path, plant: Option<&str>, seed: u64) -> Round {
    let build = planted(Build::new(binary, Mode::Full), plant);
    let plan = Plan { clients: 32, seed, pause: Duration::from_millis(4) };
    // What only a woken writer shows needs more than one of them.
    let faults = if plant == Some("no-fence") { vec![Fault::SplitBrain; 5] } else { MINUTE.to_vec() };
    Round { build, standby: true, plan, faults, between: Duration::from_millis(1_500) }
}

/// A build with a plant, if there is one.
pub fn planted(build: Build, plant: Option<&str>) -> Build {
    match plant {
        None => build,
        Some(EVERYSEC) => build.with_everysec(),
        Some(bug) => build.with_plant(bug),
    }
}

/// Does it, a line for each event; whether nothing was wrong.
pub fn prove(binary: &Path, plant: Option<&str>, seed: u64) -> Result<bool, Error> {
    println!("pricetime on a private Redis and PostgreSQL, with a standby; seed {seed}");
    if let Some(plant) = plant {
        println!("planted: {plant}; this has to fail");
    }
    let Verdict { report, tallies } = &minute(binary, plant, seed).run(&mut |line| println!("{line}"))?;
    let runs: Vec<String> = tallies.iter().map(|(kind, tally)| format!("{kind} {}", tally.runs)).collect();
    println!("{} rows; state {}; {}", report.rows, report.state_hash, runs.join(", "));
    for finding in &report.findings.first {
        println!("- {finding}");
    }
    println!("{}", report.line());
    Ok(report.findings.is_empty())
}
