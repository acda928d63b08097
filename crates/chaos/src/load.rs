//! Many clients at once, over HTTP, that remember what they were told; and watchers of what is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use matching::{Decimal, Side};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Error;
use crate::answers::{self, Answer};
use crate::history::{CancelAnswer, CancelSent, History, OrderSent, PlaceAnswer, Span, Try};
use crate::random::Random;
use crate::watch;

/// The markets that clients trade in: those of the first start.
pub const SYMBOLS: [&str; 3] = ["BTC_USDT", "ETH_USDT", "XRP_USDT"];

/// Impatient clients go on to the next service when one does not answer; patient ones are told by a woken service what
/// they asked before it was paused.
const IMPATIENT: Duration = Duration::from_secs(3);
const PATIENT: Duration = Duration::from_secs(20);
/// A client that was refused waits this long, so that an outage is not a storm.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);
/// What is in the stream is executed by then.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// An order with a key is tried so often before its client gives up.
const TRIES: usize = 200;
/// Orders of a batch.
const LONGEST_BATCH: u64 = 30;
/// Orders that a client may want to cancel later.
const CANCELLABLE: usize = 50;

/// What kind of load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many clients.
    pub clients: u64,
    /// What decides their requests.
    pub seed: u64,
    /// What each waits between two requests.
    pub pause: Duration,
}

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<History>>,
}

pub(crate) struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// Services on the same data; clients follow the one that serves.
    pub(crate) urls: Vec<String>,
    /// Which of them serves, as far as clients know.
    serving: AtomicUsize,
}

impl Shared {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Load {
    /// Starts clients of the services at these addresses; and watchers of them, and of the projection in the Redis at
    /// `redis_url`.
    pub fn start(runtime: &Handle, urls: Vec<String>, redis_url: Option<String>, plan: &Plan) -> Load {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            urls,
            serving: AtomicUsize::new(0),
        });
        let mut seeds = Random::new(plan.seed);
        let mut clients: Vec<JoinHandle<History>> = Vec::new();
        for number in 0..plan.clients {
            let patience = if number % 4 == 0 { PATIENT } else { IMPATIENT };
            let client = Trader::new(number, Random::new(seeds.number()), Arc::clone(&shared), patience, plan.pause);
            clients.push(runtime.spawn(client.trade()));
        }
        clients.push(runtime.spawn(watch::watch_services(Arc::clone(&shared))));
        if let Some(redis_url) = redis_url {
            clients.push(runtime.spawn(watch::watch_redis(Arc::clone(&shared), redis_url)));
        }
        Load { shared, clients }
    }

    /// Orders and cancels that were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Stops the clients and gives what they remember.
    pub async fn finish(self) -> History {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        for client in self.clients {
            match client.await {
                Ok(own) => {
                    history.orders.extend(own.orders);
                    history.cancels.extend(own.cancels);
                    history.shown.extend(own.shown);
                    history.projected.extend(own.projected);
                }
                Err(error) => panic!("a client failed: {error}"),
            }
        }
        history
    }
}

/// Places one more order with a key, and waits until it is committed: then so is everything that was enqueued before.
pub async fn settle(urls: &[String]) -> Result<(), Error> {
    let http = answers::client(IMPATIENT);
    let body = json!({
        "symbol": SYMBOLS[0], "side": "BUY", "price": "1", "quantity": "1", "account": "settle", "client_order_id": "last"
    });
    let began = Instant::now();
    while began.elapsed() < SETTLED_WITHIN {
        for url in urls {
            let request = http.post(format!("{url}/api/orders/")).json(&body);
            let answer = answers::of_order(answers::read(request.send().await).await);
            if matches!(answer, PlaceAnswer::Committed { .. }) {
                return Ok(());
            }
        }
        sleep(AFTER_REFUSAL).await;
    }
    Err(testbed::Error::Late { what: "the last order to be committed".to_owned(), within: SETTLED_WITHIN }.into())
}

/// One client.
struct Trader {
    number: u64,
    random: Random,
    shared: Arc<Shared>,
    http: Client,
    pause: Duration,
    history: History,
    /// Acknowledged orders that it may cancel.
    mine: Vec<u64>,
}

impl Trader {
    fn new(number: u64, random: Random, shared: Arc<Shared>, patience: Duration, pause: Duration) -> Trader {
        let (http, history) = (answers::client(patience), History::default());
        Trader { number, random, shared, http, pause, history, mine: Vec::new() }
    }

    async fn trade(mut self) -> History {
        while !self.shared.is_stopped() {
            match self.random.below(100) {
                0..15 if !self.mine.is_empty() => self.cancel().await,
                15..25 => self.place_batch().await,
                _ => self.place().await,
            }
            sleep(self.pause).await;
        }
        self.history
    }

    /// A fifth of the orders has a key, a quarter an account of its own by which the log's row is recognized, the rest is
    /// what the original service takes.
    async fn place(&mut self) {
        let mut order = self.order();
        let mut body = body_of(&order);
        if order.key.is_none() && self.random.chance(5) {
            body["time_in_force"] = json!("GTD");
            body["expire_at"] = json!((millis_since_1970() + 500 + self.random.below(3_000)) as f64 / 1_000.0);
        }
        let again = order.key.is_some() && self.random.chance(20);
        let mut settled = 0;
        for _ in 0..TRIES {
            let attempt = self.try_place(&body).await;
            let answer = attempt.answer.clone();
            order.tries.push(attempt);
            settled += usize::from(matches!(answer, PlaceAnswer::Committed { .. }));
            let is_done = settled > usize::from(again) || order.key.is_none() || self.shared.is_stopped();
            if matches!(answer, PlaceAnswer::Unexpected(_)) || is_done {
                break;
            }
        }
        self.remember(order);
    }

    /// Some orders in one entry of the queue, none with a key: each is answered and remembered for itself.
    async fn place_batch(&mut self) {
        let items = 1 + self.random.below(LONGEST_BATCH) as usize;
        let mut orders: Vec<OrderSent> = Vec::new();
        while orders.len() < items {
            let order = self.order();
            orders.extend(Some(order).filter(|order| order.key.is_none() && order.account.is_none()));
        }
        let placed = orders.iter().map(body_of).map(|mut item| {
            item["op"] = json!("place");
            item
        });
        let body = json!({"items": placed.collect::<Vec<Value>>()});
        let (span, answer) = self.send("/api/orders/batch/", Some(&body)).await;
        for (mut order, answer) in orders.into_iter().zip(answers::of_batch(answer, items)) {
            order.tries.push(Try { span, answer });
            self.remember(order);
        }
    }

    fn remember(&mut self, order: OrderSent) {
        if let Some(order_id) = order.tries.iter().find_map(|attempt| attempt.answer.promised()) {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            if self.mine.len() < CANCELLABLE {
                self.mine.push(order_id);
            }
        }
        self.history.orders.push(order);
    }

    fn order(&mut self) -> OrderSent {
        let number = self.history.orders.len();
        let kind = self.random.below(100);
        let keyed = kind < 20;
        OrderSent {
            symbol: (*self.random.pick(&SYMBOLS)).to_owned(),
            side: *self.random.pick(&[Side::Buy, Side::Sell]),
            price: Decimal::from_units(9_500 + 25 * self.random.below(41), 2),
            quantity: Decimal::from_units(25 + 25 * self.random.below(80), 2),
            account: match kind {
                0..20 => Some(format!("c{}", self.number)),
                20..45 => Some(format!("c{}-{number}", self.number)),
                _ => None,
            },
            key: keyed.then(|| format!("k{number}")),
            tries: Vec::new(),
        }
    }

    async fn try_place(&mut self, body: &Value) -> Try {
        let (span, answer) = self.send("/api/orders/", Some(body)).await;
        Try { span, answer: answers::of_order(answer) }
    }

    async fn cancel(&mut self) {
        let index = self.random.below(self.mine.len() as u64) as usize;
        let order_id = self.mine.swap_remove(index);
        let path = format!("/api/orders/{order_id}/cancel/");
        let more = usize::from(self.random.chance(10));
        let mut settled = 0;
        for _ in 0..TRIES {
            let (span, answer) = self.send(&path, None).await;
            let answer = answers::of_cancel(answer);
            let is_settled = answer != CancelAnswer::Nothing;
            settled += usize::from(is_settled);
            if matches!(answer, CancelAnswer::Cancelled { .. }) && settled == 1 {
                self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            self.history.cancels.push(CancelSent { order_id, span, answer });
            if settled > more || self.shared.is_stopped() {
                break;
            }
        }
    }

    /// Sends a request to the service that serves; when that one refuses or is not there, the next request of everyone
    /// goes to the next.
    async fn send(&mut self, path: &str, body: Option<&Value>) -> (Span, Answer) {
        let serving = self.shared.serving.load(Ordering::Relaxed);
        let url = format!("{}{path}", self.shared.urls[serving % self.shared.urls.len()]);
        let request = self.http.post(url);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let from = Instant::now();
        let answer = answers::read(request.send().await).await;
        let span = Span { from, to: Instant::now() };
        let refused = match &answer {
            Answer::None => true,
            Answer::Status(status, _) => *status == StatusCode::SERVICE_UNAVAILABLE,
        };
        if refused {
            let next = serving.wrapping_add(1);
            let _ = self.shared.serving.compare_exchange(serving, next, Ordering::Relaxed, Ordering::Relaxed);
            sleep(AFTER_REFUSAL).await;
        }
        (span, answer)
    }
}

fn millis_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The request.
fn body_of(order: &OrderSent) -> Value {
    let mut body = json!({
        "symbol": order.symbol,
        "side": order.side.as_str(),
        "price": order.price.to_string(),
        "quantity": order.quantity.to_string(),
    });
    for (name, value) in [("account", &order.account), ("client_order_id", &order.key)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    body
}
