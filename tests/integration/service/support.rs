//! A service in either mode, a client that remembers what it was told, and the check of both.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::{EventLog, Record, encoding};
use matching::{Engine, Event, Seq, Sequenced};
use pricetime::adapters::embedded::{Embedded, EmbeddedLog};
use pricetime::adapters::postgres::{Postgres, PostgresLog};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use testbed::{Redis, Service, shared_postgres};
use tokio::time::{Instant, sleep};

pub const BINARY: &str = env!("CARGO_BIN_EXE_pricetime");
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const SYMBOLS: [&str; 3] = ["BTC_USDT", "ETH_USDT", "XRP_USDT"];

/// What the service stands on.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Redis and PostgreSQL.
    Full,
    /// A local file.
    Embedded,
}

/// The service with what it stands on.
pub struct Stack {
    pub service: Service,
    pub client: Client,
    servers: Option<Servers>,
}

/// PostgreSQL is the tests' shared one unless a test wants to harm it.
struct Servers {
    redis: Redis,
    postgres: Option<testbed::Postgres>,
    database_url: String,
}

impl Servers {
    fn cluster(&self) -> &testbed::Postgres {
        self.postgres.as_ref().unwrap_or_else(|| shared_postgres().expect("the shared PostgreSQL"))
    }
}

/// Makes a test for each mode of functions that take one.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod full {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::service::support::Mode::Full).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::service::support::Mode::Embedded).await;
            })*
        }
    };
}

pub(crate) use on_both;

impl Stack {
    pub fn start() -> Stack {
        Stack::on(Mode::Full)
    }

    pub fn on(mode: Mode) -> Stack {
        Stack::with_settings(mode, &[])
    }

    pub fn with_settings(mode: Mode, settings: &[(&str, &str)]) -> Stack {
        let servers = (mode == Mode::Full).then(|| {
            let cluster = shared_postgres().expect("the shared PostgreSQL");
            let database_url = cluster.create_database().expect("a database");
            Servers { redis: Redis::start().expect("a Redis"), postgres: None, database_url }
        });
        Stack::with(servers, settings)
    }

    /// A stack whose PostgreSQL may be killed.
    pub fn with_own_postgres() -> Stack {
        let postgres = testbed::Postgres::start().expect("a PostgreSQL");
        Stack::on_servers(Redis::start().expect("a Redis"), Some(postgres), &[])
    }

    /// A stack on these servers, the shared PostgreSQL where none is given; a REDIS_URL among the settings is another way
    /// to that Redis.
    pub fn on_servers(redis: Redis, postgres: Option<testbed::Postgres>, settings: &[(&str, &str)]) -> Stack {
        let cluster = postgres.as_ref().unwrap_or_else(|| shared_postgres().expect("the shared PostgreSQL"));
        let database_url = cluster.create_database().expect("a database");
        Stack::with(Some(Servers { redis, postgres, database_url }), settings)
    }

    fn with(servers: Option<Servers>, settings: &[(&str, &str)]) -> Stack {
        let mut environment: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some(servers) = &servers {
            environment.entry("REDIS_URL".to_owned()).or_insert_with(|| servers.redis.url());
            environment.insert("DATABASE_URL".to_owned(), servers.database_url.clone());
        }
        environment.entry("DEBUG".to_owned()).or_insert_with(|| "true".to_owned());
        environment.entry("RUST_LOG".to_owned()).or_insert_with(|| "info".to_owned());
        let service = Service::start(BINARY, environment).expect("the service");
        let client = Client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
        Stack { service, client, servers }
    }

    fn servers(&self) -> &Servers {
        self.servers.as_ref().expect("the full mode")
    }

    pub fn redis(&self) -> &Redis {
        &self.servers().redis
    }

    pub fn redis_mut(&mut self) -> &mut Redis {
        &mut self.servers.as_mut().expect("the full mode").redis
    }

    /// The PostgreSQL that belongs to this stack alone.
    pub fn postgres_mut(&mut self) -> &mut testbed::Postgres {
        let servers = self.servers.as_mut().expect("the full mode");
        servers.postgres.as_mut().expect("its own PostgreSQL")
    }

    /// The environment of a second service on the same servers.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let Servers { redis, database_url, .. } = self.servers();
        [("REDIS_URL", redis.url()), ("DATABASE_URL", database_url.clone()), ("DEBUG", "true".to_owned())]
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.service.base_url())
    }

    /// One statement on the service's database; the text that psql gives.
    pub fn sql(&self, statement: &str) -> String {
        let servers = self.servers();
        servers.cluster().sql(&servers.database_url, statement).expect("an answer").trim().to_owned()
    }

    /// Runs `pricetime <arguments>` with the service's settings, in its folder.
    pub fn tool(&self, arguments: &[&str]) -> Said {
        let output = std::process::Command::new(BINARY)
            .args(arguments)
            .env_clear()
            .envs(self.service.environment())
            .env("HOST", "127.0.0.1")
            .env("PORT", self.service.port().to_string())
            .current_dir(self.service.folder())
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "GET {path}");
        answer.json().await.expect("JSON")
    }

    /// Places an order; its id.
    pub async fn place(&self, symbol: &str, side: &str, price: &str, quantity: &str) -> u64 {
        let body = json!({"symbol": symbol, "side": side, "price": price, "quantity": quantity});
        let answer = self.client.post(self.url("/api/orders/")).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{body}");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["status"], "ENQUEUED");
        answer["order_id"].as_u64().expect("an id")
    }

    /// An order with these fields besides the usual ones, however it is answered.
    pub async fn order(&self, fields: Value) -> Answer {
        let mut body = json!({"symbol": "BTC_USDT", "side": "BUY", "price": "1", "quantity": "1"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let began = Instant::now();
        let answer = self.client.post(self.url("/api/orders/")).json(&body).send().await.expect("an answer");
        Answer::of(answer, began).await
    }

    /// What `/readyz` says: the status, and the body.
    pub async fn readiness(&self) -> (u16, Value) {
        let answer = self.client.get(self.url("/readyz")).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Waits until `/readyz` answers this, status and word.
    pub async fn until_readiness(&self, status: u16, word: &str) -> Value {
        let began = Instant::now();
        loop {
            let (found, body) = self.readiness().await;
            if found == status && body["status"] == word {
                return body;
            }
            assert!(began.elapsed() < DEADLINE, "in vain waited for {status} {word}: {found} {body}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn cancel(&self, order_id: u64) -> (StatusCode, Value) {
        let url = self.url(&format!("/api/orders/{order_id}/cancel/"));
        let answer = self.client.post(url).send().await.expect("an answer");
        (answer.status(), answer.json().await.expect("JSON"))
    }

    /// The state, once it shows all these orders.
    pub async fn state_with(&self, order_ids: impl IntoIterator<Item = u64>) -> Value {
        let mut missing: Vec<u64> = order_ids.into_iter().collect();
        let began = Instant::now();
        loop {
            let state = self.get("/api/debug/state/").await;
            let shown: HashMap<u64, &Value> = orders(&state).map(|order| (id(order), order)).collect();
            missing.retain(|order_id| !shown.contains_key(order_id));
            if missing.is_empty() {
                return state;
            }
            assert!(began.elapsed() < DEADLINE, "acknowledged and never shown: {missing:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// All rows of the log.
    pub async fn log(&self) -> Vec<Record> {
        let log: Box<dyn EventLog> = match &self.servers {
            Some(servers) => {
                let database = Postgres::attach(&servers.database_url, "tests").expect("an address");
                Box::new(PostgresLog::new(&database))
            }
            None => {
                let given = self.service.environment().find(|(name, _)| *name == "DATA_DIR");
                let folder = self.service.folder().join(given.map_or("data", |(_, folder)| folder));
                let file = Embedded::open_beside(&folder).await.expect("the file");
                Box::new(EmbeddedLog::new(&file))
            }
        };
        log.page(Seq::ZERO, 10_000_000).await.expect("the log")
    }
}

/// An answer of the service, and how long it took.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: bool,
    pub body: Value,
    pub took: Duration,
}

impl Answer {
    pub async fn of(answer: reqwest::Response, began: Instant) -> Answer {
        let (status, retry_after) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
        Answer { status, retry_after, body: answer.json().await.expect("JSON"), took: began.elapsed() }
    }

    pub fn order_id(&self) -> Option<u64> {
        self.body["order_id"].as_u64()
    }

    /// Holds that it is a refusal of this code and certainly not taken.
    #[track_caller]
    pub fn not_taken(&self, code: &str) {
        let found = (self.status, self.body["code"].as_str(), self.body["outcome"].as_str(), self.retry_after);
        assert_eq!(found, (503, Some(code), Some("not_taken"), true), "{self:?}");
    }

    /// Holds that it may have been taken, and names its order.
    #[track_caller]
    pub fn unknown(&self) -> u64 {
        let found = (self.status, self.body["code"].as_str(), self.body["outcome"].as_str(), self.retry_after);
        assert_eq!(found, (503, Some("OUTCOME_UNKNOWN"), Some("unknown"), true), "{self:?}");
        self.order_id().expect("an id")
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub error: String,
}

impl Said {
    /// Its output, if it ended well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// Holds that it ended with this code and said this.
    #[track_caller]
    pub fn failed(&self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.error.contains(text), "{text:?} is not in {self:#?}");
    }
}

pub fn orders(state: &Value) -> impl Iterator<Item = &Value> {
    state["orders"].as_array().expect("orders").iter()
}

pub fn trades(state: &Value) -> impl Iterator<Item = &Value> {
    state["trades"].as_array().expect("trades").iter()
}

pub fn id(order: &Value) -> u64 {
    order["id"].as_u64().expect("an id")
}

/// Units of 10^-8, which every amount of these tests fits.
pub fn units(number: &Value) -> i128 {
    let text = number.to_string();
    let decimal: matching::Decimal = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    i128::from(decimal.to_units(8).expect("an amount with 8 decimals"))
}

/// An order as its client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub order_id: u64,
    pub symbol: String,
    pub side: String,
    pub price: i128,
    pub quantity: i128,
    /// Whether a cancel of it was answered with CANCELLED.
    pub cancelled: bool,
}

/// What is wrong with a state, given what clients were told. Nothing is the right answer.
pub fn violations(state: &Value, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_id: HashMap<u64, &Value> = HashMap::new();
    for order in orders(state) {
        if by_id.insert(id(order), order).is_some() {
            found.push(format!("order {} is there twice", id(order)));
        }
    }
    for told in acknowledged {
        match by_id.get(&told.order_id) {
            None => found.push(format!("order {} was acknowledged and is lost", told.order_id)),
            Some(order) => check_told(order, told, &mut found),
        }
    }
    let mut traded: HashMap<u64, i128> = HashMap::new();
    for trade in trades(state) {
        check_trade(trade, &by_id, &mut traded, &mut found);
    }
    for order in orders(state) {
        check_amounts(order, traded.get(&id(order)).copied().unwrap_or_default(), &mut found);
    }
    for symbol in SYMBOLS {
        check_uncrossed(state, symbol, &mut found);
    }
    found
}

fn check_told(order: &Value, told: &Acknowledged, found: &mut Vec<String>) {
    let same = order["symbol"] == told.symbol.as_str()
        && order["side"] == told.side.as_str()
        && units(&order["price"]) == told.price
        && units(&order["quantity"]) == told.quantity;
    if !same {
        found.push(format!("order {} is not what was acknowledged: {order}", told.order_id));
    }
    if told.cancelled && order["status"] != "CANCELLED" {
        found.push(format!("order {} was said to be CANCELLED and is {}", told.order_id, order["status"]));
    }
}

fn check_trade(trade: &Value, by_id: &HashMap<u64, &Value>, traded: &mut HashMap<u64, i128>, found: &mut Vec<String>) {
    let side_of = |key: &str| trade[key].as_u64().and_then(|order_id| by_id.get(&order_id).copied());
    let (Some(maker), Some(taker)) = (side_of("maker_order_id"), side_of("taker_order_id")) else {
        return found.push(format!("a trade without its orders: {trade}"));
    };
    if units(&trade["price"]) != units(&maker["price"]) || maker["side"] == taker["side"] {
        found.push(format!("a trade that its orders do not allow: {trade}"));
    }
    for order in [maker, taker] {
        *traded.entry(id(order)).or_default() += units(&trade["quantity"]);
    }
}

fn check_amounts(order: &Value, traded: i128, found: &mut Vec<String>) {
    let (quantity, remaining) = (units(&order["quantity"]), units(&order["remaining"]));
    let fits = match order["status"].as_str() {
        Some("FILLED") => remaining == 0,
        Some("OPEN") => remaining == quantity,
        Some("PARTIALLY_FILLED") => 0 < remaining && remaining < quantity,
        Some("CANCELLED") => 0 < remaining && remaining <= quantity,
        _ => false,
    };
    if !fits || quantity != remaining + traded {
        found.push(format!("amounts that do not add up with {traded} traded: {order}"));
    }
}

fn check_uncrossed(state: &Value, symbol: &str, found: &mut Vec<String>) {
    let open = |side: &'static str| {
        orders(state)
            .filter(move |order| order["symbol"] == symbol && order["side"] == side)
            .filter(|order| order["status"] == "OPEN" || order["status"] == "PARTIALLY_FILLED")
            .map(|order| units(&order["price"]))
    };
    if let (Some(bid), Some(ask)) = (open("BUY").max(), open("SELL").min())
        && bid >= ask
    {
        found.push(format!("{symbol} is crossed: bid {bid}, ask {ask}"));
    }
}

/// Holds that the log is chained, executes no acknowledged order twice, and that its commands, applied again, give its
/// events.
pub async fn check_log(stack: &Stack) {
    let mut position = journal::Position::START;
    let mut engine = Engine::new(500_000);
    let mut accepted: HashMap<u64, u64> = HashMap::new();
    for row in stack.log().await {
        assert!(row.follows(&position), "row {} does not follow", row.seq);
        position = row.position();
        let value = encoding::decode_command(row.format, &row.command).expect("a command");
        let mut events = Vec::new();
        engine.apply(&Sequenced { seq: row.seq, time: row.time, value }, &mut events);
        assert_eq!(encoding::encode_events(&events), row.events, "row {} applied again", row.seq);
        for event in events {
            if let Event::OrderAccepted(order) = event {
                *accepted.entry(order.order.order_id.get()).or_default() += 1;
            }
        }
    }
    assert!(accepted.values().all(|times| *times == 1), "an order was executed twice");
}

/// A client that posts and cancels until it is told to stop, and remembers every answer it got.
pub async fn trade_until(client: Client, base_url: String, seed: u64, stop: &AtomicU64) -> Vec<Acknowledged> {
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    while stop.load(Ordering::Relaxed) == 0 {
        if random(5) == 0 && !acknowledged.is_empty() {
            let index = random(acknowledged.len() as u64) as usize;
            let url = format!("{base_url}/api/orders/{}/cancel/", acknowledged[index].order_id);
            let Ok(answer) = client.post(url).send().await else { continue };
            assert!(allowed(answer.status()), "a cancel was answered {}", answer.status());
            acknowledged[index].cancelled |= answer.status() == StatusCode::OK;
            continue;
        }
        let symbol = SYMBOLS[random(3) as usize];
        let side = if random(2) == 0 { "BUY" } else { "SELL" };
        let (price, quantity) = (95 + random(11), 1 + random(20));
        let body = json!({"symbol": symbol, "side": side, "price": price, "quantity": quantity});
        let Ok(answer) = client.post(format!("{base_url}/api/orders/")).json(&body).send().await else { continue };
        assert!(allowed(answer.status()), "an order was answered {}", answer.status());
        if answer.status() != StatusCode::ACCEPTED {
            continue;
        }
        // An answer whose body was cut off by the kill was not received.
        let Ok(answer) = answer.json::<Value>().await else { continue };
        acknowledged.push(Acknowledged {
            order_id: answer["order_id"].as_u64().expect("an id"),
            symbol: symbol.to_owned(),
            side: side.to_owned(),
            price: i128::from(price) * 100_000_000,
            quantity: i128::from(quantity) * 100_000_000,
            cancelled: false,
        });
    }
    acknowledged
}

/// What a client that sends only good requests may be answered while parts of the service are away.
fn allowed(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::OK
            | StatusCode::ACCEPTED
            | StatusCode::CONFLICT
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Runs clients against the stack while `harm` happens to it; then holds that nothing was lost or doubled.
pub async fn under_load<F>(mut stack: Stack, clients: u64, harm: F) -> Stack
where
    F: AsyncFnOnce(&mut Stack),
{
    let stop = std::sync::Arc::new(AtomicU64::new(0));
    let running: Vec<_> = (1..=clients)
        .map(|seed| {
            let (client, base_url, stop) = (stack.client.clone(), stack.service.base_url(), stop.clone());
            tokio::spawn(async move { trade_until(client, base_url, seed, &stop).await })
        })
        .collect();
    harm(&mut stack).await;
    stop.store(1, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for client in running {
        acknowledged.extend(client.await.expect("a client"));
    }
    let total = acknowledged.len();
    assert!(total > 100, "only {total} orders were acknowledged: that shows nothing");
    let state = stack.state_with(acknowledged.iter().map(|told| told.order_id)).await;
    let found = violations(&state, &acknowledged);
    assert!(found.is_empty(), "{} of {total} acknowledged: {found:#?}", found.len());
    check_log(&stack).await;
    println!("acknowledged {total} · lost 0 · twice 0");
    stack
}

/// Waits until so many rows are in the log.
pub async fn progress(stack: &Stack, rows: u64) {
    let began = Instant::now();
    loop {
        let answer = stack.client.get(stack.url("/metrics")).send().await;
        if let Ok(answer) = answer {
            let text = answer.text().await.unwrap_or_default();
            let committed = text.lines().find_map(|line| line.strip_prefix("pricetime_committed_seq "));
            if committed.and_then(|seq| seq.parse::<f64>().ok()).is_some_and(|seq| seq as u64 >= rows) {
                return;
            }
        }
        assert!(began.elapsed() < DEADLINE, "the log did not reach row {rows}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Every key of Redis with its type and value, but for the stream, which is the way in and no state.
pub async fn redis_dump(redis: &Redis) -> BTreeMap<String, Vec<String>> {
    let client = redis::Client::open(redis.url()).expect("a client");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("keys");
    let mut dump = BTreeMap::new();
    for key in keys.into_iter().filter(|key| key != "matching:queue") {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.expect("a type");
        let read = match kind.as_str() {
            "hash" => redis::cmd("HGETALL").arg(&key).to_owned(),
            "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES").to_owned(),
            "list" => redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).to_owned(),
            "string" => redis::cmd("MGET").arg(&key).to_owned(),
            other => panic!("{key} is a {other}"),
        };
        let mut value: Vec<String> = read.query_async(&mut connection).await.expect("a value");
        if kind == "hash" {
            // A hash has no order.
            let mut fields: Vec<String> = value.chunks(2).map(|field| field.join(" = ")).collect();
            fields.sort();
            value = fields;
        }
        dump.insert(format!("{key} ({kind})"), value);
    }
    dump
}

/// Removes everything from Redis.
pub async fn empty(redis: &Redis) {
    let client = redis::Client::open(redis.url()).expect("a client");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("an empty Redis");
}
