//! Runs simulations for as long as it is told: so many seeds, or so many minutes, from a seed on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use simulator::campaign::Campaign;
use simulator::{Report, simulate};

/// How often it says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Simulate the engine: clients, faults and crashes in virtual time, all of it decided by a seed.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds; without it and without minutes, 500.
    #[arg(long)]
    seeds: Option<u64>,
    /// For how many minutes.
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<u64>,
    /// How many at a time.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How many of the last lines of its trace to print of a seed that breaks a promise.
    #[arg(long, default_value_t = 60)]
    lines: usize,
    /// Print the traces of the others too.
    #[arg(long)]
    trace: bool,
    /// Add the counts to this ledger.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(arguments.seed), AtomicBool::new(false));
    let sums = Mutex::new((Campaign::default(), began));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let over = match arguments.minutes {
                Some(minutes) => began.elapsed() >= Duration::from_secs(60 * minutes),
                None => seed >= arguments.seed + arguments.seeds.unwrap_or(500),
            };
            if over {
                stop.store(true, Ordering::Relaxed);
                return;
            }
            let report = run(seed);
            if arguments.trace || !report.violations.is_empty() {
                println!("{}", report.explain(arguments.lines));
            }
            let Ok(mut sums) = sums.lock() else { return };
            add(&mut sums.0, &report);
            if sums.1.elapsed() >= SAY_EVERY {
                sums.1 = Instant::now();
                println!("{}", say(&sums.0));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(work);
        }
    });
    let Ok((campaign, _)) = sums.into_inner() else { return ExitCode::FAILURE };
    println!("{} · {:.0} s", say(&campaign), began.elapsed().as_secs_f64());
    if let Some(ledger) = arguments.record
        && let Err(error) = campaign.record("simulate", &ledger)
    {
        eprintln!("{}: {error}", ledger.display());
        return ExitCode::FAILURE;
    }
    if campaign.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One seed; one in a hundred twice, which must come to the same.
fn run(seed: u64) -> Report {
    let mut report = simulate(seed);
    if seed.is_multiple_of(100) {
        let again = simulate(seed);
        if again.fingerprint != report.fingerprint {
            let what = format!("{:?}, then {:?}", report.fingerprint, again.fingerprint);
            report.violations.push(simulator::Violation::new("equal seeds have equal traces", what));
        }
    }
    report
}

fn add(campaign: &mut Campaign, report: &Report) {
    campaign.runs += 1;
    campaign.acknowledged += report.acknowledged;
    campaign.lost += report.lost;
    campaign.twice += report.twice;
    campaign.failures += u64::from(!report.violations.is_empty());
}

fn say(campaign: &Campaign) -> String {
    let Campaign { runs, acknowledged, lost, twice, failures } = campaign;
    format!("seeds {runs} · acknowledged {acknowledged} · lost {lost} · twice {twice} · failed {failures}")
}
