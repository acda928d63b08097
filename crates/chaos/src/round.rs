//! One attack from the first order to the verdict: start, load, faults one after another, and the check of everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testbed::wait_until;

use crate::Error;
use crate::check::{Checker, Report};
use crate::fault::Fault;
use crate::history::{Crash, Outage, Shown};
use crate::load::{Load, Plan, settle};
use crate::random::Random;
use crate::rows::Rows;
use crate::strike::strike;
use crate::target::{Build, READY_WITHIN, Target};

/// Between two faults so many orders and cancels must be acknowledged: a fault without load shows nothing.
const PROGRESS: u64 = 50;
/// A service that stops drains first.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// What is done.
#[derive(Debug, Clone)]
pub struct Round {
    /// To what.
    pub build: Build,
    /// Whether a second service stands by.
    pub standby: bool,
    /// Under which load.
    pub plan: Plan,
    /// The faults, in order.
    pub faults: Vec<Fault>,
    /// The least time between two faults.
    pub between: Duration,
}

/// Faults of one kind.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many were effective.
    pub runs: u64,
    /// How many were not.
    pub missed: u64,
    /// Orders and cancels that were acknowledged from the fault to the next.
    pub acknowledged: u64,
}

/// What a round showed.
#[derive(Debug)]
pub struct Verdict {
    /// Of the history and the log.
    pub report: Report,
    /// By kind of fault.
    pub tallies: BTreeMap<&'static str, Tally>,
}

impl Round {
    /// Does it; `tell` gets a line for each event.
    pub fn run(&self, tell: &mut dyn FnMut(&str)) -> Result<Verdict, Error> {
        let began = Instant::now();
        let mut tell = |text: &str| tell(&format!("{:6.1} s  {text}", began.elapsed().as_secs_f64()));
        let mut target = Target::start(&self.build)?;
        if self.standby {
            target.add_standby()?;
        }
        tell(&format!("{} clients trade", self.plan.clients));
        let load = Load::start(target.runtime.handle(), target.urls(), target.redis_url(), &self.plan);
        let mut random = Random::new(self.plan.seed);
        let mut attack = Attack::default();
        let attacked = attack.all(&mut target, &load, &self.faults, self.between, &mut random, &mut tell);
        let mut history = target.runtime.block_on(load.finish());
        attacked?;
        let Attack { tallies, findings, outages, crashes, shown } = attack;
        (history.outages, history.crashes) = (outages, crashes);
        history.shown.extend(shown);
        if findings.is_empty() {
            let urls = target.urls();
            target.runtime.block_on(settle(&urls))?;
        }
        tell("the clients have stopped; the log is read and applied again");
        let verified_beside = target.verify()?;
        let stopped = stop(&mut target)?;
        let verified = target.verify()?;
        let (binary, folder) = target.tool();
        let mut checker = Checker::new(&history);
        for row in Rows::of(binary, &target.tool_environment(), folder)? {
            checker.row(&row?);
        }
        let mut report = checker.finish();
        report.findings.put_first(findings.into_iter().chain(stopped).chain(verified_beside.err()));
        match verified {
            Ok(hash) if hash == report.state_hash => {}
            Ok(hash) => {
                let ours = &report.state_hash;
                report.findings.add(format!("pricetime verify gives the state {hash}, the check {ours}"));
            }
            Err(wrong) => report.findings.add(wrong),
        }
        Ok(Verdict { report, tallies })
    }
}

/// What the faults of a round did.
#[derive(Default)]
struct Attack {
    tallies: BTreeMap<&'static str, Tally>,
    findings: Vec<String>,
    outages: Vec<Outage>,
    crashes: Vec<Crash>,
    shown: Vec<Shown>,
}

impl Attack {
    fn all(
        &mut self,
        target: &mut Target,
        load: &Load,
        faults: &[Fault],
        between: Duration,
        random: &mut Random,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        for fault in faults {
            let before = load.acknowledged();
            if !self.progressed(target, load, before, between + Duration::from_millis(random.below(200)))? {
                return Ok(());
            }
            let struck_at = Instant::now();
            let struck = strike(target, *fault, random)?;
            let took = struck_at.elapsed().as_secs_f64();
            let tally = self.tallies.entry(fault.kind()).or_default();
            let served = load.acknowledged();
            match struck.effective {
                true => tally.runs += 1,
                false => tally.missed += 1,
            }
            tally.acknowledged += served - before;
            self.outages.extend(struck.outages);
            self.crashes.extend(struck.crash);
            self.shown.extend(struck.shown);
            let told = [struck.told, if struck.effective { String::new() } else { "MISSED".to_owned() }];
            let told: Vec<String> = told.into_iter().filter(|text| !text.is_empty()).collect();
            let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
            tell(&format!("{fault}{told}: serving again after {took:.1} s; acknowledged {served}"));
            self.findings.extend(struck.findings);
            if !self.findings.is_empty() {
                // Nobody may serve any more.
                return Ok(());
            }
        }
        self.progressed(target, load, load.acknowledged(), between)?;
        Ok(())
    }

    /// Whether clients are served again, and nothing ends by itself; otherwise that is a finding.
    fn progressed(&mut self, target: &mut Target, load: &Load, since: u64, at_least: Duration) -> Result<bool, Error> {
        let begin = Instant::now();
        let mut failure = None;
        let waited = wait_until(READY_WITHIN, "clients to be served", || {
            match target.supervise() {
                Ok(endings) => self.findings.extend(endings),
                Err(error) => failure = Some(error),
            }
            let enough = begin.elapsed() >= at_least && load.acknowledged() >= since + PROGRESS;
            enough || failure.is_some() || !self.findings.is_empty()
        });
        if waited.is_err() {
            self.findings.push(format!("clients were not served for {READY_WITHIN:?}:\n{}", target.logs()));
        }
        failure.map_or(Ok(self.findings.is_empty()), Err)
    }
}

/// Stops the services as an operator does; what does not stop well is told.
fn stop(target: &mut Target) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    for service in &mut target.services {
        if service.exited()?.is_some() {
            continue;
        }
        match service.terminate(STOPS_WITHIN) {
            Ok(status) if status.success() => {}
            Ok(status) => {
                told.push(format!("a service that was asked to stop ended with {status}:\n{}", service.log()))
            }
            Err(error) => told.push(format!("a service that was asked to stop did not: {error}")),
        }
    }
    Ok(told)
}
