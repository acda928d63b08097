//! `kill -9` of each part under load: nothing acknowledged is lost, nothing happens twice.

use crate::service::support::{Acknowledged, Mode, Stack, empty, on_both, progress, under_load, violations};
use serde_json::json;

on_both! {
    killing_the_service_loses_nothing
}

async fn killing_the_service_loses_nothing(mode: Mode) {
    under_load(Stack::on(mode), 16, async |stack| {
        for round in 1..=4 {
            progress(stack, round * 400).await;
            stack.service.kill().expect("a kill");
            stack.service.restart().expect("a restart");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_redis_loses_nothing() {
    under_load(Stack::start(), 16, async |stack| {
        for round in 1..=3 {
            progress(stack, round * 400).await;
            stack.redis_mut().kill().expect("a kill");
            stack.redis_mut().restart().expect("a restart");
        }
        progress(stack, 1_800).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_postgres_loses_nothing() {
    under_load(Stack::with_own_postgres(), 16, async |stack| {
        for round in 1..=3 {
            progress(stack, round * 400).await;
            stack.postgres_mut().kill().expect("a kill");
            stack.postgres_mut().restart().expect("a restart");
        }
        progress(stack, 1_800).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_everything_at_once_loses_nothing() {
    under_load(Stack::with_own_postgres(), 16, async |stack| {
        for round in 1..=2 {
            progress(stack, round * 500).await;
            stack.postgres_mut().kill().expect("a kill");
            stack.redis_mut().kill().expect("a kill");
            stack.service.kill().expect("a kill");
            stack.postgres_mut().restart().expect("a restart");
            stack.redis_mut().restart().expect("a restart");
            stack.service.restart().expect("a restart");
        }
    })
    .await;
}

/// Somebody empties Redis while the service runs: the stream comes back with everything that was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn emptying_redis_loses_nothing() {
    under_load(Stack::start(), 16, async |stack| {
        for round in 1..=3 {
            progress(stack, round * 400).await;
            empty(stack.redis()).await;
        }
        progress(stack, 1_800).await;
    })
    .await;
}

/// The checker itself: each planted lie is found.
#[test]
fn the_checker_finds_planted_bugs() {
    let order = |id: u64, side: &str, price: u64, quantity: u64, remaining: u64, status: &str| {
        json!({"id": id, "symbol": "BTC_USDT", "side": side, "price": price, "quantity": quantity,
               "remaining": remaining, "status": status})
    };
    let trade = |price: u64, quantity: u64| json!({"id": 1, "symbol": "BTC_USDT", "price": price, "quantity": quantity, "maker_order_id": 1, "taker_order_id": 2});
    let told = |order_id, cancelled| Acknowledged {
        order_id,
        symbol: "BTC_USDT".to_owned(),
        side: if order_id == 1 { "SELL".to_owned() } else { "BUY".to_owned() },
        price: if order_id == 1 { 100 } else { 101 } * 100_000_000,
        quantity: 500_000_000,
        cancelled,
    };
    let both = [told(1, false), told(2, false)];
    let maker = order(1, "SELL", 100, 5, 2, "PARTIALLY_FILLED");
    let taker = order(2, "BUY", 101, 5, 2, "CANCELLED");
    let check = |orders: serde_json::Value, trades: serde_json::Value, told: &[Acknowledged], expected: &str| {
        let found = violations(&json!({"orders": orders, "trades": trades}), told);
        if expected.is_empty() {
            assert!(found.is_empty(), "{found:?}");
        } else {
            assert!(found.iter().any(|violation| violation.contains(expected)), "{expected:?} is not in {found:?}");
        }
    };
    check(json!([maker, taker]), json!([trade(100, 3)]), &both, "");
    check(json!([maker]), json!([]), &both, "acknowledged and is lost");
    check(json!([maker, maker, taker]), json!([trade(100, 3)]), &both, "there twice");
    check(json!([maker, taker]), json!([trade(101, 3)]), &both, "do not allow");
    check(json!([maker, taker]), json!([trade(100, 3), trade(100, 3)]), &both, "do not add up");
    check(json!([maker, taker]), json!([]), &both, "do not add up");
    check(json!([maker, taker]), json!([trade(100, 3)]), &[told(1, true)], "said to be CANCELLED");
    check(
        json!([order(1, "SELL", 100, 6, 3, "PARTIALLY_FILLED"), taker]),
        json!([trade(100, 3)]),
        &both,
        "not what was acknowledged",
    );
    check(
        json!([order(1, "SELL", 100, 5, 5, "OPEN"), order(2, "BUY", 101, 5, 5, "OPEN")]),
        json!([]),
        &both,
        "crossed",
    );
    check(json!([order(1, "SELL", 100, 5, 0, "OPEN")]), json!([]), &[], "do not add up");
}
