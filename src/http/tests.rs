//! The API against an engine in memory: what it refuses and how, what it enqueues, what it answers.

mod access;
mod forms;
mod market;

use actix_web::http::{StatusCode, header};
use actix_web::test::TestRequest;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::openapi;
use super::problem::Code;
use market::{Market, Mood, Service, TOKEN, coarse, is_documented, order, request};

#[actix_web::test]
async fn every_bad_order_gets_a_precise_answer() {
    let market = Market::start("MAX_BODY_BYTES=2000").await;
    let schema = serde_json::to_value(openapi(false)).expect("JSON");
    let long = format!(r#"{{"symbol":"{}"}}"#, "X".repeat(2_000));
    let good = order("1", "1");
    let with = |from: &str, to: &str| good.replace(from, to);
    let cases: &[(&str, u16, &str, &str)] = &[
        ("", 400, "MALFORMED_JSON", ""),
        ("{", 400, "MALFORMED_JSON", ""),
        ("null", 400, "INVALID_TYPE", ""),
        ("[]", 400, "INVALID_TYPE", ""),
        ("7", 400, "INVALID_TYPE", ""),
        ("{}", 400, "MISSING_FIELD", "symbol"),
        (&format!("{good} x"), 400, "MALFORMED_JSON", ""),
        (&order("NaN", "1"), 400, "MALFORMED_JSON", "price"),
        (&order("1", "Infinity"), 400, "MALFORMED_JSON", "quantity"),
        (&order("01", "1"), 400, "MALFORMED_JSON", "price"),
        (&order("1.", "1"), 400, "MALFORMED_JSON", "price"),
        (&order("1,\"price\":2", "1"), 400, "MALFORMED_JSON", "price"),
        (&with("price", "prise"), 400, "UNKNOWN_FIELD", "prise"),
        (&with("}", ",\"time_in_force\":\"EVER\"}"), 400, "INVALID_TIME_IN_FORCE", "time_in_force"),
        (&with("}", ",\"time_in_force\":\"GTD\"}"), 400, "INVALID_TIME_IN_FORCE", "time_in_force"),
        (&with("}", ",\"expire_at\":4e9}"), 400, "INVALID_TIME_IN_FORCE", "time_in_force"),
        (&with("}", ",\"time_in_force\":7}"), 400, "INVALID_TYPE", "time_in_force"),
        (&with("}", ",\"time_in_force\":\"GTD\",\"expire_at\":1732880000}"), 400, "INVALID_TIME", "expire_at"),
        (&with("}", ",\"deadline\":1732880000.5}"), 400, "INVALID_TIME", "deadline"),
        (&with("}", ",\"deadline\":-1}"), 400, "INVALID_TIME", "deadline"),
        (&with("}", ",\"deadline\":4e9,\"expire_at\":0.1234567}"), 400, "INVALID_TIME", "expire_at"),
        (&with("}", ",\"account\":\"a b\"}"), 400, "INVALID_NAME", "account"),
        (&with("}", ",\"client_order_id\":\"\"}"), 400, "INVALID_NAME", "client_order_id"),
        (&with("}", ",\"client_order_id\":5}"), 400, "INVALID_TYPE", "client_order_id"),
        (&with("\"quantity\":1", "\"price2\":{\"a\":[1,2]},\"quantity\":1"), 400, "UNKNOWN_FIELD", "price2"),
        (&with(",\"quantity\":1", ""), 400, "MISSING_FIELD", "quantity"),
        (&with("\"ETH_USDT\"", "7"), 400, "INVALID_TYPE", "symbol"),
        (&with("\"BUY\"", "null"), 400, "INVALID_TYPE", "side"),
        (&order("null", "1"), 400, "INVALID_TYPE", "price"),
        (&order("true", "1"), 400, "INVALID_TYPE", "price"),
        (&order("1", "[1]"), 400, "INVALID_TYPE", "quantity"),
        (&order("1", "{\"a\":1}"), 400, "INVALID_TYPE", "quantity"),
        (&order("\"NaN\"", "1"), 400, "INVALID_DECIMAL", "price"),
        (&order("\"\"", "1"), 400, "INVALID_DECIMAL", "price"),
        (&order("1", "\"1,5\""), 400, "INVALID_DECIMAL", "quantity"),
        (&order("1", "\" 1\""), 400, "INVALID_DECIMAL", "quantity"),
        (&order("1e400", "1"), 400, "OUT_OF_RANGE", "price"),
        (&order("1", "1e400"), 400, "OUT_OF_RANGE", "quantity"),
        (&order("90071992.54740992", "1"), 400, "OUT_OF_RANGE", "price"),
        (&order("1", "92233720368.54775808"), 400, "OUT_OF_RANGE", "quantity"),
        (&order("0.123456789012345678901234567891", "1"), 400, "TOO_MANY_DECIMALS", "price"),
        (&order("1", "1e-9"), 400, "TOO_MANY_DECIMALS", "quantity"),
        (&order("-1", "1"), 400, "PRICE_NOT_POSITIVE", "price"),
        (&order("\"-1\"", "1"), 400, "PRICE_NOT_POSITIVE", "price"),
        (&order("0", "1"), 400, "PRICE_NOT_POSITIVE", "price"),
        (&order("0e5", "1"), 400, "PRICE_NOT_POSITIVE", "price"),
        (&order("1", "-0.5"), 400, "QUANTITY_NOT_POSITIVE", "quantity"),
        (&order("1", "0.000"), 400, "QUANTITY_NOT_POSITIVE", "quantity"),
        (&coarse("100.01", "1"), 400, "OFF_TICK", "price"),
        (&coarse("100.001", "1"), 400, "OFF_TICK", "price"),
        (&coarse("100", "0.7"), 400, "OFF_LOT", "quantity"),
        (&coarse("100", "0.25"), 400, "OFF_LOT", "quantity"),
        (&with("ETH_USDT", "DOGE_USDT"), 400, "UNKNOWN_SYMBOL", "symbol"),
        (&with("ETH_USDT", "eth_usdt"), 400, "INVALID_SYMBOL", "symbol"),
        (&with("ETH_USDT", "ETHUSDT"), 400, "INVALID_SYMBOL", "symbol"),
        (&with("ETH_USDT", "ETH_USDT\\u0000"), 400, "INVALID_SYMBOL", "symbol"),
        (&with("BUY", "buy"), 400, "INVALID_SIDE", "side"),
        (&with("BUY", "HOLD"), 400, "INVALID_SIDE", "side"),
        (&long, 413, "BODY_TOO_LARGE", ""),
    ];
    for (body, status, code, field) in cases {
        for path in ["/api/orders/", "/api/orders"] {
            let answer = market.post(path, body).await;
            answer.is_problem(*status, code);
            assert_eq!(answer.json()["field"].as_str().unwrap_or(""), *field, "{body}: {}", answer.text);
            assert_eq!(answer.json()["outcome"], "not_taken");
            is_documented(&schema, "/api/orders/", &answer);
        }
    }
    assert!(market.queue.texts.lock().expect("the texts").is_empty());
    let metrics = market.get("/metrics").await.text;
    assert!(metrics.contains(r#"pricetime_refused_requests_total{code="INVALID_SIDE",status="400"} 4"#), "{metrics}");
}

/// With a name, the answer comes after the commit, and repeating is answered with the first order.
#[actix_web::test]
async fn an_order_with_a_name_is_placed_once() {
    let market = Market::start("DEBUG=true").await;
    let named = order("1", "1").replace('}', r#","client_order_id":"a-1","account":"desk"}"#);
    let first = market.post("/api/orders/", &named).await;
    assert_eq!(
        (first.status, &first.json()["ack"], &first.json()["duplicate"]),
        (202, &json!("committed"), &json!(false))
    );
    let again = market.post("/api/orders/", &named.replace("\"price\":1", "\"price\":\"1.0\"")).await;
    assert_eq!((again.status, &again.json()["duplicate"]), (202, &json!(true)));
    assert_eq!(again.json()["order_id"], first.json()["order_id"]);
    let other = market.post("/api/orders/", &named.replace("\"price\":1", "\"price\":2")).await;
    other.is_problem(409, "KEY_REUSED");
    assert_eq!(other.json()["order_id"], first.json()["order_id"]);
    let orders = market.get("/api/debug/orders/").await.json();
    assert_eq!(orders["orders"].as_array().map(Vec::len), Some(1), "{orders}");
    assert_eq!(
        (&orders["orders"][0]["account"], &orders["orders"][0]["client_order_id"]),
        (&json!("desk"), &json!("a-1"))
    );

    market.mood(Mood::Stuck);
    let late = market.post("/api/orders/", &named.replace("a-1", "a-2")).await;
    late.is_problem(504, "OUTCOME_UNKNOWN");
    assert_eq!(late.json()["outcome"], "unknown");
}

#[actix_web::test]
async fn the_header_is_another_way_to_send_the_name() {
    let market = Market::start("").await;
    let post = async |key: &str, body: &str| {
        let request = request("POST", "/api/orders/").insert_header(header::ContentType::json());
        market.send(request.insert_header(("Idempotency-Key", key)).set_payload(body.to_owned())).await
    };
    let named = order("1", "1").replace('}', r#","client_order_id":"k"}"#);
    let first = post("k", &order("1", "1")).await.json();
    let again = post("k", &named).await.json();
    assert_eq!((&again["order_id"], &again["duplicate"]), (&first["order_id"], &json!(true)));
    post("other", &named).await.is_problem(400, "INVALID_NAME");
    post("no name", &order("1", "1")).await.is_problem(400, "INVALID_NAME");
}

#[actix_web::test]
async fn an_order_says_when_it_expires() {
    let market = Market::start("DEBUG=true").await;
    let body = order("1", "1").replace('}', r#","time_in_force":"GTD","expire_at":4000000000.25,"deadline":"4e9"}"#);
    assert_eq!(market.post("/api/orders/", &body).await.status, 202);
    let enqueued = market.enqueued();
    assert_eq!(
        (&enqueued["order"]["expire_at"], &enqueued["deadline"]),
        (&json!(4_000_000_000_250_000u64), &json!(4_000_000_000_000_000u64))
    );
    let order = &market.get("/api/debug/orders/").await.json()["orders"][0];
    assert_eq!((&order["time_in_force"], &order["expire_at"]), (&json!("GTD"), &json!(4_000_000_000.25)));
}

#[actix_web::test]
async fn requests_that_miss_their_route_are_told_so() {
    let market = Market::start("").await;
    for (method, path, status, code, allow) in [
        ("GET", "/api/nothing", 404, "NOT_FOUND", ""),
        ("GET", "/nothing", 404, "NOT_FOUND", ""),
        ("GET", "/assets/nothing.js", 404, "NOT_FOUND", ""),
        ("POST", "/", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"),
        ("GET", "/api//orders/", 404, "NOT_FOUND", ""),
        ("GET", "/api/docs/nothing.js", 404, "NOT_FOUND", ""),
        ("GET", "/api/redoc/nothing.js", 404, "NOT_FOUND", ""),
        ("PATCH", "/api/orders/", 405, "METHOD_NOT_ALLOWED", "POST, DELETE, GET, HEAD"),
        ("PUT", "/api/orders", 405, "METHOD_NOT_ALLOWED", "POST, DELETE, GET, HEAD"),
        ("GET", "/api/orders/7/cancel", 405, "METHOD_NOT_ALLOWED", "POST"),
        ("POST", "/api/debug/state/", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"),
        ("DELETE", "/healthz/", 405, "METHOD_NOT_ALLOWED", "GET, HEAD"),
        ("POST", "/api/orders/", 415, "UNSUPPORTED_MEDIA_TYPE", ""),
    ] {
        let answer = market.send(request(method, path)).await;
        answer.is_problem(status, code);
        assert_eq!(answer.header(header::ALLOW), allow, "{method} {path}");
    }
    market.post("/api/orders/?acks=committed", &order("1", "1")).await.is_problem(400, "UNKNOWN_FIELD");
    market.get("/api/schema/?format=xml").await.is_problem(400, "INVALID_PARAMETER");
}

#[actix_web::test]
async fn a_body_must_say_that_it_is_json() {
    let market = Market::start("").await;
    for (kind, status) in [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("Application/JSON;charset=\"UTF-8\"", 202),
        ("application/json; charset=latin1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ] {
        for path in ["/api/orders/", "/api/orders/1/cancel/"] {
            let body = if path.contains("cancel") { r#"{"reason":"x"}"#.to_owned() } else { order("1", "1") };
            let request = request("POST", path).insert_header((header::CONTENT_TYPE, kind)).set_payload(body);
            let answer = market.send(request).await;
            let refused = answer.status == 415;
            assert_eq!(refused, status == 415, "{kind}: {}", answer.text);
        }
    }
    let compressed = request("POST", "/api/orders/")
        .insert_header(header::ContentType::json())
        .insert_header((header::CONTENT_ENCODING, "gzip"));
    market.send(compressed).await.is_problem(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[actix_web::test]
async fn an_order_is_enqueued_with_every_digit() {
    let market = Market::start("AUTO_LIST_SYMBOLS=true").await;
    for (sent, kept) in [
        ("100.0", "100"),
        ("\"100.50\"", "100.5"),
        ("0.00000001", "0.00000001"),
        ("1e-8", "0.00000001"),
        ("\"1E+2\"", "100"),
        ("90071992.54740991", "90071992.54740991"),
        ("0.1000000000000000000000000000000", "0.1"),
        ("\"\\u0031\"", "1"),
    ] {
        let answer = market.post("/api/orders/", &order(sent, sent)).await;
        assert_eq!(answer.status, 202, "{sent}: {}", answer.text);
        let id = answer.json()["order_id"].clone();
        assert_eq!(answer.text, format!(r#"{{"status":"ENQUEUED","order_id":{id},"ack":"queued"}}"#));
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
        let command = market.enqueued();
        assert_eq!(command["type"], "NewOrder");
        assert_eq!((&command["order"]["order_id"], &command["order"]["side"]), (&id, &json!("BUY")));
        assert_eq!((&command["order"]["price"], &command["order"]["quantity"]), (&json!(kept), &json!(kept)), "{sent}");
        assert!(command["order"]["received_at"].as_u64().is_some_and(|time| time > 1_700_000_000_000_000));
    }
    // A quantity may have more digits than a price; no float on the way could hold these.
    market.post("/api/orders/", &order("1", "12345678901.12345678")).await;
    assert_eq!(market.enqueued()["order"]["quantity"], "12345678901.12345678");
    market.post("/api/orders/", &coarse("123456789012.15", "123456789012.5")).await;
    assert_eq!(
        (&market.enqueued()["order"]["price"], &market.enqueued()["order"]["quantity"]),
        (&json!("123456789012.15"), &json!("123456789012.5"))
    );
    // With the switch on, any well-formed symbol is taken; ids count up from 1 whatever came before.
    let answer = market.post("/api/orders", &order("1", "1").replace("ETH", "NEW")).await;
    assert_eq!((answer.status, &market.enqueued()["order"]["symbol"]), (202, &json!("NEW_USDT")));
    assert_eq!(answer.json()["order_id"], 11);
}

#[actix_web::test]
async fn an_order_that_may_be_lost_is_told_so() {
    let market = Market::start("").await;
    market.mood(Mood::Away);
    let answer = market.post("/api/orders/", &order("1", "1")).await;
    answer.is_problem(503, "QUEUE_UNAVAILABLE");
    assert_eq!(answer.json()["outcome"], "not_taken");
    market.mood(Mood::Deaf);
    let answer = market.post("/api/orders/", &order("1", "1")).await;
    answer.is_problem(503, "OUTCOME_UNKNOWN");
    assert_eq!((&answer.json()["outcome"], &answer.json()["order_id"]), (&json!("unknown"), &json!(2)));
}

#[actix_web::test]
async fn a_cancel_is_answered_with_what_became_of_it() {
    let market = Market::start("").await;
    let schema = serde_json::to_value(openapi(false)).expect("JSON");
    for body in [order("5", "2"), order("5", "0.5").replace("BUY", "SELL"), order("4", "1")] {
        assert_eq!(market.post("/api/orders/", &body).await.status, 202);
    }
    // Order 1 is partly filled, 2 filled, 3 open.
    let answer = market.post("/api/orders/1/cancel/", r#"{"reason":"User requested cancel"}"#).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["status"], &body["order_id"]), (200, &json!("CANCELLED"), &json!(1)));
    assert_eq!((&body["remaining"], &body["repeated"]), (&json!("1.5"), &json!(false)));
    assert_eq!(market.enqueued()["reason_text"], "User requested cancel");
    let seq = body["seq"].clone();

    // No body, no content type; without the slash; null for no reason.
    let again = market.send(request("POST", "/api/orders/1/cancel")).await.json();
    assert_eq!((&again["status"], &again["repeated"], &again["seq"]), (&json!("CANCELLED"), &json!(true), &seq));
    let answer = market.post("/api/orders/3/cancel/", r#"{"reason":null}"#).await;
    assert_eq!((answer.status, market.enqueued().get("reason_text")), (200, None));

    let answer = market.post("/api/orders/2/cancel/", "{}").await;
    answer.is_problem(409, "NOT_OPEN");
    assert_eq!((&answer.json()["order_status"], &answer.json()["order_id"]), (&json!("FILLED"), &json!(2)));
    for id in ["999999", "0", "9007199254740991", "9007199254740992", "99999999999999999999", "-1", "+1", "1.0", "x"] {
        market.post(&format!("/api/orders/{id}/cancel/"), "").await.is_problem(404, "UNKNOWN_ORDER");
    }
    for (body, code) in [
        ("{", "MALFORMED_JSON"),
        (r#"{"reason":7}"#, "INVALID_TYPE"),
        (r#"{"reasons":"x"}"#, "UNKNOWN_FIELD"),
        (&format!(r#"{{"reason":"{}"}}"#, "ä".repeat(129)), "REASON_TOO_LONG"),
    ] {
        let answer = market.post("/api/orders/3/cancel/", body).await;
        answer.is_problem(400, code);
        is_documented(&schema, "/api/orders/{order_id}/cancel/", &answer);
    }
    let longest = format!(r#"{{"reason":"{}"}}"#, "ä".repeat(128));
    assert_eq!(market.post("/api/orders/3/cancel/", &longest).await.status, 200);
}

#[actix_web::test]
async fn a_cancel_whose_outcome_is_not_known_says_so() {
    let market = Market::start("").await;
    market.post("/api/orders/", &order("5", "2")).await;
    // The answer to the enqueue is lost, and the outcome comes all the same.
    market.mood(Mood::Deaf);
    assert_eq!(market.post("/api/orders/1/cancel/", "").await.json()["status"], "CANCELLED");
    market.mood(Mood::Away);
    market.post("/api/orders/1/cancel/", "").await.is_problem(503, "QUEUE_UNAVAILABLE");
    market.mood(Mood::Stuck);
    let answer = market.post("/api/orders/1/cancel/", "").await;
    answer.is_problem(504, "OUTCOME_UNKNOWN");
    assert_eq!((&answer.json()["outcome"], &answer.json()["order_id"]), (&json!("unknown"), &json!(1)));
}

#[actix_web::test]
async fn a_client_that_goes_away_does_not_take_its_order_along() {
    let market = Market::start("").await;
    let request = request("POST", "/api/orders/").insert_header(header::ContentType::json());
    let mut call = market.send(request.set_payload(order("1", "1"))).boxed_local();
    // Once: the handler has begun; then the connection is gone.
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    tokio::task::yield_now().await;
    while market.queue.texts.lock().expect("the texts").is_empty() {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn the_state_is_one_exact_image() {
    let market = Market::start("DEBUG=true").await;
    for body in [order("5.00000001", "2"), order("5", "0.5").replace("BUY", "SELL")] {
        assert_eq!(market.post("/api/orders/", &body).await.status, 202);
    }
    let state = market.get("/api/debug/state").await;
    assert!(
        state.text.contains(r#""price":5.00000001,"quantity":2,"remaining":1.5,"status":"PARTIALLY_FILLED""#),
        "{}",
        state.text
    );
    let state = state.json();
    assert_eq!((&state["seq"], &state["symbols"]["BTC_USDT"]["phase"]), (&json!(4), &json!("CONTINUOUS")));
    let trade = &state["trades"][0];
    assert_eq!(
        (&trade["maker_order_id"], &trade["taker_order_id"], &trade["quantity"]),
        (&json!(1), &json!(2), &json!(0.5))
    );
    assert_eq!(trade["timestamp"], json!(1732880000.123456));
    assert_eq!(market.get("/api/debug/orders/").await.json()["orders"], state["orders"]);
}

#[actix_web::test]
async fn debug_routes_need_debug_or_the_credential() {
    let market = Market::start("").await;
    for path in ["/api/debug/orders/", "/api/debug/state/"] {
        for (sent, status) in [
            (String::new(), 401),
            (format!("Bearer {TOKEN}"), 200),
            (format!("bearer {TOKEN}"), 200),
            (format!("Bearer {TOKEN}x"), 401),
            (format!("Bearer {}", TOKEN.replace('f', "e")), 401),
            (format!("Basic {TOKEN}"), 401),
            ("é".to_owned(), 401),
        ] {
            let answer =
                market.send(request("GET", path).insert_header((header::AUTHORIZATION, sent.as_bytes()))).await;
            assert_eq!(answer.status, status, "{sent}");
            if status == 401 {
                answer.is_problem(401, "UNAUTHORIZED");
                assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
            }
        }
    }
    let market = Market::start("").await;
    let empty = request("GET", "/api/debug/state/").insert_header((header::AUTHORIZATION, "Bearer "));
    market.send(empty).await.is_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn foreign_names_are_refused() {
    let market = Market::start("ALLOWED_HOSTS=api.example.com").await;
    let ask = |host: &'static str, path: &str| {
        let request = TestRequest::with_uri(path).insert_header((header::HOST, host));
        market.service.send(request)
    };
    ask("evil.test", "/api/schema/").await.is_problem(400, "HOST_NOT_ALLOWED");
    ask("evil.test", "/nothing").await.is_problem(400, "HOST_NOT_ALLOWED");
    assert_eq!(ask("api.example.com", "/api/schema/").await.status, 200);
    // Probes ask by address.
    assert_eq!(ask("10.0.0.7:8000", "/healthz").await.status, 200);
    let market = Market::start("ALLOWED_HOSTS=* DEBUG=true").await;
    assert_eq!(market.service.send(TestRequest::with_uri("/api/schema/")).await.status, 200);
}

#[actix_web::test]
async fn a_process_that_does_not_serve_says_so() {
    let service = Service::standby("DEBUG=true").await;
    let place = || {
        let body = order("1", "1");
        request("POST", "/api/orders/").insert_header(header::ContentType::json()).set_payload(body)
    };
    service.send(place()).await.is_problem(503, "STANDBY");
    service.send(request("POST", "/api/orders/1/cancel/")).await.is_problem(503, "STANDBY");
    service.send(request("GET", "/api/debug/state/")).await.is_problem(503, "STANDBY");
    service.api.recovering();
    service.send(place()).await.is_problem(503, "NOT_READY");
    assert_eq!(service.send(request("GET", "/healthz")).await.text, r#"{"status":"alive"}"#);
    let ready = service.send(request("GET", "/readyz/")).await;
    assert_eq!(
        (ready.status, &ready.json()["ready"], &ready.json()["role"]),
        (503, &json!(false), &json!("recovering"))
    );
    let metrics = service.send(request("GET", "/metrics")).await;
    assert!(metrics.text.contains("pricetime_projection_seq 0\n"), "{}", metrics.text);
    assert!(metrics.text.contains("pricetime_component_up{component=\"queue\"} 0\n"), "{}", metrics.text);
    assert!(metrics.text.contains("pricetime_build_info{version="), "{}", metrics.text);

    let market = Market::start("").await;
    let components = market.get("/readyz").await.json()["components"].clone();
    assert_eq!(
        (&components["writer"], &components["ids"], &components["queue"]),
        (&json!(true), &json!(true), &json!(false))
    );
    market.service.api.close().await;
    market.post("/api/orders/", &order("1", "1")).await.is_problem(503, "NOT_READY");
}

#[actix_web::test]
async fn the_pages_are_served_without_any_other_host() {
    let market = Market::start("").await;
    for (path, kind, word) in [
        ("/api/docs/", "text/html", "swagger-ui"),
        ("/api/docs/swagger-initializer.js", "javascript", "../schema/"),
        ("/api/docs/swagger-ui-bundle.js", "javascript", "SwaggerUIBundle"),
        ("/api/redoc/", "text/html", "redoc"),
        ("/api/schema/", "application/json", "\"openapi\""),
        ("/api/schema", "application/json", "\"openapi\""),
        ("/api/schema/?format=yaml", "application/yaml", "openapi: 3"),
    ] {
        let answer = market.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header(header::CONTENT_TYPE).contains(kind), "{path}");
        let packed = answer.header(header::CONTENT_ENCODING) == "gzip";
        assert!(packed || answer.text.contains(word), "{path}: {:.300}", answer.text);
        if path.ends_with('/') {
            assert!(!answer.text.contains("//cdn"), "{path}");
        }
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(path.contains("schema") || policy.starts_with("default-src 'none'"), "{path}: {policy}");
    }
    for (path, to) in [("/api/docs", "docs/"), ("/api/redoc", "redoc/")] {
        let answer = market.get(path).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (308, to));
    }
    let bundle = market.get("/api/redoc/redoc.standalone.js").await;
    let built = market.get("/api/redoc/").await.text.contains("redoc.standalone.js");
    assert_eq!(bundle.status, if built { 200 } else { 404 });
}

/// Also in a build without them: then the page says how to build them.
#[actix_web::test]
async fn the_pages_are_small_and_kept_as_long_as_they_are_the_same() {
    let market = Market::start("").await;
    let ask = async |path: &str, name: header::HeaderName, value: &str| {
        market.send(request("GET", path).insert_header((name, value.to_owned()))).await
    };
    for path in ["/", "/admin/"] {
        let page = market.get(path).await;
        assert_eq!((page.status, page.header(header::CACHE_CONTROL)), (200, "no-cache"), "{path}");
        let policy = page.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        if page.text.contains("make prepare") {
            continue;
        }
        for encoding in ["br", "gzip"] {
            let packed = ask(path, header::ACCEPT_ENCODING, encoding).await;
            assert_eq!(packed.header(header::CONTENT_ENCODING), encoding, "{path}");
            let known = ask(path, header::IF_NONE_MATCH, packed.header(header::ETAG)).await;
            assert_eq!(known.status, 200, "{path}: another form is another file");
        }
        let known = ask(path, header::IF_NONE_MATCH, page.header(header::ETAG)).await;
        assert_eq!((known.status, known.text.as_str()), (304, ""), "{path}");
        let script = page.text.split("assets/").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
        let script = market.get(&format!("/assets/{script}")).await;
        assert_eq!(script.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    }
    let bare = market.get("/admin").await;
    assert_eq!((bare.status, bare.header(header::LOCATION)), (308, "admin/"));
}

#[actix_web::test]
async fn the_schema_is_yaml_for_those_who_ask_for_it() {
    let market = Market::start("").await;
    for (accept, kind) in [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/yaml", "application/yaml"),
        ("application/vnd.oai.openapi, */*;q=0.5", "application/yaml"),
        ("application/json, text/yaml", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ] {
        let answer = market.send(request("GET", "/api/schema/").insert_header((header::ACCEPT, accept))).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), kind, "{accept}");
    }
}

#[test]
fn the_schema_lists_every_route_with_its_answers() {
    let schema: Value = serde_json::to_value(openapi(false)).expect("JSON");
    assert_eq!(schema["info"]["license"]["name"], "MIT");
    assert!(schema["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    let paths = schema["paths"].as_object().expect("paths");
    let listed: Vec<&str> = paths.keys().map(String::as_str).collect();
    let mut expected = [
        "/api/orders/",
        "/api/orders/batch/",
        "/api/orders/cancel/",
        "/api/orders/{order_id}/",
        "/api/orders/{order_id}/cancel/",
        "/api/accounts/{account}/cancel-after/",
        "/api/accounts/{account}/block/",
        "/api/accounts/{account}/unblock/",
        "/api/symbols/{symbol}/",
        "/api/symbols/{symbol}/phase/",
        "/api/accounts/{account}/orders/",
        "/api/orders/{order_id}/explain/",
        "/api/symbols/",
        "/api/symbols/{symbol}/depth/",
        "/api/symbols/{symbol}/trades/",
        "/api/symbols/{symbol}/ticker/",
        "/api/symbols/{symbol}/candles/",
        "/api/events/",
        "/api/consumers/",
        "/api/consumers/{name}/position/",
        "/api/ws/",
        "/api/session/",
        "/api/admin/books/{symbol}/",
        "/api/admin/health/",
        "/api/admin/log/",
        "/api/admin/log/{seq}/",
        "/api/admin/snapshots/",
        "/api/admin/snapshots/compare/",
        "/api/admin/snapshots/{at_seq}/verify/",
        "/api/engine/",
        "/api/debug/hash/",
        "/api/debug/orders/",
        "/api/debug/state/",
        "/api/schema/",
        "/api/docs/",
        "/api/redoc/",
        "/healthz",
        "/readyz",
        "/metrics",
    ];
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    let mut ids: Vec<&str> = Vec::new();
    for operation in paths.values().flat_map(|path| path.as_object().expect("operations").values()) {
        ids.push(operation["operationId"].as_str().expect("an operationId"));
        let text = operation.to_string();
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{text}");
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let is_error = status.starts_with(['4', '5']) && response["content"].get("application/json").is_none();
            if is_error {
                let content = &response["content"]["application/problem+json"];
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{status} of {text}");
                assert!(content["examples"].as_object().is_some_and(|examples| !examples.is_empty()));
            }
        }
    }
    let operations = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), operations, "an operationId is there twice");
    every_reference_exists(&schema, &schema);
}

fn every_reference_exists(schema: &Value, part: &Value) {
    if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
        assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    match part {
        Value::Object(members) => members.values().for_each(|member| every_reference_exists(schema, member)),
        Value::Array(items) => items.iter().for_each(|item| every_reference_exists(schema, item)),
        _ => {}
    }
}

#[test]
fn the_catalogue_of_codes_reads_well() {
    for code in Code::ALL {
        assert!(code.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
        assert!(code.meaning().ends_with('.') && !code.meaning().starts_with(' '), "{code}");
        assert!(code.status().is_client_error() || code.status().is_server_error(), "{code}");
        assert_eq!(Code::ALL[code.index()], *code);
    }
    let unavailable = Code::ALL.iter().filter(|code| code.status() == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!(unavailable, 6);
}

#[actix_web::test]
async fn a_head_request_is_a_get_without_its_body() {
    let market = Market::start("").await;
    for path in ["/healthz", "/api/schema/", "/metrics"] {
        assert_eq!(market.send(request("HEAD", path)).await.status, 200, "{path}");
    }
}

/// What a socket adds: requests in pieces, without a length, without an end.
#[actix_web::test]
async fn a_server_on_a_socket_keeps_to_its_limits() {
    let api = Service::standby("MAX_BODY_BYTES=2000 DEBUG=true").await.api;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = super::serve(api, listener).expect("a server");
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let post = "POST /api/orders/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let (long, chunk) = ("x".repeat(3_000), format!("7d0\r\n{}\r\n", "x".repeat(2_000)));
    for (request, status, text) in [
        ("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "200", "content-length: 18\r\n"),
        (format!("{post}Content-Length: 3000\r\n\r\n{long}"), "413", "BODY_TOO_LARGE"),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"), "413", "BODY_TOO_LARGE"),
        (format!("{post}Content-Length: 99999999999\r\n\r\n"), "413", "BODY_TOO_LARGE"),
        (format!("{post}Content-Length: 2\r\n\r\n{{}}"), "503", "STANDBY"),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"), "503", "STANDBY"),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "200", "alive"),
        ("GET /api/schema/ HTTP/1.0\r\n\r\n".to_owned(), "400", "HOST_NOT_ALLOWED"),
        ("GET /api/schema/ HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_owned(), "400", "HOST_NOT_ALLOWED"),
        ("GET http://evil.test/api/schema/ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "400", "HOST_NOT_ALLOWED"),
        ("nonsense\r\n\r\n".to_owned(), "400", ""),
    ] {
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let mut socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
        // The server may answer and close before all is sent.
        let _ = socket.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.get(9..12) == Some(status), "{request:.200}\n{answer}");
        assert!(answer.contains(text), "{request:.200}\n{answer}");
        assert!(!request.starts_with("HEAD") || answer.ends_with("\r\n\r\n"), "{answer}");
    }
    handle.stop(true).await;
    running.await.expect("the server's task").expect("the server");
}
