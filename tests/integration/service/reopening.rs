//! After a start that follows no clean stop, markets reopen step by step: everybody may leave before anybody trades.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use testbed::wait_until;

use chaos::load::SYMBOLS;

use crate::service::support::{DEADLINE, Mode, Stack, check_log, on_both, until};

/// Long enough that a slow machine sees each phase.
const SETTINGS: [(&str, &str); 3] = [("DEBUG", "false"), ("REOPEN_CANCEL_ONLY", "5"), ("REOPEN_POST_ONLY", "5")];

on_both! {
    markets_reopen_step_by_step_after_a_kill
    a_clean_stop_and_debug_reopen_at_once
}

async fn market(stack: &Stack) -> Value {
    stack.get("/api/symbols/BTC_USDT/").await
}

async fn phase(stack: &Stack, expected: &str) {
    until(expected, async || (market(stack).await["phase"] == expected).then_some(())).await;
}

/// Places a limit order and tells how it ended, with its id.
async fn placed(stack: &Stack, side: &str, price: &str) -> (u64, Value, Value) {
    let body = json!({"symbol": "BTC_USDT", "side": side, "price": price, "quantity": "1"});
    let answer =
        stack.client.post(stack.url("/api/orders/?ack=committed")).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.expect("JSON");
    let order = &answer["order"];
    (answer["order_id"].as_u64().expect("an id"), order["status"].clone(), order["reason_code"].clone())
}

async fn set_phases(stack: &Stack) -> usize {
    stack.log().await.iter().filter(|row| row.kind == "SetPhase").count()
}

async fn markets_reopen_step_by_step_after_a_kill(mode: Mode) {
    let mut stack = Stack::with_settings(mode, &SETTINGS);
    assert_eq!(market(&stack).await["phase"], "CONTINUOUS");
    let (resting, status, _) = placed(&stack, "SELL", "101").await;
    assert_eq!(status, "OPEN");
    let (leaving, ..) = placed(&stack, "SELL", "102").await;

    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    let reopening = market(&stack).await;
    assert_eq!(reopening["phase"], "CANCEL_ONLY", "{reopening}");
    let then: Vec<&Value> = reopening["then"].as_array().expect("phases").iter().map(|step| &step["phase"]).collect();
    assert_eq!(then, ["POST_ONLY", "CONTINUOUS"]);
    let (_, status, reason) = placed(&stack, "BUY", "90").await;
    assert_eq!((status, reason), (json!("REJECTED"), json!("PHASE_FORBIDS")));
    assert_eq!(stack.cancel(leaving).await.0, StatusCode::OK);

    phase(&stack, "POST_ONLY").await;
    let (_, status, _) = placed(&stack, "BUY", "90").await;
    assert_eq!(status, "OPEN");
    let (_, status, _) = placed(&stack, "BUY", "101").await;
    assert_eq!(status, "REJECTED");

    phase(&stack, "CONTINUOUS").await;
    let (_, status, _) = placed(&stack, "BUY", "101").await;
    assert_eq!(status, "FILLED");
    assert_eq!(stack.cancel(resting).await.1["order_status"], "FILLED");
    assert_eq!(set_phases(&stack).await, SYMBOLS.len());
    check_log(&stack).await;
}

async fn a_clean_stop_and_debug_reopen_at_once(mode: Mode) {
    let mut stack = Stack::with_settings(mode, &SETTINGS);
    placed(&stack, "SELL", "101").await;
    stack.service.terminate(Duration::from_secs(30)).expect("a clean stop");
    stack.service.restart().expect("a restart");
    assert_eq!(market(&stack).await["phase"], "CONTINUOUS");
    assert_eq!(set_phases(&stack).await, 0);

    let mut stack = Stack::with_settings(mode, &[("DEBUG", "true"), ("REOPEN_CANCEL_ONLY", "5")]);
    placed(&stack, "SELL", "101").await;
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    wait_until(DEADLINE, "a restart", || stack.service.log().contains("clean=false")).expect("an unclean start");
    assert_eq!(market(&stack).await["phase"], "CONTINUOUS");
    assert_eq!(set_phases(&stack).await, 0);
}
