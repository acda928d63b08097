//! PostgreSQL or Redis away for a while: what is taken, what is refused and how, and that all of it drains.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testbed::{Postgres, Redis};
use tokio::time::Instant;

use crate::service::proxy::{Proxy, Way};
use crate::service::support::{Answer, Stack, check_log, empty, id, orders};

/// "At once": no time-out is waited for.
const AT_ONCE: Duration = Duration::from_millis(900);

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs_f64()
}

fn status_of(state: &Value, order_id: u64) -> &str {
    let order = orders(state).find(|order| id(order) == order_id).unwrap_or_else(|| panic!("order {order_id} is lost"));
    order["status"].as_str().expect("a status")
}

/// Rows of the log that reject an order as stale.
async fn stale(stack: &Stack) -> usize {
    stack.log().await.iter().filter(|row| row.events.contains("\"STALE\"")).count()
}

async fn cancel(stack: &Stack, order_id: u64) -> Answer {
    let url = stack.url(&format!("/api/orders/{order_id}/cancel/"));
    let began = Instant::now();
    Answer::of(stack.client.post(url).send().await.expect("an answer"), began).await
}

/// With PostgreSQL frozen, orders are taken up to the lag limit and no further, no final state is told, readiness says so;
/// then all drains, but for the orders whose deadline has passed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_postgres_leaves_orders_up_to_the_limit() {
    let postgres = Postgres::start().expect("a PostgreSQL");
    let mut stack = Stack::on_servers(Redis::start().expect("a Redis"), Some(postgres), &[("MAX_LAG_ORDERS", "20")]);
    let resting = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([resting]).await;
    assert_eq!(stack.until_readiness(200, "ok").await["components"]["event_log"], true);
    stack.postgres_mut().pause().expect("a pause");

    let mut taken = Vec::new();
    for _ in 0..4 {
        let answer = stack.order(json!({})).await;
        taken.push(answer.order_id().unwrap_or_else(|| panic!("{answer:?}")));
    }
    let degraded = stack.until_readiness(200, "degraded").await;
    assert_eq!((&degraded["components"]["event_log"], &degraded["components"]["lag"]), (&json!(false), &json!(true)));
    let deadline = now() + 1.0;
    let late = stack.order(json!({"deadline": deadline})).await.order_id().expect("taken");
    let refused = loop {
        let answer = stack.order(json!({})).await;
        match answer.status {
            202 => taken.push(answer.order_id().expect("an id")),
            _ => break answer,
        }
    };
    refused.not_taken("OVERLOADED");
    assert!(refused.took < AT_ONCE, "{refused:?}");
    assert_eq!(taken.len() + 1, 20, "as many as MAX_LAG_ORDERS says");
    let full = stack.until_readiness(503, "unavailable").await;
    assert_eq!((&full["components"]["lag"], &full["components"]["queue"]), (&json!(false), &json!(true)));

    // Orders fill their own share: the cancel is taken, and its outcome does not come.
    let cancelled = cancel(&stack, resting).await;
    assert_eq!((cancelled.status, &cancelled.body["code"]), (504, &json!("OUTCOME_UNKNOWN")), "{cancelled:?}");
    for path in ["/api/debug/state/", "/api/symbols/", "/api/symbols/BTC_USDT/depth/"] {
        let read = stack.client.get(stack.url(path)).send().await.expect("an answer");
        let told = read.json::<Value>().await.expect("JSON");
        assert_eq!(told["code"], "NOT_CURRENT", "{path}: another may have taken over, and it told {told}");
    }

    assert!(now() > deadline, "the time-outs above took longer than the deadline");
    stack.postgres_mut().resume().expect("it goes on");
    stack.until_readiness(200, "ok").await;
    let state = stack.state_with(taken.iter().copied().chain([late])).await;
    assert!(taken.iter().all(|order_id| status_of(&state, *order_id) == "OPEN"), "{state}");
    assert_eq!((status_of(&state, late), stale(&stack).await), ("REJECTED", 1));
    assert_eq!(cancel(&stack, resting).await.body["repeated"], true, "the cancel was executed");
    check_log(&stack).await;
}

/// Orders that PostgreSQL's absence made wait for longer than MAX_QUEUE_AGE are rejected as stale; cancels never are.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_makes_old_orders_stale() {
    let postgres = Postgres::start().expect("a PostgreSQL");
    let settings = [("MAX_QUEUE_AGE", "1"), ("DEBUG", "true")];
    let mut stack = Stack::on_servers(Redis::start().expect("a Redis"), Some(postgres), &settings);
    let resting = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([resting]).await;
    stack.postgres_mut().kill().expect("a kill");
    // Two batches may be matched and wait for their commit; what comes behind waits unmatched.
    let mut placed = Vec::new();
    for _ in 0..8 {
        placed.push(stack.order(json!({})).await.order_id().expect("taken"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Waits for two seconds for an outcome: by then the others are old.
    assert_eq!(cancel(&stack, resting).await.status, 504);
    stack.postgres_mut().restart().expect("a restart");
    stack.until_readiness(200, "ok").await;
    let state = stack.state_with(placed.iter().copied()).await;
    let rejected = placed.iter().filter(|order_id| status_of(&state, **order_id) == "REJECTED").count();
    assert!((1..=7).contains(&rejected), "{rejected} of 8 were stale");
    assert_eq!(stale(&stack).await, rejected);
    assert_eq!(status_of(&state, resting), "CANCELLED", "a cancel never goes stale");
    let fresh = stack.place("BTC_USDT", "BUY", "1", "1").await;
    assert_eq!(status_of(&stack.state_with([fresh]).await, fresh), "OPEN");
    check_log(&stack).await;
}

/// Without Redis nothing is taken, and everybody is told so at once; what is committed can still be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_is_told_at_once() {
    let mut stack = Stack::start();
    let resting = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([resting]).await;
    stack.redis_mut().kill().expect("a kill");
    stack.until_readiness(503, "unavailable").await;
    for _ in 0..20 {
        let refused = stack.order(json!({})).await;
        refused.not_taken("QUEUE_UNAVAILABLE");
        assert!(refused.took < AT_ONCE, "{refused:?}");
    }
    let refused = cancel(&stack, resting).await;
    refused.not_taken("QUEUE_UNAVAILABLE");
    assert!(refused.took < AT_ONCE, "{refused:?}");
    assert_eq!(orders(&stack.get("/api/debug/state/").await).count(), 1);
    stack.redis_mut().restart().expect("a restart");
    stack.until_readiness(200, "ok").await;
    let taken = stack.place("BTC_USDT", "BUY", "1", "1").await;
    assert_eq!(orders(&stack.state_with([taken]).await).count(), 2, "what was not taken is not there");
    check_log(&stack).await;
}

/// A Redis that takes connections and answers nothing: whoever was under way is told that the outcome is unknown, whoever
/// comes later that nothing was taken, both soon. What was unknown happened once or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_answers_nothing_is_told_soon() {
    for frozen in [true, false] {
        let redis = Redis::start().expect("a Redis");
        let proxy = Proxy::to(redis.port()).await;
        let url = format!("redis://127.0.0.1:{}/0", proxy.port);
        let mut stack = Stack::on_servers(redis, None, &[("REDIS_URL", url.as_str())]);
        let resting = stack.place("BTC_USDT", "BUY", "1", "1").await;
        stack.state_with([resting]).await;
        if frozen {
            stack.redis_mut().pause().expect("a pause")
        } else {
            proxy.set(Way::Blackhole)
        }

        // The one that is on its way when the other comes, which waits for the next entry unless it shared the first.
        let answers: [Answer; 2] = tokio::join!(stack.order(json!({})), stack.order(json!({}))).into();
        let mut unknown = HashSet::new();
        for answer in answers {
            assert!(answer.took < Duration::from_secs(3), "{answer:?}");
            if answer.body["outcome"] == "unknown" {
                unknown.insert(answer.unknown());
            } else {
                answer.not_taken("QUEUE_UNAVAILABLE");
            }
        }
        assert!(!unknown.is_empty(), "nobody was under way");
        let mut slow = 0;
        for _ in 0..20 {
            let refused = stack.order(json!({})).await;
            refused.not_taken("QUEUE_UNAVAILABLE");
            assert!(refused.took < Duration::from_millis(1_500), "{refused:?}");
            slow += usize::from(refused.took > AT_ONCE);
        }
        assert!(slow <= 10, "{slow} of 20 waited for a connection");
        stack.until_readiness(503, "unavailable").await;

        if frozen {
            stack.redis_mut().resume().expect("it goes on")
        } else {
            proxy.set(Way::Pass)
        }
        stack.until_readiness(200, "ok").await;
        let taken = stack.place("BTC_USDT", "BUY", "1", "1").await;
        let state = stack.state_with([resting, taken]).await;
        let allowed: HashSet<u64> = unknown.iter().copied().chain([resting, taken]).collect();
        assert!(orders(&state).all(|order| allowed.contains(&id(order))), "{state}");
        check_log(&stack).await;
    }
}

/// The order is in the stream, and the acknowledgement is lost on its way: nothing is sent again, the client is told the id
/// to look for, and the order is executed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_is_an_unknown_outcome_and_no_second_order() {
    let redis = Redis::start().expect("a Redis");
    let proxy = Proxy::to(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}/0", proxy.port);
    let stack = Stack::on_servers(redis, None, &[("REDIS_URL", url.as_str())]);
    let mut lost = Vec::new();
    for _ in 0..5 {
        proxy.set(Way::CutAnswers);
        lost.push(stack.order(json!({})).await.unknown());
        proxy.set(Way::Pass);
        stack.until_readiness(200, "ok").await;
    }
    let state = stack.state_with(lost.iter().copied()).await;
    assert_eq!(orders(&state).count(), 5);
    let client = redis::Client::open(stack.redis().url()).expect("a client");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let entries: u64 = redis::cmd("XLEN").arg("matching:queue").query_async(&mut connection).await.expect("a length");
    assert_eq!(entries, 6, "five orders and the entry that made the stream");
    check_log(&stack).await;
}

/// Redis lost its data while nobody served: nobody remembers what was in the stream, and the start says which ids it was
/// about. A start that finds the stream says nothing of the kind.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_lost_with_the_service_is_reported() {
    const REPORT: &str = "those that were handed out";
    let mut stack = Stack::start();
    let placed = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([placed]).await;
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    assert!(!stack.service.log().contains(REPORT), "{}", stack.service.log());
    stack.service.kill().expect("a kill");
    empty(stack.redis()).await;
    stack.service.restart().expect("a restart");
    assert!(stack.service.log().contains(REPORT), "{}", stack.service.log());
    let after = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.state_with([placed, after]).await;
}
