//! Imports point one way: matching <- journal <- actors <- service; what is for tests is never imported by what ships.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate may import of the others.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("matching", &[]),
    ("market", &["matching"]),
    ("journal", &["matching"]),
    ("actors", &["journal", "market", "matching"]),
    ("pricetime", &["actors", "journal", "market", "matching"]),
    ("simulator", &["actors", "journal", "matching"]),
    ("testbed", &[]),
    ("chaos", &["journal", "matching", "testbed"]),
];

/// The crates of the service itself.
const SHIPPED: [&str; 5] = ["matching", "market", "journal", "actors", "pricetime"];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn imports_point_one_way() {
    let packages = packages();
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} has no line in this test's table"));
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"].is_null()) {
            let imported = dependency["name"].as_str().expect("a name");
            assert!(!names.contains(&imported) || allowed.contains(&imported), "{name} must not import {imported}");
        }
    }
}

/// Bugs are planted in tests alone: no default feature leads to `planted`, and nothing that ships asks another crate for
/// it. What tests ask for (dev-dependencies, and the crates for tests) is inert until a bug is planted.
#[test]
fn nothing_that_ships_can_have_a_bug_planted() {
    let mut switches = 0;
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let features = package["features"].as_object().expect("features");
        switches += usize::from(features.contains_key("planted"));
        let mut reached = vec!["default".to_owned()];
        let mut next = 0;
        while next < reached.len() {
            let enabled = features.get(&reached[next]).and_then(Value::as_array).into_iter().flatten();
            let enabled: Vec<String> = enabled.filter_map(Value::as_str).map(str::to_owned).collect();
            reached.extend(enabled.into_iter().filter(|feature| !reached.contains(feature)).collect::<Vec<_>>());
            next += 1;
        }
        assert!(!reached.iter().any(|feature| feature.ends_with("planted")), "{name} has planted by default");
        if !SHIPPED.contains(&name) {
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let asked = dependency["features"].as_array().expect("features");
            let shipped = dependency["kind"].is_null() && asked.iter().any(|feature| feature == "planted");
            assert!(!shipped, "{name} asks {} for planted", dependency["name"]);
        }
    }
    assert!(switches >= 3, "the feature has another name now");
}

/// Words that the core must not contain: clocks, randomness, I/O, async, floats, maps that iterate in random order.
const NOT_IN_THE_CORE: [&str; 11] = [
    "f32",
    "f64",
    "SystemTime",
    "Instant",
    "rand::",
    "collections::HashMap",
    "collections::HashSet",
    "std::fs",
    "std::net",
    "async ",
    "thread::",
];

/// Words that the actors must not contain: their time is the clock port's and the runtime's, which a test can pause.
/// No map iterates in random order.
const NOT_IN_THE_ACTORS: [&str; 7] = [
    "SystemTime",
    "thread::sleep",
    "rand::",
    "std::net",
    "thread::spawn",
    "collections::HashMap",
    "collections::HashSet",
];

/// Words that a simulation must not contain: all of it is decided by its seed, in virtual time, on one thread.
const NOT_IN_A_SIMULATION: [&str; 10] = [
    "SystemTime",
    "std::time::Instant",
    "thread::sleep",
    "thread::spawn",
    "spawn_blocking",
    "rand::",
    "std::net",
    "HashMap",
    "HashSet",
    "f64",
];

/// What of the simulator's crate is no simulation: it counts, records and says how long it took.
const AROUND_SIMULATIONS: [&str; 1] = ["campaign.rs"];

#[test]
fn the_core_is_pure_and_the_actors_can_be_simulated() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = [
        ("crates/matching/src", &NOT_IN_THE_CORE[..]),
        ("actors/src", &NOT_IN_THE_ACTORS[..]),
        ("crates/simulator/src", &NOT_IN_A_SIMULATION[..]),
        ("crates/simulator/src/checkers", &NOT_IN_A_SIMULATION[..]),
    ];
    for (folder, forbidden) in rules {
        for (path, code) in sources(&root.join(folder)) {
            if AROUND_SIMULATIONS.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            for word in forbidden {
                assert!(!code.contains(word), "{} contains {word:?}", path.display());
            }
            let choices = code.matches("select!").count();
            assert_eq!(choices, code.matches("biased;").count(), "{} has a select! that is not biased", path.display());
        }
    }
}

/// The Rust files of a folder, without their comments.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a text");
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        (path, code.join("\n"))
    };
    let found: Vec<_> = files.map(read).collect();
    assert!(!found.is_empty(), "{} has no sources", folder.display());
    found
}
