//! Memory of the service over five million orders of which few stay open: `make bench-memory`.
//!
//! Every two orders meet, so the book stays small; what grows is only what the service keeps of the past, which has its
//! limits. Runs in embedded mode, where the queue and the log are the service's own too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use testbed::Service;

const MILLIONS: u64 = 5;

/// Pairs that meet at one price; wrk's threads take turns by themselves, so a handful may wait for their other half.
const PAIRS: &str = r#"
local symbols = {"BTC_USDT", "ETH_USDT", "XRP_USDT"}
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local count = 0
request = function()
  count = count + 1
  local side = count % 2 == 0 and "BUY" or "SELL"
  local symbol = symbols[math.floor(count / 2) % 3 + 1]
  return wrk.format(nil, "/api/orders/", nil,
    string.format('{"symbol":"%s","side":"%s","price":100,"quantity":1}', symbol, side))
end
"#;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("pairs.lua");
    std::fs::write(&script, PAIRS).expect("the script");
    let environment = [("RUST_LOG", "warn"), ("SNAPSHOT_INTERVAL", "60")];
    let service = Service::start(env!("CARGO_BIN_EXE_pricetime"), environment).expect("the service");
    println!("rows committed   resident memory   seconds");
    println!("{:>14} {:>14} MB {:>9}", 0, resident(service.pid()) / 1024, 0);
    let began = Instant::now();
    let mut load = Command::new("wrk")
        .args(["-t2", "-c64", "-d1h", "-s", script.to_str().expect("a path"), &service.base_url()])
        .stdout(Stdio::null())
        .spawn()
        .expect("wrk: run `make prepare`");
    for million in 1..=MILLIONS {
        while committed(service.port()) < million * 1_000_000 {
            sleep(Duration::from_millis(500));
        }
        let memory = resident(service.pid()) / 1024;
        println!("{:>14} {memory:>14} MB {:>9.0}", committed(service.port()), began.elapsed().as_secs_f64());
    }
    load.kill().expect("the end of the load");
    load.wait().expect("the end of the load");
}

/// Resident memory in kB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running service");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The last row of the log.
fn committed(port: u16) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let seq = answer.lines().find_map(|line| line.strip_prefix("pricetime_committed_seq "));
    seq.and_then(|seq| seq.trim().parse().ok()).unwrap_or_else(|| panic!("no position in {answer}"))
}
