//! Orders per second through the whole service, beside a bare actix-web handler that only parses and answers.
//!
//! `make bench`, or `cargo bench --bench http`. Each round loads first the bare handler, then the service on real Redis
//! and PostgreSQL at full durability, with the same `wrk` and the same requests; the table gives medians and ratios
//! within the run, since absolute figures say as much about the machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use testbed::{Postgres, Redis, Service, free_port, wait_until};

const ROUNDS: usize = 3;
const CONNECTIONS: &str = "128";
const SECONDS: &str = "10s";
const CATCH_UP: Duration = Duration::from_secs(120);

/// Three markets, both sides, prices that trade and rest: the load profile of `api_tests/locustfile.py`.
const ORDERS: &str = r#"
local symbols = {"BTC_USDT", "ETH_USDT", "XRP_USDT"}
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  local side = math.random(2) == 1 and "BUY" or "SELL"
  local body = string.format('{"symbol":"%s","side":"%s","price":%d.%02d,"quantity":%d.%d}',
    symbols[math.random(3)], side, 90 + math.random(20), math.random(0, 99), math.random(10), math.random(9))
  return wrk.format(nil, "/api/orders/", nil, body)
end
"#;

fn main() {
    if std::env::args().any(|argument| argument == "--bare") {
        let port = std::env::args().next_back().and_then(|port| port.parse().ok()).expect("a port");
        return serve_bare(port).expect("the bare handler");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("orders.lua");
    std::fs::write(&script, ORDERS).expect("the script");
    let script = script.to_str().expect("a path");

    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let bare = measure_bare(script);
        let (enqueued, completed, lag) = measure_service(script);
        println!(
            "round {number}: bare {bare:.0}/s · enqueued {enqueued:.0}/s ({:.2}) · \
             matched, committed and projected {completed:.0}/s ({:.2}) · lag at the end of the load {lag} commands",
            enqueued / bare,
            completed / bare
        );
        rounds.push((bare, enqueued, completed));
    }
    let median = |value: fn(&(f64, f64, f64)) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    println!("\nsingle orders over HTTP, {CONNECTIONS} connections, {SECONDS}, medians of {ROUNDS} rounds");
    println!("  bare handler                        {:>8.0}/s", median(|round| round.0));
    println!(
        "  enqueued                            {:>8.0}/s  {:.2}",
        median(|round| round.1),
        median(|round| round.1 / round.0)
    );
    println!(
        "  matched, committed and projected    {:>8.0}/s  {:.2}",
        median(|round| round.2),
        median(|round| round.2 / round.0)
    );
}

#[derive(Deserialize)]
struct BareOrder {
    symbol: String,
    side: String,
    price: f64,
    quantity: f64,
}

#[actix_web::main]
async fn serve_bare(port: u16) -> std::io::Result<()> {
    let order = |order: web::Json<BareOrder>| async move {
        std::hint::black_box((&order.symbol, &order.side, order.price, order.quantity));
        HttpResponse::Accepted().json(serde_json::json!({"status": "ENQUEUED", "order_id": 1, "ack": "queued"}))
    };
    let app = move || App::new().route("/api/orders/", web::post().to(order));
    HttpServer::new(app).workers(2).bind(("127.0.0.1", port))?.run().await
}

/// Ends the bare handler when the measurement ends, however it ends.
struct Bare(Child);

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure_bare(script: &str) -> f64 {
    let port = free_port().expect("a port");
    let this = std::env::current_exe().expect("this program");
    let child = Command::new(this).args(["--bare", &port.to_string()]).spawn().expect("the bare handler");
    let _bare = Bare(child);
    wait_until(Duration::from_secs(10), "the bare handler", || TcpStream::connect(("127.0.0.1", port)).is_ok())
        .expect("the bare handler");
    wrk(script, &format!("http://127.0.0.1:{port}"))
}

/// Orders enqueued a second, commands completed a second, and commands behind when the load ends.
fn measure_service(script: &str) -> (f64, f64, u64) {
    let redis = Redis::start().expect("Redis");
    let postgres = Postgres::start().expect("PostgreSQL");
    let environment = [
        ("REDIS_URL", redis.url()),
        ("DATABASE_URL", postgres.create_database().expect("a database")),
        ("DEBUG", "true".to_owned()),
        ("RUST_LOG", "warn".to_owned()),
    ];
    let service = Service::start(env!("CARGO_BIN_EXE_pricetime"), environment).expect("the service");
    let before = projected(service.port());
    let began = Instant::now();
    let enqueued = wrk(script, &service.base_url());
    let loaded = began.elapsed();
    let shown = projected(service.port());
    // What is still on its way is counted with the time that it takes.
    let mut last = shown;
    wait_until(CATCH_UP, "the projection has everything", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = projected(service.port());
        std::mem::replace(&mut last, now) == now
    })
    .expect("an end");
    let lag = last - shown;
    let total = if lag == 0 { loaded } else { began.elapsed() };
    (enqueued, (last - before) as f64 / total.as_secs_f64(), lag)
}

/// Requests a second; any answer that is no 2xx ends the benchmark.
fn wrk(script: &str, url: &str) -> f64 {
    let output = Command::new("wrk")
        .args(["-t2", "-c", CONNECTIONS, "-d", SECONDS, "-s", script, url])
        .stderr(Stdio::inherit())
        .output()
        .expect("wrk: run `make prepare`");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
    let rate = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk said: {said}"))
}

/// The row that the projection shows.
fn projected(port: u16) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let seq = answer.lines().find_map(|line| line.strip_prefix("pricetime_projection_seq "));
    seq.and_then(|seq| seq.trim().parse().ok()).unwrap_or_else(|| panic!("no position in {answer}"))
}
