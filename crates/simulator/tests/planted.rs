//! Every planted bug is caught within a bounded number of seeds. In a process of its own, since a bug is planted in the
//! whole process, and one bug after the other.

use matching::planted::{Bug, plant, weed};
use simulator::simulate;

/// Seeds within which a bug must be caught.
const SEEDS: u64 = 400;

#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        plant(bug);
        let caught = (1..=SEEDS).map(simulate).find(|report| !report.violations.is_empty());
        weed();
        match caught {
            Some(report) => {
                let first = &report.violations[0];
                println!("{bug}: seed {} breaks {:?}: {:.150}", report.seed, first.rule, first.what);
                assert!(simulate(report.seed).violations.is_empty(), "seed {} fails without {bug}", report.seed);
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "{missed:?} were not caught in {SEEDS} seeds");
}
