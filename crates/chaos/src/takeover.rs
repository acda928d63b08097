//! How long it takes until a standby serves, after the writer was killed and after it fell asleep.

use std::path::Path;
use std::time::{Duration, Instant};

use testbed::wait_until;

use crate::Error;
use crate::target::{Build, Mode, READY_WITHIN, Target};

/// Medians of the time from the fault to the standby's readiness.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct TakeOver {
    /// After SIGKILL of the writer.
    pub killed: Duration,
    /// After SIGSTOP of the writer.
    pub paused: Duration,
}

/// Measures each `times` times.
pub fn measure(binary: &Path, times: usize) -> Result<TakeOver, Error> {
    assert!(times > 0, "nothing measured has no median");
    let mut target = Target::start(&Build::new(binary, Mode::Full))?;
    target.add_standby()?;
    let mut killed = Vec::new();
    let mut paused = Vec::new();
    for _ in 0..times {
        killed.push(once(&mut target, false)?);
        paused.push(once(&mut target, true)?);
    }
    Ok(TakeOver { killed: median(killed), paused: median(paused) })
}

fn once(target: &mut Target, asleep: bool) -> Result<Duration, Error> {
    let writer = target.serving()?;
    let standby = 1 - writer;
    let began = Instant::now();
    match asleep {
        true => target.services[writer].pause()?,
        false => target.services[writer].kill()?,
    }
    let next = &target.services[standby];
    wait_until(READY_WITHIN, "the standby to take over", || next.readiness() == Some(200))?;
    let took = began.elapsed();
    let old = &mut target.services[writer];
    old.relaunch(&[])?;
    wait_until(READY_WITHIN, "the old writer to stand by", || old.readiness() == Some(503))?;
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
