//! The pages in a real browser: `ui/tests`, by Node.js and chromium, each on services of its own.

use std::process::Command;

use crate::service::black_box::project;
use crate::service::support::BINARY;

/// Longer than the slowest of them takes on a busy machine.
const WITHIN_SECONDS: &str = "300";

fn run(test: &str) {
    let output = Command::new("timeout")
        .args([WITHIN_SECONDS, "node", "--import", "./tests/typescript.js", "--test", test])
        .current_dir(project("ui"))
        .env("PRICETIME", BINARY)
        .output()
        .expect("Node.js; run `make prepare`");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} failed:\n{said}");
    println!("{said}");
}

#[test]
fn what_the_pages_compute_is_right() {
    run("tests/stores.test.js");
}

#[test]
fn the_admin_pages_list_filter_and_verify() {
    run("tests/admin.test.js");
}

#[test]
fn without_debug_the_pages_ask_for_a_token() {
    run("tests/session.test.js");
}

#[test]
fn the_market_page_shows_what_is() {
    run("tests/market.test.js");
}

#[test]
fn the_documentation_renders_every_operation() {
    run("tests/docs.test.js");
}

#[test]
fn a_busy_market_blocks_no_page() {
    run("tests/busy.test.js");
}
