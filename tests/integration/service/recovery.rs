//! The original's recovery test: a snapshot, more orders, Redis wiped, everything rebuilt, key by key.

use std::time::Duration;

use testbed::wait_until;
use tokio::time::{Instant, sleep};

use crate::service::support::{DEADLINE, Mode, Stack, check_log, empty, on_both, redis_dump};

async fn some_orders(stack: &Stack, count: u64) {
    let mut placed = Vec::new();
    for n in 0..count {
        let side = if n % 2 == 0 { "SELL" } else { "BUY" };
        let symbol = ["BTC_USDT", "ETH_USDT"][n as usize % 3 / 2];
        let price = format!("{}.5", 100 + n * 7 % 11);
        placed.push(stack.place(symbol, side, &price, &format!("{}.25", 1 + n % 5)).await);
    }
    stack.state_with(placed.iter().copied()).await;
    for order_id in placed.iter().step_by(7) {
        stack.cancel(*order_id).await;
    }
}

on_both! {
    a_killed_service_comes_back_as_it_was
}

/// From a snapshot and the rows after it; and once more from the log alone.
async fn a_killed_service_comes_back_as_it_was(mode: Mode) {
    for interval in ["1", "600"] {
        let mut stack = Stack::with_settings(mode, &[("SNAPSHOT_INTERVAL", interval)]);
        some_orders(&stack, 40).await;
        if interval == "1" {
            wait_until(DEADLINE, "a snapshot", || stack.service.log().contains("snapshot taken")).expect("a snapshot");
        }
        some_orders(&stack, 40).await;
        let state = stack.get("/api/debug/state/").await;
        stack.service.kill().expect("a kill");
        stack.service.restart().expect("a restart");
        assert_eq!(stack.get("/api/debug/state/").await, state);
        some_orders(&stack, 10).await;
        check_log(&stack).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_redis_is_rebuilt_key_by_key() {
    let mut stack = Stack::with_settings(Mode::Full, &[("SNAPSHOT_INTERVAL", "1")]);
    some_orders(&stack, 60).await;
    let snapshots = || stack.sql("SELECT count(*) FROM snapshot WHERE at_seq > 60").parse::<u64>().expect("a number");
    wait_until(DEADLINE, "a snapshot", || snapshots() > 0).expect("a snapshot");
    some_orders(&stack, 60).await;
    let state = stack.get("/api/debug/state/").await;
    let before = redis_dump(stack.redis()).await;
    assert!(before.len() > 120, "{} keys", before.len());

    stack.service.kill().expect("a kill");
    empty(stack.redis()).await;
    assert!(redis_dump(stack.redis()).await.is_empty());
    stack.service.restart().expect("a restart");
    assert_eq!(redis_dump(stack.redis()).await, before);
    assert_eq!(stack.get("/api/debug/state/").await, state);

    // And the service goes on: new orders get new ids and trade with what was there.
    some_orders(&stack, 20).await;
    check_log(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_snapshot_reads_the_whole_log() {
    let mut stack = Stack::start();
    some_orders(&stack, 30).await;
    let before = redis_dump(stack.redis()).await;
    assert_eq!(stack.sql("SELECT count(*) FROM snapshot"), "0");
    stack.service.kill().expect("a kill");
    empty(stack.redis()).await;
    stack.service.restart().expect("a restart");
    assert_eq!(redis_dump(stack.redis()).await, before);
}

/// A projection that fell behind, because the service died between commit and projection, is brought up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_is_behind_catches_up_at_the_start() {
    let mut stack = Stack::start();
    some_orders(&stack, 30).await;
    let before = redis_dump(stack.redis()).await;
    stack.redis_mut().kill().expect("a kill");
    let settled = stack.service.terminate(Duration::from_secs(30));
    // It could not project its last rows; whether it managed to stop cleanly is not the point here.
    drop(settled);
    stack.redis_mut().restart().expect("a restart");
    stack.service.restart().expect("a restart");
    assert_eq!(redis_dump(stack.redis()).await, before);
}

/// Debug answers are one image of the ledger; at rest they say what Redis says.
#[tokio::test(flavor = "multi_thread")]
async fn debug_answers_agree_with_redis_at_rest() {
    let stack = Stack::start();
    some_orders(&stack, 50).await;
    let state = stack.get("/api/debug/state/").await;
    let dump = redis_dump(stack.redis()).await;
    for order in crate::service::support::orders(&state) {
        let fields = &dump[&format!("order:{} (hash)", order["id"])];
        for (name, value) in order.as_object().expect("an order") {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !value.is_null() {
                assert!(fields.contains(&format!("{name} = {text}")), "{name} of {order} is not in {fields:?}");
            }
        }
    }
    let listed: usize = dump.iter().filter(|(key, _)| key.starts_with("trades:")).map(|(_, trades)| trades.len()).sum();
    assert_eq!(listed, state["trades"].as_array().expect("trades").len());
    let open = crate::service::support::orders(&state)
        .filter(|order| order["status"] == "OPEN" || order["status"] == "PARTIALLY_FILLED")
        .count();
    let members: usize = dump.iter().filter(|(key, _)| key.starts_with("book:")).map(|(_, book)| book.len() / 2).sum();
    assert_eq!(members, open);
    assert!(dump["projection:seq (hash)"].contains(&format!("seq = {}", state["seq"])));
}

/// Killed in the middle of recovery, again and again, now and then with Redis emptied too: the next start that is left
/// alone shows what was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_is_killed_a_hundred_times_ends_right() {
    let mut stack = Stack::start();
    some_orders(&stack, 60).await;
    stack.tool(&["snapshot", "take"]).well();
    some_orders(&stack, 60).await;
    let (state, before) = (stack.get("/api/debug/state/").await, redis_dump(stack.redis()).await);
    let began = Instant::now();
    stack.service.restart().expect("a start");
    let start = began.elapsed().as_micros() as u64;
    for kill in 0..100 {
        if kill % 10 == 0 {
            stack.service.kill().expect("a kill");
            empty(stack.redis()).await;
        }
        stack.service.relaunch(&[]).expect("a start");
        // Every moment of a start, in no order.
        sleep(Duration::from_micros(start * (kill * 37 % 100) / 100)).await;
        stack.service.kill().expect("a kill");
    }
    stack.service.restart().expect("a start");
    assert_eq!(stack.get("/api/debug/state/").await, state);
    assert_eq!(redis_dump(stack.redis()).await, before);
    stack.tool(&["verify", "--full"]).well();
}
