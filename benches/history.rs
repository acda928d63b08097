//! Ten million orders in the history: `make bench-history`. What writing them costs, what they take on disk, and how long
//! one order, or a page of trades, takes to be found among them. ORDERS makes it another number.

use std::time::Instant;

use journal::{History, HistoryWrite, PastOrder};
use matching::command::{ListInstrument, NewOrder};
use matching::{Changes, Command, Engine, Instrument, Ledger, Micros, Order, OrderId, Seq, Sequenced, TradeId};
use pricetime::adapters::postgres::{Postgres, PostgresHistory};

/// Rows of one write, as the service has it.
const ROWS: u64 = 4_000;
const LOOKUPS: u64 = 2_000;

#[tokio::main]
async fn main() {
    let count = std::env::var("ORDERS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000_000);
    let cluster = testbed::Postgres::start().expect("PostgreSQL");
    let url = cluster.create_database().expect("a database");
    let postgres = Postgres::prepare(&url, "bench", false).await.expect("a database");
    let history = PostgresHistory::new(&postgres);

    let began = Instant::now();
    let mut market = Market::new();
    let mut written = 0;
    while written < count {
        let from = market.ledger.seq();
        let mut changes = Changes::default();
        (0..ROWS).for_each(|_| market.order(&mut changes));
        let rows = |order: &matching::ledger::OrderRecord| vec![order.seq.previous().unwrap_or(Seq::ZERO), order.seq];
        let orders: Vec<_> =
            changes.dropped_orders.into_iter().map(|order| PastOrder { rows: rows(&order), order }).collect();
        written += orders.len() as u64;
        let from = if from == market.first { Seq::ZERO } else { from };
        let write = HistoryWrite { from, to: market.ledger.seq(), orders, trades: changes.trades };
        assert!(history.write(&write).await.expect("a write"), "the position is another one");
    }
    let seconds = began.elapsed().as_secs_f64();
    let size = cluster
        .sql(
            &url,
            "SELECT pg_size_pretty(pg_total_relation_size('history_order')), \
        pg_size_pretty(pg_total_relation_size('history_trade'))",
        )
        .expect("sizes");
    println!("{written} orders in {seconds:.0} s: {:.0} orders/s; on disk {}", written as f64 / seconds, size.trim());

    let mut times = Vec::new();
    for n in 0..LOOKUPS {
        // Steps of a large prime go all over the place.
        let id = OrderId::new(1 + n * 7_368_787 % count).expect("an id");
        let began = Instant::now();
        let found = history.order(id).await.expect("an answer");
        times.push(began.elapsed());
        assert_eq!(found.map(|past| past.order.order_id), Some(id));
    }
    report("an order", times);
    let symbol = "BTC_USDT".parse().expect("a symbol");
    let mut times = Vec::new();
    for n in 0..LOOKUPS / 10 {
        let end = TradeId::new(200 + n * 7_368_787 % (count / 2)).expect("a number");
        let began = Instant::now();
        let trades = history.trades(symbol, end, 100).await.expect("an answer");
        times.push(began.elapsed());
        assert_eq!(trades.len(), 100);
    }
    report("100 trades", times);
}

fn report(what: &str, mut times: Vec<std::time::Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms", at(0.5), at(0.99), at(1.0));
}

/// A market in which every two orders meet.
struct Market {
    engine: Engine,
    ledger: Ledger,
    /// The row after which orders come.
    first: Seq,
    orders: u64,
}

impl Market {
    fn new() -> Market {
        let instrument = Instrument::finest("BTC_USDT".parse().expect("a symbol"));
        let mut market = Market { engine: Engine::new(0), ledger: Ledger::new(0), first: Seq::ZERO, orders: 0 };
        let list = Command::ListInstrument(ListInstrument { command_id: None, instrument });
        market.apply(list, &mut Changes::default());
        market.first = market.ledger.seq();
        market
    }

    fn apply(&mut self, value: Command, changes: &mut Changes) {
        let seq = self.ledger.seq().next();
        let time = Micros::new(1_732_880_000_000_000 + seq.get()).expect("a time");
        let mut events = Vec::new();
        self.engine.apply(&Sequenced { seq, time, value }, &mut events);
        self.ledger.fold(seq, time, &events, changes);
    }

    fn order(&mut self, changes: &mut Changes) {
        self.orders += 1;
        let text = format!(
            r#"{{"order_id":{},"symbol":"BTC_USDT","side":"{}","price":"{}","quantity":"1.5","account":"desk-{}","received_at":{}}}"#,
            self.orders,
            if self.orders.is_multiple_of(2) { "BUY" } else { "SELL" },
            100 + self.orders / 2 % 50,
            self.orders % 100,
            1_732_880_000_000_000 + self.orders
        );
        let order: Order = serde_json::from_str(&text).expect("an order");
        let new = NewOrder { order, deadline: None, stale: false };
        self.apply(Command::NewOrder(new), changes);
    }
}
