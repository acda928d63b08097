//! `make chaos`: rounds of faults at random for as long as told, counted in the ledger of campaigns.
//!
//! What was counted is kept in a file after each round. A run that was cut short goes on from there, if it is of the same
//! commit; a run that comes to its end adds a line for each kind of fault to the ledger.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::fault::Fault;
use crate::load::Plan;
use crate::random::Random;
use crate::round::{Round, Tally, Verdict};
use crate::target::{Build, Mode};

/// Faults of a round: its log is checked as a whole, and is small enough for that to take seconds.
const FAULTS_IN_A_ROUND: u64 = 20;

/// What rounds run on, and whether with a standby; each as often as it stands here.
const STAGES: [(Mode, bool); 4] =
    [(Mode::Embedded, false), (Mode::Full, false), (Mode::Full, false), (Mode::Full, true)];

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The service's program.
    pub binary: PathBuf,
    /// Of which kinds its faults are; of all when none is named.
    pub kinds: Vec<String>,
    /// What decides everything, where no earlier run goes on.
    pub seed: u64,
    /// For how long.
    pub time: Option<Duration>,
    /// For how many faults.
    pub cycles: Option<u64>,
    /// The ledger.
    pub ledger: PathBuf,
    /// Where the counts of an unfinished run are.
    pub progress: PathBuf,
}

/// The counts of a run so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    commit: String,
    seed: u64,
    rounds: u64,
    kinds: BTreeMap<String, Count>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    runs: u64,
    acknowledged: u64,
    lost: u64,
    twice: u64,
    failures: u64,
}

/// A line of the ledger.
#[derive(Serialize)]
struct Line<'a> {
    campaign: String,
    date: String,
    commit: &'a str,
    seed: u64,
    #[serde(flatten)]
    count: &'a Count,
}

/// Runs a campaign until its time or its cycles are over, something is found, or `stop` is set; whether nothing was found.
pub fn run(campaign: &Campaign, stop: &AtomicBool) -> Result<bool, Error> {
    let mut progress = resume(campaign);
    println!("seed {}, from round {}, commit {}", progress.seed, progress.rounds + 1, progress.commit);
    let began = Instant::now();
    let mut well = true;
    while well && !stop.load(Ordering::Relaxed) && !is_over(campaign, &progress, began) {
        let round = round(campaign, progress.seed.wrapping_add(progress.rounds));
        let (mode, standby) = (round.build.mode, if round.standby { " with a standby" } else { "" });
        println!("round {}: {mode:?}{standby}, seed {}", progress.rounds + 1, round.plan.seed);
        let verdict = round.run(&mut |line| println!("{line}"))?;
        println!("{}", verdict.report.line());
        for finding in &verdict.report.findings.first {
            println!("- {finding}");
        }
        well = verdict.report.findings.is_empty();
        progress.count(&verdict);
        keep(&campaign.progress, &progress)?;
    }
    finish(campaign, &progress)?;
    Ok(well)
}

fn is_over(campaign: &Campaign, progress: &Progress, began: Instant) -> bool {
    let cycles: u64 = progress.kinds.values().map(|count| count.runs).sum();
    campaign.time.is_some_and(|time| began.elapsed() >= time) || campaign.cycles.is_some_and(|most| cycles >= most)
}

/// A round that its seed decides, where faults of the wanted kinds can be done.
fn round(campaign: &Campaign, seed: u64) -> Round {
    let mut random = Random::new(seed);
    let wanted = |kind: &&str| campaign.kinds.is_empty() || campaign.kinds.iter().any(|wanted| wanted == kind);
    let stages = STAGES.map(|(mode, standby)| {
        let kinds: Vec<&str> = Fault::kinds(mode, standby).into_iter().filter(wanted).collect();
        (mode, standby, kinds)
    });
    let stages: Vec<_> = stages.into_iter().filter(|(.., kinds)| !kinds.is_empty()).collect();
    let (mode, standby, kinds) = random.pick(&stages).clone();
    let faults: Vec<Fault> = (0..FAULTS_IN_A_ROUND).map(|_| Fault::choose(&mut random, mode, &kinds)).collect();
    let build = match mode {
        Mode::Full => Build::new(&campaign.binary, mode).with_proxies(),
        Mode::Embedded => Build::new(&campaign.binary, mode),
    };
    let plan = Plan { clients: 16 + random.below(17), seed, pause: Duration::from_millis(2 + random.below(8)) };
    Round { build, standby, plan, faults, between: Duration::from_millis(300) }
}

impl Progress {
    fn count(&mut self, verdict: &Verdict) {
        self.rounds += 1;
        let report = &verdict.report;
        for (kind, Tally { runs, acknowledged, .. }) in &verdict.tallies {
            let count = self.kinds.entry((*kind).to_owned()).or_default();
            count.runs += runs;
            count.acknowledged += acknowledged;
            // What went wrong in a round may be any of its faults' doing.
            count.lost += report.lost;
            count.twice += report.twice;
            count.failures += report.findings.count;
        }
    }
}

/// An unfinished run of this commit, or a new one.
fn resume(campaign: &Campaign) -> Progress {
    let commit = commit();
    let kept = fs::read(&campaign.progress).ok().and_then(|bytes| serde_json::from_slice::<Progress>(&bytes).ok());
    let new = Progress { commit: commit.clone(), seed: campaign.seed, rounds: 0, kinds: BTreeMap::new() };
    kept.filter(|kept| kept.commit == commit).unwrap_or(new)
}

fn keep(path: &Path, progress: &Progress) -> Result<(), Error> {
    let written = serde_json::to_vec(progress).map_err(std::io::Error::from).and_then(|text| {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    });
    written.map_err(Error::io(format!("write {}", path.display())))
}

/// Adds the counts to the ledger; the run is over then.
fn finish(campaign: &Campaign, progress: &Progress) -> Result<(), Error> {
    let path = &campaign.ledger;
    let today = time::OffsetDateTime::now_utc().date().to_string();
    let write = || -> std::io::Result<()> {
        let mut ledger = File::options().create(true).append(true).open(path)?;
        for (kind, count) in &progress.kinds {
            let (date, commit) = (today.clone(), progress.commit.as_str());
            let line = Line { campaign: format!("chaos-{kind}"), date, commit, seed: progress.seed, count };
            writeln!(ledger, "{}", serde_json::to_string(&line)?)?;
            println!("{kind}: {} runs, acknowledged {}, lost {}", count.runs, count.acknowledged, count.lost);
        }
        match fs::remove_file(&campaign.progress) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    write().map_err(Error::io(format!("add to {}", path.display())))
}

/// The commit that is under test, as far as git knows.
fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(|| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}
