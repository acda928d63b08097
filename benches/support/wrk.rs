//! Load from `wrk`: as many requests as its connections can carry.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub const CONNECTIONS: &str = "128";

/// Three markets, both sides, prices that trade and rest: the load profile of `api_tests/locustfile.py`.
const ORDERS: &str = include_str!("orders.lua");

/// What wrk sends, in a file.
pub struct Script {
    file: PathBuf,
    _folder: TempDir,
}

impl Script {
    /// Single orders.
    pub fn orders() -> Script {
        Script::new(ORDERS)
    }

    /// Any script.
    pub fn new(text: &str) -> Script {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("script.lua");
        std::fs::write(&file, text).expect("the script");
        Script { file, _folder: folder }
    }

    /// Requests a second; any answer that is no 2xx ends the benchmark.
    pub fn run(&self, url: &str, duration: Duration) -> f64 {
        let output = Command::new("wrk")
            .args(["-t2", "-c", CONNECTIONS, "-d", &format!("{}s", duration.as_secs()), "-s"])
            .arg(&self.file)
            .arg(url)
            .stderr(Stdio::inherit())
            .output()
            .expect("wrk: run `make prepare`");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
        let rate = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
        rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk said: {said}"))
    }
}
