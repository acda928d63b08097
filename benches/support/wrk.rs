//! Load from `wrk`: as many requests as its connections can carry.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub const CONNECTIONS: u32 = 128;
/// Enough to keep the service at its limit, where a few of its requests are refused.
pub const BATCH_CONNECTIONS: u32 = 4;

/// Three markets, both sides, prices that trade and rest: the load profile of `api_tests/locustfile.py`.
const ORDERS: &str = include_str!("orders.lua");

/// Those orders in batches.
const BATCHES: &str = include_str!("batches.lua");

/// What wrk sends, in a file.
pub struct Script {
    file: PathBuf,
    connections: u32,
    /// Whether the service may refuse requests.
    refusals: bool,
    _folder: TempDir,
}

impl Script {
    /// Single orders.
    pub fn orders() -> Script {
        Script::new(ORDERS)
    }

    /// Batches of 100 orders, at the service's limit.
    pub fn batches() -> Script {
        Script::batches_of(ORDERS)
    }

    /// Batches of 100 of other orders, which `order(op)` makes in Lua, at the service's limit.
    pub fn batches_of(orders: &str) -> Script {
        Script { connections: BATCH_CONNECTIONS, refusals: true, ..Script::new(&format!("{orders}{BATCHES}")) }
    }

    /// Any script; no request of it may be refused.
    pub fn new(text: &str) -> Script {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("script.lua");
        std::fs::write(&file, text).expect("the script");
        Script { file, connections: CONNECTIONS, refusals: false, _folder: folder }
    }

    /// Requests a second; an answer that is no 2xx ends the benchmark, where none may be refused.
    pub fn run(&self, url: &str, duration: Duration) -> f64 {
        let output = Command::new("wrk")
            .args(["-t2", "-c", &self.connections.to_string(), "-d", &format!("{}s", duration.as_secs()), "-s"])
            .arg(&self.file)
            .arg(url)
            .stderr(Stdio::inherit())
            .output()
            .expect("wrk: run `make prepare`");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!((self.refusals || !said.contains("Non-2xx")) && !said.contains("Socket errors"), "{said}");
        let rate = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
        rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk said: {said}"))
    }
}
