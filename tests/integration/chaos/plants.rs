//! Planted bugs in the real service, each with the faults that it needs to show: a check that misses one is broken.

use std::time::Duration;

use chaos::fault::{Fault, Parts};
use chaos::{Build, Mode, Round};

use super::{build, report, round, survives};

/// Redis that syncs once a second: what a kill cannot show, a power cut does.
#[test]
fn everysec_loses_by_power_cut_and_not_by_kill() {
    let everysec = || build(Mode::Full).with_everysec();
    let machine = Parts { service: true, redis: true, postgres: false };
    survives(&round(everysec(), &[Fault::Kill(machine), Fault::Kill(machine)], 11));
    let report = report(&round(everysec(), &[Fault::PowerCutMachine; 5], 12));
    assert!(report.lost > 0, "{}", report.line());
}

/// A round with a bug, which must be found by one of these words.
fn finds(bug: &str, mode: Mode, faults: &[Fault], words: &[&str]) {
    let planted: Build = build(mode).with_plant(bug);
    let round =
        Round { standby: faults.iter().any(|fault| fault.kind() == "split-brain"), ..round(planted, faults, 13) };
    // A fault may find nothing left to hit: the bug may have ended the service before.
    let verdict = round.run(&mut |line| println!("{line}"));
    let found = match verdict {
        Ok(verdict) => verdict.report.findings.first,
        Err(error) => vec![error.to_string()],
    };
    let expected = found.iter().any(|finding| words.iter().any(|word| finding.contains(word)));
    assert!(expected, "{bug}: {words:?} not in {found:#?}");
}

#[test]
fn an_acknowledgement_before_the_fsync_is_found() {
    finds("ack-before-fsync", Mode::Full, &[Fault::Kill(Parts::REDIS), Fault::PowerCutRedis], &["is lost"]);
    finds("ack-before-fsync", Mode::Embedded, &[Fault::PowerCutFile; 4], &["is lost"]);
}

#[test]
fn an_answer_before_the_commit_is_found() {
    finds("answer-before-commit", Mode::Full, &[Fault::PowerCutMachine; 3], &["before a crash", "went back in time"]);
}

#[test]
fn a_projection_ahead_of_the_log_is_found() {
    // A cut shows it only if Redis is looked at between the early row and the end.
    let words = ["Redis showed"];
    finds("projection-ahead-of-log", Mode::Full, &[Fault::PowerCutMachine; 6], &words);
}

#[test]
fn a_stream_trimmed_before_the_commit_is_found() {
    finds("trim-before-commit", Mode::Full, &[Fault::PowerCutMachine; 3], &["is lost"]);
}

#[test]
fn a_missing_fence_is_found() {
    finds("no-fence", Mode::Full, &[Fault::SplitBrain; 3], &["woken writer", "is lost", "was said to be", "showed"]);
}

#[test]
fn the_state_of_a_woken_writer_is_found() {
    finds("stale-answers", Mode::Full, &[Fault::SplitBrainUnheard], &["the stale state of row"]);
}

#[test]
fn bugs_of_matching_are_found() {
    for (bug, words, seconds) in [
        ("skip-dedupe", "was executed as", 2),
        ("last-in-first-out", "naive book", 2),
        ("takers-price", "naive book", 2),
        // Few orders have a time, and few of those are still open when it comes.
        ("forget-expiry", "was due at", 10),
        ("hash-over-map-order", "pricetime verify gives the state", 2),
    ] {
        let between = Duration::from_secs(seconds);
        let quiet = Round { between, ..round(build(Mode::Embedded).with_plant(bug), &[], 14) };
        let found = quiet.run(&mut |line| println!("{line}")).expect("a round").report.findings;
        assert!(found.first.iter().any(|finding| finding.contains(words)), "{bug}: {words:?} not in {found:#?}");
    }
}
