//! The black-box checks of `api_tests/`, in Python, against the real service in both modes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::service::support::{Mode, Stack, on_both};

/// A path in the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a program of the project's Python environment in the project's folder; what it printed.
pub fn run(program: &str, arguments: &[&str], base_url: &str) -> String {
    run_with(program, arguments, base_url, &[])
}

/// The same, with more in its environment.
pub fn run_with(program: &str, arguments: &[&str], base_url: &str, environment: &[(&str, &str)]) -> String {
    let path = project(".venv/bin").join(program);
    assert!(path.exists(), "{} is missing: run `make prepare`", path.display());
    let output = Command::new(path)
        .args(arguments)
        .current_dir(project(""))
        .env("MATCHING_BASE_URL", base_url)
        .envs(environment.iter().copied())
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?} failed:\n{said}");
    said
}

on_both! {
    the_sanity_check_passes
    locust_sees_no_failure_and_the_invariants_hold
}

async fn the_sanity_check_passes(mode: Mode) {
    let stack = Stack::on(mode);
    println!("{}", run("python", &["api_tests/e2e_sanity_check.py"], &stack.service.base_url()));
}

async fn locust_sees_no_failure_and_the_invariants_hold(mode: Mode) {
    let stack = Stack::on(mode);
    let host = format!("--host={}", stack.service.base_url());
    let load = ["--headless", "--users=50", "--spawn-rate=50", "--run-time=20s", "--only-summary"];
    let arguments = [&["-f", "api_tests/locustfile.py", &host][..], &load[..]].concat();
    println!("{}", run("locust", &arguments, &stack.service.base_url()));
    println!("{}", run("python", &["api_tests/invariants.py"], &stack.service.base_url()));
}

/// Requests made from the schema, good and bad ones: no answer is a 5xx, and each is as the schema says.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_tells_the_truth() {
    let stack = Stack::on(Mode::Embedded);
    println!("{}", run("python", &["api_tests/schema_check.py"], &stack.service.base_url()));
}

/// The same without DEBUG: to nobody, and to somebody who may everything; and the other checks with a key.
#[tokio::test(flavor = "multi_thread")]
async fn with_keys_the_schema_tells_the_truth_and_the_checks_pass() {
    let stack = Stack::with_settings(Mode::Embedded, &[("DEBUG", "false"), ("AUTO_LIST_SYMBOLS", "true")]);
    let (url, key) = (stack.service.base_url(), stack.service.key().expect("a key"));
    println!("{}", run("python", &["api_tests/schema_check.py"], &url));
    let key = [("MATCHING_API_KEY", key)];
    // The last one also changes phases.
    for check in ["api_tests/e2e_sanity_check.py", "api_tests/socket_check.py", "api_tests/schema_check.py"] {
        println!("{}", run_with("python", &[check], &url, &key));
    }
}

#[test]
fn the_kubernetes_manifests_are_good() {
    println!("{}", run("python", &["api_tests/manifests_check.py"], ""));
}

#[test]
fn the_checkers_find_planted_bugs() {
    run("python", &["-m", "unittest", "discover", "-s", "api_tests", "-p", "test_*.py"], "");
}
