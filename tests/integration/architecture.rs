//! Imports point one way: matching <- journal <- actors <- service; what is for tests is never imported by what ships.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What each crate may import of the others.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("matching", &[]),
    ("journal", &["matching"]),
    ("actors", &["journal", "matching"]),
    ("pricetime", &["actors", "journal", "matching"]),
    ("simulator", &["actors", "journal", "matching"]),
    ("testbed", &[]),
];

#[test]
fn imports_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
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
