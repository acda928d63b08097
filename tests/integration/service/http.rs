//! The HTTP surface of the real process: the original's routes, documents, health and metrics.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::support::{Stack, id, orders, trades};

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_routes_work_as_its_page_says() {
    let stack = Stack::start();
    // With and without the slash, numbers or strings.
    for (path, body) in [
        ("/api/orders/", json!({"symbol": "BTC_USDT", "side": "SELL", "price": 100.0, "quantity": 1.0})),
        ("/api/orders", json!({"symbol": "BTC_USDT", "side": "BUY", "price": "100.00", "quantity": "0.4"})),
    ] {
        let answer = stack.client.post(stack.url(path)).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{path}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["status"], "ENQUEUED");
    }
    let state = stack.state_with([1, 2]).await;
    let maker = orders(&state).find(|order| id(order) == 1).expect("the maker");
    assert_eq!((&maker["status"], &maker["remaining"]), (&json!("PARTIALLY_FILLED"), &json!(0.6)));
    let trade = trades(&state).next().expect("a trade");
    assert_eq!(
        (&trade["maker_order_id"], &trade["taker_order_id"], &trade["price"]),
        (&json!(1), &json!(2), &json!(100))
    );
    assert!(trade["timestamp"].as_f64().is_some_and(|seconds| seconds > 1.7e9));
    assert_eq!(state["symbols"]["BTC_USDT"]["phase"], "CONTINUOUS");

    let (status, answer) = stack.cancel(1).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("CANCELLED")));
    let (status, answer) = stack.cancel(1).await;
    assert_eq!((status, &answer["repeated"]), (StatusCode::OK, &json!(true)));
    let (status, answer) = stack.cancel(2).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("NOT_OPEN")));
    let (status, answer) = stack.cancel(999_999).await;
    assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_ORDER")));
    assert_eq!(orders(&stack.get("/api/debug/orders/").await).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_health_and_metrics_are_served() {
    let stack = Stack::start();
    for (path, kind, word) in [
        ("/api/schema/", "application/json", "\"openapi\""),
        ("/api/schema/?format=yaml", "yaml", "openapi:"),
        ("/api/docs/", "text/html", "swagger-ui"),
        ("/api/redoc/", "text/html", "redoc"),
        ("/healthz", "", ""),
        ("/readyz", "application/json", "true"),
        ("/metrics", "text", "pricetime_projection_seq"),
    ] {
        let answer = stack.client.get(stack.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let found = answer.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(found.contains(kind), "{path} is {found}");
        let text = answer.text().await.expect("text");
        assert!(text.contains(word), "{path} says nothing of {word}: {text:.200}");
        assert!(!text.contains("cdn"), "{path} names another host");
    }
}

/// Every operation of the schema answers something that is no 404 or 405 for want of a route.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_true_for_every_route() {
    let stack = Stack::start();
    let schema = stack.get("/api/schema/").await;
    let paths = schema["paths"].as_object().expect("paths");
    for path in [
        "/api/orders/",
        "/api/orders/{order_id}/cancel/",
        "/api/debug/orders/",
        "/api/debug/state/",
        "/healthz",
        "/readyz",
    ] {
        assert!(paths.contains_key(path), "{path} is not in the schema");
    }
    for (path, operations) in paths {
        for method in operations.as_object().expect("operations").keys() {
            let named = path.replace("{account}", "desk").replace("{symbol}", "BTC_USDT");
            let url = stack.url(&named.replace("{order_id}", "7"));
            let operation = &operations[method];
            let method = method.to_uppercase().parse().expect("a method");
            let answer = stack.client.request(method, url).send().await.expect("an answer");
            let status = answer.status().as_u16().to_string();
            let text = answer.text().await.expect("text");
            let code =
                serde_json::from_str::<Value>(&text).ok().and_then(|body| body["code"].as_str().map(str::to_owned));
            assert!(!matches!(code.as_deref(), Some("NOT_FOUND" | "METHOD_NOT_ALLOWED")), "{path}: {text}");
            assert!(
                operation["responses"].get(&status).is_some(),
                "{path} answered {status}, which its schema does not list"
            );
        }
    }
}
