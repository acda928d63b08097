//! Carries out a fault and mends what it broke. A fault counts as effective only if it hit what served.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use testbed::{Service, wait_until};

use crate::Error;
use crate::answers;
use crate::disk::Disk;
use crate::fault::{Fault, Parts, Server, Trouble};
use crate::history::{Crash, Outage, Rests, Shown};
use crate::proxy::Weather;
use crate::random::Random;
use crate::target::{READY_WITHIN, Servers, Target, is_serving};
use crate::watch;

/// What was on its way through a proxy has arrived by then.
const SETTLED: Duration = Duration::from_millis(50);
/// A woken writer learns within this that it is none any more: its beat is refused.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(20);
/// A woken writer says within this that it tells no state.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// How long a disk stays full.
const FULL_FOR: Duration = Duration::from_millis(1_500);
/// Requests that are cut, one after another.
const CUTS: u64 = 4;

/// What a fault did.
#[derive(Debug, Default)]
pub struct Struck {
    /// Whether it hit what served.
    pub effective: bool,
    /// What there is to tell beside that.
    pub told: String,
    /// What the service did wrong at once.
    pub findings: Vec<String>,
    /// When parts were away.
    pub outages: Vec<Outage>,
    /// Where the log was left, when nothing that writes it was.
    pub crash: Option<Crash>,
    /// What services showed to those who asked at the right moment.
    pub shown: Vec<Shown>,
}

/// Does `fault` to the target, and mends the target.
pub fn strike(target: &mut Target, fault: Fault, random: &mut Random) -> Result<Struck, Error> {
    let mut struck = match fault {
        Fault::Kill(parts) => kill(target, parts, random)?,
        Fault::Pause(parts) => pause(target, parts, random)?,
        Fault::FlushAll => flush_all(target)?,
        Fault::PowerCutRedis => power_cut_redis(target, random)?,
        Fault::PowerCutMachine => power_cut_machine(target, random)?,
        Fault::PowerCutFile => power_cut_file(target)?,
        Fault::Proxy(server, trouble) => proxy(target, server, trouble, random)?,
        Fault::DiskFull(server) => disk_full(target, server)?,
        Fault::DiskFullFile => disk_full_file(target)?,
        Fault::SplitBrain => split_brain(target, false)?,
        Fault::SplitBrainUnheard => split_brain(target, true)?,
    };
    struck.findings.extend(target.heal()?);
    Ok(struck)
}

/// The servers of the full mode, which every fault that names one is for.
fn servers(target: &mut Target) -> &mut Servers {
    match &mut target.servers {
        Some(servers) => servers,
        None => panic!("Redis and PostgreSQL can be hit in full mode only"),
    }
}

/// Whether everything that is to be hit serves, and which service that is.
fn aim(target: &mut Target, parts: Parts) -> Result<(bool, usize), Error> {
    let index = if parts.service { target.serving()? } else { 0 };
    let mut serves = true;
    if parts.service {
        let service = &target.services[index];
        serves &= is_serving(service.pid(), service.port());
    }
    if parts.redis {
        let redis = &servers(target).redis;
        serves &= is_serving(redis.pid(), redis.port());
    }
    if parts.postgres {
        let postgres = &servers(target).postgres;
        serves &= is_serving(postgres.pid(), postgres.port());
    }
    Ok((serves, index))
}

fn kill(target: &mut Target, parts: Parts, random: &mut Random) -> Result<Struck, Error> {
    let (effective, index) = aim(target, parts)?;
    let gap = Duration::from_millis(random.below(300));
    let mut away = Vec::new();
    if parts.postgres {
        servers(target).postgres.kill()?;
        away.push((Rests::Log, Instant::now()));
    }
    if parts.redis {
        if !away.is_empty() {
            sleep(gap);
        }
        servers(target).redis.kill()?;
        away.push((Rests::Queue, Instant::now()));
    }
    if parts.service {
        if !away.is_empty() {
            sleep(gap);
        }
        target.services[index].kill()?;
    }
    // Clients run into what is away.
    sleep(Duration::from_millis(random.below(400)));
    let outages = ended(away);
    let crash = if parts.service && parts.postgres { Some(crash(servers(target))?) } else { None };
    Ok(Struck { effective, outages, crash, ..Struck::default() })
}

/// Where the log ends, now that nothing runs: PostgreSQL is started alone and asked.
fn crash(servers: &mut Servers) -> Result<Crash, Error> {
    let at = Instant::now();
    servers.postgres.restart()?;
    let url = servers.postgres.url();
    let answer = servers.postgres.sql(&url, "SELECT seq FROM writer_position WHERE partition = 0")?;
    let log_end = answer.trim().parse().map_err(|_| Error::Row(format!("the writer's position is {answer:?}")))?;
    Ok(Crash { at, log_end })
}

/// The outages, which end now.
fn ended(away: Vec<(Rests, Instant)>) -> Vec<Outage> {
    let to = Instant::now();
    away.into_iter().map(|(of, from)| Outage { of, from, to }).collect()
}

fn pause(target: &mut Target, parts: Parts, random: &mut Random) -> Result<Struck, Error> {
    let (effective, index) = aim(target, parts)?;
    let mut away = Vec::new();
    if parts.service {
        target.services[index].pause()?;
    }
    if parts.redis {
        servers(target).redis.pause()?;
        away.push((Rests::Queue, Instant::now()));
    }
    if parts.postgres {
        servers(target).postgres.pause()?;
        away.push((Rests::Log, Instant::now()));
    }
    sleep(SETTLED + Duration::from_millis(random.below(1_500)));
    let outages = ended(away);
    if parts.postgres {
        servers(target).postgres.resume()?;
    }
    if parts.redis {
        servers(target).redis.resume()?;
    }
    if parts.service {
        target.services[index].resume()?;
    }
    Ok(Struck { effective, outages, ..Struck::default() })
}

/// PostgreSQL stands still meanwhile, so that what is acknowledged then can only come back from the service's memory.
fn flush_all(target: &mut Target) -> Result<Struck, Error> {
    servers(target).postgres.pause()?;
    let away = vec![(Rests::Log, Instant::now())];
    sleep(SETTLED * 4);
    let struck = empty_redis(target);
    let outages = ended(away);
    servers(target).postgres.resume()?;
    Ok(Struck { outages, ..struck? })
}

fn empty_redis(target: &mut Target) -> Result<Struck, Error> {
    let mut connection = redis::Client::open(servers(target).redis.url())?.get_connection()?;
    let there: bool = redis::cmd("EXISTS").arg("matching:queue").query(&mut connection)?;
    let _: () = redis::cmd("FLUSHALL").query(&mut connection)?;
    Ok(Struck { effective: there, ..Struck::default() })
}

fn power_cut_redis(target: &mut Target, random: &mut Random) -> Result<Struck, Error> {
    let (effective, _) = aim(target, Parts::REDIS)?;
    let servers = servers(target);
    servers.redis.kill()?;
    let away = vec![(Rests::Queue, Instant::now())];
    sleep(Duration::from_millis(random.below(300)));
    let told = cut(&servers.redis_disk)?;
    let outages = ended(away);
    Ok(Struck { effective, told, outages, ..Struck::default() })
}

/// PostgreSQL stands still first, so that what is acknowledged then is in Redis alone; then everything dies at once.
/// PostgreSQL's own disk keeps everything: what it syncs is not under test here.
fn power_cut_machine(target: &mut Target, random: &mut Random) -> Result<Struck, Error> {
    let (effective, index) = aim(target, Parts::ALL)?;
    servers(target).postgres.pause()?;
    let behind = Instant::now();
    // Before those who wait for a commit are all that is left, and nobody is acknowledged any more.
    sleep(Duration::from_millis(50 + random.below(250)));
    servers(target).redis.kill()?;
    let away = vec![(Rests::Log, behind), (Rests::Queue, Instant::now())];
    target.services[index].kill()?;
    let servers = servers(target);
    servers.postgres.kill()?;
    let told = cut(&servers.redis_disk)?;
    let outages = ended(away);
    let crash = Some(crash(servers)?);
    Ok(Struck { effective, told, outages, crash, ..Struck::default() })
}

fn power_cut_file(target: &mut Target) -> Result<Struck, Error> {
    let (effective, index) = aim(target, Parts::SERVICE)?;
    target.services[index].kill()?;
    let told = target.file_disk.as_ref().map(cut).transpose()?.unwrap_or_default();
    Ok(Struck { effective, told, ..Struck::default() })
}

fn cut(disk: &Disk) -> Result<String, Error> {
    let cut = disk.cut()?;
    Ok(format!("{} bytes that were not synced are gone, {} files changed", cut.bytes, cut.files))
}

fn proxy(target: &mut Target, server: Server, trouble: Trouble, random: &mut Random) -> Result<Struck, Error> {
    let servers = servers(target);
    let (proxy, rests, text) = match server {
        Server::Redis => (&servers.redis_proxy, Rests::Queue, "XADD"),
        // A commit carries its commands as text.
        Server::Postgres => (&servers.postgres_proxy, Rests::Log, "\"type\":\"NewOrder\""),
    };
    let Some(proxy) = proxy else { panic!("this target was built without proxies") };
    let before = proxy.hits();
    let mut away = Vec::new();
    match trouble {
        Trouble::CutBefore | Trouble::CutAfter => {
            proxy.set(Weather::Cutting { text, delivered: trouble == Trouble::CutAfter });
            // In vain when nothing is sent meanwhile; then the fault was not effective.
            let _ = wait_until(Duration::from_secs(3), "requests to be cut", || proxy.hits() >= before + CUTS);
        }
        Trouble::Slow => {
            proxy.set(Weather::Slow(Duration::from_millis(20 + random.below(200))));
            sleep(Duration::from_millis(500 + random.below(1_500)));
        }
        Trouble::Silent | Trouble::Resetting => {
            proxy.set(if trouble == Trouble::Silent { Weather::Silent } else { Weather::Resetting });
            away.push((rests, Instant::now() + SETTLED));
            sleep(SETTLED + Duration::from_millis(random.below(2_000)));
        }
    }
    let outages = ended(away);
    proxy.set(Weather::Fair);
    let hits = proxy.hits() - before;
    Ok(Struck { effective: hits > 0, told: format!("{hits} hits"), outages, ..Struck::default() })
}

fn disk_full(target: &mut Target, server: Server) -> Result<Struck, Error> {
    let servers = servers(target);
    let (disk, log) = match server {
        Server::Redis => (&servers.redis_disk, servers.redis_disk.folder().join("redis.log")),
        Server::Postgres => (&servers.postgres_disk, servers.postgres_disk.folder().join("postgres.log")),
    };
    fill(disk, &[log])
}

fn disk_full_file(target: &mut Target) -> Result<Struck, Error> {
    let logs: Vec<PathBuf> = target.services.iter().map(Service::log_path).collect();
    target.file_disk.as_ref().map_or_else(|| Ok(Struck::default()), |disk| fill(disk, &logs))
}

/// Fills a disk for a while; effective when somebody noticed.
fn fill(disk: &Disk, logs: &[PathBuf]) -> Result<Struck, Error> {
    let before: usize = logs.iter().map(|log| complaints(log)).sum();
    disk.set_full(true)?;
    sleep(FULL_FOR);
    disk.set_full(false)?;
    let complaints = logs.iter().map(|log| complaints(log)).sum::<usize>() - before;
    Ok(Struck { effective: complaints > 0, told: format!("{complaints} complaints"), ..Struck::default() })
}

/// Lines of a log that say that a disk is full.
fn complaints(log: &Path) -> usize {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    text.lines()
        .filter(|line| ["No space left", "Short write", "disk is full"].iter().any(|words| line.contains(words)))
        .count()
}

/// With `unheard`, PostgreSQL stands still while the old writer wakes and is asked for its state.
fn split_brain(target: &mut Target, unheard: bool) -> Result<Struck, Error> {
    let (serves, writer) = aim(target, Parts::SERVICE)?;
    assert!(target.services.len() == 2, "a split brain needs a standby");
    let standby = 1 - writer;
    target.services[writer].pause()?;
    let paused = Instant::now();
    let next = &target.services[standby];
    wait_until(READY_WITHIN, "the standby to take over", || next.readiness() == Some(200))?;
    let took = paused.elapsed();
    // The new writer works for a moment before the old one wakes.
    sleep(Duration::from_millis(500));
    let mut struck = Struck { told: format!("taken over after {:.1} s", took.as_secs_f64()), ..Struck::default() };
    if unheard {
        struck.shown.extend(show(target, standby));
        servers(target).postgres.pause()?;
        let away = vec![(Rests::Log, Instant::now())];
        target.services[writer].resume()?;
        struck.shown.extend(show(target, writer));
        struck.outages = ended(away);
        servers(target).postgres.resume()?;
    } else {
        target.services[writer].resume()?;
    }
    match target.services[writer].wait_exit(GIVES_UP_WITHIN) {
        Ok(status) if status.code() == Some(5) => struck.effective = serves,
        Ok(status) => struck.findings.push(format!("the woken writer ended with {status}, not with code 5")),
        Err(_) => struck.findings.push(format!("the woken writer went on for {GIVES_UP_WITHIN:?}")),
    }
    let woken = &mut target.services[writer];
    woken.relaunch(&[])?;
    wait_until(READY_WITHIN, "the woken writer to stand by", || woken.readiness().is_some())?;
    Ok(struck)
}

/// The state that a service shows.
fn show(target: &Target, service: usize) -> Option<Shown> {
    let (http, url) = (answers::client(ANSWERS_WITHIN), target.services[service].base_url());
    target.runtime.block_on(watch::shown(&http, &url))
}
