//! Reading the market, the event stream, the socket: from the outside, in both modes, and across kills.

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::black_box::{project, run};
use crate::service::support::{Mode, Stack, on_both, progress, until};

on_both! {
    the_client_s_book_equals_the_depth_at_the_same_row
    what_is_asked_is_answered_with_the_row_it_is_true_for
    an_acknowledged_order_is_never_unknown
    events_and_positions_survive_a_kill
    what_left_the_ledger_is_in_the_history_or_says_what_it_needs
    a_ledger_that_is_killed_posts_everything_once
    the_socket_takes_orders_and_cancels_them_when_it_closes
}

async fn the_client_s_book_equals_the_depth_at_the_same_row(mode: Mode) {
    let stack = Stack::on(mode);
    println!("{}", run("python", &["api_tests/feed_check.py", "20"], &stack.service.base_url()));
}

async fn the_socket_takes_orders_and_cancels_them_when_it_closes(mode: Mode) {
    let stack = Stack::on(mode);
    println!("{}", run("python", &["api_tests/socket_check.py"], &stack.service.base_url()));
}

async fn what_is_asked_is_answered_with_the_row_it_is_true_for(mode: Mode) {
    let stack = Stack::on(mode);
    let sell = stack.place("BTC_USDT", "SELL", "100.5", "2").await;
    let buy = stack.place("BTC_USDT", "BUY", "101", "0.5").await;
    let resting = stack.place("BTC_USDT", "BUY", "99", "3").await;
    stack.state_with([sell, buy, resting]).await;

    let depth = stack.get("/api/symbols/BTC_USDT/depth/?limit=5").await;
    assert_eq!((&depth["bids"], &depth["asks"]), (&json!([["99", "3", 1]]), &json!([["100.5", "1.5", 1]])));
    let seq = depth["seq"].as_u64().expect("a row");
    assert_eq!(depth["book_seq"], depth["seq"]);
    let ticker = stack.get("/api/symbols/BTC_USDT/ticker/").await;
    assert_eq!(
        (&ticker["last_price"], &ticker["volume_24h"], &ticker["quote_volume_24h"], &ticker["trades_24h"]),
        (&json!("100.5"), &json!("0.5"), &json!("50.25"), &json!(1))
    );
    let trades = stack.get("/api/symbols/BTC_USDT/trades/").await;
    assert_eq!(trades["trades"][0]["taker_order_id"], buy);
    assert_eq!(trades["seq"], seq);
    for interval in ["1s", "1m", "5m", "15m", "1h", "4h", "1d"] {
        let candles = stack.get(&format!("/api/symbols/BTC_USDT/candles/?interval={interval}")).await;
        assert_eq!(candles["candles"][0]["close"], "100.5", "{candles}");
    }
    let symbols = stack.get("/api/symbols/").await;
    assert_eq!((&symbols["symbols"][0]["symbol"], &symbols["seq"]), (&json!("BTC_USDT"), &json!(seq)));

    let order = stack.get(&format!("/api/orders/{sell}/")).await;
    assert_eq!((&order["order"]["status"], &order["order"]["remaining"]), (&json!("PARTIALLY_FILLED"), &json!("1.5")));
    assert_eq!(order["seq"], seq);
    let explained = stack.get(&format!("/api/orders/{buy}/explain/")).await;
    assert_eq!((explained["complete"].as_bool(), explained["life"].as_array().map(Vec::len)), (Some(true), Some(1)));
    assert_eq!(
        explained["life"][0]["words"][1],
        format!("It traded 0.5 at 100.5 as the taker with order {sell}; 0 was left.")
    );

    // Newest first, page by page.
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stack.get(&format!("/api/orders/?symbol=BTC_USDT&limit=2{cursor}")).await;
        found.extend(page["orders"].as_array().expect("orders").iter().filter_map(|order| order["order_id"].as_u64()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, [resting, buy, sell]);
    let open = stack.get("/api/orders/?status=open&side=BUY").await;
    assert_eq!(open["orders"].as_array().map(Vec::len), Some(1));
}

/// While the engine cannot commit, and after a restart, an acknowledged order is there, or the answer says why not yet.
async fn an_acknowledged_order_is_never_unknown(mode: Mode) {
    let mut stack = Stack::on(mode);
    for round in 0..3 {
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(stack.place("BTC_USDT", "BUY", "100", "1").await);
            let (status, order) = found(&stack, ids[ids.len() - 1]).await;
            assert_eq!(status, StatusCode::OK, "round {round}: {order}");
        }
        stack.service.kill().expect("a kill");
        stack.service.restart().expect("a restart");
        for id in ids {
            until(&format!("order {id} of round {round}"), async || {
                let (status, order) = found(&stack, id).await;
                let there = status == StatusCode::OK;
                assert!(there || status == StatusCode::SERVICE_UNAVAILABLE, "round {round}, order {id}: {order}");
                there.then_some(())
            })
            .await;
        }
    }
    let (status, problem) = found(&stack, (1 << 53) - 1).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_ORDER")));
}

/// With two closed orders kept, all others are found in the history, also after it was emptied, or a part of it, and made
/// again.
async fn what_left_the_ledger_is_in_the_history_or_says_what_it_needs(mode: Mode) {
    let mut stack = Stack::with_settings(mode, &[("RETAIN_CLOSED_ORDERS", "2")]);
    let mut pairs = Vec::new();
    for _ in 0..10 {
        let sell = stack.place("BTC_USDT", "SELL", "100.5", "2").await;
        pairs.push((sell, stack.place("BTC_USDT", "BUY", "101", "2").await));
    }
    let set_back = ["TRUNCATE history_order, history_trade", "DELETE FROM history_order WHERE order_id % 3 = 0"];
    for emptied in [None, Some(set_back[0]), Some(set_back[1])] {
        if let (Some(emptied), Mode::Full) = (emptied, mode) {
            stack.service.kill().expect("a kill");
            stack.sql(emptied);
            stack.sql("UPDATE history_position SET seq = 0");
            stack.sql("REVOKE INSERT ON history_order, history_trade FROM pricetime_service");
            stack.service.restart().expect("a restart");
            // A page without them would be taken for the whole.
            let (status, page) = answered(&stack, "/api/symbols/BTC_USDT/trades/").await;
            assert_eq!((status.as_u16(), &page["code"]), (503, &json!("NOT_READY")), "{page}");
            stack.sql("GRANT INSERT ON history_order, history_trade TO pricetime_service");
        }
        for (sell, buy) in pairs.iter().copied().take(8) {
            let expected = if mode == Mode::Full { StatusCode::OK } else { StatusCode::NOT_IMPLEMENTED };
            let path = format!("/api/orders/{sell}/");
            let order = eventually(&stack, &path, expected).await;
            if mode == Mode::Embedded {
                assert_eq!(order["code"], "NEEDS_POSTGRES");
                continue;
            }
            assert_eq!(
                (&order["order"]["status"], &order["order"]["average_price"]),
                (&json!("FILLED"), &json!("100.5"))
            );
            let explained = eventually(&stack, &format!("/api/orders/{buy}/explain/"), expected).await;
            assert_eq!(
                explained["life"][0]["words"][1],
                format!("It traded 2 at 100.5 as the taker with order {sell}; 0 was left.")
            );
            assert_eq!(explained["complete"], true, "{explained}");
        }
    }
    let mut takers = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = eventually(&stack, &format!("/api/symbols/BTC_USDT/trades/?limit=3{cursor}"), StatusCode::OK).await;
        let trades = page["trades"].as_array().expect("trades");
        takers.extend(trades.iter().filter_map(|trade| trade["taker_order_id"].as_u64()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if mode == Mode::Full {
        assert_eq!(takers, pairs.iter().rev().map(|(_, buy)| *buy).collect::<Vec<_>>());
    }
}

/// The answer about something, once it has this status; until then it may be that of a PENDING order, or 503.
async fn eventually(stack: &Stack, path: &str, expected: StatusCode) -> Value {
    until(&format!("{expected} of {path}"), async || {
        let (status, answer) = answered(stack, path).await;
        if status == expected && answer["order"]["status"] != "PENDING" {
            return Some(answer);
        }
        let not_yet = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK].contains(&status);
        assert!(not_yet, "{path}: {status} {answer}");
        None
    })
    .await
}

async fn found(stack: &Stack, order_id: u64) -> (StatusCode, Value) {
    answered(stack, &format!("/api/orders/{order_id}/")).await
}

async fn answered(stack: &Stack, path: &str) -> (StatusCode, Value) {
    let answer = stack.client.get(stack.url(path)).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

async fn events_and_positions_survive_a_kill(mode: Mode) {
    let mut stack = Stack::on(mode);
    let id = stack.place("BTC_USDT", "BUY", "100", "1").await;
    stack.state_with([id]).await;
    let before = stack.get("/api/events/?after=0&wait_ms=1000").await;
    let end = before["next"].as_u64().expect("a cursor");
    let seqs: Vec<u64> = rows(&before).iter().filter_map(|row| row["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=end).collect::<Vec<_>>());
    let url = stack.url("/api/consumers/books/position/");
    let kept = stack.client.put(&url).json(&json!({"position": 1})).send().await.expect("an answer");
    assert_eq!(kept.status(), StatusCode::OK);

    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    let position = stack.get("/api/consumers/books/position/").await;
    assert_eq!((&position["position"], &position["lag"]), (&json!(1), &json!(end - 1)));
    let metrics =
        stack.client.get(stack.url("/metrics")).send().await.expect("an answer").text().await.expect("a text");
    assert!(metrics.contains(&format!("pricetime_consumer_lag{{consumer=\"books\"}} {}", end - 1)), "{metrics}");

    // A poll that waits is answered by what comes.
    let path = format!("/api/events/?after={end}&wait_ms=20000");
    let (page, _) = tokio::join!(stack.get(&path), stack.place("BTC_USDT", "SELL", "100", "1"));
    assert_eq!(rows(&page)[0]["events"][1]["type"], "Trade", "{page}");
    let beyond = stack.client.get(stack.url("/api/events/?after=1000000")).send().await.expect("an answer");
    assert_eq!(beyond.status(), StatusCode::BAD_REQUEST);
}

fn rows(page: &Value) -> &[Value] {
    page["events"].as_array().expect("rows")
}

/// The example ledger and the service are killed together under load, as often as `LEDGER_KILLS` says.
async fn a_ledger_that_is_killed_posts_everything_once(mode: Mode) {
    let kills = std::env::var("LEDGER_KILLS").map_or(5, |kills| kills.parse().expect("LEDGER_KILLS is a number"));
    let mut stack = Stack::on(mode);
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("ledger.db");
    let database = database.to_str().expect("a path");
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::task::spawn_blocking({
        let (url, stop) = (stack.service.base_url(), Arc::clone(&stop));
        move || {
            for seed in 0u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                run("python", &["api_tests/ledger_load.py", "2", &seed.to_string()], &url);
            }
        }
    });
    for _ in 0..kills {
        let mut ledger = start_ledger(&stack.service.base_url(), database);
        let now = stack.get("/api/events/?after=0&limit=1").await["seq"].as_u64().expect("a row");
        progress(&stack, now + 150).await;
        ledger.kill().expect("a kill");
        stack.service.kill().expect("a kill");
        ledger.wait().expect("its end");
        stack.service.restart().expect("a restart");
    }
    stop.store(true, Ordering::Relaxed);
    load.await.expect("the load");
    let end = stack.get("/api/events/?after=0&limit=1").await["seq"].as_u64().expect("a row");
    let (url, until) = (stack.service.base_url(), end.to_string());
    let arguments = ["examples/ledger.py", "--url", &url, "--database", database, "--until", &until];
    let said = run("python", &arguments, "");
    println!("{kills} kills: {said}");
    assert!(said.contains(&format!("row {end}: ")), "{said}");
}

fn start_ledger(url: &str, database: &str) -> Child {
    let mut command = Command::new(project(".venv/bin/python"));
    command.args(["examples/ledger.py", "--url", url, "--database", database]).current_dir(project(""));
    command.spawn().expect("it runs")
}
