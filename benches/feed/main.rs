//! The feed: `make bench-feed`. How long a trade takes from its order's POST to a socket, at a quarter, half and three
//! quarters of the rate that the service sustains; how many sockets one instance feeds at 1,000 book updates a second, and
//! what each costs; and what 1,000 sockets that nobody reads do to the books.
//!
//! Load and sockets run on the same machine as the service, so the figures are a lower bound.

mod socket;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use testbed::{Postgres, Redis, Service};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};

use socket::Socket;

/// How long each figure is taken.
const SECONDS: u64 = 8;
/// Connections that place orders.
const CLIENTS: usize = 32;
const UPDATES: u64 = 1_000;
const STALLED: usize = 1_000;
/// How often the books are looked at without and with those.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    // The servers live until the end.
    let redis = Redis::start().expect("Redis");
    let postgres = Postgres::start().expect("PostgreSQL");
    let environment = [
        ("REDIS_URL", redis.url()),
        ("DATABASE_URL", postgres.create_database().expect("a database")),
        ("DEBUG", "true".to_owned()),
        ("RUST_LOG", "warn".to_owned()),
    ];
    let service = Service::start(env!("CARGO_BIN_EXE_pricetime"), environment).expect("the service");
    let base = Arc::new(service.base_url());
    for symbol in ["RATE_USDT", "LAT_USDT", "FED_USDT"] {
        list(&base, symbol).await;
    }

    let rate = sustainable(&base).await;
    println!("sustained by {CLIENTS} clients that wait for each answer: {rate:.0} orders/s\n");
    println!("POST to trade message        p50        p99     orders/s   refused");
    for share in [25, 50, 75] {
        let latency = latency(&base, service.port(), rate * f64::from(share) / 100.0).await;
        println!("{share:>3} % of that        {latency}");
    }

    println!("\nsockets on one book, {UPDATES} updates/s     CPU of the service     messages/s each     memory");
    let mut idle = 0.0;
    for sockets in [0, 100, 250, 500, 1_000] {
        let fed = feed(&base, &service, sockets).await;
        if sockets == 0 {
            idle = fed.cpu;
        }
        let each = if sockets == 0 { 0.0 } else { (fed.cpu - idle) / sockets as f64 * 1e6 };
        println!(
            "{sockets:>7} {:>28.0} % {each:>8.0} us/s each {:>12.0} {:>12} MB",
            fed.cpu * 100.0,
            fed.messages,
            fed.memory / 1024
        );
    }

    println!("\nat half the rate, without and with {STALLED} sockets that are not read:");
    let half = rate / 2.0;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (latency, books) = beside(&base, &service, half).await;
        println!("without            {latency}    {books}");
        without.push(books.match_p99);
        let stalled = stalled(service.port()).await;
        let (latency, books) = beside(&base, &service, half).await;
        println!("with               {latency}    {books}");
        with.push(books.match_p99);
        drop(stalled);
    }
    println!("match p99, medians of {ROUNDS}: {} us without, {} us with", median(without), median(with));
}

/// Sockets with much to hear that nobody reads.
async fn stalled(port: u16) -> Vec<Socket> {
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut socket = Socket::open_narrow(port).await;
        socket.send(&json!({"op": "subscribe", "channels": ["book:LAT_USDT", "trades:LAT_USDT", "events"]})).await;
        stalled.push(socket);
    }
    stalled
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// What the engine says of itself under load.
struct Books {
    /// Of 512 batches, how long 99 of a hundred took at most to match, in microseconds: the median of what was said, which is
    /// asked for again and again.
    match_p99: u64,
    /// The most that the process held, in kB.
    memory: u64,
}

impl std::fmt::Display for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "match p99 {} us    at most {} MB", self.match_p99, self.memory / 1024)
    }
}

/// The latency at a rate, and how the books did meanwhile.
async fn beside(base: &Arc<String>, service: &Service, rate: f64) -> (Latency, Books) {
    let (url, pid) = (format!("{base}/api/engine/"), service.pid());
    let done = Arc::new(AtomicBool::new(false));
    let looked = Arc::clone(&done);
    let looks = tokio::spawn(async move {
        let (client, mut p99, mut most) = (Client::new(), Vec::new(), 0);
        while !looked.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(250)).await;
            let panel: Value = client.get(&url).send().await.expect("an answer").json().await.expect("JSON");
            p99.extend(panel["match_p99_us"].as_u64());
            most = most.max(memory(pid));
        }
        Books { match_p99: median(p99), memory: most }
    });
    let latency = latency(base, service.port(), rate).await;
    done.store(true, Ordering::Relaxed);
    (latency, looks.await.expect("the looks"))
}

/// An order that stays alone, committed: so its market is listed.
async fn list(base: &str, symbol: &str) {
    let body = json!({"symbol": symbol, "side": "BUY", "price": 1, "quantity": 1});
    let answer = Client::new().post(format!("{base}/api/orders/?ack=committed")).json(&body).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

/// The id of an order that was taken; none if there was too much to do.
async fn place(client: &Client, base: &str, symbol: &str, side: &str, price: u64) -> Option<u64> {
    let body = json!({"symbol": symbol, "side": side, "price": price, "quantity": 1});
    let answer = client.post(format!("{base}/api/orders/")).json(&body).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    let id = answer["order_id"].as_u64();
    assert!(id.is_some() || answer["code"] == "OVERLOADED", "{answer}");
    id
}

/// Orders a second of clients that wait for each answer.
async fn sustainable(base: &Arc<String>) -> f64 {
    let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients = (0..CLIENTS).map(|_| {
        let (base, count, stop) = (Arc::clone(base), Arc::clone(&count), Arc::clone(&stop));
        tokio::spawn(async move {
            let client = Client::new();
            while !stop.load(Ordering::Relaxed) {
                for side in ["SELL", "BUY"] {
                    place(&client, &base, "RATE_USDT", side, 100)
                        .await
                        .expect("what waits for its answers is not too much");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    sleep(Duration::from_secs(SECONDS)).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client");
    }
    count.load(Ordering::Relaxed) as f64 / SECONDS as f64
}

struct Latency {
    p50: Duration,
    p99: Duration,
    rate: f64,
    /// Of a hundred orders.
    refused: f64,
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let Latency { rate, refused, .. } = self;
        write!(f, "{:>10.2} ms {:>7.2} ms {rate:>9.0} {refused:>9.1} %", millis(self.p50), millis(self.p99))
    }
}

/// From the POST of an order that trades to its trade on a socket. Orders leave on time, whatever became of those before.
async fn latency(base: &Arc<String>, port: u16, rate: f64) -> Latency {
    let mut socket = Socket::open(port).await;
    socket.send(&json!({"op": "subscribe", "channels": ["trades:LAT_USDT"]})).await;
    let (sent, mut taken) = mpsc::unbounded_channel::<(Option<u64>, Instant)>();
    let seen = tokio::spawn(async move {
        let mut seen: HashMap<u64, Instant> = HashMap::new();
        while let Ok(Some(message)) = timeout(Duration::from_secs(3), socket.next()).await {
            let now = Instant::now();
            let trades = message["data"].as_array().into_iter().flatten().filter(|_| message["type"] == "update");
            seen.extend(trades.filter_map(|trade| trade["taker_order_id"].as_u64()).map(|id| (id, now)));
        }
        seen
    });
    let client = Client::new();
    let began = Instant::now();
    let mut ticks = interval(Duration::from_secs_f64(2.0 / rate));
    let mut orders = 0u64;
    while began.elapsed() < Duration::from_secs(SECONDS) {
        ticks.tick().await;
        orders += 2;
        let (client, base, sent) = (client.clone(), Arc::clone(base), sent.clone());
        tokio::spawn(async move {
            for side in ["SELL", "BUY"] {
                let began = Instant::now();
                let id = place(&client, &base, "LAT_USDT", side, 100).await;
                let _ = sent.send((id, began));
            }
        });
    }
    let rate = orders as f64 / began.elapsed().as_secs_f64();
    drop(sent);
    let seen = seen.await.expect("the socket");
    let (mut times, mut refused) = (Vec::new(), 0);
    while let Some((id, began)) = taken.recv().await {
        // One that rests is in no trade as the order that came.
        let Some(id) = id else {
            refused += 1;
            continue;
        };
        times.extend(seen.get(&id).map(|at| at.saturating_duration_since(began)));
    }
    times.sort();
    assert!(times.len() > 100, "only {} trades came", times.len());
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Latency { p50: at(0.5), p99: at(0.99), rate, refused: 100.0 * f64::from(refused) / orders as f64 }
}

struct Fed {
    /// Cores.
    cpu: f64,
    /// Messages a second of each socket.
    messages: f64,
    /// Resident, in kB.
    memory: u64,
}

/// Sockets on one book that changes 1,000 times a second.
async fn feed(base: &Arc<String>, service: &Service, sockets: usize) -> Fed {
    let count = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for _ in 0..sockets {
        let mut socket = Socket::open(service.port()).await;
        socket.send(&json!({"op": "subscribe", "channels": ["book:FED_USDT"]})).await;
        let count = Arc::clone(&count);
        readers.push(tokio::spawn(async move {
            while socket.skip().await {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(updates(Arc::clone(base), Arc::clone(&stop)));
    sleep(Duration::from_secs(2)).await;
    let (before, began, counted) = (cpu(service.pid()), Instant::now(), count.load(Ordering::Relaxed));
    sleep(Duration::from_secs(SECONDS)).await;
    let seconds = began.elapsed().as_secs_f64();
    let messages = (count.load(Ordering::Relaxed) - counted) as f64 / seconds / sockets.max(1) as f64;
    let fed = Fed { cpu: (cpu(service.pid()) - before) / seconds, messages, memory: memory(service.pid()) };
    stop.store(true, Ordering::Relaxed);
    load.await.expect("the load");
    readers.into_iter().for_each(|reader| reader.abort());
    fed
}

/// Places orders that rest and cancels them, ten times a hundred a second, in batches, so that the load costs little.
async fn updates(base: Arc<String>, stop: Arc<AtomicBool>) {
    let client = Client::new();
    let mut ticks = interval(Duration::from_millis(10));
    let mut open: Vec<u64> = Vec::new();
    let mut price = 0;
    let each = UPDATES / 100;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let mut items: Vec<Value> = open.drain(..).map(|id| json!({"op": "cancel", "order_id": id})).collect();
        while (items.len() as u64) < each {
            price = price % 500 + 1;
            items.push(json!({"op": "place", "symbol": "FED_USDT", "side": "BUY", "price": price, "quantity": 1}));
        }
        let answer = client.post(format!("{base}/api/orders/batch/")).json(&json!({"items": items}));
        let answer: Value = answer.send().await.expect("an answer").json().await.expect("JSON");
        let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let placed = results.iter().zip(&items).filter(|(_, item)| item["op"] == "place");
        open.extend(placed.take(each as usize / 2).filter_map(|(result, _)| result["order_id"].as_u64()));
    }
}

/// Seconds of processor time so far.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running service");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = [11, 12].into_iter().filter_map(|index| fields[index].parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Resident memory in kB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running service");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
