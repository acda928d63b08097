//! What the service does when its storage is not what it wrote: it says where, and starts on nothing that it cannot prove.

use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use testbed::wait_until;
use tokio::time::Instant;

use crate::service::audit::chain_anew;
use crate::service::support::{DEADLINE, Mode, Stack, on_both, progress, until};

on_both! {
    a_flipped_byte_turns_readiness_red_and_mending_it_green
    a_damaged_snapshot_costs_time_and_nothing_else
    a_log_without_its_end_or_position_is_not_started_on
    three_stops_at_one_row_and_no_start_until_somebody_has_looked
    kills_never_count
    a_last_exit_is_delayed_where_that_is_asked_for
}

/// One statement on the service's storage, as nobody ever should.
async fn sql(stack: &Stack, mode: Mode, statement: &str) {
    match mode {
        Mode::Full => drop(stack.sql(statement)),
        Mode::Embedded => {
            let file = SqliteConnectOptions::new().filename(stack.service.folder().join("data/pricetime.db"));
            let mut connection = file.busy_timeout(DEADLINE).connect().await.expect("the file");
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect("it runs");
        }
    }
}

async fn some_orders(stack: &Stack, count: u64) {
    let mut placed = Vec::new();
    for n in 0..count {
        let side = if n % 2 == 0 { "SELL" } else { "BUY" };
        placed.push(stack.place("BTC_USDT", side, &(100 + n * 7 % 5).to_string(), &(1 + n % 3).to_string()).await);
    }
    stack.state_with(placed).await;
}

/// Starts again, and holds that it ends with exit code 6 and says this.
#[track_caller]
fn refuses(stack: &mut Stack, text: &str) {
    match stack.service.restart().expect_err("it started") {
        testbed::Error::Ended { status, log, .. } => {
            assert_eq!(status.code(), Some(6), "{log}");
            assert!(log.contains(text), "{text:?} is not in {log}");
        }
        other => panic!("{other}"),
    }
}

async fn readiness(stack: &Stack) -> (u16, Value) {
    let answer = stack.client.get(stack.url("/readyz")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn until_ready(stack: &Stack, status: u16, verified_seq: u64) {
    let body = until(&format!("{status} with row {verified_seq} proven"), async || {
        let (found, body) = readiness(stack).await;
        (found == status && body["verified_seq"].as_u64() >= Some(verified_seq)).then_some(body)
    })
    .await;
    assert_eq!(body["components"]["verified"], Value::Bool(status == 200), "{body}");
}

async fn a_flipped_byte_turns_readiness_red_and_mending_it_green(mode: Mode) {
    let stack = Stack::with_settings(mode, &[("AUDIT_PERIOD", "1")]);
    some_orders(&stack, 20).await;
    until_ready(&stack, 200, 23).await;
    let metrics = stack.client.get(stack.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains("\npricetime_verified_seq 23\n"), "{metrics}");
    sql(&stack, mode, "UPDATE event_log SET events = replace(events, 'OrderAccepted', 'OrderAcceptee') WHERE seq = 9")
        .await;
    until_ready(&stack, 503, 23).await;
    let log = stack.service.log();
    assert!(log.contains("FATAL") && log.contains("row 9"), "{log}");
    sql(&stack, mode, "UPDATE event_log SET events = replace(events, 'OrderAcceptee', 'OrderAccepted') WHERE seq = 9")
        .await;
    until_ready(&stack, 200, 23).await;
}

async fn a_damaged_snapshot_costs_time_and_nothing_else(mode: Mode) {
    let mut stack = Stack::on(mode);
    for _ in 0..2 {
        some_orders(&stack, 10).await;
        stack.tool(&["snapshot", "take"]).well();
    }
    some_orders(&stack, 10).await;
    let state = stack.get("/api/debug/state/").await;
    stack.service.kill().expect("a kill");
    for (damaged, said) in [("23", "the snapshot at 23 is damaged"), ("13", "the snapshot at")] {
        let bytes = if mode == Mode::Full { "'\\x28b52ffd00'" } else { "x'28b52ffd00'" };
        sql(&stack, mode, &format!("UPDATE snapshot_part SET bytes = {bytes} WHERE at_seq = {damaged}")).await;
        stack.tool(&["verify"]).failed(6, said);
        stack.service.restart().expect("a start");
        assert!(stack.service.log().contains("a snapshot is damaged"), "{}", stack.service.log());
        assert_eq!(stack.get("/api/debug/state/").await, state);
        stack.service.kill().expect("a kill");
    }
}

async fn a_log_without_its_end_or_position_is_not_started_on(mode: Mode) {
    let chain = if mode == Mode::Full { "decode(repeat('00', 32), 'hex')" } else { "zeroblob(32)" };
    let zero = format!("UPDATE writer_position SET seq = 0, stream_position = '0-0', chain = {chain}");
    let damages = [
        ("DELETE FROM event_log WHERE seq > 11", "row 12: the row is missing"),
        ("DELETE FROM event_log", "row 1: the row is missing"),
        (zero.as_str(), if mode == Mode::Full { "went back in time" } else { "goes on behind row 0" }),
        ("DELETE FROM writer_position", "writer_position has no row"),
    ];
    for (damage, said) in damages {
        let mut stack = Stack::on(mode);
        some_orders(&stack, 10).await;
        stack.service.kill().expect("a kill");
        sql(&stack, mode, damage).await;
        refuses(&mut stack, said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_empty_is_no_first_start() {
    let mut stack = Stack::on(Mode::Embedded);
    some_orders(&stack, 10).await;
    stack.service.kill().expect("a kill");
    let data = stack.service.folder().join("data");
    let copy = stack.service.folder().join("copy");
    std::fs::rename(data.join("pricetime.db"), &copy).expect("moved");
    refuses(&mut stack, "is gone or empty");
    std::fs::write(data.join("pricetime.db"), "").expect("written");
    refuses(&mut stack, "is gone or empty");
    std::fs::rename(&copy, data.join("pricetime.db")).expect("moved");
    stack.service.restart().expect("a start");
    some_orders(&stack, 2).await;
}

/// A row behind the end of the log, as another writer's: the next commit is refused for good, and so is every start.
async fn three_stops_at_one_row_and_no_start_until_somebody_has_looked(mode: Mode) {
    let mut stack = Stack::on(mode);
    some_orders(&stack, 10).await;
    let columns = "stream_position, symbol, kind, command, events, time, epoch, engine_version, format, chain";
    let columns = if mode == Mode::Full { format!("partition, seq, {columns}") } else { format!("seq, {columns}") };
    let copied = columns.replacen("seq", "14", 1);
    sql(&stack, mode, &format!("INSERT INTO event_log ({columns}) SELECT {copied} FROM event_log WHERE seq = 13"))
        .await;
    stack.place("BTC_USDT", "BUY", "1", "1").await;
    let ended = stack.service.wait_exit(DEADLINE).expect("an end");
    assert_eq!(ended.code(), Some(6), "{}", stack.service.log());
    for _ in 0..2 {
        refuses(&mut stack, "at row 14");
    }
    refuses(&mut stack, "stopped itself 3 times in a row at row 14");
    refuses(&mut stack, "pricetime serve --forget-stops");

    sql(&stack, mode, "DELETE FROM event_log WHERE seq = 14").await;
    refuses(&mut stack, "stopped itself 3 times");
    stack.service.relaunch(&["--forget-stops"]).expect("a start");
    stack.service.wait_ready(DEADLINE).expect("ready");
    progress(&stack, 14).await;
}

/// Kills the service after two orders that traded, and changes the events of a row of its log as somebody would who can
/// make the chain right again.
async fn forged(row: usize, change: impl Fn(&str) -> String) -> Stack {
    let mut stack = Stack::start();
    stack.place("BTC_USDT", "SELL", "100", "1").await;
    stack.place("BTC_USDT", "BUY", "100", "1").await;
    progress(&stack, 5).await;
    let export = stack.tool(&["export"]).well();
    stack.service.kill().expect("a kill");
    let mut rows: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    rows[row - 1]["events"] = change(rows[row - 1]["events"].as_str().expect("a text")).into();
    chain_anew(&mut rows);
    for row in &rows[row - 1..] {
        let (events, chain) = (row["events"].as_str().expect("a text"), row["chain"].as_str().expect("a text"));
        let seq = &row["seq"];
        stack.sql(&format!("UPDATE event_log SET events = '{events}', chain = '\\x{chain}' WHERE seq = {seq}"));
        stack.sql(&format!("UPDATE writer_position SET chain = '\\x{chain}'"));
    }
    stack.sql("DELETE FROM snapshot");
    crate::service::support::empty(stack.redis()).await;
    stack
}

/// A row whose chain is right and which cannot have happened is a bad row like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_have_happened_is_named() {
    let mut stack = forged(4, |_| "[]".to_owned()).await;
    let said = "row 5: what it does is impossible in the state before it: order 2 has place 2 at event 1";
    stack.tool(&["recover"]).failed(6, said);
    for _ in 0..3 {
        refuses(&mut stack, said);
    }
    refuses(&mut stack, "stopped itself 3 times in a row at row 5");
}

/// A failed assertion counts as well: here the log leaves a crossed book behind, which the next order finds.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_assertion_is_noted_before_the_end() {
    let without_trade = |events: &str| {
        let (accepted, _) = events.split_once(",{\"type\":\"Trade\"").expect("a trade");
        format!("{accepted}]")
    };
    let mut stack = forged(5, without_trade).await;
    stack.service.restart().expect("a start");
    stack.place("BTC_USDT", "BUY", "1", "1").await;
    for end in 1..=3 {
        if end > 1 {
            // The order is still in the stream.
            stack.service.relaunch(&[]).expect("a start");
        }
        let ended = stack.service.wait_exit(DEADLINE).expect("an end");
        let log = stack.service.log();
        assert!(ended.code().is_none() && log.contains("BTC_USDT is crossed"), "{ended}: {log}");
    }
    refuses(&mut stack, "stopped itself 3 times in a row at row 6");
}

async fn kills_never_count(mode: Mode) {
    let mut stack = Stack::on(mode);
    for _ in 0..4 {
        some_orders(&stack, 2).await;
        stack.service.kill().expect("a kill");
        stack.service.restart().expect("a start");
    }
    assert!(!stack.service.log().contains("stopped itself"), "{}", stack.service.log());
}

async fn a_last_exit_is_delayed_where_that_is_asked_for(mode: Mode) {
    let mut stack = Stack::with_settings(mode, &[("FINAL_EXIT_DELAY", "3")]);
    some_orders(&stack, 3).await;
    stack.service.kill().expect("a kill");
    sql(&stack, mode, "UPDATE event_log SET events = '[]' WHERE seq = 5").await;
    let began = Instant::now();
    refuses(&mut stack, "ending with exit code 6 in 3 s");
    assert!(began.elapsed() >= Duration::from_secs(3), "it ended after {:?}", began.elapsed());
    // Whoever asks for the end need not wait for it.
    stack.service.relaunch(&[]).expect("a start");
    let said = || stack.service.log().matches("ending with exit code 6 in 3 s").count();
    wait_until(DEADLINE, "the wait", || said() == 2).expect("the wait");
    let asked = Instant::now();
    let status = stack.service.terminate(DEADLINE).expect("an end");
    assert!(
        status.code() == Some(6) && asked.elapsed() < Duration::from_secs(2),
        "{status} after {:?}",
        asked.elapsed()
    );
}
