//! The public conformance cases (see `fixtures/README.md`) that consist of what the book offers so far: limit orders that
//! stay, and cancels.

use std::collections::HashMap;

use matching::book::{Book, BookEvent};
use matching::{OrderId, Side};
use serde_json::{Value, json};

use crate::support::{cancel, place, symbol};

const CASES: &str = include_str!("fixtures/flash1_edge_cases.jsonl");

fn is_offered(message: &Value) -> bool {
    message["op"] == "cancel" || (message["op"] == "new" && message["tif"] == "GTC")
}

#[test]
fn the_public_cases_pass() {
    let mut passed = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let messages = case["messages"].as_array().expect("messages");
        if messages.iter().all(is_offered) {
            assert_eq!(replay(messages), expected(&case), "{}", case["name"]);
            passed += 1;
        }
    }
    assert_eq!(passed, COVERED, "cases that were run");
}

/// Of the 34 cases, those without modify and IOC.
const COVERED: usize = 4;

fn expected(case: &Value) -> Vec<Value> {
    let keys = |report: &Value| match report["type"].as_str() {
        Some("trade") => {
            json!([report["seq"], "trade", report["maker"], report["taker"], report["price"], report["qty"]])
        }
        Some(kind) => json!([report["seq"], kind, report["order_id"]]),
        None => panic!("a report without a type: {report}"),
    };
    case["expected"].as_array().expect("reports").iter().map(keys).collect()
}

/// Ids of the file are used again after a fill or a cancel, ours never: each use gets a new one.
fn replay(messages: &[Value]) -> Vec<Value> {
    let mut book = Book::new(symbol("BTC_USDT"));
    let (mut ours, mut theirs): (HashMap<u64, u64>, HashMap<OrderId, u64>) = Default::default();
    let mut reports = Vec::new();
    for (seq, message) in messages.iter().enumerate() {
        let number = seq as u64 + 1;
        let id = message["order_id"].as_u64().expect("an id");
        let command = if message["op"] == "new" {
            ours.insert(id, number);
            theirs.insert(crate::support::order_id(number), id);
            let side = if message["side"] == "buy" { Side::Buy } else { Side::Sell };
            place(
                number,
                side,
                message["price"].as_u64().expect("a price"),
                message["qty"].as_u64().expect("a quantity"),
            )
        } else {
            cancel(number, ours.get(&id).copied().unwrap_or(number))
        };
        let mut events = Vec::new();
        book.apply(command, &mut events);
        reports.extend(events.into_iter().map(|event| match event {
            BookEvent::Accepted { .. } => json!([seq, "ack", id]),
            BookEvent::Traded { price, quantity, maker_order_id, taker_order_id, .. } => {
                json!([seq, "trade", theirs[&maker_order_id], theirs[&taker_order_id], price.units(), quantity.units()])
            }
            BookEvent::Cancelled { .. } => json!([seq, "cancel_ack", id]),
            BookEvent::Expired { .. } => panic!("nothing here expires"),
            BookEvent::CancelRejected { .. } => json!([seq, "cancel_reject", id]),
        }));
    }
    reports
}
