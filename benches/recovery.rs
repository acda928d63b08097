//! How long a start takes with a million open orders and a million events behind the last snapshot, in full mode:
//! `make bench-recovery`.
//!
//! The log is made by the matching core and written through the service's own adapters. Timed are: a rebuild of Redis on
//! its own; a start that finds Redis as it must be, which is what follows every stop and most crashes; a start that finds
//! Redis empty; and starts that are killed in the middle, after which all must be right. `BENCH_ORDERS` (open orders, and
//! events) and `BENCH_KILLS` take other numbers.

use std::time::{Duration, Instant};

use actors::{Replay, recovery::row_at};
use journal::{
    Batch, Committed, Epoch, EventLog, Position, Projection, ProjectionPosition, Record, Snapshot, SnapshotStore,
    StreamId,
};
use matching::command::{CancelOrder, ListInstrument};
use matching::{Command, CommandId, Decimal, Engine, Instrument, Micros, Order, OrderId, Seq, Sequenced, Side, Symbol};
use pricetime::adapters::postgres::{Postgres, PostgresLog, PostgresSnapshots};
use pricetime::adapters::redis::RedisProjection;
use testbed::{Redis, Service};

const BINARY: &str = env!("CARGO_BIN_EXE_pricetime");
/// Open orders in the snapshot, and events after it.
const ORDERS: u64 = 1_000_000;
const RETAIN_CLOSED: u64 = 500_000;
const ROWS_PER_COMMIT: usize = 5_000;
const STARTS: usize = 3;
/// Starts that are killed in the middle.
const KILLS: u64 = 100;
const LOAD_OVER: Duration = Duration::from_secs(30);
const READY_WITHIN: Duration = Duration::from_secs(600);

fn main() {
    let (orders, kills) = (asked_for("BENCH_ORDERS", ORDERS), asked_for("BENCH_KILLS", KILLS));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cluster = testbed::Postgres::start().expect("PostgreSQL");
    let database_url = cluster.create_database().expect("a database");
    let redis = Redis::start().expect("Redis");
    let began = Instant::now();
    runtime.block_on(make(&database_url, orders));
    println!(
        "made in {:.0} s: {orders} open orders in the snapshot, {orders} events after it",
        began.elapsed().as_secs_f64()
    );
    let rebuilt = runtime.block_on(rebuild(&database_url, &redis.url()));
    println!("Redis rebuilt, on its own            {:>8.2} s", rebuilt.as_secs_f64());

    let environment = [
        ("REDIS_URL", redis.url()),
        ("DATABASE_URL", database_url),
        ("RUST_LOG", "info".to_owned()),
        // Without DEBUG, as where it matters.
        ("SECRET_KEY", "benchmark-secret-0123456789-0123456789".to_owned()),
        ("ADMIN_TOKEN", "benchmark-token-0123456789-0123456789".to_owned()),
    ];
    let began = Instant::now();
    let mut service = Service::spawn(BINARY, environment).expect("the service");
    service.wait_ready(READY_WITHIN).expect("ready");
    let mut starts = vec![began.elapsed()];
    for _ in 1..STARTS {
        service.kill().expect("a kill");
        starts.push(start(&mut service));
    }
    println!("of the last, state read and folded   {:>8.2} s", folded_in(&service).as_secs_f64());
    starts.sort_unstable();
    println!("start to ready, Redis found equal    {:>8.2} s (median of {STARTS})", starts[STARTS / 2].as_secs_f64());
    verify(&service);
    println!("the sweep, beside an idle service    {:>8.1} % of one core", 100.0 * load_of(service.pid()));

    service.kill().expect("a kill");
    runtime.block_on(empty(&redis.url()));
    println!("start to ready, Redis found empty    {:>8.2} s", start(&mut service).as_secs_f64());

    let longest = starts[STARTS / 2].as_millis() as u64;
    for kill in 0..kills {
        service.relaunch(&[]).expect("a start");
        // Spread over the whole of a start, in no order.
        std::thread::sleep(Duration::from_millis(longest * (kill * 37 % kills) / kills));
        service.kill().expect("a kill");
    }
    println!("start after {kills} kills in the middle  {:>8.2} s", start(&mut service).as_secs_f64());
    verify(&service);
}

/// The number that the environment asks for, or the usual one.
fn asked_for(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// How much of one core an idle service takes: what it does then is to prove its log.
fn load_of(pid: u32) -> f64 {
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running service");
        let after_name = stat.rsplit(')').next().expect("fields").split_whitespace();
        // User and system time, in hundredths of a second.
        after_name.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum::<u64>()
    };
    let before = ticks();
    std::thread::sleep(LOAD_OVER);
    (ticks() - before) as f64 / 100.0 / LOAD_OVER.as_secs_f64()
}

/// How long the last start took until router, books, ledger and what readers ask of them were at the end of the log, as the
/// service says; the rest is connections, the first commit and Redis.
fn folded_in(service: &Service) -> Duration {
    let log = std::fs::read_to_string(service.log_path()).expect("a log");
    let said = log.lines().rfind(|line| line.contains("the state is recovered")).expect("a recovery");
    let (_, milliseconds) = said.rsplit_once("milliseconds=").expect("its time");
    Duration::from_millis(milliseconds.trim().parse().expect("a number"))
}

fn start(service: &mut Service) -> Duration {
    let began = Instant::now();
    service.relaunch(&[]).expect("a start");
    service.wait_ready(READY_WITHIN).expect("ready");
    began.elapsed()
}

/// `pricetime verify` compares Redis key by key and applies every command after the snapshot again.
fn verify(service: &Service) {
    let began = Instant::now();
    let output = std::process::Command::new(BINARY)
        .arg("verify")
        .env_clear()
        .envs(service.environment())
        .current_dir(service.folder())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("verify, every key of Redis           {:>8.2} s", began.elapsed().as_secs_f64());
}

/// A log that grows by whole batches.
struct Maker {
    log: PostgresLog,
    epoch: Epoch,
    engine: Engine,
    /// Where the log ends.
    committed: Position,
    /// Where it ends with the rows that wait.
    position: Position,
    waiting: Vec<Record>,
    events: u64,
}

impl Maker {
    async fn take(&mut self, value: Command) {
        let seq = self.position.seq.next();
        let time = Micros::new(1_700_000_000_000_000 + seq.get()).expect("a time");
        let stream_id = StreamId { millis: seq.get(), index: 0 };
        let command = Sequenced { seq, time, value };
        let mut events = Vec::new();
        self.engine.apply(&command, &mut events);
        self.events += events.len() as u64;
        let row = Record::new(&self.position, stream_id, self.epoch, &command, &events);
        self.position = row.position();
        self.waiting.push(row);
        if self.waiting.len() >= ROWS_PER_COMMIT {
            self.commit().await;
        }
    }

    async fn commit(&mut self) {
        let rows = std::mem::take(&mut self.waiting);
        let batch = Batch::new(self.committed, rows);
        assert_eq!(self.log.commit(self.epoch, &batch).await, Ok(Committed::Committed));
        self.committed = batch.end();
    }
}

/// Fills the database: orders that rest, a snapshot, and then orders, trades and cancels.
async fn make(database_url: &str, orders: u64) {
    let postgres = Postgres::prepare(database_url, "bench", false).await.expect("PostgreSQL");
    let log = PostgresLog::new(&postgres);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    log.lease_ids(epoch, 20 * orders).await.expect("ids");
    let (committed, position) = (Position::START, Position::START);
    let engine = Engine::new(RETAIN_CLOSED);
    let mut maker = Maker { log, epoch, engine, committed, position, waiting: Vec::new(), events: 0 };
    let symbols = ["BTC_USDT", "ETH_USDT", "XRP_USDT"].map(|text| text.parse::<Symbol>().expect("a symbol"));
    for symbol in symbols {
        maker
            .take(Command::ListInstrument(ListInstrument { command_id: None, instrument: Instrument::finest(symbol) }))
            .await;
    }
    let mut id = 0;
    for _ in 0..orders {
        id += 1;
        maker.take(order(id, symbols[(id % 3) as usize], false)).await;
    }
    maker.commit().await;
    let snapshot = Snapshot::new(maker.position, &maker.engine.image()).expect("a snapshot");
    PostgresSnapshots::new(&postgres).store(&snapshot, 10).await.expect("stored");

    maker.events = 0;
    let mut cancelled = 0;
    while maker.events < orders {
        id += 1;
        let symbol = symbols[(id / 3 % 3) as usize];
        let command = match id % 3 {
            0 => order(id, symbol, true),
            1 => order(id, symbol, false),
            _ => {
                cancelled += 3;
                Command::CancelOrder(CancelOrder {
                    command_id: CommandId::new(id).expect("an id"),
                    order_id: OrderId::new(orders / 2 + cancelled).expect("an id"),
                    reason_text: None,
                    received_at: Micros::ZERO,
                })
            }
        };
        maker.take(command).await;
    }
    maker.commit().await;
    let open = maker.engine.ledger().orders().filter(|order| order.status.is_open()).count();
    println!("{} rows, {open} orders open at the end", maker.position.seq);
    maker.log.drained(epoch).await.expect("drained");
}

/// An order that rests at one of 20,000 prices, or one that takes from the best.
fn order(id: u64, symbol: Symbol, takes: bool) -> Command {
    let number = |text: String| text.parse::<Decimal>().expect("a number");
    let side = if id.is_multiple_of(2) { Side::Buy } else { Side::Sell };
    let away = id * 7_919 % 10_000;
    let price = match (side, takes) {
        (Side::Buy, false) => 10_000 - away,
        (Side::Sell, false) => 10_001 + away,
        (Side::Buy, true) => 30_000,
        (Side::Sell, true) => 1,
    };
    let (id, quantity) = (OrderId::new(id).expect("an id"), number(format!("{}.5", 1 + id % 9)));
    Command::from(Order::limit(id, symbol, side, number(price.to_string()), quantity, Micros::ZERO))
}

/// Rebuilds Redis from the log; how long that took without reading the log.
async fn rebuild(database_url: &str, redis_url: &str) -> Duration {
    let postgres = Postgres::attach(database_url, "bench").expect("an address");
    let (log, snapshots) = (PostgresLog::new(&postgres), PostgresSnapshots::new(&postgres));
    let end = log.position().await.expect("a position").position;
    let mut replay = Replay::from_snapshot(&snapshots, Seq::LAST, RETAIN_CLOSED).await.expect("a snapshot");
    replay.advance(&log, end.seq, |_, _, _| Ok::<(), journal::LogError>(())).await.expect("the log");
    let epoch = row_at(&log, end.seq).await.expect("the log").expect("a row").epoch;
    let position = ProjectionPosition { seq: end.seq, epoch, chain: end.chain };
    let (_, _, ledger) = replay.engine.into_parts();
    let projection = RedisProjection::connect(redis_url).await.expect("Redis");
    let began = Instant::now();
    projection.rebuild(std::sync::Arc::new(ledger), position).await.expect("rebuilt");
    began.elapsed()
}

async fn empty(redis_url: &str) {
    let client = redis::Client::open(redis_url).expect("a client");
    // Millions of keys take longer than the library's default of 500 ms.
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&patient).await;
    let mut connection = connection.expect("a connection");
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.expect("an empty Redis");
}
