//! Who may do what: every route with every kind of credential, keys that are bound to an account, sessions, limits.

use actix_web::http::header;
use actix_web::test::TestRequest;
use journal::{KeyRecord, KeyStore};
use matching::Micros;
use serde_json::{Value, json};
use utoipa::openapi::path::HttpMethod;

use super::market::{Answer, Market, TOKEN, anonymous, order, request};
use crate::config::Secret;
use crate::http::access::limits::Counts;
use crate::http::access::need::{Need, declared_operations};
use crate::keys::signature::{Signed, sign};
use crate::keys::tests_support::{Keys, record};
use crate::keys::{Scope, now, secret, token};

const SECRET_KEY: &str = "fedcba9876543210fedcba9876543210";

/// A market with a key for each thing that a key can be.
struct Guarded {
    market: Market,
    store: Keys,
}

impl Guarded {
    async fn start(settings: &str) -> Guarded {
        let market = Market::start(&format!("SECRET_KEY={SECRET_KEY} {settings}")).await;
        let store = Keys::default();
        let keys = [
            record("trade", "trade", None),
            record("read", "read", None),
            record("admin", "admin", None),
            record("both", "trade,read", None),
            record("desk", "trade,read", Some("desk")),
            KeyRecord { revoked_at: Some(Micros::ZERO), ..record("revoked", "admin", None) },
            KeyRecord { expires_at: Some(Micros::ZERO), ..record("expired", "admin", None) },
        ];
        for key in keys {
            store.add(&key).await.expect("added");
        }
        let guarded = Guarded { market, store };
        guarded.fill().await;
        guarded
    }

    async fn fill(&self) {
        self.market.service.api.gate.keyring.fill(&self.store).await.expect("filled");
    }

    /// Sends a request with the token of a key, or with none.
    async fn send(&self, method: &str, path: &str, body: &str, key: Option<&str>) -> Answer {
        let request = anonymous(method, path).insert_header(header::ContentType::json()).set_payload(body.to_owned());
        self.market.send(with(request, key.map(bearer))).await
    }

    async fn get(&self, path: &str, key: &str) -> Answer {
        self.send("GET", path, "", Some(key)).await
    }
}

fn secret_key() -> Secret {
    Secret::hidden(SECRET_KEY.to_owned())
}

/// The header of a key's token.
fn bearer(id: &str) -> String {
    format!("Bearer {}", token(id, &secret(&secret_key(), id, 0)))
}

fn with(request: TestRequest, authorization: Option<String>) -> TestRequest {
    match authorization {
        Some(authorization) => request.insert_header((header::AUTHORIZATION, authorization)),
        None => request,
    }
}

/// What a key of one scope may: `admin` everything.
fn allows(key: &str, scope: Scope) -> bool {
    key == "admin" || key == scope.as_str()
}

/// Every documented route, with no credential, bad ones, ended ones, each scope, and the administrator's token: it is
/// refused exactly where its declaration says so, before anything else is looked at.
#[actix_web::test]
async fn every_route_asks_for_what_it_declares() {
    let guarded = Guarded::start("").await;
    let (mut checked, mut open) = (0, Vec::new());
    for (path, method, need) in declared_operations() {
        // Ids and names that nobody has: what is let in is answered with something else than 401 and 403.
        let path = path.replace("{order_id}", "999").replace("{symbol}", "BTC_USDT");
        let path = path.replace("{account}", "nobody").replace("{name}", "nobody");
        let name = name(&method);
        let ask = async |authorization: Option<String>| {
            let request = anonymous(name, &path).insert_header(header::ContentType::json());
            guarded.market.send(with(request, authorization)).await
        };
        let bad = token("admin", &"0".repeat(64));
        let refused = [
            Some(format!("Bearer {bad}")),
            Some("Bearer nonsense".to_owned()),
            Some(format!("Basic {TOKEN}")),
            Some(bearer("revoked")),
            Some(bearer("expired")),
            Some(bearer("unknown")),
            Some("PT-HMAC-SHA256 key=admin,timestamp=1,signature=00".to_owned()),
        ];
        match need {
            // Logging in asks for what it takes by itself; pages and probes for nothing.
            Need::Open => open.push(format!("{name} {path}")),
            Need::Socket => {
                for authorization in refused {
                    ask(authorization).await.is_problem(401, "UNAUTHORIZED");
                }
                ask(None).await.is_problem(426, "NOT_A_SOCKET");
            }
            Need::Scope { scope, counts } => {
                let asks = name == "GET";
                assert_eq!(
                    counts == Some(Counts::Read),
                    asks || name == "PUT" && scope == Scope::Read,
                    "{name} {path}"
                );
                for authorization in [None].into_iter().chain(refused) {
                    let shown = format!("{name} {path} {authorization:?}");
                    let answer = ask(authorization).await;
                    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("UNAUTHORIZED")), "{shown}");
                    checked += 1;
                }
                for key in ["trade", "read", "admin"] {
                    let answer = ask(Some(bearer(key))).await;
                    let shown = format!("{name} {path} with {key}: {}", answer.text);
                    if allows(key, scope) {
                        assert!(![401, 403].contains(&answer.status), "{shown}");
                    } else {
                        assert_eq!(
                            (answer.status, answer.json()["code"].as_str()),
                            (403, Some("FORBIDDEN")),
                            "{shown}"
                        );
                    }
                    checked += 1;
                }
                let answer = ask(Some(format!("Bearer {TOKEN}"))).await;
                assert!(![401, 403].contains(&answer.status), "{name} {path}: {}", answer.text);
            }
        }
    }
    assert!(checked > 200, "only {checked} requests were made");
    // What is open to everyone is open because somebody wrote it here too.
    open.sort();
    let expected = [
        "DELETE /api/session/",
        "GET /api/docs/",
        "GET /api/redoc/",
        "GET /api/schema/",
        "GET /api/session/",
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "POST /api/session/",
    ];
    assert_eq!(open, expected);
}

fn name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Patch => "PATCH",
        other => panic!("{:?} is not served", serde_json::to_string(other)),
    }
}

#[actix_web::test]
async fn with_debug_nobody_is_asked() {
    let guarded = Guarded::start("DEBUG=true").await;
    for (path, method, need) in declared_operations() {
        if need == Need::Open {
            continue;
        }
        let path = path.replace("{order_id}", "999").replace("{symbol}", "BTC_USDT");
        let path = path.replace("{account}", "nobody").replace("{name}", "nobody");
        for key in [None, Some("desk"), Some("unknown")] {
            let answer = guarded.send(name(&method), &path, "", key).await;
            assert!(![401, 403].contains(&answer.status), "{path}: {}", answer.text);
        }
    }
}

/// A key that is bound to an account acts for it alone and sees it alone.
#[actix_web::test]
async fn a_bound_key_has_one_account() {
    let guarded = Guarded::start("").await;
    let account = |account: &str| order("1", "1").replace('}', &format!(r#","account":"{account}"}}"#));
    let place = async |body: &str, key| guarded.send("POST", "/api/orders/?ack=committed", body, Some(key)).await;
    let own = place(&order("1", "1"), "desk").await.json();
    assert_eq!(own["order"]["account"], "desk", "{own}");
    assert_eq!(place(&account("desk"), "desk").await.status, 200);
    place(&account("other"), "desk").await.is_problem(403, "WRONG_ACCOUNT");
    let other = place(&account("other"), "both").await.json()["order_id"].as_u64().expect("an id");
    let nobodys = place(&order("1", "1"), "both").await.json()["order_id"].as_u64().expect("an id");

    let unknown = guarded.get("/api/orders/999999/", "desk").await;
    for id in [other, nobodys] {
        for (method, path, body) in [
            ("GET", format!("/api/orders/{id}/"), ""),
            ("GET", format!("/api/orders/{id}/explain/"), ""),
            ("POST", format!("/api/orders/{id}/cancel/"), ""),
            ("PATCH", format!("/api/orders/{id}/"), r#"{"quantity":"0.5"}"#),
        ] {
            let answer = guarded.send(method, &path, body, Some("desk")).await;
            answer.is_problem(404, "UNKNOWN_ORDER");
            assert_eq!(answer.json()["detail"], unknown.json()["detail"], "it is as if there were none");
        }
        assert_eq!(guarded.get(&format!("/api/orders/{id}/"), "both").await.json()["order"]["status"], "OPEN");
    }
    let items = json!({"items": [
        {"op": "cancel", "order_id": other}, {"op": "amend", "order_id": nobodys, "quantity": "0.5"},
        {"op": "cancel", "order_id": own["order_id"]}, {"op": "place", "symbol": "ETH_USDT", "side": "BUY", "price": 1, "quantity": 1},
        {"op": "place", "symbol": "ETH_USDT", "side": "BUY", "price": 1, "quantity": 1, "account": "other"}
    ]});
    let batch = guarded.send("POST", "/api/orders/batch/?ack=committed", &items.to_string(), Some("desk")).await.json();
    let statuses: Vec<u64> =
        batch["results"].as_array().expect("results").iter().filter_map(|item| item["http_status"].as_u64()).collect();
    assert_eq!(statuses, [404, 404, 200, 200, 403], "{batch}");
    assert_eq!(batch["results"][3]["order"]["account"], "desk");

    for (method, path, body) in [
        ("GET", "/api/orders/?account=other", ""),
        ("GET", "/api/accounts/other/orders/", ""),
        ("GET", "/api/events/", ""),
        ("GET", "/api/consumers/", ""),
        ("GET", "/api/consumers/a/position/", ""),
        ("PUT", "/api/consumers/a/position/", r#"{"position":0}"#),
        ("DELETE", "/api/orders/?account=other", ""),
        ("POST", "/api/accounts/other/cancel-after/", r#"{"timeout_ms":0}"#),
        ("POST", "/api/orders/cancel/", r#"{"symbol":"ETH_USDT","client_order_id":"a","account":"other"}"#),
    ] {
        guarded.send(method, path, body, Some("desk")).await.is_problem(403, "WRONG_ACCOUNT");
        let answer = guarded.send(method, path, body, Some("both")).await;
        assert_ne!(answer.status, 403, "{path}: {}", answer.text);
    }
    let listed = guarded.get("/api/orders/", "desk").await.json();
    let accounts: Vec<&Value> =
        listed["orders"].as_array().expect("orders").iter().map(|order| &order["account"]).collect();
    assert!(accounts.len() == 3 && accounts.iter().all(|account| **account == "desk"), "{listed}");
    // Without a name of an account, it is the key's own.
    let again = place(&account("other"), "both").await.json()["order_id"].as_u64().expect("an id");
    let cancelled = guarded.send("DELETE", "/api/orders/?symbol=ETH_USDT", "", Some("desk")).await.json();
    assert_eq!(cancelled["cancelled"], 2, "{cancelled}");
    assert_eq!(guarded.get(&format!("/api/orders/{again}/"), "both").await.json()["order"]["status"], "OPEN");
    // Also where the account decides what goes together.
    let first = place(&order("1", "1"), "desk").await.json()["order_id"].as_u64().expect("an id");
    let stop = json!({"symbol": "ETH_USDT", "side": "BUY", "type": "STOP", "stop_price": 5, "quantity": 1,
        "linked_order_id": first});
    let linked = place(&stop.to_string(), "desk").await;
    assert_eq!(linked.json()["order"]["status"], "UNTRIGGERED", "{}", linked.text);
}

/// A key that is revoked, or made, while the service runs.
#[actix_web::test]
async fn keys_change_while_the_service_runs() {
    let guarded = Guarded::start("").await;
    assert_eq!(guarded.get("/api/symbols/", "read").await.status, 200);
    guarded.store.revoke("read", Micros::ZERO).await.expect("revoked");
    guarded.store.add(&record("new", "read", None)).await.expect("added");
    guarded.get("/api/symbols/", "new").await.is_problem(401, "UNAUTHORIZED");
    guarded.fill().await;
    guarded.get("/api/symbols/", "read").await.is_problem(401, "UNAUTHORIZED");
    assert_eq!(guarded.get("/api/symbols/", "new").await.status, 200);
}

/// A signed request, sent once: the same again, another body, another time, another key are refused.
#[actix_web::test]
async fn a_signed_request_counts_once_and_as_it_was_signed() {
    let guarded = Guarded::start("").await;
    let target = "/api/orders/?ack=committed";
    let send = async |key: &str, timestamp: u64, signed: &str, sent: &str| {
        let signature = Signed { method: "POST", target, idempotency_key: "", body: signed.as_bytes() };
        let signature = sign(secret(&secret_key(), key, 0).as_bytes(), timestamp, signature);
        let header = format!("PT-HMAC-SHA256 key={key}, timestamp={timestamp}, signature={signature}");
        let request = anonymous("POST", target).insert_header(header::ContentType::json());
        guarded.market.send(with(request.set_payload(sent.to_owned()), Some(header))).await
    };
    let body = order("1", "1");
    let made = now().get();
    assert_eq!(send("trade", made, &body, &body).await.json()["order"]["status"], "OPEN");
    send("trade", made, &body, &body).await.is_problem(401, "UNAUTHORIZED");
    assert_eq!(send("trade", made + 1, &body, &body).await.status, 200);
    send("trade", made + 2, &body, &order("2", "1")).await.is_problem(401, "UNAUTHORIZED");
    send("trade", made - 60_000_000, &body, &body).await.is_problem(401, "UNAUTHORIZED");
    send("trade", made + 60_000_000, &body, &body).await.is_problem(401, "UNAUTHORIZED");
    send("revoked", made + 3, &body, &body).await.is_problem(401, "UNAUTHORIZED");
    send("read", made + 4, &body, &body).await.is_problem(403, "FORBIDDEN");
    let orders = guarded.get("/api/orders/", "read").await.json();
    assert_eq!(orders["orders"].as_array().map(Vec::len), Some(2), "{orders}");
}

/// The session of a browser.
#[actix_web::test]
async fn a_browser_logs_in_acts_and_logs_out() {
    let guarded = Guarded::start("").await;
    let log_in =
        async |token: &str| guarded.send("POST", "/api/session/", &json!({"token": token}).to_string(), None).await;
    let of = |id: &str| bearer(id).replacen("Bearer ", "", 1);
    log_in("nonsense").await.is_problem(401, "UNAUTHORIZED");
    log_in(&of("revoked")).await.is_problem(401, "UNAUTHORIZED");
    log_in(&of("both")).await.is_problem(403, "FORBIDDEN");
    let state = async |cookie: &str| {
        guarded
            .market
            .send(anonymous("GET", "/api/session/").insert_header((header::COOKIE, cookie.to_owned())))
            .await
            .json()
    };
    assert_eq!(state("a=b").await, json!({"debug": false, "admin": false, "demo": false, "csrf": null}));
    for token in [TOKEN.to_owned(), of("admin")] {
        let answer = log_in(&token).await;
        assert_eq!((answer.status, &answer.json()["admin"]), (200, &json!(true)), "{}", answer.text);
        let csrf = answer.json()["csrf"].as_str().expect("a token").to_owned();
        let set = answer.header(header::SET_COOKIE).to_owned();
        let (cookie, attributes) = set.split_once(';').expect("attributes");
        assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
        let cookie = format!("theme=dark; {cookie}");
        assert_eq!(state(&cookie).await["csrf"], csrf);
        let send = async |method: &str, path: &str, csrf: Option<&str>| {
            let request = anonymous(method, path).insert_header((header::COOKIE, cookie.clone()));
            let csrf = csrf.map(|csrf| ("X-CSRF-Token", csrf.to_owned()));
            guarded.market.send(csrf.into_iter().fold(request, TestRequest::insert_header)).await
        };
        assert_eq!(send("GET", "/api/debug/state/", None).await.status, 200);
        let block = "/api/accounts/desk/block/";
        send("POST", block, None).await.is_problem(403, "CSRF_TOKEN");
        send("POST", block, Some("x")).await.is_problem(403, "CSRF_TOKEN");
        assert_eq!(send("POST", block, Some(&csrf)).await.status, 200);
        send("DELETE", "/api/session/", None).await.is_problem(403, "CSRF_TOKEN");
        let out = send("DELETE", "/api/session/", Some(&csrf)).await;
        assert_eq!(out.status, 204);
        assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"), "{}", out.header(header::SET_COOKIE));
        send("GET", "/api/debug/state/", None).await.is_problem(401, "UNAUTHORIZED");
        assert_eq!(send("DELETE", "/api/session/", None).await.status, 204);
    }
    // Guessing is slow: ten attempts at once, then one a second.
    let mut last = 0;
    for _ in 0..20 {
        last = log_in("nonsense").await.status;
    }
    assert_eq!(last, 429);
    let debug = Guarded::start("DEBUG=true").await;
    let state = debug.market.get("/api/session/").await.json();
    assert_eq!(state, json!({"debug": true, "admin": true, "demo": false, "csrf": null}));
}

/// What a page of another site makes its reader's browser send is refused, also with DEBUG, and also what opens a socket.
#[actix_web::test]
async fn another_sites_page_changes_nothing() {
    for settings in ["DEBUG=true", "", "DEBUG=true ALLOWED_HOSTS=*"] {
        let guarded = Guarded::start(settings).await;
        let ask = async |method: &str, path: &str, origin: &str, upgrade: bool| {
            let request = request(method, path).insert_header((header::ORIGIN, origin.to_owned()));
            let request = if upgrade { request.insert_header((header::UPGRADE, "websocket")) } else { request };
            guarded.market.send(request).await
        };
        for origin in ["http://evil.test", "null", "http://localhost.evil.test", "https://evil.test:8000", ""] {
            ask("POST", "/api/orders/1/cancel/", origin, false).await.is_problem(403, "CROSS_SITE");
            ask("GET", "/api/ws/", origin, true).await.is_problem(403, "CROSS_SITE");
            assert_eq!(ask("GET", "/api/symbols/", origin, false).await.status, 200);
        }
        for origin in ["http://localhost:8000", "https://localhost:8000"] {
            ask("POST", "/api/orders/1/cancel/", origin, false).await.is_problem(404, "UNKNOWN_ORDER");
            ask("GET", "/api/ws/", origin, true).await.is_problem(426, "NOT_A_SOCKET");
        }
    }
}

#[actix_web::test]
async fn every_answer_has_the_headers_that_keep_browsers_honest() {
    let guarded = Guarded::start("").await;
    for (method, path) in [
        ("GET", "/healthz"),
        ("GET", "/nothing"),
        ("PUT", "/healthz"),
        ("GET", "/api/symbols/"),
        ("GET", "/api/docs/"),
        ("POST", "/api/docs/nothing.css"),
        ("POST", "/assets/nothing.css"),
        ("POST", "/api/orders/"),
    ] {
        for key in [None, Some("admin")] {
            let answer = guarded.send(method, path, "", key).await;
            assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
            assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY", "{path}");
            assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer", "{path}");
            assert!(answer.header(header::CONTENT_SECURITY_POLICY).contains("frame-ancestors 'none'"), "{path}");
        }
    }
}

/// What a header of an answer says about a limit.
fn number(answer: &Answer, name: &'static str) -> Option<u32> {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok())
}

/// Whoever asks too much is refused whatever he asks, can still trade, and keeps nobody else from asking.
#[actix_web::test]
async fn questions_have_buckets_of_their_own() {
    let guarded = Guarded::start("RATE_LIMIT_READS=2").await;
    for (path, left) in [("/api/symbols/", 1), ("/api/orders/999/", 0)] {
        let answer = guarded.get(path, "both").await;
        let told = ["ratelimit-limit", "ratelimit-remaining"].map(|name| number(&answer, name));
        assert_eq!(told, [Some(2), Some(left)], "{path}: {}", answer.text);
    }
    for path in ["/api/symbols/", "/api/events/", "/api/orders/?account=x", "/api/consumers/a/position/"] {
        let refused = guarded.get(path, "both").await;
        refused.is_problem(429, "RATE_LIMITED");
        assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-remaining")), (Some(1), Some(0)));
    }
    let placed = guarded.send("POST", "/api/orders/", &order("1", "1"), Some("both")).await;
    assert_eq!((placed.status, number(&placed, "ratelimit-limit")), (202, Some(1_000)));
    assert_eq!(guarded.get("/api/symbols/", "read").await.status, 200);
    assert_eq!(number(&guarded.send("GET", "/healthz", "", None).await, "ratelimit-limit"), None);
}

/// Orders and cancels of each key, each item of a batch, and what the headers tell.
#[actix_web::test]
async fn rates_are_limited_by_key_and_lane() {
    let guarded = Guarded::start("RATE_LIMIT_ORDERS=3 RATE_LIMIT_CANCELS=2").await;
    let place = async |key| guarded.send("POST", "/api/orders/", &order("1", "1"), Some(key)).await;
    let mut remaining = Vec::new();
    for _ in 0..3 {
        let answer = place("trade").await;
        assert_eq!(answer.status, 202);
        assert_eq!(number(&answer, "ratelimit-limit"), Some(3));
        remaining.push(number(&answer, "ratelimit-remaining").expect("a number"));
    }
    assert_eq!(remaining, [2, 1, 0]);
    let refused = place("trade").await;
    refused.is_problem(429, "RATE_LIMITED");
    assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-remaining")), (Some(1), Some(0)));
    assert_eq!(refused.json()["outcome"], "not_taken");
    // The refused one can still cancel, and another key can trade.
    guarded.send("POST", "/api/orders/999/cancel/", "", Some("trade")).await.is_problem(404, "UNKNOWN_ORDER");
    assert_eq!(place("both").await.status, 202);
    let items = |orders: usize, cancels: usize| {
        let place = json!({"op": "place", "symbol": "ETH_USDT", "side": "BUY", "price": 1, "quantity": 1});
        let cancel = json!({"op": "cancel", "order_id": 999});
        let items: Vec<Value> = [vec![place; orders], vec![cancel; cancels]].concat();
        json!({ "items": items }).to_string()
    };
    let batch = async |orders, cancels| {
        guarded.send("POST", "/api/orders/batch/", &items(orders, cancels), Some("admin")).await
    };
    batch(4, 0).await.is_problem(429, "RATE_LIMITED");
    batch(0, 3).await.is_problem(429, "RATE_LIMITED");
    let taken = batch(2, 1).await;
    assert_eq!((taken.status, number(&taken, "ratelimit-remaining")), (202, Some(1)), "{}", taken.text);
    batch(2, 0).await.is_problem(429, "RATE_LIMITED");
    assert_eq!(guarded.get("/api/symbols/", "trade").await.status, 403);
    assert_eq!(guarded.get("/api/symbols/", "both").await.status, 200);
}
