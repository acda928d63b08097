//! Seeds 1 to 500, and one in a hundred of them twice.

use simulator::simulate;

/// Split in two, so that two threads share them.
fn run(seeds: impl Iterator<Item = u64>) {
    let mut failed = Vec::new();
    for seed in seeds {
        let report = simulate(seed);
        if !report.violations.is_empty() {
            println!("{}", report.explain(60));
            failed.push(seed);
        }
        if seed % 100 == 0 {
            let again = simulate(seed);
            assert_eq!(again.fingerprint, report.fingerprint, "seed {seed} ran differently");
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?} break a promise");
}

#[test]
fn odd_seeds_keep_all_promises() {
    run((1..500).step_by(2));
}

#[test]
fn even_seeds_keep_all_promises() {
    run((2..=500).step_by(2));
}
