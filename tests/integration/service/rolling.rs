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

use crate::service::black_box::project;
use crate::service::support::{BINARY, Stack, check_log, until};

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
        let wanted = self.acknowledged() + orders;
        until("clients that are told something", async || (self.acknowledged() >= wanted).then_some(())).await;
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
    nothing_is_lost(&stack, clients).await;
}

/// Stops the clients, and holds that everything that they were told is in the log.
async fn nothing_is_lost(stack: &Stack, clients: Clients) {
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
    check_log(stack).await;
}

/// Clients that know one address alone: that of the proxy of deploy/k8s, which follows `/readyz`.
#[tokio::test(flavor = "multi_thread")]
async fn behind_the_proxy_clients_need_one_address() {
    let mut stack = Stack::start();
    let mut standby = stands_by(&stack).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (port, alive) = (testbed::free_port().expect("a port"), testbed::free_port().expect("a port"));
    let file = std::fs::read_to_string(project("deploy/k8s/haproxy.cfg")).expect("the configuration");
    // The same without a cluster: both services by their addresses.
    let (before, cluster) = file.split_once("resolvers cluster\n").expect("the cluster's names");
    let (_, after) = cluster.split_once("\n\n").expect("the rest");
    let services = [("a", &stack.service), ("b", &standby)];
    let servers = services.map(|(name, service)| format!("    server {name} 127.0.0.1:{}\n", service.port())).concat();
    let template = after.lines().find(|line| line.trim_start().starts_with("server-template")).expect("the servers");
    let after = after.replace(template, &servers).replace("bind :8000", &format!("bind 127.0.0.1:{port}"));
    let configuration = format!("{before}{}", after.replace("bind :8404", &format!("bind 127.0.0.1:{alive}")));
    let path = folder.path().join("haproxy.cfg");
    std::fs::write(&path, configuration).expect("a file");
    let proxy = std::process::Command::new("/usr/sbin/haproxy").args(["-db", "-f"]).arg(&path).spawn();
    let mut proxy = Ended(proxy.expect("haproxy: run `make prepare`"));

    let clients = Clients::start(vec![format!("http://127.0.0.1:{port}")]);
    clients.more(300).await;
    let asked = Instant::now();
    stack.service.terminate(Duration::from_secs(30)).expect("an end");
    let ended = Instant::now();
    standby.wait_ready(Duration::from_secs(20)).expect("the standby takes over");
    let took_over = ended.elapsed();
    clients.more(300).await;
    let gap = clients.longest_gap(asked);
    println!("the standby was ready after {took_over:?}; no order acknowledged for {gap:?}");
    assert!(gap < took_over + BEYOND, "orders were refused for {gap:?}, and the take-over took {took_over:?}");
    stack.service = standby;
    nothing_is_lost(&stack, clients).await;
    assert!(proxy.0.try_wait().expect("its state").is_none(), "the proxy has ended");
}

/// A process that ends with its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A second service beside the stack's, once it lives.
pub async fn stands_by(stack: &Stack) -> Service {
    let mut service = Service::spawn(BINARY, stack.environment()).expect("a second service");
    until("a standby that lives", async || {
        // A busy server that does not answer in time ends a start; its supervisor starts it again.
        if service.exited().expect("its state").is_some_and(|status| status.code() == Some(3)) {
            service.relaunch(&[]).expect("a start");
        }
        (service.readiness() == Some(503)).then_some(())
    })
    .await;
    service
}
