//! `serve --demo`: an hour of candles at the first start, trading from then on, and a log like any other.

use serde_json::Value;

use crate::service::support::{DEADLINE, Mode, Stack, check_log, on_both, trades, until};

const MARKETS: [&str; 3] = ["BTC_USD", "ETH_USD", "SOL_USD"];

on_both! {
    it_is_alive_at_once
    a_log_that_is_not_empty_gets_no_hour
}

async fn it_is_alive_at_once(mode: Mode) {
    let mut stack = Stack::serving(mode, &["--demo"], &[]);
    assert_eq!(stack.readiness().await.1["demo"], true);
    for market in MARKETS {
        let candles = stack.get(&format!("/api/symbols/{market}/candles/?interval=1m&limit=1000")).await;
        let candles = candles["candles"].as_array().expect("candles").clone();
        assert!((55..=62).contains(&candles.len()), "{} candles of {market}", candles.len());
        until_it_trades(&stack, market).await;
        let depth = stack.get(&format!("/api/symbols/{market}/depth/")).await;
        for side in ["bids", "asks"] {
            assert!((6..=12).contains(&depth[side].as_array().expect("levels").len()), "{depth}");
        }
    }
    let before = stack.get("/api/debug/state/").await;
    let ids: Vec<u64> = trades(&before).map(|trade| trade["id"].as_u64().expect("an id")).collect();
    assert!(ids.len() > 400, "{} trades", ids.len());
    // What others do goes on beside it, and ids go on behind it.
    let order = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([order]).await;

    stack.service.restart().expect("a restart");
    let after = stack.get("/api/debug/state/").await;
    assert!(trades(&after).take(ids.len()).map(|trade| &trade["id"]).eq(&ids), "trades are lost");
    for market in MARKETS {
        until_it_trades(&stack, market).await;
    }
    stack.service.kill().expect("a kill");
    stack.service.relaunch(&[]).expect("a start");
    stack.service.wait_ready(DEADLINE).expect("ready");
    stack.tool(&["verify", "--full"]).well();
    let times: Vec<u64> = stack.log().await.iter().map(|row| row.time.get()).collect();
    assert!(times.is_sorted(), "time runs backwards");
    assert!(times[times.len() - 1] - times[0] > 3_599_000_000);
}

async fn a_log_that_is_not_empty_gets_no_hour(mode: Mode) {
    let mut stack = Stack::on(mode);
    assert_eq!(stack.readiness().await.1["demo"], false);
    let order = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([order]).await;
    stack.service.relaunch(&["--demo"]).expect("a start");
    stack.service.wait_ready(DEADLINE).expect("ready");
    until_it_trades(&stack, "SOL_USD").await;
    let candles = stack.get("/api/symbols/SOL_USD/candles/?interval=1m").await;
    assert!(candles["candles"].as_array().expect("candles").len() <= 3, "{candles}");
    check_log(&stack).await;
}

/// Waits for a trade that is newer than the newest one now.
async fn until_it_trades(stack: &Stack, market: &str) {
    let newest = async || {
        let answer = stack.client.get(stack.url(&format!("/api/symbols/{market}/trades/?limit=1"))).send().await;
        let trades: Value = answer.expect("an answer").json().await.expect("JSON");
        trades["trades"][0]["trade_id"].as_u64()
    };
    let first = newest().await;
    until(&format!("a trade of {market}"), async || newest().await.filter(|newest| Some(*newest) > first)).await;
}
