//! A service in either mode, asked and loaded over HTTP.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::time::Duration;

use chaos::check::Checker;
use chaos::history::History;
use chaos::load::{self, Load, Plan};
use journal::{EventLog, Record};
use matching::Seq;
use pricetime::adapters::embedded::{Embedded, EmbeddedLog};
use pricetime::adapters::postgres::{Postgres, PostgresLog};
use pricetime::config::Settings;
use pricetime::storage::{self, Records};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use testbed::{Redis, Service, shared_postgres};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

pub const BINARY: &str = env!("CARGO_BIN_EXE_pricetime");
pub const DEADLINE: Duration = Duration::from_secs(60);
/// How soon whoever waits asks again.
const AGAIN: Duration = Duration::from_millis(20);

/// What keys are made of in tests without DEBUG.
pub const SECRET_KEY: &str = "5f1d7a8e90b3c24d6e7f8091a2b3c4d5";

/// A client that shows this token, if any, with every request.
pub fn client(token: Option<&str>) -> Client {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
    }
    Client::builder().timeout(Duration::from_secs(10)).default_headers(headers).build().expect("a client")
}

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
        Stack::serving(mode, &[], settings)
    }

    /// A stack whose service has these words behind `serve`.
    pub fn serving(mode: Mode, arguments: &[&str], settings: &[(&str, &str)]) -> Stack {
        let servers = (mode == Mode::Full).then(|| {
            let cluster = shared_postgres().expect("the shared PostgreSQL");
            let database_url = cluster.create_database().expect("a database");
            Servers { redis: Redis::start().expect("a Redis"), postgres: None, database_url }
        });
        Stack::with(servers, arguments, settings)
    }

    /// A stack on these servers, the shared PostgreSQL where none is given; a REDIS_URL among the settings is another way
    /// to that Redis.
    pub fn on_servers(redis: Redis, postgres: Option<testbed::Postgres>, settings: &[(&str, &str)]) -> Stack {
        let cluster = postgres.as_ref().unwrap_or_else(|| shared_postgres().expect("the shared PostgreSQL"));
        let database_url = cluster.create_database().expect("a database");
        Stack::with(Some(Servers { redis, postgres, database_url }), &[], settings)
    }

    fn with(servers: Option<Servers>, arguments: &[&str], settings: &[(&str, &str)]) -> Stack {
        let mut environment: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some(servers) = &servers {
            environment.entry("REDIS_URL".to_owned()).or_insert_with(|| servers.redis.url());
            environment.insert("DATABASE_URL".to_owned(), servers.database_url.clone());
        }
        environment.entry("DEBUG".to_owned()).or_insert_with(|| "true".to_owned());
        environment.entry("RUST_LOG".to_owned()).or_insert_with(|| "info".to_owned());
        if environment["DEBUG"] == "false" {
            environment.entry("SECRET_KEY".to_owned()).or_insert_with(|| SECRET_KEY.to_owned());
        }
        let service = Service::start_with(BINARY, arguments, environment).expect("the service");
        let client = client(service.key());
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
        let output = self.command(arguments).output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }

    /// `pricetime <arguments>` as `tool` runs it.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(BINARY);
        command.args(arguments).env_clear().envs(self.service.environment()).env("HOST", "127.0.0.1");
        command.env("PORT", self.service.port().to_string()).current_dir(self.service.folder());
        command
    }

    /// Runs `pricetime <arguments>` and kills it after so long; whether it had ended well before.
    pub fn tool_killed_after(&self, arguments: &[&str], after: Duration) -> bool {
        let mut command = self.command(arguments);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        // What is waited for is the moment of the kill itself.
        std::thread::sleep(after);
        let ended = process.try_wait().expect("its state");
        process.kill().expect("a kill");
        process.wait().expect("an end");
        ended.inspect(|ended| assert!(ended.success(), "{arguments:?} ended by itself: {ended}")).is_some()
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
        let status = answer.status();
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(status, StatusCode::ACCEPTED, "{body}: {answer}");
        assert_eq!(answer["status"], "ENQUEUED");
        answer["order_id"].as_u64().expect("an id")
    }

    /// Places so many orders, a multiple of 500, of both sides around one price, and waits until they are committed.
    pub async fn place_many(&self, count: u64) {
        let url = self.url("/api/orders/batch/?ack=committed");
        for batch in 0..count / 500 {
            let item = |n: u64| {
                let (side, price) = (["SELL", "BUY"][(n % 2) as usize], 100 + (batch + n) % 3);
                json!({"op": "place", "symbol": "BTC_USDT", "side": side, "price": price, "quantity": "1.5"})
            };
            let body = json!({"items": (0..500).map(item).collect::<Vec<_>>()});
            let answer = self.client.post(&url).json(&body).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK);
        }
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
        until(&format!("{status} {word}"), async || {
            let (found, body) = self.readiness().await;
            (found == status && body["status"] == word).then_some(body)
        })
        .await
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

    /// Log and snapshots, as a tool opens them.
    pub async fn records(&self) -> Records {
        let mut environment: Vec<(String, String)> =
            self.service.environment().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let folder = self.service.folder().join("data").to_str().expect("a path").to_owned();
        environment.insert(0, ("DATA_DIR".to_owned(), folder));
        let (settings, _) = Settings::from_sources(environment, []).expect("settings");
        storage::records(&settings).await.expect("the stores")
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

/// Holds that the log is chained, executes no order twice, and that its commands give its events.
pub async fn check_log(stack: &Stack) {
    check(stack, &History::default()).await;
}

/// Holds that the log is right, and that it is what clients were told; how much they were promised.
async fn check(stack: &Stack, history: &History) -> u64 {
    let mut checker = Checker::new(history);
    for row in stack.log().await {
        checker.row(&row);
    }
    let report = checker.finish();
    assert!(report.findings.is_empty(), "{}: {:#?}", report.line(), report.findings);
    println!("{}", report.line());
    report.acknowledged
}

/// Runs clients against the stack while `harm` happens to it; then holds that nothing was lost or doubled.
pub async fn under_load<F>(mut stack: Stack, clients: u64, harm: F) -> Stack
where
    F: AsyncFnOnce(&mut Stack),
{
    let urls = vec![stack.service.base_url()];
    let redis_url = stack.servers.as_ref().map(|servers| servers.redis.url());
    let plan = Plan { clients, seed: clients, pause: Duration::ZERO };
    let load = Load::start(&Handle::current(), urls.clone(), redis_url, &plan);
    harm(&mut stack).await;
    let history = load.finish().await;
    load::settle(&urls).await.expect("the last order");
    let acknowledged = check(&stack, &history).await;
    assert!(acknowledged > 100, "only {acknowledged} orders were acknowledged: that shows nothing");
    stack
}

/// Asks again and again until there is an answer. `what` is waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "in vain waited for {what}");
        sleep(AGAIN).await;
    }
}

/// Waits until so many rows are in the log.
pub async fn progress(stack: &Stack, rows: u64) {
    until(&format!("row {rows} of the log"), async || {
        let text = stack.client.get(stack.url("/metrics")).send().await.ok()?.text().await.ok()?;
        let committed = text.lines().find_map(|line| line.strip_prefix("pricetime_committed_seq "))?;
        (committed.parse::<f64>().ok()? as u64 >= rows).then_some(())
    })
    .await;
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
