//! A writer that stands still while a standby takes over, and wakes up.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::service::rolling::stands_by;
use crate::service::support::{Stack, check_log, id, orders};

/// The old writer makes no event, no projection write and tells no final state; what it still acknowledges is executed by
/// the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_wakes_after_a_take_over_does_nothing_and_ends() {
    let mut stack = Stack::start();
    let maker = stack.place("BTC_USDT", "SELL", "100", "5").await;
    stack.state_with([maker]).await;
    let mut second = stands_by(&stack).await;

    // Requests that lie in its sockets when it wakes.
    let old = stack.service.base_url();
    stack.service.pause().expect("a pause");
    let began = Instant::now();
    let patient = || reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
    let body = json!({"symbol": "BTC_USDT", "side": "BUY", "price": "1", "quantity": "1"});
    let order = tokio::spawn(patient().post(format!("{old}/api/orders/")).json(&body).send());
    let cancel = tokio::spawn(patient().post(format!("{old}/api/orders/{maker}/cancel/")).send());
    let read = tokio::spawn(patient().get(format!("{old}/api/debug/state/")).send());

    second.wait_ready(Duration::from_secs(20)).expect("the second takes over");
    assert!(began.elapsed() > Duration::from_secs(4), "a silent writer is waited for");
    let mut zombie = std::mem::replace(&mut stack.service, second);
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(stack.place("BTC_USDT", "BUY", "100", "1").await);
    }
    let state = stack.state_with(placed.iter().copied()).await;

    zombie.resume().expect("it wakes");
    let status = zombie.wait_exit(Duration::from_secs(10)).expect("an end");
    assert_eq!(status.code(), Some(5), "{}", zombie.log());

    // It may still acknowledge an order, which is then true; it answers nothing else with success.
    let mut acknowledged = None;
    if let Ok(answer) = order.await.expect("a request")
        && answer.status() == 202
    {
        acknowledged = answer.json::<Value>().await.ok().and_then(|body| body["order_id"].as_u64());
    }
    for answer in [cancel.await, read.await] {
        if let Ok(answer) = answer.expect("a request") {
            assert!(matches!(answer.status().as_u16(), 503 | 504), "a final state: {answer:?}");
        }
    }
    let after = stack.state_with(placed.iter().copied().chain(acknowledged)).await;
    for order in orders(&state) {
        let now = orders(&after).find(|now| id(now) == id(order)).expect("the order");
        // The cancel may have got into the stream, and then the new writer executed it.
        assert!(now == order || id(order) == maker, "{now} was {order}");
    }
    let epochs: Vec<u64> = stack.log().await.iter().map(|row| row.epoch.0).collect();
    assert!(epochs.is_sorted() && epochs.last() > epochs.first(), "{epochs:?}");
    check_log(&stack).await;
    stack.tool(&["verify"]).well();
}
