//! Every kind of fault under load: nothing acknowledged is lost, nothing happens twice, every final answer is the log's.

use chaos::fault::{Parts, Server};
use chaos::{Fault, Mode, Round};

use super::{build, round, survives};

/// The faults of a mode that are of these kinds.
fn of_kinds(mode: Mode, kinds: &[&str]) -> Vec<Fault> {
    Fault::all(mode).iter().copied().filter(|fault| kinds.contains(&fault.kind())).collect()
}

#[test]
fn kills_lose_nothing() {
    survives(&round(build(Mode::Full), &of_kinds(Mode::Full, &["kill"]), 1));
}

#[test]
fn pauses_lose_nothing() {
    survives(&round(build(Mode::Full), &of_kinds(Mode::Full, &["pause"]), 2));
}

#[test]
fn power_cuts_lose_nothing() {
    let once = of_kinds(Mode::Full, &["power-cut"]);
    survives(&round(build(Mode::Full), &[once.clone(), once].concat(), 3));
}

/// Several times: what is in flight differs.
#[test]
fn flushes_lose_nothing() {
    survives(&round(build(Mode::Full), &[Fault::FlushAll; 6], 8));
}

#[test]
fn a_full_disk_loses_nothing() {
    survives(&round(build(Mode::Full), &[Fault::DiskFull(Server::Redis), Fault::DiskFull(Server::Postgres)], 4));
}

#[test]
fn a_broken_network_loses_nothing() {
    survives(&round(build(Mode::Full).with_proxies(), &of_kinds(Mode::Full, &["proxy"]), 5));
}

#[test]
fn two_writers_are_one() {
    let faults = [Fault::SplitBrain, Fault::Kill(Parts::SERVICE), Fault::SplitBrainUnheard];
    survives(&Round { standby: true, ..round(build(Mode::Full), &faults, 6) });
}

#[test]
fn the_embedded_file_loses_nothing() {
    let once = Fault::all(Mode::Embedded);
    survives(&round(build(Mode::Embedded), &[once, once].concat(), 7));
}
