//! A story that uses most types and forms, from outside, through the queue: and the same state after a kill, from a
//! snapshot and from the log.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::wait_until;

use crate::service::support::{DEADLINE, Mode, Stack, check_log, on_both, orders, trades, until};

on_both! {
    every_form_works_and_survives
    a_dead_mans_switch_goes_off_across_a_restart
}

impl Stack {
    /// Sends a request, holds its status, and returns the answer.
    async fn ask(&self, method: Method, path: &str, body: Value, expected: u16) -> Value {
        let request = self.client.request(method, self.url(path));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        assert_eq!(status, expected, "{path} {body}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, body, 200).await
    }

    /// Places an order of BTC_USDT and waits for its commit.
    async fn commit(&self, side: &str, fields: Value) -> Value {
        let mut body = json!({"symbol": "BTC_USDT", "side": side});
        body.as_object_mut().expect("an order").extend(fields.as_object().expect("fields").clone());
        self.post("/api/orders/?ack=committed", body).await
    }

    /// Places an order and holds how it ended.
    async fn ends(&self, side: &str, fields: Value, status: &str, reason: &str) -> u64 {
        let answer = self.commit(side, fields.clone()).await;
        let order = &answer["order"];
        let got = (order["status"].as_str().unwrap_or_default(), order["reason_code"].as_str().unwrap_or_default());
        assert_eq!(got, (status, reason), "{side} {fields}: {answer}");
        answer["order_id"].as_u64().expect("an id")
    }

    async fn status(&self, order_id: u64) -> String {
        let state = self.get("/api/debug/orders/").await;
        let order = orders(&state).find(|order| order["id"] == order_id).expect("the order");
        order["status"].as_str().expect("a status").to_owned()
    }
}

async fn every_form_works_and_survives(mode: Mode) {
    let mut stack = Stack::with_settings(mode, &[("SNAPSHOT_INTERVAL", "1")]);
    types_and_times_in_force(&stack).await;
    wait_until(DEADLINE, "a snapshot", || stack.service.log().contains("snapshot taken")).expect("a snapshot");
    linked_orders(&stack).await;
    amends(&stack).await;
    accounts(&stack).await;
    phases(&stack).await;
    let state = stack.get("/api/debug/state/").await;
    assert!(trades(&state).count() > 5, "{state}");
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    assert_eq!(stack.get("/api/debug/state/").await, state);
    check_log(&stack).await;
}

async fn types_and_times_in_force(stack: &Stack) {
    let iceberg = json!({"price": "101", "quantity": "4", "display_quantity": "1", "metadata": "shy"});
    let iceberg = stack.ends("SELL", iceberg, "OPEN", "").await;
    stack
        .ends("BUY", json!({"price": 101, "quantity": 1, "post_only": true}), "REJECTED", "POST_ONLY_WOULD_TRADE")
        .await;
    stack.ends("BUY", json!({"price": 101, "quantity": 5, "time_in_force": "FOK"}), "EXPIRED", "FILL_OR_KILL").await;
    let at_least = json!({"price": 101, "quantity": 9, "min_quantity": 5});
    stack.ends("BUY", at_least, "EXPIRED", "MIN_QUANTITY").await;
    stack.ends("BUY", json!({"price": 101, "quantity": "0.5", "time_in_force": "IOC"}), "FILLED", "").await;
    let by_quote = stack.commit("BUY", json!({"type": "MARKET", "quote_quantity": "50.5"})).await;
    assert_eq!(
        (&by_quote["order"]["filled"], &by_quote["fills"][0]["quote_quantity"]),
        (&json!("0.5"), &json!("50.5"))
    );
    let market = stack.commit("BUY", json!({"type": "MARKET", "quantity": "1"})).await;
    assert_eq!((&market["fills"][0]["price"], &market["fills"][0]["maker_order_id"]), (&json!("101"), &json!(iceberg)));
    stack.ends("BUY", json!({"price": 99, "quantity": 1, "time_in_force": "DAY"}), "OPEN", "").await;
    let good_till = json!({"price": 98, "quantity": 1, "time_in_force": "GTD", "expire_at": 4_000_000_000u64});
    stack.ends("BUY", good_till, "OPEN", "").await;

    let own = json!({"price": 110, "quantity": 1, "account": "self"});
    stack.ends("SELL", own, "OPEN", "").await;
    // The same name again is the same order.
    let named = json!({"price": 97, "quantity": 1, "account": "desk", "client_order_id": "once"});
    let first = stack.commit("BUY", named.clone()).await;
    let again = stack.commit("BUY", named).await;
    assert_eq!((&again["duplicate"], &again["order_id"]), (&json!(true), &first["order_id"]));
    let by_name = json!({"symbol": "BTC_USDT", "account": "desk", "client_order_id": "once"});
    assert_eq!(stack.post("/api/orders/cancel/", by_name).await["order_id"], first["order_id"]);
}

/// A take-profit and a stop: the fill of one cancels the other.
async fn linked_orders(stack: &Stack) {
    let pair = json!({"items": [
        {"op": "place", "symbol": "ETH_USDT", "side": "SELL", "price": 12, "quantity": 1, "account": "pair"},
        {"op": "place", "symbol": "ETH_USDT", "side": "SELL", "type": "STOP", "stop_price": 8, "quantity": 1,
         "account": "pair", "linked_item": 0},
    ]});
    let placed = stack.post("/api/orders/batch/?ack=committed", pair).await;
    let ids: Vec<u64> =
        placed["results"].as_array().expect("results").iter().filter_map(|r| r["order_id"].as_u64()).collect();
    assert_eq!(stack.status(ids[1]).await, "UNTRIGGERED");
    let body = json!({"symbol": "ETH_USDT", "side": "BUY", "type": "MARKET", "quantity": 1});
    assert_eq!(stack.post("/api/orders/?ack=committed", body).await["status"], "FILLED");
    assert_eq!((stack.status(ids[0]).await, stack.status(ids[1]).await), ("FILLED".to_owned(), "CANCELLED".to_owned()));

    // A stop that the last trade wakes.
    let stop =
        stack.ends("SELL", json!({"type": "STOP", "stop_price": "99", "quantity": "0.5"}), "UNTRIGGERED", "").await;
    let trailing = json!({"type": "TRAILING_STOP", "trailing_delta": 50, "quantity": 1});
    stack.ends("SELL", trailing, "UNTRIGGERED", "").await;
    stack.ends("SELL", json!({"type": "MARKET", "quantity": "0.25"}), "FILLED", "").await;
    assert_eq!(stack.status(stop).await, "FILLED");
}

async fn amends(stack: &Stack) {
    let order = stack.commit("BUY", json!({"price": 90, "quantity": 3})).await;
    let path = format!("/api/orders/{}/", order["order_id"]);
    let less = stack.ask(Method::PATCH, &path, json!({"quantity": 2, "if_seq": order["order"]["seq"]}), 200).await;
    assert_eq!((&less["order"]["quantity"], &less["order"]["remaining"]), (&json!("2"), &json!("2")));
    let stale = stack.ask(Method::PATCH, &path, json!({"price": 91, "if_seq": order["order"]["seq"]}), 409).await;
    assert_eq!(stale["code"], "SEQ_DIFFERS");
    stack.ask(Method::PATCH, &path, json!({"price": "0.123456789"}), 400).await;
    let crossing = stack.ask(Method::PATCH, &path, json!({"price": 101, "quantity": "1"}), 200).await;
    assert_eq!((&crossing["status"], &crossing["fills"][0]["price"]), (&json!("FILLED"), &json!("101")));
    assert_eq!(stack.ask(Method::PATCH, &path, json!({"price": 91}), 409).await["code"], "NOT_OPEN");
    assert_eq!(
        stack.ask(Method::PATCH, "/api/orders/9999999/", json!({"price": 91}), 404).await["code"],
        "UNKNOWN_ORDER"
    );
}

async fn accounts(stack: &Stack) {
    for price in [80, 81] {
        stack.ends("BUY", json!({"price": price, "quantity": 1, "account": "many"}), "OPEN", "").await;
    }
    stack.ends("SELL", json!({"price": 180, "quantity": 1, "account": "many"}), "OPEN", "").await;
    let path = "/api/orders/?account=many&symbol=BTC_USDT&side=BUY";
    assert_eq!(stack.ask(Method::DELETE, path, Value::Null, 200).await["cancelled"], 2);
    stack.ask(Method::DELETE, "/api/orders/?side=BUY", Value::Null, 400).await;
    let blocked = stack.post("/api/accounts/many/block/", Value::Null).await;
    assert_eq!((&blocked["blocked"], &blocked["cancelled"]), (&json!(true), &json!(1)));
    let order = json!({"price": 80, "quantity": 1, "account": "many"});
    stack.ends("BUY", order.clone(), "REJECTED", "ACCOUNT_BLOCKED").await;
    stack.post("/api/accounts/many/unblock/", Value::Null).await;
    stack.ends("BUY", order, "OPEN", "").await;
    // Nobody trades with oneself who does not want to.
    let prevented = json!({"price": 80, "quantity": 2, "account": "many", "self_trade_prevention": "EXPIRE_TAKER"});
    stack.ends("SELL", prevented, "CANCELLED", "SELF_TRADE").await;
}

async fn phases(stack: &Stack) {
    let listed = json!({"price_decimals": 2, "quantity_decimals": 2, "tick": "0.5"});
    let market = stack.ask(Method::PUT, "/api/symbols/SOL_USDT/", listed, 200).await;
    assert_eq!((&market["phase"], &market["tick"]), (&json!("CONTINUOUS"), &json!("0.5")));
    let phase = async |phase: &str| stack.post("/api/symbols/SOL_USDT/phase/", json!({"phase": phase})).await;
    assert_eq!(phase("AUCTION").await["phase"], "AUCTION");
    let order = |side: &str, price: &str| json!({"symbol": "SOL_USDT", "side": side, "price": price, "quantity": 1});
    for (side, price) in [("BUY", "21"), ("SELL", "20")] {
        assert_eq!(stack.post("/api/orders/?ack=committed", order(side, price)).await["status"], "OPEN");
    }
    assert_eq!(stack.get("/api/symbols/SOL_USDT/").await["auction"]["volume"], "1");
    assert!(phase("CONTINUOUS").await["last_price"].is_string());
    for (name, status) in [("CANCEL_ONLY", "REJECTED"), ("POST_ONLY", "OPEN"), ("CLOSED", "REJECTED")] {
        assert_eq!(phase(name).await["phase"], name);
        assert_eq!(stack.post("/api/orders/?ack=committed", order("BUY", "1")).await["status"], status, "{name}");
    }
    assert_eq!(stack.get("/api/debug/state/").await["symbols"]["SOL_USDT"]["phase"], "CLOSED");
    let rules = json!({"tick": "1", "max_open_orders": 1});
    assert_eq!(stack.ask(Method::PUT, "/api/symbols/SOL_USDT/", rules, 200).await["tick"], "1");
    stack.ask(Method::PUT, "/api/symbols/SOL_USDT/", json!({"price_decimals": 3}), 409).await;
}

/// What an account armed before a kill goes off after it, in logged time.
async fn a_dead_mans_switch_goes_off_across_a_restart(mode: Mode) {
    let mut stack = Stack::on(mode);
    let order = stack.ends("BUY", json!({"price": 80, "quantity": 1, "account": "frail"}), "OPEN", "").await;
    let other = stack.ends("BUY", json!({"price": 80, "quantity": 1, "account": "firm"}), "OPEN", "").await;
    for account in ["frail", "firm"] {
        stack.post(&format!("/api/accounts/{account}/cancel-after/"), json!({"timeout_ms": 1_000})).await;
    }
    stack.post("/api/accounts/firm/cancel-after/", json!({"timeout_ms": 0})).await;
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    until("the switch to go off", async || (stack.status(order).await == "CANCELLED").then_some(())).await;
    let (status, answer) = stack.cancel(order).await;
    assert_eq!((status, &answer["repeated"]), (StatusCode::OK, &json!(true)));
    assert_eq!(stack.status(other).await, "OPEN");
    check_log(&stack).await;
}
