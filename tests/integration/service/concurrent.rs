//! Many clients at once: no deadlock, no race, no double spend.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::service::support::{Mode, Stack, check_log, id, on_both, orders, progress, trades, under_load, units};

on_both! {
    many_clients_post_and_cancel_at_once
    a_quantity_is_not_sold_twice
    a_cancel_and_a_fill_cannot_both_win
    a_client_that_hangs_up_does_not_undo_its_order
}

async fn many_clients_post_and_cancel_at_once(mode: Mode) {
    under_load(Stack::on(mode), 64, async |stack| progress(stack, 5_000).await).await;
}

/// One large order and many takers that together want more than it has: exactly its quantity is sold.
async fn a_quantity_is_not_sold_twice(mode: Mode) {
    let stack = Stack::on(mode);
    let maker = stack.place("BTC_USDT", "SELL", "100", "50").await;
    let takers = join_all((0..100).map(|_| stack.place("BTC_USDT", "BUY", "100", "1"))).await;
    let state = stack.state_with(takers.iter().copied().chain([maker])).await;
    let sold: i128 = trades(&state).map(|trade| units(&trade["quantity"])).sum();
    assert_eq!(sold, 50 * 100_000_000);
    let filled = orders(&state).filter(|order| order["status"] == "FILLED").count();
    assert_eq!(filled, 51, "the maker and fifty takers");
    check_log(&stack).await;
}

/// A cancel and a taker race for the same order: it is cancelled or filled, never both, and the answer says which.
async fn a_cancel_and_a_fill_cannot_both_win(mode: Mode) {
    let stack = Stack::on(mode);
    for _ in 0..40 {
        let maker = stack.place("ETH_USDT", "SELL", "10", "1").await;
        let (taker, (status, answer)) = tokio::join!(stack.place("ETH_USDT", "BUY", "10", "1"), stack.cancel(maker));
        let state = stack.state_with([maker, taker]).await;
        let maker = orders(&state).find(|order| id(order) == maker).expect("the maker");
        match status {
            StatusCode::OK => assert_eq!(maker["status"], "CANCELLED", "{answer}"),
            StatusCode::CONFLICT => assert_eq!(maker["status"], "FILLED", "{answer}"),
            other => panic!("a cancel was answered {other}: {answer}"),
        }
        // What the taker has left must not meet the next round's maker.
        stack.cancel(taker).await;
    }
}

/// A client that hangs up after sending loses its answer, not its order.
async fn a_client_that_hangs_up_does_not_undo_its_order(mode: Mode) {
    let stack = Stack::on(mode);
    let impatient = reqwest::Client::builder().timeout(Duration::from_micros(300)).build().expect("a client");
    let maker = stack.place("XRP_USDT", "SELL", "1", "1000000").await;
    for _ in 0..200 {
        let body = serde_json::json!({"symbol": "XRP_USDT", "side": "BUY", "price": 1, "quantity": 1});
        let _ = impatient.post(stack.url("/api/orders/")).json(&body).send().await;
    }
    let last = stack.place("XRP_USDT", "BUY", "1", "1").await;
    let state = stack.state_with([maker, last]).await;
    for order in orders(&state).filter(|order| order["side"] == "BUY") {
        assert_eq!(order["status"], "FILLED", "{order}");
    }
    check_log(&stack).await;
}
