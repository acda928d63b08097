//! Three times what the service can do: what is still done, what is refused and how, what grows, and what becomes of
//! cancels meanwhile.
//!
//! `make bench-overload`, or `cargo bench --bench overload`. First `wrk` finds the peak: orders committed a second when
//! clients send the next order once the last one is answered. Then clients that do not wait for answers offer three times
//! that, while one client cancels resting orders, one after the other, and takes the time. All of it shares one machine, so
//! the offered load also takes time from the service.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use testbed::{Postgres, Redis, Service, wait_until};

const PEAK_CONNECTIONS: &str = "128";
const PEAK_SECONDS: &str = "10s";
const TIMES: f64 = 3.0;
const CONNECTIONS: usize = 128;
/// Threads that send and receive for all connections.
const SENDERS: usize = 2;
const FLOOD: Duration = Duration::from_secs(20);
/// Requests of one connection that may be unanswered; the service reads no more than these ahead anyway.
const UNANSWERED: u64 = 8;
const CANCELS: u64 = 200;
const CATCH_UP: Duration = Duration::from_secs(60);

/// All orders of a side have one price, so each is filled at once and the books stay small: what grows is not the market.
const ORDERS: &str = r#"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  local side = n % 2 == 1 and "BUY" or "SELL"
  return wrk.format(nil, "/api/orders/", nil, '{"symbol":"BTC_USDT","side":"' .. side .. '","price":100,"quantity":1}')
end
"#;

fn main() {
    let redis = Redis::start().expect("Redis");
    let postgres = Postgres::start().expect("PostgreSQL");
    let environment = [
        ("REDIS_URL", redis.url()),
        ("DATABASE_URL", postgres.create_database().expect("a database")),
        ("DEBUG", "true".to_owned()),
        ("RETAIN_CLOSED_ORDERS", "10000".to_owned()),
        ("RUST_LOG", "warn".to_owned()),
    ];
    let service = Service::start(env!("CARGO_BIN_EXE_pricetime"), environment).expect("the service");
    let resting: Vec<u64> = (0..CANCELS).map(|_| place_resting(service.port())).collect();

    let (began, before) = (Instant::now(), Sample::of(&service));
    wrk(&service.base_url());
    let peak = settled(&service);
    let peak_rate = (peak.committed - before.committed) as f64 / began.elapsed().as_secs_f64();
    println!("peak: {peak_rate:.0} orders committed a second, {PEAK_CONNECTIONS} connections, {PEAK_SECONDS}");
    println!("      memory {} MB after {} orders", peak.resident_mb, peak.committed - before.committed);

    let offered_rate = TIMES * peak_rate;
    let cancelling = {
        let port = service.port();
        thread::spawn(move || cancel_all(port, &resting))
    };
    let began = Instant::now();
    let mut middle = None;
    let counts = flood(service.port(), offered_rate, || {
        if middle.is_none() && began.elapsed() > FLOOD / 2 {
            middle = Some(Sample::of(&service));
        }
    });
    let took = began.elapsed().as_secs_f64();
    let end = Sample::of(&service);
    let goodput = (end.committed - peak.committed) as f64 / took;
    let middle = middle.expect("a sample in the middle");
    let offered: u64 = counts.values().sum();
    println!(
        "flood: {:.0} orders a second offered and answered over {CONNECTIONS} connections for {took:.0} s",
        offered as f64 / took
    );
    println!("       {goodput:.0} committed a second: {:.2} of the peak", goodput / peak_rate);
    for (answer, count) in &counts {
        println!("       {count:>9} answered {answer}");
    }
    println!("       {} waited at the end; {} in the middle", end.waiting, middle.waiting);
    let per_order = |from: &Sample, to: &Sample| {
        (to.resident_mb.saturating_sub(from.resident_mb) << 20) as f64 / (to.committed - from.committed).max(1) as f64
    };
    println!(
        "       memory {} MB before, {} MB in the middle, {} MB after: {:.0} bytes for each order that was executed, {:.0} at the peak",
        peak.resident_mb,
        middle.resident_mb,
        end.resident_mb,
        per_order(&peak, &end),
        per_order(&before, &peak)
    );
    let mut cancels = cancelling.join().expect("the cancels");
    cancels.sort();
    let at = |part: f64| cancels[((cancels.len() - 1) as f64 * part) as usize];
    println!(
        "       {} of {CANCELS} cancels done: median {:?}, 99 % {:?}, slowest {:?}",
        cancels.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert!(goodput > 0.8 * peak_rate, "goodput fell below 80 % of the peak");
    assert_eq!(cancels.len() as u64, CANCELS, "a cancel was refused");
}

/// The service at a moment.
struct Sample {
    committed: u64,
    waiting: u64,
    resident_mb: u64,
}

impl Sample {
    fn of(service: &Service) -> Sample {
        let page = request(service.port(), "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let metric = |name: &str| {
            let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            value.unwrap_or_else(|| panic!("no {name} in {page}")) as u64
        };
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).expect("a status");
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Sample {
            committed: metric("pricetime_committed_seq "),
            waiting: metric("pricetime_waiting_orders "),
            resident_mb: kilobytes.and_then(|size| size.trim().parse::<u64>().ok()).expect("a size") / 1024,
        }
    }
}

/// The service once nothing waits any more.
fn settled(service: &Service) -> Sample {
    wait_until(CATCH_UP, "the orders to be committed", || Sample::of(service).waiting == 0).expect("an end");
    Sample::of(service)
}

fn request(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(text.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn post(path: &str, body: &str, connection: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: {connection}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An order far below the market; its id.
fn place_resting(port: u16) -> u64 {
    let body = r#"{"symbol":"ETH_USDT","side":"BUY","price":1,"quantity":1}"#;
    let answer = request(port, &post("/api/orders/", body, "close"));
    let id = answer.split("\"order_id\":").nth(1).and_then(|rest| rest.split([',', '}']).next()?.parse().ok());
    id.unwrap_or_else(|| panic!("no id in {answer}"))
}

/// Cancels spread over the flood, one after the other; how long each took that was done.
fn cancel_all(port: u16, order_ids: &[u64]) -> Vec<Duration> {
    let pause = FLOOD / (order_ids.len() as u32 + 20);
    let mut done = Vec::new();
    for order_id in order_ids {
        let began = Instant::now();
        let answer = request(port, &post(&format!("/api/orders/{order_id}/cancel/"), "", "close"));
        if answer.starts_with("HTTP/1.1 200") {
            done.push(began.elapsed());
        } else {
            println!("a cancel was answered {answer}");
        }
        thread::sleep(pause.saturating_sub(began.elapsed()));
    }
    done
}

/// Offers orders at a rate whatever is answered; counts the answers by status and code.
fn flood(port: u16, rate: f64, mut meanwhile: impl FnMut()) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + FLOOD;
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| thread::spawn(move || send(port, rate / SENDERS as f64, CONNECTIONS / SENDERS, deadline)))
        .collect();
    while senders.iter().any(|sender| !sender.is_finished()) {
        thread::sleep(Duration::from_millis(200));
        meanwhile();
    }
    merged(senders)
}

/// What several threads counted, together.
fn merged(counted: Vec<JoinHandle<BTreeMap<String, u64>>>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (answer, count) in counted.into_iter().flat_map(|thread| thread.join().expect("counts")) {
        *counts.entry(answer).or_default() += count;
    }
    counts
}

struct Client {
    stream: TcpStream,
    unanswered: Arc<AtomicU64>,
}

/// One sender: its connections in turn, each with a thread that reads its answers.
fn send(port: u16, rate: f64, connections: usize, deadline: Instant) -> BTreeMap<String, u64> {
    let mut readers = Vec::new();
    let mut clients: Vec<Client> = (0..connections)
        .map(|_| {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let unanswered = Arc::new(AtomicU64::new(0));
            let (answers, counter) = (stream.try_clone().expect("the connection"), Arc::clone(&unanswered));
            readers.push(
                thread::Builder::new()
                    .stack_size(64 << 10)
                    .spawn(move || read_answers(answers, &counter))
                    .expect("a reader"),
            );
            Client { stream, unanswered }
        })
        .collect();
    let orders = ["BUY", "SELL"].map(|side| {
        post(
            "/api/orders/",
            &format!(r#"{{"symbol":"BTC_USDT","side":"{side}","price":100,"quantity":1}}"#),
            "keep-alive",
        )
    });
    let (began, mut due) = (Instant::now(), 0u64);
    while Instant::now() < deadline {
        let until = (began.elapsed().as_secs_f64() * rate) as u64;
        while due < until {
            let client = &mut clients[due as usize % connections];
            // A connection whose answers do not come back is skipped: its order was not offered.
            if client.unanswered.load(Ordering::Relaxed) < UNANSWERED {
                client.unanswered.fetch_add(1, Ordering::Relaxed);
                client
                    .stream
                    .write_all(orders[(due / connections as u64) as usize % 2].as_bytes())
                    .expect("an order is sent");
            }
            due += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let waiting = || clients.iter().any(|client| client.unanswered.load(Ordering::Relaxed) > 0);
    wait_until(CATCH_UP, "the last answers", || !waiting()).expect("answers");
    for client in clients {
        client.stream.shutdown(std::net::Shutdown::Both).expect("an end");
    }
    merged(readers)
}

/// Counts answers by status and code until the connection ends; refusals must say when to try again.
fn read_answers(stream: TcpStream, unanswered: &AtomicU64) -> BTreeMap<String, u64> {
    let mut answers = BufReader::new(stream);
    let mut counts = BTreeMap::new();
    loop {
        let (mut status, mut length, mut again) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if answers.read_line(&mut line).unwrap_or(0) == 0 {
                return counts;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.chars().take(3).collect();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().expect("a length");
            }
            again |= line.starts_with("retry-after: ");
        }
        let mut body = vec![0; length];
        if answers.read_exact(&mut body).is_err() {
            return counts;
        }
        unanswered.fetch_sub(1, Ordering::Relaxed);
        if status == "202" {
            *counts.entry(status).or_default() += 1;
            continue;
        }
        let body = String::from_utf8_lossy(&body);
        let code = body.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let proper = again && body.contains("\"outcome\":\"not_taken\"");
        assert!(proper, "{status}: {body}");
        *counts.entry(format!("{status} {code}, Retry-After, not_taken")).or_default() += 1;
    }
}

/// Orders from as many connections as answer the quickest.
fn wrk(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("orders.lua");
    std::fs::write(&script, ORDERS).expect("the script");
    let ended = Command::new("wrk")
        .args(["-t2", "-c", PEAK_CONNECTIONS, "-d", PEAK_SECONDS, "-s"])
        .arg(&script)
        .arg(url)
        .stdout(Stdio::null())
        .status()
        .expect("wrk: run `make prepare`");
    assert!(ended.success(), "wrk failed");
}
