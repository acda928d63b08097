//! The log as it is exported, and the auditor in Python that matches it again and shares nothing with the service.

use std::path::Path;
use std::process::Command;

use journal::{Chain, Epoch, StreamId};
use matching::{Micros, Seq};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use testbed::wait_until;

use crate::service::support::{DEADLINE, Mode, Stack, on_both, progress};

const ORDERS: u64 = 400;
const SEED: u64 = 41;

on_both! {
    an_exported_log_keeps_the_rules
    an_export_is_of_the_rows_that_are_asked_for
}

/// Numbers that look random and are always the same for one seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What `api_tests/audit.py` says of an export, and whether it ended well.
fn audit(export: &str) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), export).expect("written");
    let output = Command::new(root.join(".venv/bin/python"))
        .arg(root.join("api_tests/audit.py"))
        .arg(file.path())
        .output()
        .expect("it runs: `make prepare`");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// Puts an entry into the stream behind the service's back.
async fn inject(stack: &Stack, mode: Mode, text: &str) {
    match mode {
        Mode::Full => {
            let client = redis::Client::open(stack.redis().url()).expect("a client");
            let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
            let mut add = redis::cmd("XADD");
            add.arg("matching:queue").arg("*").arg("f").arg(1).arg("v").arg(text);
            add.query_async::<redis::Value>(&mut connection).await.expect("added");
        }
        Mode::Embedded => {
            let file = stack.service.folder().join("data/pricetime.db");
            let mut connection = SqliteConnectOptions::new().filename(file).connect().await.expect("the file");
            let number = "UPDATE command_stream SET last = last + 1 RETURNING last";
            let mut transaction =
                sqlx::Connection::begin_with(&mut connection, "BEGIN IMMEDIATE").await.expect("begun");
            let id: i64 = sqlx::query_scalar(number).fetch_one(&mut *transaction).await.expect("a number");
            let add = sqlx::query("INSERT INTO command_queue (id, format, text) VALUES (?1, 1, ?2)");
            add.bind(id).bind(text).execute(&mut *transaction).await.expect("added");
            transaction.commit().await.expect("committed");
        }
    }
}

/// Orders of every kind that HTTP takes: with names that come again, expiries, cancels of all sorts, amends, accounts that are
/// blocked, phases.
async fn random_load(stack: &Stack) {
    let mut random = Random(SEED);
    let mut placed: Vec<u64> = Vec::new();
    for _ in 0..ORDERS {
        let some = |random: &mut Random| placed[random.below(placed.len() as u64) as usize];
        match random.below(40) {
            0..8 if !placed.is_empty() => {
                stack.cancel(some(&mut random)).await;
            }
            8..12 if !placed.is_empty() => {
                let change = json!({"quantity": 1 + random.below(9)});
                let url = stack.url(&format!("/api/orders/{}/", some(&mut random)));
                stack.client.patch(url).json(&change).send().await.expect("an answer");
            }
            12 => post(stack, "/api/accounts/desk1/cancel-after/", json!({"timeout_ms": random.below(2) * 300})).await,
            13 => {
                post(stack, "/api/accounts/desk0/block/", json!({})).await;
                post(stack, "/api/accounts/desk0/unblock/", json!({})).await;
            }
            14 => post(stack, "/api/symbols/BTC_USDT/phase/", json!({"phase": "AUCTION"})).await,
            15..18 => post(stack, "/api/symbols/BTC_USDT/phase/", json!({"phase": "CONTINUOUS"})).await,
            18 => {
                let url = stack.url("/api/orders/?account=desk1&side=BUY");
                stack.client.delete(url).send().await.expect("an answer");
            }
            _ => {
                let order = random_order(&mut random, &placed);
                let answer = stack.client.post(stack.url("/api/orders/")).json(&order).send().await.expect("an answer");
                if answer.status() == StatusCode::ACCEPTED {
                    placed.extend(answer.json::<Value>().await.expect("JSON")["order_id"].as_u64());
                } else {
                    assert_eq!(answer.status(), StatusCode::CONFLICT, "{order}");
                }
            }
        }
    }
    post(stack, "/api/symbols/BTC_USDT/phase/", json!({"phase": "CONTINUOUS"})).await;
}

async fn post(stack: &Stack, path: &str, body: Value) {
    let answer = stack.client.post(stack.url(path)).json(&body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path} {body}: {}", answer.status());
}

/// An order whose fields go together.
fn random_order(random: &mut Random, placed: &[u64]) -> Value {
    let side = if random.below(2) == 0 { "BUY" } else { "SELL" };
    let symbol = ["BTC_USDT", "ETH_USDT", "NEW_COIN"][random.below(3) as usize];
    let mut price = || format!("{}.{}", 98 + random.below(5), random.below(10));
    let (limit, stop) = (price(), price());
    let mut order = json!({"symbol": symbol, "side": side, "quantity": 2 + random.below(9)});
    let kind = ["LIMIT", "LIMIT", "LIMIT", "MARKET", "STOP", "STOP_LIMIT", "TAKE_PROFIT", "TRAILING_STOP"];
    let kind = kind[random.below(8) as usize];
    order["type"] = json!(kind);
    match kind {
        "MARKET" => {}
        "STOP" | "TAKE_PROFIT" => order["stop_price"] = json!(stop),
        "STOP_LIMIT" => (order["price"], order["stop_price"]) = (json!(limit), json!(stop)),
        "TRAILING_STOP" => order["trailing_delta"] = json!(1),
        _ => order["price"] = json!(limit),
    }
    if kind == "LIMIT" {
        match random.below(6) {
            0 => order["time_in_force"] = json!(["IOC", "FOK", "DAY"][random.below(3) as usize]),
            1 => order["post_only"] = json!(true),
            2 => order["display_quantity"] = json!(1),
            3 => order["min_quantity"] = json!(2),
            4 => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
                order["time_in_force"] = json!("GTD");
                order["expire_at"] = json!(now.as_secs() + 2 + random.below(2));
            }
            _ => {}
        }
    }
    if random.below(2) == 0 {
        order["account"] = json!(format!("desk{}", random.below(2)));
        let prevention = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"];
        order["self_trade_prevention"] = json!(prevention[random.below(5) as usize]);
        let links = random.below(4) == 0 && kind != "MARKET" && order["time_in_force"].is_null();
        if let Some(last) = placed.last().filter(|_| links) {
            order["linked_order_id"] = json!(last);
        }
    }
    if random.below(3) == 0 {
        order["client_order_id"] = json!(format!("name-{}", random.below(20)));
    }
    order
}

/// What only others put into the stream: no commands at all, commands that come twice, orders that no handler lets pass,
/// a market with a coarse tick.
async fn garbage(stack: &Stack, mode: Mode) {
    let order = |id: u64, symbol: &str, price: &str, quantity: &str, more: &str| {
        format!(
            r#"{{"type":"NewOrder","order":{{"order_id":{id},"symbol":"{symbol}","side":"BUY","price":"{price}","quantity":"{quantity}"{more},"received_at":1}}}}"#
        )
    };
    let of = |order: String, more: &str| format!("{}{more}}}", &order[..order.len() - 1]);
    let coarse = r#"{"type":"ListInstrument","instrument":{"symbol":"TICK_LOT","price_decimals":2,"quantity_decimals":1,"tick":"0.05","lot":"0.5"}}"#;
    let cancel = r#"{"type":"CancelOrder","command_id":800001,"order_id":999999,"received_at":1}"#;
    let entries = [
        "no JSON".to_owned(),
        "[]".to_owned(),
        order(1, "BTC_USDT", "1", "1", ""),
        format!("[{coarse},{coarse},{cancel},{cancel}]"),
        order(900_001, "TICK_LOT", "100.01", "1", ""),
        order(900_002, "TICK_LOT", "100.005", "1", ""),
        order(900_003, "TICK_LOT", "100.05", "0.7", ""),
        order(900_004, "TICK_LOT", "0", "1", ""),
        order(900_005, "TICK_LOT", "1", "0", ""),
        order(900_006, "TICK_LOT", "90071992547410", "1", ""),
        order(900_007, "TICK_LOT", "1", "922337203685477581", ""),
        of(order(900_008, "TICK_LOT", "100.05", "1.5", ""), r#","deadline":5"#),
        order(900_009, "TICK_LOT", "100.05", "1.5", r#","time_in_force":"GTD","expire_at":5"#),
        order(900_010, "TICK_LOT", "100.05", "1.5", r#","account":"a","client_order_id":"same""#),
        order(900_011, "TICK_LOT", "100.05", "2", r#","account":"a","client_order_id":"same""#),
        of(order(900_012, "TICK_LOT", "100.1", "1.5", ""), r#","stale":true"#),
    ];
    for entry in entries {
        inject(stack, mode, &entry).await;
    }
}

/// The export of a log that has seen everything; all that is due has expired.
async fn eventful(mode: Mode) -> (Stack, String) {
    let stack = Stack::on(mode);
    random_load(&stack).await;
    garbage(&stack, mode).await;
    let last = stack.place("ETH_USDT", "BUY", "1", "1").await;
    stack.state_with([last]).await;
    let none_is_due = || !stack.tool(&["export"]).well().lines().any(|line| line.contains("OrderExpired"));
    wait_until(DEADLINE, "an order to expire", || !none_is_due()).expect("an expiry");
    let export = stack.tool(&["export"]).well();
    (stack, export)
}

async fn an_exported_log_keeps_the_rules(mode: Mode) {
    println!("seed {SEED}");
    let (_stack, export) = eventful(mode).await;
    for happened in [
        "Trade",
        "OrderCancelled",
        "OrderExpired",
        "OrderRepeated",
        "OrderAmended",
        "OrderTriggered",
        "OrderReplenished",
        "PhaseChanged",
        "MassCancelled",
        "CancelAfterSet",
        "AccountBlocked",
        "SELF_TRADE",
        "UNFILLED",
        "CancelRejected",
        "DuplicateRejected",
        "EntryRejected",
        "ListingRejected",
        "STALE",
        "ALREADY_EXPIRED",
        "OFF_TICK",
        "OFF_LOT",
        "OUT_OF_RANGE",
        "UNKNOWN_ORDER",
        "NOT_OPEN",
    ] {
        assert!(export.contains(happened), "no {happened} in the log: that shows little\n{export}");
    }
    let (well, said) = audit(&export);
    assert!(well && said.contains(&format!("{} rows", export.lines().count())), "{said}");

    // A wrong trade is found, first by the chain; and, when the chain is made anew from there, by the rules.
    let mut rows: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let wrong = rows.iter().position(|row| events(row).contains("\"Trade\"")).expect("a trade");
    let changed = events(&rows[wrong]).replacen("\"taker_side\":\"BUY\"", "\"taker_side\":\"SEL\"", 1);
    let changed =
        changed.replacen("\"taker_side\":\"SELL\"", "\"taker_side\":\"BUY\"", 1).replacen("SEL\"", "SELL\"", 1);
    assert_ne!(changed, events(&rows[wrong]));
    rows[wrong]["events"] = json!(changed);
    let place = format!("row {}: ", wrong + 1);
    let (well, said) = audit(&lines(&rows));
    assert!(!well && said.contains(&format!("{place}its chain value is not the hash")), "{said}");
    chain_anew(&mut rows);
    let (well, said) = audit(&lines(&rows));
    assert!(!well && said.contains(&format!("{place}the rules give")) && !said.contains("chain value"), "{said}");
}

fn events(row: &Value) -> &str {
    row["events"].as_str().expect("a text")
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Gives every row the chain value of what it holds now.
pub fn chain_anew(rows: &mut [Value]) {
    let mut chain = Chain::START;
    for row in rows {
        let number = |name: &str| row[name].as_u64().expect("a number");
        let text = |name: &str| row[name].as_str().expect("a text");
        let id: StreamId = text("stream_position").parse().expect("a position");
        let (seq, time) = (Seq::new(number("seq")).expect("a row"), Micros::new(number("time")).expect("a time"));
        chain = chain.next(seq, id, Epoch(number("epoch")), time, text("command"), text("events"));
        row["chain"] = json!(chain.to_string());
    }
}

async fn an_export_is_of_the_rows_that_are_asked_for(mode: Mode) {
    let stack = Stack::on(mode);
    for _ in 0..10 {
        stack.place("BTC_USDT", "BUY", "1", "1").await;
    }
    progress(&stack, 13).await;
    let whole = stack.tool(&["export"]).well();
    let rows = |arguments: &[&str]| {
        let said = stack.tool(&[&["export"], arguments].concat()).well();
        assert!(said.lines().all(|line| whole.contains(line)), "{said}");
        let seqs = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64());
        seqs.collect::<Option<Vec<u64>>>().expect("numbers")
    };
    assert_eq!(rows(&[]), (1..=13).collect::<Vec<_>>());
    assert_eq!(rows(&["--from", "4", "--to", "6"]), [4, 5, 6]);
    assert_eq!(rows(&["--from", "12", "--to", "99"]), [12, 13]);
    assert!(rows(&["--from", "14"]).is_empty());
}

/// A row that is gone is no shorter log.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_stops_at_a_missing_row() {
    let stack = Stack::start();
    for _ in 0..3 {
        stack.place("BTC_USDT", "BUY", "1", "1").await;
    }
    progress(&stack, 6).await;
    stack.sql("DELETE FROM event_log WHERE seq = 4");
    stack.tool(&["export"]).failed(6, "row 4");
}
