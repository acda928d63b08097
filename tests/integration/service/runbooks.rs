//! The runbooks, as they are written: each fault is made, and the commands of its section are run, word by word.

use std::process::{Command, Stdio};

use reqwest::StatusCode;
use serde_json::json;
use testbed::{Postgres, Redis};

use crate::service::black_box::project;
use crate::service::disk::{Disk, until_refused};
use crate::service::rolling::stands_by;
use crate::service::support::{BINARY, DEADLINE, Mode, Stack, empty, progress, until};

const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

/// The blocks of commands of a section of the operators' page.
fn blocks(heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(project("docs/operations.md")).expect("the page");
    let section = page.split(&format!("\n### {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n### ").next().unwrap_or_default();
    section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// Runs a block with the service's settings in the environment; what it printed. Each of its lines must end well.
fn run(stack: &Stack, block: &str) -> String {
    let binaries = project("target/runbooks-bin");
    std::fs::create_dir_all(&binaries).expect("a folder");
    let link = binaries.join("pricetime");
    // Another test may make it at the same time; then it is there.
    let _ = std::os::unix::fs::symlink(BINARY, &link);
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .env_clear()
        .envs(stack.service.environment())
        .env("PATH", format!("{}:{}:{path}", binaries.display(), postgres_programs()))
        .env("HOST", "127.0.0.1")
        .env("PORT", stack.service.port().to_string())
        .env("BASE_URL", stack.service.base_url())
        .current_dir(stack.service.folder())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{block}\nfailed:\n{said}");
    said
}

/// Where Debian keeps what belongs to one version of PostgreSQL.
fn postgres_programs() -> String {
    let mut folders: Vec<String> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin").display().to_string()))
        .collect();
    folders.sort();
    folders.pop().unwrap_or_else(|| "/usr/bin".to_owned())
}

/// Runs every block of a section; what they printed.
fn follow(stack: &Stack, heading: &str) -> String {
    let blocks = blocks(heading);
    assert!(!blocks.is_empty(), "{heading} has no commands");
    blocks.iter().map(|block| run(stack, block)).collect()
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

async fn traded(stack: &Stack) {
    let first = stack.place("BTC_USDT", "SELL", "100", "2").await;
    let second = stack.place("BTC_USDT", "BUY", "100", "1").await;
    stack.state_with([first, second]).await;
}

/// Each section that commands stand in is tried below, and no other.
#[test]
fn every_runbook_with_commands_is_tried() {
    let page = std::fs::read_to_string(project("docs/operations.md")).expect("the page");
    let tests = std::fs::read_to_string(project("tests/integration/service/runbooks.rs")).expect("this file");
    let runbooks = page.split("\n## Runbooks\n").nth(1).expect("runbooks");
    let headings: Vec<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.len() >= 12);
    for heading in headings {
        assert!(!blocks(heading).is_empty(), "{heading} has no commands");
        assert!(tests.contains(&format!("\"{heading}\"")), "{heading} is not tried");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_works_on_a_healthy_service() {
    let stack = Stack::with_settings(Mode::Full, &[("ADMIN_TOKEN", TOKEN)]);
    traded(&stack).await;
    says(&follow(&stack, "Orders are refused"), &["\"components\"", "mode        full"]);
    says(&follow(&stack, "The service does not start"), &["REDIS_URL=", "mode        full"]);
    says(&follow(&stack, "A take-over"), &["pricetime_writer 1", "pricetime_caught_up 1", "writer"]);
    says(&follow(&stack, "No snapshot is taken"), &["taken and verified"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_data_is_made_again() {
    let mut stack = Stack::on_servers(Redis::start().expect("a Redis"), None, &[]);
    traded(&stack).await;
    empty(stack.redis()).await;
    stack.redis_mut().restart().expect("a restart");
    // Refused until the stream is made again.
    until("an order to be taken", async || (stack.order(json!({})).await.status == 202).then_some(())).await;
    stack.until_readiness(200, "ok").await;
    traded(&stack).await;
    says(&follow(&stack, "Redis is lost"), &["appendonly", "last-generated-id", "epoch", "none among"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_was_away_is_looked_at() {
    let postgres = Postgres::start().expect("a PostgreSQL");
    let settings = [("MAX_QUEUE_AGE", "0")];
    let mut stack = Stack::on_servers(Redis::start().expect("a Redis"), Some(postgres), &settings);
    traded(&stack).await;
    stack.postgres_mut().kill().expect("a kill");
    let waiting = stack.place("BTC_USDT", "BUY", "1", "1").await;
    stack.until_readiness(200, "degraded").await;
    stack.postgres_mut().restart().expect("a restart");
    stack.until_readiness(200, "ok").await;
    stack.state_with([waiting]).await;
    says(&follow(&stack, "PostgreSQL is lost"), &["stream_position", " f ", "on", "state"]);
}

/// A row is altered and put back from a copy; its chain proves that it is the right one.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_named_and_restored() {
    let mut stack = Stack::start();
    traded(&stack).await;
    stack.service.terminate(DEADLINE).expect("an end");
    stack.sql("CREATE TABLE copy AS SELECT * FROM event_log WHERE seq = 5");
    stack.sql("UPDATE event_log SET events = '[]' WHERE seq = 5");
    let blocks = blocks("A row of the log is bad");
    says(&run(&stack, &blocks[0]), &["damaged at row 5", "Runbook: docs/operations.md#a-row-of-the-log-is-bad"]);
    stack.sql("UPDATE event_log SET events = copy.events FROM copy WHERE event_log.seq = copy.seq");
    stack.sql("DROP TABLE copy");
    says(&run(&stack, &blocks[1]), &["state"]);
    stack.service.relaunch(&["--forget-stops"]).expect("a start");
    stack.service.wait_ready(DEADLINE).expect("ready");
}

/// An older copy of the log beside a newer Redis: refused, until the projection's position is removed. What the stream still
/// holds is executed again.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_back_is_started_from_where_it_is() {
    let mut stack = Stack::start();
    traded(&stack).await;
    stack.service.terminate(DEADLINE).expect("an end");
    let copy = ["event_log", "writer_position", "snapshot", "snapshot_part", "history_position"];
    for table in copy {
        stack.sql(&format!("CREATE TABLE copy_{table} AS SELECT * FROM {table}"));
    }
    stack.service.restart().expect("a start");
    let later = stack.place("ETH_USDT", "BUY", "7", "1").await;
    stack.state_with([later]).await;
    stack.service.kill().expect("a kill");
    stack.sql("TRUNCATE history_order, history_trade");
    for table in copy {
        stack.sql(&format!("DELETE FROM {table}"));
        stack.sql(&format!("INSERT INTO {table} SELECT * FROM copy_{table}"));
        stack.sql(&format!("DROP TABLE copy_{table}"));
    }
    // Nothing covers that up.
    stack.tool(&["recover"]).failed(6, "went back in time");
    let refused = stack.service.restart().expect_err("an end").to_string();
    says(&refused, &["went back in time", "Runbook: docs/operations.md#the-log-went-back"]);
    follow(&stack, "The log went back");
    stack.service.restart().expect("a start");
    stack.state_with([later]).await;
    let fresh = stack.place("ETH_USDT", "BUY", "7", "1").await;
    assert!(fresh > 1 << 35, "{fresh} may have been given before");
    stack.state_with([fresh]).await;
    stack.tool(&["verify", "--full"]).well();
}

/// Everything is gone but the backup.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_restored_before_anybody_is_let_in() {
    let mut stack = Stack::start();
    traded(&stack).await;
    stack.tool(&["backup", "--to", "saved"]).well();
    let before = stack.get("/api/debug/state/").await;
    stack.service.kill().expect("a kill");
    empty(stack.redis()).await;
    stack.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    stack.tool(&["restore", "--from", "saved"]).well();
    says(&follow(&stack, "Restore"), &["rebuilt: Redis shows row", "show the state at row"]);
    stack.service.restart().expect("a start");
    stack.until_readiness(200, "ok").await;
    let after = stack.get("/api/debug/state/").await;
    assert_eq!((&after["orders"], &after["trades"]), (&before["orders"], &before["trades"]));
    traded(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_found_and_what_is_large_on_it() {
    let Some(disk) = Disk::of(96) else { return };
    let postgres = Postgres::start_in(&disk.path().join("postgres")).expect("a PostgreSQL");
    let settings = [("MAX_LAG_ORDERS", "50"), ("MAX_LAG_MS", "60000")];
    let mut stack = Stack::on_servers(Redis::start().expect("a Redis"), Some(postgres), &settings);
    traded(&stack).await;
    disk.fill();
    let (taken, _) = until_refused(&stack).await;
    let path = disk.path().to_str().expect("a path").to_owned();
    let said = follow(&stack, "A disk is full");
    says(&said, &["event_log", "aof_last_write_status:ok"]);
    let full = said.lines().any(|line| line.contains("100%") && line.ends_with(&path));
    assert!(full, "{path} is not shown to be full:\n{said}");
    disk.make_room();
    if !stack.postgres_mut().is_running().expect("a state") {
        stack.postgres_mut().restart().expect("a restart");
    }
    stack.until_readiness(200, "ok").await;
    stack.state_with(taken).await;
}

/// The writer stands still and answers nobody; who looks is told where it stopped and that another one writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_take_over_from_a_frozen_writer_is_seen() {
    let mut stack = Stack::start();
    traded(&stack).await;
    let mut standby = stands_by(&stack).await;
    stack.service.pause().expect("a pause");
    standby.wait_ready(DEADLINE).expect("it takes over");
    let frozen = stack.service.base_url();
    says(&follow(&stack, "A take-over"), &["writer      there (term 2,", &format!("{frozen} does not answer")]);
    std::mem::swap(&mut stack.service, &mut standby);
    says(&follow(&stack, "A take-over"), &["pricetime_writer 1"]);
    standby.resume().expect("it wakes");
    assert_eq!(standby.wait_exit(DEADLINE).expect("an end").code(), Some(5), "{}", standby.log());
    traded(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_is_found_and_ended() {
    let stack = Stack::start();
    traded(&stack).await;
    let url = stack.service.environment().find(|(name, _)| *name == "DATABASE_URL").expect("an address").1.to_owned();
    let psql = format!("PATH={}:$PATH exec psql '{url}' -c 'BEGIN; SELECT pg_sleep(60)'", postgres_programs());
    let mut session = Command::new("bash").args(["-c", &psql]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let session = session.as_mut().expect("a session");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND \
                xact_start < now() - interval '6 seconds' AND pid <> pg_backend_pid()";
    testbed::wait_until(DEADLINE, "the transaction to be old", || stack.sql(open) == "1").expect("it is old");
    says(&follow(&stack, "The service falls behind"), &["pg_sleep", " t", "pricetime_stage_seconds_sum"]);
    session.wait().expect("an end");
    progress(&stack, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_shows_is_made_again() {
    let stack = Stack::start();
    traded(&stack).await;
    let blocks = blocks("Readers are behind");
    let client = redis::Client::open(stack.redis().url()).expect("a client");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let gone: i64 = redis::cmd("DEL").arg("book:BTC_USDT:asks").query_async(&mut connection).await.expect("it goes");
    assert_eq!(gone, 1);
    says(&run(&stack, &blocks[0]), &["do not show the state"]);
    let is_rebuilt = || stack.service.log().contains("the projection is rebuilt");
    testbed::wait_until(DEADLINE, "a rebuild", is_rebuilt).expect("it is rebuilt");
    says(&run(&stack, &blocks[1]), &["state", "pricetime_projection_lag_rows 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symbol_trades_again() {
    let stack = Stack::with_settings(Mode::Full, &[("ADMIN_TOKEN", TOKEN)]);
    let closed = stack.client.post(stack.url("/api/symbols/BTC_USDT/phase/")).json(&json!({"phase": "CLOSED"}));
    assert_eq!(closed.send().await.expect("an answer").status(), StatusCode::OK);
    says(&follow(&stack, "A symbol is out of trading"), &["CLOSED", "CONTINUOUS"]);
    traded(&stack).await;
}
