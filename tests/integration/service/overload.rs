//! More than the service can do: what it refuses, what stays bounded, and that cancels go through.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::support::{Mode, Stack, check_log, on_both, orders};

/// Orders that may wait in these tests.
const LAG: u64 = 24;
const CLIENTS: u64 = 48;
const FLOOD: Duration = Duration::from_secs(3);
/// Above what a few seconds of orders take in the ledger; what is refused must take nothing.
const GROWTH_KB: u64 = 64 * 1024;

on_both! {
    a_flood_of_orders_is_refused_and_cancels_go_through
    more_clients_than_may_connect_wait_outside
}

/// What the clients of a flood were told.
#[derive(Default)]
struct Told {
    taken: Vec<u64>,
    refused: u64,
}

/// Places orders as fast as they are answered until told to stop; each refusal must be a proper one.
async fn flood(client: reqwest::Client, url: String, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let body = json!({"symbol": "BTC_USDT", "side": "SELL", "price": "5", "quantity": "1"});
    while !stop.load(Ordering::Relaxed) {
        let answer = client.post(&url).json(&body).send().await.expect("an answer");
        let (status, again) = (answer.status(), answer.headers().contains_key("retry-after"));
        let body: Value = answer.json().await.expect("JSON");
        if status == StatusCode::ACCEPTED {
            told.taken.push(body["order_id"].as_u64().expect("an id"));
            continue;
        }
        let found = (status.as_u16(), body["code"].as_str(), body["outcome"].as_str(), again);
        assert_eq!(found, (503, Some("OVERLOADED"), Some("not_taken"), true), "{body}");
        told.refused += 1;
    }
    told
}

fn metric(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse::<f64>().ok()).unwrap_or_else(|| panic!("no {name} in {text}")) as u64
}

/// Resident memory of a process.
fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

async fn a_flood_of_orders_is_refused_and_cancels_go_through(mode: Mode) {
    let stack = Stack::with_settings(mode, &[("MAX_LAG_ORDERS", LAG.to_string().as_str())]);
    let mut resting = Vec::new();
    for _ in 0..20 {
        resting.push(stack.place("BTC_USDT", "BUY", "1", "1").await);
    }
    stack.state_with(resting.iter().copied()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(flood(stack.client.clone(), stack.url("/api/orders/"), Arc::clone(&stop))))
        .collect();

    let (began, before) = (Instant::now(), resident_kb(stack.service.pid()));
    let mut slowest = Duration::ZERO;
    let mut cancels = resting.iter();
    while began.elapsed() < FLOOD || cancels.len() > 0 {
        if let Some(order_id) = cancels.next() {
            let asked = Instant::now();
            let (status, answer) = stack.cancel(*order_id).await;
            assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("CANCELLED")), "{answer}");
            slowest = slowest.max(asked.elapsed());
        }
        let metrics =
            stack.client.get(stack.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
        let waiting = metric(&metrics, "pricetime_waiting_orders");
        assert!(waiting <= LAG, "{waiting} orders wait");
    }
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::default();
    for client in clients {
        let one = client.await.expect("a client");
        told.taken.extend(one.taken);
        told.refused += one.refused;
    }
    let grown = resident_kb(stack.service.pid()).saturating_sub(before);
    println!(
        "{mode:?}: taken {}, refused {}, slowest cancel {slowest:?}, memory + {grown} kB",
        told.taken.len(),
        told.refused
    );
    assert!(told.refused > 100 && told.taken.len() > 100, "that was no flood");
    assert!(grown < GROWTH_KB, "{grown} kB more");
    let state = stack.state_with(told.taken.iter().copied()).await;
    assert_eq!(orders(&state).count(), told.taken.len() + resting.len(), "what was refused is not there");
    check_log(&stack).await;
}

/// Clients above MAX_CONNECTIONS are not served until one leaves, and take no files from the service.
async fn more_clients_than_may_connect_wait_outside(mode: Mode) {
    const MOST: usize = 4;
    const WANTED: usize = 24;
    let stack = Stack::with_settings(mode, &[("MAX_CONNECTIONS", MOST.to_string().as_str())]);
    let port = stack.service.port();
    let files = || std::fs::read_dir(format!("/proc/{}/fd", stack.service.pid())).expect("files").count();
    let before = files();
    let served = tokio::task::spawn_blocking(move || {
        let mut connections = Vec::new();
        for _ in 0..WANTED {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            connection.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
            connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
            connections.push(connection);
        }
        // Those that are served keep their connection, so nobody moves up.
        let is_served = |mut connection: &TcpStream| connection.read(&mut [0; 512]).is_ok_and(|bytes| bytes > 0);
        let answered = connections.iter().filter(|connection| is_served(connection)).count();
        (connections, answered)
    });
    let (connections, answered) = served.await.expect("connections");
    // A worker takes its share rounded up, and one more may be on its way to it.
    assert!((1..=2 * MOST).contains(&answered), "{answered} of {WANTED} were served");
    assert!(files() <= before + 2 * MOST, "{} files are open after {before}", files());
    drop(connections);
    stack.place("BTC_USDT", "BUY", "1", "1").await;
}

/// A head that never ends is cut off long before it takes memory that matters.
#[tokio::test(flavor = "multi_thread")]
async fn an_endless_head_is_cut_off() {
    const TOO_LONG: usize = 64 << 20;
    let stack = Stack::on(Mode::Embedded);
    let port = stack.service.port();
    let sent = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        connection.set_write_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ").expect("a beginning");
        (0..TOO_LONG / 4096).take_while(|_| connection.write_all(&[b'x'; 4096]).is_ok()).count() * 4096
    });
    let sent = sent.await.expect("a count");
    assert!(sent < TOO_LONG, "all {sent} bytes were taken");
}
