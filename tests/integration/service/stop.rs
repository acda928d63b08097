//! A clean stop, and a second process beside a running one.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};
use testbed::Service;

use crate::service::black_box::run;
use crate::service::rolling::stands_by;
use crate::service::support::{BINARY, Mode, Stack, check_log, on_both, under_load, until};

on_both! {
    sigterm_under_load_drains_and_loses_nothing
}

async fn sigterm_under_load_drains_and_loses_nothing(mode: Mode) {
    under_load(Stack::on(mode), 16, async |stack| {
        for round in 1..=3 {
            crate::service::support::progress(stack, round * 400).await;
            let status = stack.service.terminate(Duration::from_secs(30)).expect("an end");
            assert_eq!(status.code(), Some(0), "{}", stack.service.log());
            let began = Instant::now();
            stack.service.restart().expect("a restart");
            assert!(began.elapsed() < Duration::from_secs(4), "after a clean stop nobody waits for a silent writer");
        }
    })
    .await;
}

/// Whoever listens is told that the service stops, and where to go on.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_told_that_the_service_stops() {
    let mut stack = Stack::on(Mode::Embedded);
    let base_url = stack.service.base_url();
    let listener = std::thread::spawn(move || run("python", &["api_tests/closing_check.py"], &base_url));
    until("somebody to listen", async || {
        let page =
            stack.client.get(stack.url("/metrics")).send().await.expect("an answer").text().await.expect("a text");
        page.contains("\npricetime_sockets 1\n").then_some(())
    })
    .await;
    // What is answered and published before the stop was subscribed to in time.
    let (maker, taker) =
        (stack.place("BTC_USDT", "SELL", "100", "1").await, stack.place("BTC_USDT", "BUY", "100", "1").await);
    stack.state_with([maker, taker]).await;
    let status = stack.service.terminate(Duration::from_secs(30)).expect("an end");
    assert_eq!(status.code(), Some(0), "{}", stack.service.log());
    println!("{}", listener.join().expect("it was told"));
}

/// A query that is still under way when the service has ended keeps neither the process nor its exit code.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_under_way_does_not_change_how_the_service_ends() {
    let mut stack = Stack::start();
    let _blocker = lock(&stack, "api_key").await;
    until_queries_wait(&stack);
    let status = stack.service.terminate(Duration::from_secs(30)).expect("an end");
    assert_eq!(status.code(), Some(0), "{}", stack.service.log());
}

/// The same of one that a request waits for, on a thread of the HTTP server.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_does_not_change_how_the_service_ends() {
    let mut stack = Stack::start();
    let _blocker = lock(&stack, "consumer").await;
    let url = stack.url("/api/consumers/books/position/");
    let put = tokio::spawn(stack.client.put(&url).json(&json!({"position": 0})).send());
    until_queries_wait(&stack);
    let status = stack.service.terminate(Duration::from_secs(30)).expect("an end");
    let log = stack.service.log();
    assert!(status.code() == Some(0) && !log.contains("panicked"), "{status} {log}");
    // It was told that the service stops, or nothing.
    let _ = put.await.expect("a client");
}

/// Locks a table until the connection is closed.
async fn lock(stack: &Stack, table: &str) -> sqlx::PgConnection {
    let url = stack.environment().into_iter().find(|(name, _)| *name == "DATABASE_URL").expect("an address").1;
    let mut blocker = sqlx::PgConnection::connect(&url).await.expect("a connection");
    let locked = AssertSqlSafe(format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
    sqlx::raw_sql(locked).execute(&mut blocker).await.expect("locks");
    blocker
}

/// Returns once a query of the service waits for a lock.
fn until_queries_wait(stack: &Stack) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    testbed::wait_until(Duration::from_secs(20), "a query that waits", || stack.sql(waiting) != "0").expect("it waits");
}

/// A second service on the same parts stands by; when the first is killed it takes over and knows everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_stands_by_and_takes_over() {
    let mut stack = Stack::start();
    let maker = stack.place("BTC_USDT", "SELL", "100", "1").await;
    stack.state_with([maker]).await;
    let mut second = stands_by(&stack).await;
    let ready = stack.client.get(format!("{}/readyz", second.base_url())).send().await.expect("an answer");
    assert_eq!(ready.status(), 503, "a standby is not ready");
    let refused = stack.client.get(format!("{}/api/debug/state/", second.base_url())).send().await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.json::<serde_json::Value>().await.expect("JSON")["code"], "STANDBY");

    stack.service.kill().expect("a kill");
    second.wait_ready(Duration::from_secs(20)).expect("the second is ready");
    stack.service = second;
    let taker = stack.place("BTC_USDT", "BUY", "100", "1").await;
    assert!(taker > maker, "an id was given again");
    let state = stack.state_with([maker, taker]).await;
    assert_eq!(crate::service::support::trades(&state).count(), 1);
    check_log(&stack).await;
}

/// A second service on the same data folder ends at once, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_belongs_to_one_service() {
    let stack = Stack::on(Mode::Embedded);
    let folder = stack.service.folder().join("data");
    let environment = [("DATA_DIR", folder.to_str().expect("a path"))];
    let mut second = Service::spawn(BINARY, environment).expect("a second service");
    let status = second.wait_exit(Duration::from_secs(20)).expect("an end");
    assert_eq!(status.code(), Some(4), "{}", second.log());
    assert!(second.log().contains("another service runs on the data folder"), "{}", second.log());
}
