//! Instructions per order of the parts that are the service's own: the core, the codec with the chain, and the reading of a
//! request. `make bench-instructions`.
//!
//! Unlike times they are the same on a busy machine and an idle one, so a few per cent more are a change of the code. They
//! are compared with `benches/instructions.txt`; a part that takes over 5 % more than stands there fails, and one that takes
//! 5 % less says so. `UPDATE_DOCS=1` writes the file anew.
//!
//! Each part runs twice under callgrind, with one number of orders and with twice as many: the difference is free of what a
//! start costs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::process::{Command as Process, ExitCode};

use journal::{Epoch, Position, Record, StreamId, encoding};
use matching::command::NewOrder;
use matching::{Command, Engine, Event, Micros, Order, OrderId, Seq, Sequenced, Side, Symbol};
use pricetime::http::order_request::OrderRequest;

const ORDERS: u64 = 20_000;
/// What the same code may differ by: the compiler's version, the seeds of hash maps.
const TOLERANCE: f64 = 0.05;
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

/// What does its work for so many orders.
type Part = fn(u64);

const PARTS: [(&str, Part); 3] = [("core", core), ("codec", codec), ("request", request)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--part") {
        let (name, orders) = (&arguments[at + 1], arguments[at + 2].parse().expect("a number"));
        let (_, run) = PARTS.iter().find(|(part, _)| part == name).expect("a part");
        run(orders);
        return ExitCode::SUCCESS;
    }
    let measured: Vec<(&str, u64)> = PARTS.iter().map(|(name, _)| (*name, per_order(name))).collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let mut text = String::from("# Instructions per order, by part: make bench-instructions\n");
        for (name, instructions) in &measured {
            writeln!(text, "{name} {instructions}").expect("a text");
        }
        std::fs::write(EXPECTED, text).expect("the file");
    }
    compare(&measured)
}

fn compare(measured: &[(&str, u64)]) -> ExitCode {
    let text = std::fs::read_to_string(EXPECTED).expect("benches/instructions.txt: make it with UPDATE_DOCS=1");
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    let expected: BTreeMap<&str, f64> = lines.map(|(name, count)| (name, count.parse().expect("a number"))).collect();
    let mut worse = false;
    println!("instructions per order    now   expected");
    for (name, now) in measured {
        let expected = expected[name];
        let change = *now as f64 / expected - 1.0;
        worse |= change > TOLERANCE;
        let note = match change {
            change if change > TOLERANCE => "  more than 5 % worse",
            change if change < -TOLERANCE => "  better: write it down with UPDATE_DOCS=1",
            _ => "",
        };
        println!("  {name:<18} {now:>8} {expected:>10} {:>+6.1} %{note}", change * 100.0);
    }
    if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn per_order(part: &str) -> u64 {
    (instructions(part, 2 * ORDERS) - instructions(part, ORDERS)) / ORDERS
}

fn instructions(part: &str, orders: u64) -> u64 {
    let output = Process::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--part", part, &orders.to_string()])
        .output()
        .expect("valgrind: run `make prepare`");
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split("Collected :").nth(1));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("valgrind said: {said}"))
}

/// Router, books and ledger, without any text.
fn core(orders: u64) {
    let mut engine = Engine::new(1_000);
    let mut events = Vec::new();
    for command in commands(orders) {
        events.clear();
        engine.apply(&command, &mut events);
        black_box(&events);
    }
}

/// Into the stream, out of it in arrays, and into a row of the log.
fn codec(orders: u64) {
    let events = [Event::OrderAccepted(accepted())];
    let mut position = Position::START;
    let mut texts = Vec::new();
    for command in commands(orders) {
        texts.push(encoding::encode_command(&command.value));
        if texts.len() < 100 {
            continue;
        }
        let entry = format!("[{}]", texts.join(","));
        texts.clear();
        for value in encoding::decode_entry(encoding::STREAM_FORMAT, &entry).expect("an entry") {
            let command = Sequenced { seq: position.seq.next(), time: Micros::ZERO, value };
            position = Record::new(&position, StreamId::ZERO, Epoch(1), &command, &events).position();
        }
    }
    black_box(position);
}

/// A body to its fields.
fn request(orders: u64) {
    let body = r#"{"symbol":"BTC_USDT","side":"BUY","price":101.37,"quantity":4.2}"#;
    for _ in 0..orders {
        assert!(OrderRequest::read(black_box(body.as_bytes())).is_ok());
    }
}

/// Orders that trade and rest in one market, behind its listing.
fn commands(orders: u64) -> impl Iterator<Item = Sequenced<Command>> {
    let instrument = matching::Instrument::finest(symbol());
    let listing = Command::ListInstrument(matching::command::ListInstrument { command_id: None, instrument });
    let orders = (1..=orders).map(order).map(Command::NewOrder);
    std::iter::once(listing).chain(orders).zip(1..).map(|(value, seq)| Sequenced {
        seq: Seq::new(seq).expect("a number"),
        time: Micros::ZERO,
        value,
    })
}

fn order(id: u64) -> NewOrder {
    let random = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let side = if random & 64 == 0 { Side::Buy } else { Side::Sell };
    let price = format!("{}.{:02}", 90 + (random >> 8) % 20, (random >> 16) % 100);
    let quantity = format!("{}.{}", 1 + (random >> 24) % 10, (random >> 30) % 10);
    Order::limit(
        OrderId::new(id).expect("an id"),
        symbol(),
        side,
        price.parse().expect("a price"),
        quantity.parse().expect("a quantity"),
        Micros::ZERO,
    )
    .into()
}

fn accepted() -> matching::event::OrderAccepted {
    let mut engine = Engine::new(10);
    let mut events = Vec::new();
    for command in commands(1) {
        engine.apply(&command, &mut events);
    }
    match events.pop() {
        Some(Event::OrderAccepted(accepted)) => accepted,
        other => panic!("the order came to {other:?}"),
    }
}

fn symbol() -> Symbol {
    "BTC_USDT".parse().expect("a symbol")
}
