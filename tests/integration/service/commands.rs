//! The command line beside `serve`, on real stores: what it proves, what it finds, what it refuses.

use serde_json::{Value, json};

use crate::service::support::{
    Mode, Stack, check_log, empty, id, on_both, orders, progress, redis_dump, under_load, until,
};

async fn some_orders(stack: &Stack, count: u64) {
    let mut placed = Vec::new();
    for n in 0..count {
        let side = if n % 2 == 0 { "SELL" } else { "BUY" };
        let symbol = ["BTC_USDT", "ETH_USDT"][n as usize % 2];
        placed.push(stack.place(symbol, side, &(100 + n * 7 % 5).to_string(), &(1 + n % 3).to_string()).await);
    }
    stack.cancel(placed[0]).await;
    stack.state_with(placed).await;
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

on_both! {
    verify_agrees_beside_a_busy_service
    the_books_are_shown_as_they_were
    the_log_can_be_read
    snapshots_are_taken_and_listed_beside_the_service
    status_is_one_screen
    the_doctor_tells_all_but_secrets
}

async fn verify_agrees_beside_a_busy_service(mode: Mode) {
    let stack = under_load(Stack::on(mode), 4, async |stack| {
        progress(stack, 300).await;
        for arguments in [&["verify", "--json"][..], &["verify", "--full", "--json"]] {
            let said = lines(&stack.tool(arguments).well()).remove(0);
            assert!(said["applied_again"].as_u64() > Some(0) && said["rows"] == said["applied_again"], "{said}");
            assert!(said["compared_at"].as_u64() >= said["seq"].as_u64(), "{said}");
        }
    })
    .await;
    stack.tool(&["snapshot", "take"]).well();
    // The load's last orders may still expire, in a row between the two.
    let (full, short) = until("both to end at one row", async || {
        let verify = |arguments| lines(&stack.tool(arguments).well()).remove(0);
        let (full, short) = (verify(&["verify", "--full", "--json"]), verify(&["verify", "--json"]));
        (full["seq"] == short["seq"]).then_some((full, short))
    })
    .await;
    assert_eq!(full["state_hash"], short["state_hash"], "from the first row and from the snapshot");
    assert!(stack.tool(&["verify"]).well().contains("chained"));
}

async fn the_books_are_shown_as_they_were(mode: Mode) {
    let stack = Stack::on(mode);
    some_orders(&stack, 12).await;
    let then = stack.get("/api/debug/state/").await;
    let seq = then["seq"].to_string();
    stack.tool(&["snapshot", "take"]).well();
    some_orders(&stack, 12).await;
    let said = stack.tool(&["replay", "--to-seq", &seq, "--json"]).well();
    let replayed: Value = serde_json::from_str(&said).expect("JSON");
    let mut shown: Vec<u64> = Vec::new();
    for book in replayed["symbols"].as_array().expect("symbols") {
        for side in ["bids", "asks"] {
            shown.extend(book[side].as_array().expect("orders").iter().filter_map(|order| order["order_id"].as_u64()));
        }
    }
    shown.sort_unstable();
    let open = |order: &&Value| order["status"] == "OPEN" || order["status"] == "PARTIALLY_FILLED";
    assert_eq!(shown, orders(&then).filter(open).map(id).collect::<Vec<_>>());
    let one = stack.tool(&["replay", "--to-seq", &seq, "--symbol", "ETH_USDT"]).well();
    assert!(one.contains("ETH_USDT") && !one.contains("BTC_USDT"), "{one}");
    stack.tool(&["replay", "--to-seq", "999999"]).failed(2, "the log ends at row");
    stack.tool(&["replay", "--to-seq", &seq, "--symbol", "NO_SUCH"]).failed(2, "not listed");
}

async fn the_log_can_be_read(mode: Mode) {
    let stack = Stack::on(mode);
    some_orders(&stack, 10).await;
    let all = lines(&stack.tool(&["log", "--json"]).well());
    assert_eq!(all.len(), 3 + 10 + 1, "instruments, orders and a cancel");
    assert!(all.iter().zip(1..).all(|(row, seq)| row["seq"] == json!(seq)));
    let of_order = lines(&stack.tool(&["log", "--order", "1", "--json"]).well());
    assert!(
        of_order.len() >= 2 && of_order.iter().all(|row| row["events"].to_string().contains(":1,")),
        "{of_order:?}"
    );
    let of_symbol = stack.tool(&["log", "--symbol", "ETH_USDT", "--from", "4", "--limit", "2"]).well();
    assert_eq!(of_symbol.lines().count(), 2);
    assert!(of_symbol.lines().all(|line| line.contains("ETH_USDT")), "{of_symbol}");
    assert_eq!(stack.tool(&["log", "--from", "5", "--to", "6"]).well().lines().count(), 2);
    assert_eq!(stack.tool(&["log", "--follow", "--to", "6"]).well().lines().count(), 6);
}

async fn snapshots_are_taken_and_listed_beside_the_service(mode: Mode) {
    let mut stack = Stack::on(mode);
    assert!(stack.tool(&["snapshot", "list"]).well().contains("no snapshot yet"));
    some_orders(&stack, 10).await;
    assert!(stack.tool(&["snapshot", "take"]).well().contains("taken and verified"));
    assert!(stack.tool(&["snapshot", "take"]).well().contains("nothing has happened since"));
    let listed = lines(&stack.tool(&["snapshot", "list", "--json"]).well());
    assert_eq!((listed.len(), &listed[0]["seq"]), (1, &json!(14)));
    let state = stack.get("/api/debug/state/").await;
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    assert_eq!(stack.get("/api/debug/state/").await, state);
}

async fn status_is_one_screen(mode: Mode) {
    let mut stack = Stack::on(mode);
    some_orders(&stack, 4).await;
    let status = &lines(&stack.tool(&["status", "--json"]).well())[0];
    assert_eq!((&status["seq"], &status["projection_lag"]), (&json!(8), &json!(0)), "{status}");
    assert_eq!(status["service"]["role"], "writer");
    stack.tool(&["healthcheck", "--ready"]).well();
    stack.service.kill().expect("a kill");
    let screen = stack.tool(&["status"]).well();
    assert!(screen.contains("does not answer") && screen.lines().count() < 10, "{screen}");
    stack.tool(&["healthcheck"]).failed(3, "nothing answers");
}

/// Each planted difference is found, by its key or row.
#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_what_is_wrong() {
    let mut stack = Stack::start();
    some_orders(&stack, 20).await;
    let client = redis::Client::open(stack.redis().url()).expect("a client");
    let mut redis = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut ask = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async::<redis::Value>(&mut redis).await.expect("an answer")
    };
    let good = redis_dump(stack.redis()).await;
    ask(&["HSET", "order:3", "remaining", "77"]).await;
    stack.tool(&["verify"]).failed(4, "order:3");
    ask(&["HSET", "order:3", "remaining", &field(&good, "order:3", "remaining")]).await;
    stack.tool(&["verify"]).well();
    ask(&["SET", "order:id:seq", "9"]).await;
    stack.tool(&["verify"]).failed(4, "order:id:seq");
    ask(&["SET", "order:id:seq", "21"]).await;
    ask(&["HSET", "order:999", "id", "999"]).await;
    stack.tool(&["verify"]).failed(4, "order:999");
    ask(&["DEL", "order:999"]).await;
    ask(&["RPUSH", "trades:BTC_USDT", "{}"]).await;
    stack.tool(&["verify"]).failed(4, "trades:BTC_USDT");

    stack.service.kill().expect("a kill");
    empty(stack.redis()).await;
    stack.tool(&["verify"]).failed(4, "no state that can be compared");

    // As the owner of the table, who alone may.
    stack.sql("UPDATE event_log SET events = events || ' ' WHERE seq = 5");
    stack.tool(&["verify"]).failed(6, "row 5");
    let started = testbed::Service::spawn(crate::service::support::BINARY, stack.environment());
    let mut started = started.expect("a service");
    let status = started.wait_exit(std::time::Duration::from_secs(30)).expect("an end");
    assert_eq!(status.code(), Some(6), "{}", started.log());
    assert!(started.log().contains("row 5"), "{}", started.log());
    stack.sql("DELETE FROM event_log WHERE seq = 4");
    stack.tool(&["verify"]).failed(6, "row 4");
}

fn field(dump: &std::collections::BTreeMap<String, Vec<String>>, key: &str, name: &str) -> String {
    let fields = &dump[&format!("{key} (hash)")];
    let found = fields.iter().find_map(|field| field.strip_prefix(&format!("{name} = ")));
    found.expect("a field").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn recover_rebuilds_the_projection_while_no_service_runs() {
    let mut stack = Stack::start();
    some_orders(&stack, 20).await;
    let before = redis_dump(stack.redis()).await;
    stack.tool(&["recover"]).failed(4, "a service is alive");
    stack.service.kill().expect("a kill");
    assert!(stack.tool(&["recover", "--dry-run"]).well().contains("0 of"), "nothing differs yet");
    empty(stack.redis()).await;
    let said = stack.tool(&["recover", "--dry-run"]).well();
    assert!(said.contains("nothing was changed") && !said.contains("\n0 of"), "{said}");
    assert!(redis_dump(stack.redis()).await.is_empty(), "a dry run changed something");
    assert!(stack.tool(&["recover"]).well().contains("rebuilt"));
    assert_eq!(redis_dump(stack.redis()).await, before);
    stack.tool(&["verify"]).well();
    stack.service.restart().expect("a restart");
    check_log(&stack).await;
}

/// With a service and without one: what is there, why the rest is not, and nothing that is somebody's secret.
async fn the_doctor_tells_all_but_secrets(mode: Mode) {
    let secret = "hunter2hunter2hunter2hunter2hunter2";
    let mut stack = Stack::with_settings(mode, &[("ADMIN_TOKEN", secret)]);
    let order = json!({"account": "desk-4711", "metadata": "between us"});
    let order = stack.order(order).await.order_id().expect("an id");
    stack.state_with([order]).await;
    stack.tool(&["snapshot", "take"]).well();
    for running in [true, false] {
        if !running {
            stack.service.kill().expect("a kill");
        }
        stack.tool(&["doctor", "--to", "found.json"]).well();
        let text = std::fs::read_to_string(stack.service.folder().join("found.json")).expect("a file");
        let found: Value = serde_json::from_str(&text).expect("JSON");
        for secret in [secret, "desk-4711", "between us"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
        assert_eq!(found["stores"]["snapshots"][0]["at_seq"], found["stores"]["status"]["stores"]["seq"], "{text}");
        assert!(!found["stores"]["last_rows"].as_array().expect("rows").is_empty());
        assert_eq!(found["service"]["readyz"]["status"] == 200, running);
        assert_eq!(found["service"]["metrics"].as_str().is_some_and(|text| text.contains("pricetime_ready")), running);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_embedded_mode_there_is_nothing_to_rebuild() {
    let stack = Stack::on(Mode::Embedded);
    assert!(stack.tool(&["recover"]).well().contains("nothing to rebuild"));
}

/// Tools that need no stores, and stores that are not there.
#[test]
fn settings_and_schema_need_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = std::process::Command::new(crate::service::support::BINARY);
        command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(folder.path());
        let output = command.output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, _) = run(&["config", "check"], &[("ADMIN_TOKEN", "hunter2hunter2hunter2hunter2hunter2")]);
    assert!(code == Some(0) && out.contains("PORT=8000 (default)") && !out.contains("hunter2"), "{out}");
    let (code, _, error) =
        run(&["config", "check"], &[("PORT", "x"), ("REDIS_URL", "redis://h/0"), ("LOG_FORMAT", "y")]);
    assert_eq!(code, Some(2));
    for name in ["PORT is", "DATABASE_URL is not set", "LOG_FORMAT is"] {
        assert!(error.contains(name), "{name} is not in {error}");
    }
    let schema: Value = serde_json::from_str(&run(&["openapi"], &[]).1).expect("JSON");
    assert!(schema["paths"]["/api/orders/"].is_object());
    assert!(run(&["openapi", "--yaml"], &[]).1.starts_with("openapi:"));
    assert!(run(&["completions", "bash"], &[]).1.contains("pricetime"));
    let (code, _, error) = run(&["verify"], &[]);
    assert!(code == Some(2) && error.contains("there is no data in"), "{error}");
    let away = [("REDIS_URL", "redis://127.0.0.1:1/0"), ("DATABASE_URL", "postgres://me@127.0.0.1:1/x")];
    let (code, _, error) = run(&["verify"], &away);
    assert!(code == Some(3) && error.contains("cannot be reached"), "{error}");
}
