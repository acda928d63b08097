//! The administrator's routes and the engine's panel, in both modes.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::support::{Mode, Stack, client, on_both, until};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ROUTES: [(&str, &str); 9] = [
    ("GET", "/api/admin/log/"),
    ("GET", "/api/admin/log/?format=jsonl"),
    ("GET", "/api/admin/log/1/"),
    ("GET", "/api/admin/books/BTC_USDT/"),
    ("GET", "/api/admin/snapshots/"),
    ("POST", "/api/admin/snapshots/"),
    ("POST", "/api/admin/snapshots/1/verify/"),
    ("GET", "/api/admin/snapshots/compare/?a=1&b=2"),
    ("GET", "/api/admin/health/"),
];

on_both! {
    every_route_needs_the_credential
    the_log_is_searched_and_exported
    a_row_tells_what_it_did
    a_book_is_shown_as_it_was
    snapshots_are_taken_proven_and_compared
    a_snapshot_of_another_state_is_found
    health_and_the_panel_tell_how_the_engine_does
}

/// Asks with a token, or none.
async fn ask(stack: &Stack, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let method = method.parse().expect("a method");
    let answer = client(token).request(method, stack.url(path)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

async fn post(stack: &Stack, path: &str) -> (u16, Value) {
    let (status, text) = ask(stack, "POST", path, None).await;
    (status, serde_json::from_str(&text).expect("JSON"))
}

/// Two orders that meet, one that rests, one that is cancelled; their ids.
async fn some_orders(stack: &Stack) -> [u64; 4] {
    let sell = stack.place("BTC_USDT", "SELL", "100.5", "2").await;
    let buy = stack.place("BTC_USDT", "BUY", "100.5", "0.5").await;
    let rests = stack.place("ETH_USDT", "BUY", "7", "3").await;
    let gone = stack.place("BTC_USDT", "BUY", "99", "1").await;
    stack.state_with([sell, buy, rests, gone]).await;
    assert_eq!(stack.cancel(gone).await.0, StatusCode::OK);
    [sell, buy, rests, gone]
}

async fn every_route_needs_the_credential(mode: Mode) {
    let settings = [("DEBUG", "false"), ("ADMIN_TOKEN", TOKEN), ("MAX_QUEUE_AGE", "0")];
    let stack = Stack::with_settings(mode, &settings);
    for (method, path) in ROUTES {
        for token in [None, Some("wrong")] {
            let (status, text) = ask(&stack, method, path, token).await;
            assert_eq!(status, 401, "{method} {path}: {text}");
        }
        let (status, text) = ask(&stack, method, path, Some(TOKEN)).await;
        assert!(matches!(status, 200 | 404 | 409), "{method} {path}: {status} {text}");
        let slashless = path.replacen("/?", "?", 1);
        let (status, _) = ask(&stack, method, slashless.trim_end_matches('/'), None).await;
        assert_eq!(status, 401, "{method} {slashless}");
    }
    // What the engine does is no secret of the administrator's, and nobody's without a key.
    assert_eq!(ask(&stack, "GET", "/api/engine/", None).await.0, 401);
    assert_eq!(ask(&stack, "GET", "/api/engine/", Some(TOKEN)).await.0, 200);
}

async fn rows(stack: &Stack, query: &str) -> (Vec<u64>, Value) {
    let page = stack.get(&format!("/api/admin/log/{query}")).await;
    let rows = page["rows"].as_array().expect("rows");
    (rows.iter().map(|row| row["seq"].as_u64().expect("a row")).collect(), page.clone())
}

async fn the_log_is_searched_and_exported(mode: Mode) {
    let stack = Stack::on(mode);
    let [sell, buy, _, gone] = some_orders(&stack).await;
    let log = stack.log().await;
    let end = log.len() as u64;
    let (all, page) = rows(&stack, "").await;
    assert_eq!(all, (1..=end).rev().collect::<Vec<_>>());
    assert_eq!((&page["seq"], &page["next_cursor"]), (&json!(end), &Value::Null));
    for (row, record) in page["rows"].as_array().expect("rows").iter().zip(log.iter().rev()) {
        assert_eq!(row["command"].to_string(), reordered(&record.command), "the command as it is stored");
        assert_eq!(row["events"].to_string(), reordered(&record.events));
        assert_eq!((&row["chain"], &row["kind"]), (&json!(record.chain.to_string()), &json!(record.kind)));
        assert_eq!((&row["time"], &row["epoch"]), (&json!(record.time.get()), &json!(record.epoch.0)));
    }
    let of = |wanted: &dyn Fn(&journal::Record) -> bool| {
        log.iter().rev().filter(|row| wanted(row)).map(|row| row.seq.get()).collect::<Vec<_>>()
    };
    let symbol = of(&|row| row.symbol.is_some_and(|symbol| symbol.as_str() == "BTC_USDT"));
    assert_eq!(rows(&stack, "?symbol=BTC_USDT").await.0, symbol);
    assert_eq!(rows(&stack, "?kind=CancelOrder").await.0, of(&|row| row.kind == "CancelOrder"));
    let about_gone = rows(&stack, &format!("?order_id={gone}")).await;
    assert_eq!((about_gone.0.len(), &about_gone.1["rows"][0]["order_id"]), (2, &json!(gone)));
    // The trade is in the row of the order that came.
    assert_eq!(rows(&stack, &format!("?order_id={sell}")).await.0.len(), 2);
    let middle = log[log.len() / 2].time.get();
    let since = of(&|row| row.time.get() >= middle);
    assert_eq!(rows(&stack, &format!("?from_time={middle}")).await.0, since);
    assert_eq!(rows(&stack, &format!("?to_time={middle}")).await.0, of(&|row| row.time.get() <= middle));
    assert_eq!(rows(&stack, "?from_time=4000000000000000").await.0, [0; 0]);
    assert_eq!(rows(&stack, "?to_time=5").await.0, [0; 0]);
    assert_eq!(rows(&stack, "?from_seq=2&to_seq=3").await.0, [3, 2]);

    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let (page, body) = rows(&stack, &format!("?limit=2{cursor}")).await;
        assert!(page.len() <= 2);
        paged.extend(page);
        let Some(next) = body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);

    let (status, text) = ask(&stack, "GET", "/api/admin/log/?format=jsonl&symbol=BTC_USDT", None).await;
    assert_eq!(status, 200);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let exported: Vec<u64> = lines.iter().rev().map(|row| row["seq"].as_u64().expect("a row")).collect();
    assert_eq!(exported, symbol);
    let beyond = ["?order_id=9007199254740993", "?from_time=18446744073709551615", "?to_time=18446744073709551615"];
    let bad = ["?symbol=x", "?limit=0", "?limit=501", "?format=xml", "?order_id=x", "?cursor=x", "?nothing=1"];
    for bad in bad.into_iter().chain(beyond) {
        assert_eq!(ask(&stack, "GET", &format!("/api/admin/log/{bad}"), None).await.0, 400, "{bad}");
    }
    let trades = "/api/symbols/BTC_USDT/trades/?cursor=9223372036854775808";
    assert_eq!(ask(&stack, "GET", trades, None).await.0, 400, "the first page is not behind a cursor that is none");
    assert!(buy > sell);
}

/// A text as serde_json's map of values writes it.
fn reordered(text: &str) -> String {
    serde_json::from_str::<Value>(text).expect("JSON").to_string()
}

async fn a_row_tells_what_it_did(mode: Mode) {
    let stack = Stack::on(mode);
    let [sell, buy, ..] = some_orders(&stack).await;
    let seq = rows(&stack, &format!("?order_id={buy}")).await.0[0];
    let row = stack.get(&format!("/api/admin/log/{seq}/")).await;
    assert_eq!((&row["seq"], &row["order_id"], &row["state_hash"]), (&json!(seq), &json!(buy), &Value::Null));
    let writes: Vec<&str> = row["redis"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    let begins = |start: String| writes.iter().any(|line| line.starts_with(&start));
    assert!(begins(format!("HSET order:{sell} ")) && begins(format!("HSET order:{buy} ")), "{writes:?}");
    assert!(begins("RPUSH trades:BTC_USDT {".to_owned()), "{writes:?}");
    for unknown in ["0", "1000000", "x", "-1"] {
        let (status, text) = ask(&stack, "GET", &format!("/api/admin/log/{unknown}/"), None).await;
        assert!(status == 404 && text.contains("UNKNOWN_ROW"), "{unknown}: {status} {text}");
    }
    let (status, taken) = post(&stack, "/api/admin/snapshots/").await;
    assert_eq!(status, 200, "{taken}");
    let row = stack.get(&format!("/api/admin/log/{}/", taken["at_seq"])).await;
    assert_eq!(row["state_hash"], taken["state_hash"]);
}

async fn a_book_is_shown_as_it_was(mode: Mode) {
    let stack = Stack::on(mode);
    let mut then = Vec::new();
    for n in 0..6 {
        let side = if n % 3 == 2 { "BUY" } else { "SELL" };
        let id = stack.place("BTC_USDT", side, &format!("{}", 100 + n % 2), "1.5").await;
        stack.state_with([id]).await;
        let depth = stack.get("/api/symbols/BTC_USDT/depth/").await;
        then.push((stack.log().await.len(), depth));
    }
    for (seq, depth) in &then {
        let book = stack.get(&format!("/api/admin/books/BTC_USDT/?at_seq={seq}")).await;
        assert_eq!((&book["seq"], &book["phase"]), (&json!(seq), &json!("CONTINUOUS")));
        for side in ["bids", "asks"] {
            let levels = book[side].as_array().expect("levels").iter();
            let levels: Vec<Value> = levels.map(|l| json!([l["price"], l["quantity"], l["orders"]])).collect();
            assert_eq!(json!(levels), depth[side], "{side} at row {seq}");
        }
    }
    let now = stack.get("/api/admin/books/BTC_USDT/").await;
    assert_eq!(now["seq"], json!(then[5].0));
    for path in ["BTC_USDT/?at_seq=1000000", "NONE_USDT/", "x/"] {
        assert_eq!(ask(&stack, "GET", &format!("/api/admin/books/{path}"), None).await.0, 404, "{path}");
    }
}

async fn snapshots_are_taken_proven_and_compared(mode: Mode) {
    let stack = Stack::on(mode);
    some_orders(&stack).await;
    let (status, first) = post(&stack, "/api/admin/snapshots/").await;
    assert_eq!(status, 200, "{first}");
    let (status, again) = post(&stack, "/api/admin/snapshots/").await;
    assert_eq!((status, &again["code"]), (409, &json!("NOTHING_NEW")));
    some_orders(&stack).await;
    let (_, second) = post(&stack, "/api/admin/snapshots/").await;
    let list = stack.get("/api/admin/snapshots/").await;
    let rows: Vec<&Value> =
        list["snapshots"].as_array().expect("snapshots").iter().map(|snapshot| &snapshot["at_seq"]).collect();
    assert_eq!(rows, [&second["at_seq"], &first["at_seq"]]);
    assert!(list["snapshots"][0]["size_bytes"].as_u64() > Some(0) && list["snapshots"][0]["engine_version"] == 1);

    for snapshot in [&first, &second] {
        let (status, proof) = post(&stack, &format!("/api/admin/snapshots/{}/verify/", snapshot["at_seq"])).await;
        assert_eq!((status, &proof["ok"]), (200, &json!(true)), "{proof}");
        assert_eq!(proof["state_hash"], snapshot["state_hash"]);
        assert_eq!(proof["replayed_hash"], snapshot["state_hash"]);
    }
    assert_eq!(post(&stack, "/api/admin/snapshots/1/verify/").await.0, 404);

    let compared = async |a: &Value, b: &Value| {
        stack.get(&format!("/api/admin/snapshots/compare/?a={}&b={}", a["at_seq"], b["at_seq"])).await
    };
    let same = compared(&first, &first).await;
    assert_eq!((&same["same"], same["symbols"].as_array().map(Vec::len)), (&json!(true), Some(0)));
    let differ = compared(&first, &second).await;
    let eth = differ["symbols"].as_array().expect("symbols").iter().find(|one| one["symbol"] == "ETH_USDT");
    let eth = eth.expect("ETH_USDT differs");
    assert_eq!((&eth["came"], &eth["left"], &eth["changed"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!((&eth["a"]["bids"]["quantity"], &eth["b"]["bids"]["quantity"]), (&json!("3"), &json!("6")));
    for (path, status) in [("", 400), ("?a=1", 400), ("?a=x&b=1", 400), ("?a=1&b=2", 404)] {
        assert_eq!(ask(&stack, "GET", &format!("/api/admin/snapshots/compare/{path}"), None).await.0, status, "{path}");
    }
    stack.tool(&["verify", "--full"]).well();
}

/// The proof of a snapshot can fail: one that is whole, and the state of another row.
async fn a_snapshot_of_another_state_is_found(mode: Mode) {
    let stack = Stack::on(mode);
    some_orders(&stack).await;
    post(&stack, "/api/admin/snapshots/").await;
    let store = stack.records().await.snapshots;
    let there = store.newest().await.expect("a store").expect("a snapshot");
    some_orders(&stack).await;
    let log = stack.log().await;
    let last = log.last().expect("a row");
    let wrong = journal::Snapshot { position: last.position(), ..there.clone() };
    store.store(&wrong, 10).await.expect("it is stored");
    let (status, proof) = post(&stack, &format!("/api/admin/snapshots/{}/verify/", last.seq)).await;
    assert_eq!((status, &proof["ok"]), (200, &json!(false)), "{proof}");
    assert!(proof["finding"].as_str().is_some_and(|finding| finding.contains("is not the state")), "{proof}");
    assert_ne!(proof["replayed_hash"], proof["state_hash"]);
    let (_, proof) = post(&stack, &format!("/api/admin/snapshots/{}/verify/", there.position.seq)).await;
    assert_eq!((&proof["ok"], &proof["finding"]), (&json!(true), &Value::Null));
}

async fn health_and_the_panel_tell_how_the_engine_does(mode: Mode) {
    let stack = Stack::on(mode);
    some_orders(&stack).await;
    let end = stack.log().await.len();
    let health = stack.get("/api/admin/health/").await;
    let status: Value = serde_json::from_str(&stack.tool(&["status", "--json"]).well()).expect("JSON");
    for name in ["mode", "epoch", "seq", "stream_position", "snapshots", "projected"] {
        let there = if name == "projected" { &status["service"][name] } else { &status[name] };
        assert_eq!(&health[name], there, "{name}: {health}");
    }
    assert_eq!((&health["role"], &health["components"]["writer"]), (&json!("writer"), &json!(true)));

    let panel = stack.get("/api/engine/").await;
    assert_eq!((&panel["seq"], &panel["mode"], &panel["demo"]), (&json!(end), &health["mode"], &json!(false)));
    assert_eq!((&panel["last_snapshot"], &panel["queue_lag"]), (&Value::Null, &json!(0)));
    assert!(panel["match_p99_us"].as_u64() >= panel["match_p50_us"].as_u64());
    assert!(panel["commit_p50_ms"].as_f64().is_some_and(|millis| millis > 0.0), "{panel}");
    post(&stack, "/api/admin/snapshots/").await;
    assert_eq!(stack.get("/api/engine/").await["last_snapshot"]["at_seq"], json!(end));
    until("orders that are counted", async || {
        let counted = stack.get("/api/engine/").await["orders_per_second"] != 0;
        if !counted {
            stack.place("BTC_USDT", "BUY", "1", "1").await;
        }
        counted.then_some(())
    })
    .await;
}
