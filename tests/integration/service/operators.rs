//! What operators go by: metrics, dashboards, alerts and runbooks agree.

use reqwest::StatusCode;
use serde_json::json;

use crate::service::black_box::run;
use crate::service::support::{Mode, Stack, on_both, until};

async fn page(stack: &Stack) -> String {
    let answer = stack.client.get(stack.url("/metrics")).send().await.expect("an answer");
    answer.text().await.expect("a text")
}

/// The page, once it says all of this.
async fn page_with(stack: &Stack, lines: &[&str]) -> String {
    until(&format!("a page with all of {lines:?}"), async || {
        let page = page(stack).await;
        lines.iter().all(|line| page.contains(&format!("\n{line}"))).then_some(page)
    })
    .await
}

/// Every metric that dashboards and alerts name is there, with the labels that they name, and every runbook.
#[tokio::test(flavor = "multi_thread")]
async fn dashboards_alerts_and_runbooks_name_what_there_is() {
    let stack = Stack::on(Mode::Full);
    let url = stack.url("/api/consumers/books/position/");
    let kept = stack.client.put(&url).json(&json!({"position": 0})).send().await.expect("an answer");
    assert_eq!(kept.status(), StatusCode::OK);
    // Asked for now and then.
    page_with(&stack, &["pricetime_oldest_transaction_seconds "]).await;
    println!("{}", run("python", &["api_tests/operators_check.py"], &stack.service.base_url()));
}

on_both! {
    the_metrics_tell_what_happened
}

async fn the_metrics_tell_what_happened(mode: Mode) {
    let stack = Stack::on(mode);
    let maker = stack.place("BTC_USDT", "SELL", "100", "2").await;
    stack.place("BTC_USDT", "BUY", "100", "1").await;
    stack.place("ETH_USDT", "BUY", "5", "1").await;
    let rejected = stack.order(json!({"post_only": true, "price": "100", "ack": "committed"})).await;
    assert_eq!(rejected.status, 400, "{}", rejected.body);
    stack.order(json!({"post_only": true, "price": "100"})).await;
    let cancel = stack.client.post(stack.url(&format!("/api/orders/{maker}/cancel/"))).send().await.expect("an answer");
    assert_eq!(cancel.status(), StatusCode::OK);
    let page = page_with(
        &stack,
        &[
            "pricetime_orders_total{result=\"accepted\"} 3",
            "pricetime_orders_total{result=\"rejected\"} 1",
            "pricetime_rejected_orders_total{reason=\"POST_ONLY_WOULD_TRADE\"} 1",
            "pricetime_trades_total 1",
            "pricetime_closed_orders_total{how=\"filled\"} 1",
            "pricetime_closed_orders_total{how=\"cancelled\"} 1",
            "pricetime_markets{phase=\"CONTINUOUS\"} 3",
            "pricetime_waiting_orders 0",
            "pricetime_queue_lag_entries 0",
            "pricetime_queue_lag_seconds 0.0",
            "pricetime_oldest_unacknowledged_seconds 0.0",
            "pricetime_projection_lag_rows 0",
            "pricetime_feed_lag_rows 0",
            "pricetime_caught_up 1",
        ],
    )
    .await;
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse::<f64>().expect("a number")
    };
    // Three markets were listed, five commands came.
    assert_eq!(value("pricetime_committed_seq"), 8.0);
    assert_eq!(value("pricetime_batch_rows_sum"), 8.0);
    for (stage, least) in [("enqueue", 5.0), ("queue", 4.0), ("match", 1.0), ("commit", 1.0)] {
        let count = value(&format!("pricetime_stage_seconds_count{{stage=\"{stage}\"}}"));
        assert!(count >= least, "{stage} was timed {count} times");
    }
    assert!(value("pricetime_requests_total") >= 6.0);
    assert!(value("pricetime_refused_requests_total{code=\"UNKNOWN_FIELD\",status=\"400\"}") >= 1.0);
    assert!(value("pricetime_resident_memory_bytes") > 1e6);
}
