//! The public conformance cases (see `fixtures/README.md`).

use std::collections::HashMap;

use matching::book::{Book, BookCommand, BookEvent, Extras, Placed};
use matching::{Micros, OrderType, SelfTradePrevention, Seq, Side, TimeInForce};
use serde_json::{Value, json};

use crate::generate::instrument;
use crate::support::{command_id, order_id, price, quantity};

const CASES: &str = include_str!("fixtures/flash1_edge_cases.jsonl");

#[test]
fn the_public_cases_pass() {
    let mut passed = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let (said, expected) = (replay(case["messages"].as_array().expect("messages")), expected(&case));
        // The trades in their order, and the answers in theirs: whether an amend is told before its trades is a matter of taste.
        let trades =
            |reports: &[Value]| reports.iter().filter(|report| report[1] == "trade").cloned().collect::<Vec<_>>();
        let answers =
            |reports: &[Value]| reports.iter().filter(|report| report[1] != "trade").cloned().collect::<Vec<_>>();
        assert_eq!(trades(&said), trades(&expected), "{}", case["name"]);
        assert_eq!(answers(&said), answers(&expected), "{}", case["name"]);
        passed += 1;
    }
    assert_eq!(passed, 34, "cases that were run");
}

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

fn placed(number: u64, message: &Value) -> BookCommand {
    let ioc = message["tif"] == "IOC";
    BookCommand::Place(Placed {
        order_id: order_id(number),
        side: if message["side"] == "buy" { Side::Buy } else { Side::Sell },
        order_type: OrderType::Limit,
        price: Some(price(message["price"].as_u64().expect("a price"))),
        quantity: quantity(message["qty"].as_u64().expect("a quantity")),
        time_in_force: if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
        post_only: false,
        self_trade_prevention: SelfTradePrevention::None,
        account: None,
        client_order_id: None,
        received_at: Micros::ZERO,
        extras: Extras::default(),
    })
}

/// Ids of the file are used again after a fill or a cancel, ours never: each use gets a new one. Their modify names
/// what is left from now on, an amend the whole with what is filled.
fn replay(messages: &[Value]) -> Vec<Value> {
    let mut book = Book::new(instrument());
    let (mut ours, mut theirs): (HashMap<u64, u64>, HashMap<u64, u64>) = Default::default();
    let mut filled: HashMap<u64, u64> = HashMap::new();
    let mut reports = Vec::new();
    for (seq, message) in messages.iter().enumerate() {
        let number = seq as u64 + 1;
        let row = Seq::new(number).expect("a row");
        let id = message["order_id"].as_u64().expect("an id");
        let mut events = Vec::new();
        if message["op"] == "new" {
            ours.insert(id, number);
            theirs.insert(number, id);
            book.apply(row, placed(number, message), &mut events);
            reports.push(json!([seq, "ack", id]));
        } else {
            let order_id = order_id(ours.get(&id).copied().unwrap_or(number));
            let modifies = message["op"] == "modify";
            let command_id = command_id(number);
            let command = if modifies {
                let rest = message["qty"].as_u64().expect("a quantity");
                let whole = rest + filled.get(&order_id.get()).copied().unwrap_or_default();
                let at = message["price"].as_u64().expect("a price");
                let (price, quantity) = (Some(price(at)), Some(quantity(whole)));
                BookCommand::Amend { command_id, order_id, price, quantity, if_seq: None }
            } else {
                BookCommand::Cancel { command_id, order_id, reason_text: None }
            };
            book.apply(row, command, &mut events);
            let refused = matches!(events[0], BookEvent::CancelRejected { .. } | BookEvent::AmendRejected { .. });
            let kind =
                format!("{}_{}", if modifies { "modify" } else { "cancel" }, if refused { "reject" } else { "ack" });
            reports.push(json!([seq, kind, id]));
        }
        for event in &events {
            if let BookEvent::Traded(traded) = event {
                for order in [traded.maker_order_id, traded.taker_order_id] {
                    *filled.entry(order.get()).or_default() += traded.quantity.units();
                }
            }
        }
        reports.extend(events.into_iter().filter_map(|event| match event {
            BookEvent::Traded(traded) => {
                let (maker, taker) = (theirs[&traded.maker_order_id.get()], theirs[&traded.taker_order_id.get()]);
                Some(json!([seq, "trade", maker, taker, traded.price.units(), traded.quantity.units()]))
            }
            // The cases tell of the end of what does not rest as of a cancel.
            BookEvent::Expired { .. } => Some(json!([seq, "cancel_ack", id])),
            _ => None,
        }));
    }
    reports
}
