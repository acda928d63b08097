//! What the service says of itself: one JSON object a line if asked, no secret and no body, and the id of a request from
//! its header to whoever follows the log.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::support::{Mode, Stack, on_both};

/// Words that stand in requests and settings and must stand in no line.
const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const KEY: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e7";
const WORDS: [&str; 4] = ["wordOfMetadata", "wordOfReason", "wordOfQuery", "wordOfName"];

on_both! {
    no_secret_and_no_body_is_logged
    an_id_goes_from_the_request_to_the_followers_of_the_log
}

fn lines(stack: &Stack) -> String {
    std::fs::read_to_string(stack.service.log_path()).expect("the log")
}

async fn no_secret_and_no_body_is_logged(mode: Mode) {
    let settings =
        [("LOG_FORMAT", "json"), ("RUST_LOG", "info"), ("ADMIN_TOKEN", TOKEN), ("SECRET_KEY", KEY), ("DEBUG", "true")];
    let mut stack = Stack::with_settings(mode, &settings);
    let order = json!({"metadata": WORDS[0], "account": WORDS[3], "client_order_id": WORDS[3]});
    let id = stack.order(order.clone()).await.order_id().expect("an id");
    // Refused ones too: unreadable, unknown, and one that is named twice.
    stack.order(json!({"metadata": WORDS[0], "colour": WORDS[0]})).await;
    stack.order(json!({"price": WORDS[0]})).await;
    let text = format!("{{\"symbol\": {}", WORDS[0]);
    stack.client.post(stack.url("/api/orders/")).body(text).send().await.expect("an answer");
    let cancel = stack.client.post(stack.url(&format!("/api/orders/{id}/cancel/")));
    cancel.json(&json!({"reason": WORDS[1]})).send().await.expect("an answer");
    for path in [format!("/api/orders/?account={}", WORDS[2]), format!("/api/events/?after={}", WORDS[2])] {
        let request = stack.client.get(stack.url(&path)).bearer_auth(TOKEN);
        request.send().await.expect("an answer");
    }
    stack.service.terminate(Duration::from_secs(30)).expect("an end");
    let log = lines(&stack);
    let mut records = 0;
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(record["level"].is_string() && record["timestamp"].is_string(), "{line}");
        records += 1;
    }
    assert!(records >= 5, "{log}");
    let password = stack.service.environment().find(|(name, _)| *name == "DATABASE_URL").and_then(|(_, url)| {
        let (user, _) = url.split_once("://")?.1.split_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    });
    for word in WORDS.into_iter().chain([TOKEN, KEY]).chain(password.as_deref()) {
        assert!(!log.contains(word), "{word} is in\n{log}");
    }
    // The check itself: the word of a setting that may be shown is there.
    assert!(log.contains("ready on http://"), "{log}");
}

async fn an_id_goes_from_the_request_to_the_followers_of_the_log(mode: Mode) {
    let stack = Stack::with_settings(mode, &[("RUST_LOG", "info,pricetime=debug")]);
    let order = json!({"symbol": "BTC_USDT", "side": "BUY", "price": "1", "quantity": "1"});
    let post = async |path: &str, id: Option<&str>, body: &Value| {
        let request = stack.client.post(stack.url(path)).json(body);
        let request = id.into_iter().fold(request, |request, id| request.header("X-Request-Id", id));
        let answer = request.send().await.expect("an answer");
        let told = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).expect("an id").to_owned();
        (answer.status(), told, answer.json::<Value>().await.expect("JSON"))
    };
    let (status, told, placed) = post("/api/orders/?ack=committed", Some("trace-1.a:b"), &order).await;
    assert_eq!((status, told.as_str()), (StatusCode::OK, "trace-1.a:b"), "{placed}");
    let id = placed["order_id"].as_u64().expect("an id");
    let batch = json!({"items": [{"op": "cancel", "order_id": id}, {"op": "place", "symbol": "BTC_USDT", "side": "BUY",
        "price": "1", "quantity": "1"}]});
    let (status, told, answer) = post("/api/orders/batch/?ack=committed", Some("trace-2"), &batch).await;
    assert_eq!((status, told.as_str()), (StatusCode::OK, "trace-2"), "{answer}");
    // What is no id is replaced, and one that is missing is made; neither goes further than the answer.
    let (_, first, _) = post("/api/orders/?ack=committed", Some("not an id"), &order).await;
    let (_, second, _) = post("/api/orders/?ack=committed", None, &order).await;
    assert!(first != second && [&first, &second].iter().all(|id| id.contains('-') && !id.contains(' ')));
    let (_, refused, _) = post("/api/orders/", Some("trace-3"), &json!({})).await;
    assert_eq!(refused, "trace-3");

    let rows: Vec<Value> = stack.get("/api/events/").await["events"].as_array().expect("rows").clone();
    let traced = |id: &str| {
        let rows = rows.iter().filter(|row| row["request_id"] == id);
        rows.filter_map(|row| row["kind"].as_str()).collect::<Vec<_>>()
    };
    assert_eq!(traced("trace-1.a:b"), ["NewOrder"]);
    assert_eq!(traced("trace-2"), ["CancelOrder", "NewOrder"]);
    assert_eq!(rows.iter().filter(|row| row.get("request_id").is_some()).count(), 3);
    let log = stack.log().await;
    let in_log = log.iter().filter(|row| row.command.ends_with(r#","request_id":"trace-2"}"#));
    assert_eq!(in_log.count(), 2, "{log:?}");
    assert_eq!(stack.tool(&["log"]).well().matches("(request trace-1.a:b)").count(), 1);
    assert_eq!(stack.tool(&["log", "--request", "trace-2"]).well().lines().count(), 2);
    if mode == Mode::Full {
        let client = redis::Client::open(stack.redis().url()).expect("a client");
        let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
        let entries: redis::Value = redis::cmd("XRANGE")
            .arg("matching:queue")
            .arg("-")
            .arg("+")
            .query_async(&mut connection)
            .await
            .expect("it");
        assert_eq!(format!("{entries:?}").matches("trace-2").count(), 2);
    }
    let said = lines(&stack);
    assert!(said.lines().any(|line| line.contains("trace-3") && line.contains("answered")), "{said}");
    stack.tool(&["verify", "--full"]).well();
}
