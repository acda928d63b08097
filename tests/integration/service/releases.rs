//! What a release has stored is read by the next ones; what a newer one has stored is refused, and says so.
//!
//! `tests/fixtures/<release>/` holds what that release wrote: the rows of a log, the stream entries that they came from, a
//! snapshot and the embedded file, with the state's hash that it gave. `UPDATE_FIXTURES=1` writes those of this release
//! anew; those of a release that is out stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use journal::encoding::{self, DecodeError};
use journal::{CommandQueue, Epoch, Position, Record, Snapshot, SnapshotStore, StreamId};
use matching::{Engine, Micros, Seq, Sequenced, StateHash};
use pricetime::adapters::embedded::{Embedded, EmbeddedQueue, EmbeddedSnapshots};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use testbed::Service;

use crate::service::support::{BINARY, Mode, Stack};

const RELEASES: [&str; 1] = ["0.1.0"];
const RETAIN: u64 = 500_000;

fn folder(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(release)
}

fn read(release: &str, name: &str) -> String {
    fs::read_to_string(folder(release).join(name)).unwrap_or_else(|error| panic!("{release}/{name}: {error}"))
}

fn lines(release: &str, name: &str) -> Vec<Value> {
    read(release, name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// Applies rows to an engine, each of which must be the one that follows, and written again the same.
fn replay(engine: &mut Engine, position: &mut Position, rows: &[Value]) {
    for row in rows {
        let (seq, time) =
            (Seq::new(number(row, "seq")).expect("a row"), Micros::new(number(row, "time")).expect("a time"));
        let format = i16::try_from(number(row, "format")).expect("a format");
        let value = encoding::decode_command(format, text(row, "command")).expect("a command");
        let events = encoding::decode_events(format, text(row, "events")).expect("events");
        let (command, mut again) = (Sequenced { seq, time, value }, Vec::new());
        engine.apply(&command, &mut again);
        assert_eq!(again, events, "row {seq}");
        let stream_id: StreamId = text(row, "stream_position").parse().expect("a position");
        let (epoch, id) = (Epoch(number(row, "epoch")), journal::request_id(text(row, "command")));
        let record = Record::traced(position, stream_id, epoch, &command, &events, id.as_ref());
        assert_eq!((record.command.as_str(), record.events.as_str()), (text(row, "command"), text(row, "events")));
        assert_eq!(record.chain.to_string(), text(row, "chain"), "row {seq}");
        *position = record.position();
    }
}

#[test]
fn the_log_and_the_stream_of_every_release_are_read() {
    for release in RELEASES {
        let (rows, state) = (lines(release, "log.jsonl"), &lines(release, "state.json")[0]);
        let (mut engine, mut position) = (Engine::new(RETAIN), Position::START);
        replay(&mut engine, &mut position, &rows);
        assert_eq!(StateHash::of(&engine.image().encode()).to_string(), text(state, "state_hash"));
        let kinds = ["NewOrder", "CancelOrder", "AmendOrder", "SetPhase", "MassCancel", "BlockAccount"];
        for kind in kinds {
            assert!(rows.iter().any(|row| text(row, "command").contains(&format!("\"type\":\"{kind}\""))), "{kind}");
        }
        assert!(
            rows.iter().any(|row| journal::request_id(text(row, "command")).is_some()),
            "no row has a request's id"
        );

        let entries = lines(release, "stream.jsonl");
        let mut commands = Vec::new();
        for entry in &entries {
            let format = i16::try_from(number(entry, "format")).expect("a format");
            commands.extend(encoding::decode_traced(format, text(entry, "text")).expect("commands"));
        }
        // All that the log holds came through the stream, but for what the service does by itself.
        let own = rows.iter().filter(|row| text(row, "command").contains("\"type\":\"ListInstrument\"")).count();
        assert_eq!(commands.len(), rows.len() - own);
        let newest = text(&entries[0], "text");
        let refused = encoding::decode_traced(encoding::STREAM_FORMAT + 1, newest);
        assert!(matches!(refused, Err(DecodeError::UnknownFormat { .. })), "{refused:?}");
    }
}

#[test]
fn the_snapshot_of_every_release_is_read() {
    for release in RELEASES {
        let (rows, state) = (lines(release, "log.jsonl"), &lines(release, "state.json")[0]);
        let stored = &lines(release, "snapshot.json")[0];
        let seq = Seq::new(number(stored, "seq")).expect("a row");
        let before = usize::try_from(seq.get()).expect("a row");
        let (mut engine, mut position) = (Engine::new(RETAIN), Position::START);
        replay(&mut engine, &mut position, &rows[..before]);
        let parts = stored["parts"].as_array().expect("parts").iter().filter_map(Value::as_str).map(unhex).collect();
        let format = i16::try_from(number(stored, "format")).expect("a format");
        let state_hash = StateHash::of(&engine.image().encode());
        assert_eq!(state_hash.to_string(), text(stored, "state_hash"), "the log gives another state there");
        let snapshot = Snapshot { position, format, state_hash, parts };
        let mut opened = Engine::from_image(snapshot.open().expect("an image"), RETAIN);
        replay(&mut opened, &mut position, &rows[before..]);
        assert_eq!(StateHash::of(&opened.image().encode()).to_string(), text(state, "state_hash"));
        let newer = Snapshot { format: format + 1, ..snapshot }.open().expect_err("a newer format");
        assert!(newer.to_string().contains("this release reads format"), "{newer}");
    }
}

/// A service on a copy of a release's file.
fn on_a_copy(release: &str) -> (Service, tempfile::TempDir) {
    let data = tempfile::tempdir().expect("a folder");
    fs::copy(folder(release).join("pricetime.db"), data.path().join("pricetime.db")).expect("a copy");
    let mut service = Service::spawn(BINARY, environment(data.path())).expect("a service");
    service.wait_ready(Duration::from_secs(30)).expect("it is ready");
    (service, data)
}

fn environment(data: &Path) -> [(&'static str, String); 3] {
    [("DATA_DIR", data.to_str().expect("a path").to_owned()), ("DEBUG", "true".into()), ("RUST_LOG", "info".into())]
}

fn tool(data: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(BINARY)
        .args(arguments)
        .env_clear()
        .envs(environment(data))
        .current_dir(data)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_file_of_every_release_is_served() {
    for release in RELEASES {
        let state = &lines(release, "state.json")[0];
        let (mut service, data) = on_a_copy(release);
        let url = format!("{}/api/orders/?ack=committed", service.base_url());
        let order = json!({"symbol": "BTC_USDT", "side": "SELL", "price": "0.5", "quantity": "1"});
        let client = reqwest::Client::new();
        let answer =
            client.post(url).json(&order).send().await.expect("an answer").json::<Value>().await.expect("JSON");
        assert!(
            number(&answer, "order_id") >= number(state, "id_ceiling"),
            "an id may have been given before: {answer}"
        );
        assert_eq!(answer["order"]["status"], "FILLED", "{answer}");
        service.terminate(Duration::from_secs(30)).expect("an end");
        let verified: Value = serde_json::from_str(&tool(data.path(), &["verify", "--full", "--json"])).expect("JSON");
        assert!(number(&verified, "seq") > number(state, "seq"), "{verified}");
    }
}

async fn change(data: &Path, statements: &[&'static str]) {
    let options = SqliteConnectOptions::new().filename(data.join("pricetime.db"));
    let mut connection: SqliteConnection = options.connect().await.expect("the file");
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await.expect("a change");
    }
    sqlx::Connection::close(connection).await.expect("closed");
}

/// How a start on changed data ends.
fn ends(service: &mut Service, code: i32, said: &str) {
    let status = service.wait_exit(Duration::from_secs(30)).expect("an end");
    let log = service.log();
    assert_eq!(status.code(), Some(code), "{log}");
    assert!(log.contains(said), "{said:?} is not in {log}");
    let last = log.lines().rfind(|line| !line.contains(" INFO ")).unwrap_or_default();
    assert!(last.starts_with("Runbook: docs/operations.md#"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_release_has_stored_is_refused() {
    let next_entry = "INSERT INTO command_queue (id, format, text) SELECT last + 1, 2, '{}' FROM command_stream";
    let next_number = "UPDATE command_stream SET last = last + 1";
    let migration = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9999, 'newer', true, x'00', 0)";
    let row = "UPDATE event_log SET format = 2 WHERE seq = (SELECT max(seq) FROM event_log)";
    let forget = "DELETE FROM snapshot";
    let cases: [(&[&'static str], i32, &str); 3] = [
        (&[migration], 2, "brought up to date by a newer release (migration 9999)"),
        (&[forget, row], 6, "its format is 2, and this release reads up to 1: use the release that wrote it"),
        (&[next_entry, next_number], 2, "has format 2, and this release reads up to 1: it was acknowledged by a newer"),
    ];
    for (statements, code, said) in cases {
        let data = tempfile::tempdir().expect("a folder");
        fs::copy(folder(RELEASES[0]).join("pricetime.db"), data.path().join("pricetime.db")).expect("a copy");
        change(data.path(), statements).await;
        let mut service = Service::spawn(BINARY, environment(data.path())).expect("a service");
        ends(&mut service, code, said);
        // A row that would say that it was refused is a lost order.
        let rows = if code == 6 { String::new() } else { tool(data.path(), &["export"]) };
        assert!(!rows.contains("EntryRejected"), "{rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_release_are_refused() {
    let mut stack = Stack::start();
    stack.service.terminate(Duration::from_secs(30)).expect("an end");
    stack.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'newer', true, '\\x00', 0)",
    );
    stack.service.relaunch(&[]).expect("a start");
    ends(&mut stack.service, 2, "brought up to date by a newer release (migration 9999)");
}

/// Writes the fixtures of this release: a story with commands of many kinds, a snapshot in its middle.
#[tokio::test(flavor = "multi_thread")]
async fn the_fixtures_of_this_release_can_be_written() {
    if std::env::var("UPDATE_FIXTURES").is_err() {
        return;
    }
    let mut stack = Stack::with_settings(Mode::Embedded, &[("QUEUE_RETENTION_ENTRIES", "1000")]);
    story(&stack, 0).await;
    stack.tool(&["snapshot", "take"]).well();
    let beside = stack.service.folder().join("data");
    let snapshots = EmbeddedSnapshots::new(&Embedded::open_beside(&beside).await.expect("the file"));
    let snapshot = snapshots.newest().await.expect("snapshots").expect("a snapshot");
    story(&stack, 1).await;
    stack.service.terminate(Duration::from_secs(30)).expect("an end");

    let target = folder(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&target).expect("a folder");
    let write = |name: &str, text: String| fs::write(target.join(name), text + "\n").expect("a fixture");
    write("log.jsonl", stack.tool(&["export"]).well().trim_end().to_owned());
    let verified: Value = serde_json::from_str(&stack.tool(&["verify", "--json"]).well()).expect("JSON");
    let status: Value = serde_json::from_str(&stack.tool(&["status", "--json"]).well()).expect("JSON");
    let state =
        json!({"seq": verified["seq"], "state_hash": verified["state_hash"], "id_ceiling": status["id_ceiling"]});
    write("state.json", state.to_string());
    let parts: Vec<String> = snapshot.parts.iter().map(|part| hex(part)).collect();
    let (seq, state_hash) = (snapshot.position.seq.get(), snapshot.state_hash.to_string());
    let stored = json!({"seq": seq, "format": snapshot.format, "state_hash": state_hash, "parts": parts});
    write("snapshot.json", stored.to_string());
    let queue = EmbeddedQueue::new(&Embedded::open_beside(&beside).await.expect("the file"));
    let entries = queue.read(StreamId::ZERO, 1_000).await.expect("entries");
    let entries: Vec<String> = entries
        .into_iter()
        .filter_map(|entry| entry.payload.ok())
        .map(|payload| json!({"format": payload.format, "text": payload.text}).to_string())
        .collect();
    write("stream.jsonl", entries.join("\n"));
    let file = target.join("pricetime.db");
    if file.exists() {
        fs::remove_file(&file).expect("it goes");
    }
    let mut connection = SqliteConnectOptions::new().filename(beside.join("pricetime.db")).connect().await.expect("it");
    let copy = sqlx::query("VACUUM INTO ?1").bind(file.to_str().expect("a path"));
    copy.execute(&mut connection).await.expect("a copy");
}

async fn story(stack: &Stack, part: u64) {
    let send = async |method: &str, path: &str, body: Value| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = stack.client.request(method, stack.url(path)).header("X-Request-Id", format!("story-{part}"));
        let answer = request.json(&body).send().await.expect("an answer");
        let (status, body) = (answer.status(), answer.json::<Value>().await.expect("JSON"));
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    };
    let base = json!({"symbol": "BTC_USDT", "side": "BUY", "price": "1", "quantity": "3", "account": "desk"});
    let order = |fields: Value| {
        let mut order = base.clone();
        order.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        order
    };
    let committed = "/api/orders/?ack=committed";
    let resting = send("POST", committed, order(json!({"client_order_id": format!("a-{part}")}))).await;
    let id = number(&resting, "order_id");
    stack.place("BTC_USDT", "SELL", "1", "1").await;
    send("POST", committed, order(json!({"type": "STOP_LIMIT", "stop_price": "5", "price": "6"}))).await;
    send("POST", committed, order(json!({"time_in_force": "IOC", "side": "SELL", "account": "other"}))).await;
    send("POST", committed, order(json!({"display_quantity": "1", "price": "0.9", "metadata": "mine"}))).await;
    let open = number(&send("POST", committed, order(json!({"price": "0.8"}))).await, "order_id");
    send("PATCH", &format!("/api/orders/{open}/"), json!({"quantity": "2"})).await;
    let items = json!({"items": [{"op": "cancel", "order_id": open}, {"op": "cancel", "order_id": id}]});
    send("POST", "/api/orders/batch/?ack=committed", items).await;
    send("POST", "/api/symbols/ETH_USDT/phase/", json!({"phase": "AUCTION"})).await;
    send("POST", committed, order(json!({"symbol": "ETH_USDT", "price": "7"}))).await;
    send("POST", "/api/symbols/ETH_USDT/phase/", json!({"phase": "CONTINUOUS"})).await;
    send("POST", "/api/accounts/desk/cancel-after/", json!({"timeout_ms": 600_000})).await;
    send("DELETE", "/api/orders/?account=other", json!({})).await;
    send("POST", "/api/accounts/third/block/", json!({})).await;
    stack.place("BTC_USDT", "BUY", "0.5", "2").await;
    stack.place("XRP_USDT", "SELL", "3", "2").await;
    // A command with an answer behind those without one: all of them are committed then.
    send("POST", "/api/accounts/third/unblock/", json!({})).await;
}
