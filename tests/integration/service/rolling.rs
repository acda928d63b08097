//! A rolling restart under load: the writer is stopped, its standby takes over, and a new process stands by.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use testbed::Service;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::service::support::{BINARY, DEADLINE, Stack, check_log};

const CLIENTS: usize = 8;
/// What a client may be refused for beyond the time that the take-over itself takes.
const BEYOND: Duration = Duration::from_secs(2);

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// Ids of orders that were answered with 2xx.
    acknowledged: Vec<u64>,
    /// When, in the order in which they came.
    at: Vec<Instant>,
    refusals: usize,
}

struct Clients {
    urls: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(urls: Vec<String>) -> Clients {
        let mut clients =
            Clients { urls: Arc::new(Mutex::new(urls)), stop: Arc::default(), told: Arc::default(), tasks: Vec::new() };
        for number in 0..CLIENTS {
            let (urls, stop, told) = (Arc::clone(&clients.urls), Arc::clone(&clients.stop), Arc::clone(&clients.told));
            clients.tasks.push(tokio::spawn(trade(number, urls, stop, told)));
        }
        clients
    }

    fn acknowledged(&self) -> usize {
        self.told.lock().expect("what was told").acknowledged.len()
    }

    /// Waits until so many more orders are acknowledged.
    async fn more(&self, orders: usize) {
        let (began, wanted) = (Instant::now(), self.acknowledged() + orders);
        while self.acknowledged() < wanted {
            assert!(began.elapsed() < DEADLINE, "the clients are told nothing any more");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The longest time without an acknowledgement since `from`.
    fn longest_gap(&self, from: Instant) -> Duration {
        let told = self.told.lock().expect("what was told");
        let at: Vec<Instant> = std::iter::once(from).chain(told.at.iter().copied().filter(|at| *at > from)).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// Places orders, at the next service whenever one refuses.
async fn trade(number: usize, urls: Arc<Mutex<Vec<String>>>, stop: Arc<AtomicBool>, told: Arc<Mutex<Told>>) {
    let client = Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
    let mut turn = number;
    while !stop.load(Ordering::Relaxed) {
        let url = {
            let urls = urls.lock().expect("the addresses");
            urls[turn % urls.len()].clone()
        };
        let side = if number.is_multiple_of(2) { "BUY" } else { "SELL" };
        let body = json!({"symbol": "BTC_USDT", "side": side, "price": "100", "quantity": "1"});
        let answer = client.post(format!("{url}/api/orders/")).json(&body).send().await;
        let id = match answer {
            Ok(answer) if answer.status().is_success() => {
                answer.json::<Value>().await.ok().and_then(|body| body["order_id"].as_u64())
            }
            _ => None,
        };
        match id {
            Some(id) => {
                let mut told = told.lock().expect("what was told");
                told.acknowledged.push(id);
                told.at.push(Instant::now());
            }
            None => {
                told.lock().expect("what was told").refusals += 1;
                turn += 1;
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_and_refuses_for_a_moment() {
    let mut stack = Stack::start();
    let mut standby = stands_by(&stack).await;
    let clients = Clients::start(vec![stack.service.base_url(), standby.base_url()]);
    clients.more(300).await;
    for round in 1..=3 {
        let asked = Instant::now();
        let status = stack.service.terminate(Duration::from_secs(30)).expect("an end");
        assert_eq!(status.code(), Some(0), "{}", stack.service.log());
        let ended = Instant::now();
        standby.wait_ready(Duration::from_secs(20)).expect("the standby takes over");
        let took_over = ended.elapsed();
        clients.more(300).await;
        let gap = clients.longest_gap(asked);
        println!(
            "round {round}: drained in {:?}, the standby ready {took_over:?} later, no order acknowledged for {gap:?}",
            ended - asked
        );
        assert!(gap < took_over + BEYOND, "orders were refused for {gap:?}, and the take-over took {took_over:?}");
        // The next release comes as the standby.
        stack.service = standby;
        standby = stands_by(&stack).await;
        *clients.urls.lock().expect("the addresses") = vec![stack.service.base_url(), standby.base_url()];
    }
    clients.stop.store(true, Ordering::Relaxed);
    for task in clients.tasks {
        task.await.expect("a client");
    }
    let told = std::mem::take(&mut *clients.told.lock().expect("what was told"));
    let last = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([last]).await;
    let log = stack.log().await;
    let executed: BTreeSet<u64> = log
        .iter()
        .filter_map(|row| serde_json::from_str::<Value>(&row.command).ok()?["order"]["order_id"].as_u64())
        .collect();
    let lost: Vec<u64> = told.acknowledged.iter().copied().filter(|id| !executed.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged orders are not in the log: {lost:?}", lost.len(), told.at.len());
    println!("acknowledged {} · refusals {} · lost 0", told.acknowledged.len(), told.refusals);
    check_log(&stack).await;
}

/// A second service beside the stack's, once it lives.
async fn stands_by(stack: &Stack) -> Service {
    let service = Service::spawn(BINARY, stack.environment()).expect("a second service");
    let began = Instant::now();
    while service.readiness() != Some(503) {
        assert!(began.elapsed() < DEADLINE, "the standby does not live: {}", service.log());
        sleep(Duration::from_millis(20)).await;
    }
    service
}
