//! Every form of an order, and of what is done with orders: what is refused before the queue, what is answered.

use actix_web::http::header;
use matching::command::ListInstrument;
use matching::{
    Command, Decimal, Event, Instrument, Micros, Order, OrderId, OrderType, Reason, SelfTradePrevention, Sequenced,
    Side, TimeInForce,
};
use serde_json::{Value, json};

use super::super::access::Caller;
use super::super::openapi;
use super::super::order_request::OrderRequest;
use super::TOKEN;
use super::market::{Market, Mood, is_documented, order, request};

/// An order of any kind, as JSON; `fields` are those after symbol and side.
fn with(fields: &str) -> String {
    format!(r#"{{"symbol":"BTC_USDT","side":"BUY",{fields}}}"#)
}

#[actix_web::test]
async fn fields_that_do_not_go_together_are_told_apart() {
    let market = Market::start("").await;
    let schema = serde_json::to_value(openapi(false)).expect("JSON");
    let cases: &[(&str, &str, &str)] = &[
        (r#""type":"ICEBERG","price":1,"quantity":1"#, "INVALID_VALUE", "type"),
        (r#""type":7,"price":1,"quantity":1"#, "INVALID_TYPE", "type"),
        (r#""type":"MARKET","price":1,"quantity":1"#, "INCOHERENT", "price"),
        (r#""type":"MARKET""#, "MISSING_FIELD", "quantity"),
        (r#""type":"MARKET","quantity":1,"quote_quantity":5"#, "INCOHERENT", "quantity"),
        (r#""type":"MARKET","quote_quantity":0"#, "QUANTITY_NOT_POSITIVE", "quote_quantity"),
        (r#""type":"MARKET","quantity":1,"time_in_force":"DAY""#, "INVALID_TIME_IN_FORCE", "time_in_force"),
        (r#""type":"MARKET","quantity":1,"display_quantity":1"#, "INCOHERENT", "display_quantity"),
        (r#""type":"MARKET","quote_quantity":5,"min_quantity":1"#, "INCOHERENT", "min_quantity"),
        (
            r#""type":"MARKET","quote_quantity":5,"self_trade_prevention":"DECREMENT""#,
            "INCOHERENT",
            "self_trade_prevention",
        ),
        (r#""price":1,"quote_quantity":5"#, "MISSING_FIELD", "quantity"),
        (r#""price":1,"quantity":1,"quote_quantity":5"#, "INCOHERENT", "quote_quantity"),
        (r#""type":"STOP","quantity":1"#, "MISSING_FIELD", "stop_price"),
        (r#""type":"STOP","quantity":1,"stop_price":0"#, "PRICE_NOT_POSITIVE", "stop_price"),
        (r#""type":"STOP","quantity":1,"stop_price":1.01"#, "OFF_TICK", "stop_price"),
        (r#""type":"STOP","quantity":1,"stop_price":1,"price":1"#, "INCOHERENT", "price"),
        (r#""type":"STOP_LIMIT","quantity":1,"stop_price":1"#, "MISSING_FIELD", "price"),
        (r#""type":"TAKE_PROFIT_LIMIT","quantity":1,"price":1"#, "MISSING_FIELD", "stop_price"),
        (r#""type":"TRAILING_STOP","quantity":1"#, "MISSING_FIELD", "trailing_delta"),
        (r#""type":"TRAILING_STOP","quantity":1,"trailing_delta":1,"stop_price":2"#, "INCOHERENT", "stop_price"),
        (r#""price":1,"quantity":1,"trailing_delta":1"#, "INCOHERENT", "trailing_delta"),
        (r#""price":1,"quantity":1,"post_only":"yes""#, "INVALID_TYPE", "post_only"),
        (r#""price":1,"quantity":1,"post_only":true,"time_in_force":"IOC""#, "INCOHERENT", "post_only"),
        (r#""price":1,"quantity":1,"post_only":true,"min_quantity":1"#, "INCOHERENT", "post_only"),
        (r#""price":1,"quantity":1,"display_quantity":1.5"#, "INCOHERENT", "display_quantity"),
        (r#""price":1,"quantity":501,"display_quantity":0.5"#, "DISPLAY_TOO_SMALL", "display_quantity"),
        (r#""price":1,"quantity":1,"display_quantity":0.7"#, "OFF_LOT", "display_quantity"),
        (r#""price":1,"quantity":1,"display_quantity":0.5,"time_in_force":"FOK""#, "INCOHERENT", "display_quantity"),
        (r#""price":1,"quantity":1,"min_quantity":2"#, "INCOHERENT", "min_quantity"),
        (r#""price":1,"quantity":1,"min_quantity":1,"time_in_force":"FOK""#, "INCOHERENT", "min_quantity"),
        (r#""price":1,"quantity":1,"self_trade_prevention":"MAYBE""#, "INVALID_VALUE", "self_trade_prevention"),
        (r#""price":1,"quantity":1,"linked_order_id":1"#, "INCOHERENT", "linked_order_id"),
        (r#""price":1,"quantity":1,"linked_order_id":-1"#, "INVALID_TYPE", "linked_order_id"),
        (r#""price":1,"quantity":1,"linked_order_id":9007199254740992"#, "INVALID_VALUE", "linked_order_id"),
        (r#""price":1,"quantity":1,"time_in_force":"DAY","expire_at":4e9"#, "INVALID_TIME_IN_FORCE", "time_in_force"),
        (r#""price":1,"quantity":1,"metadata":7"#, "INVALID_TYPE", "metadata"),
    ];
    for (fields, code, field) in cases {
        let answer = market.post("/api/orders/", &with(fields)).await;
        answer.is_problem(400, code);
        assert_eq!(
            (&answer.json()["field"], &answer.json()["outcome"]),
            (&json!(field), &json!("not_taken")),
            "{fields}"
        );
        is_documented(&schema, "/api/orders/", &answer);
    }
    let long = with(&format!(r#""price":1,"quantity":1,"metadata":"{}""#, "ä".repeat(129)));
    market.post("/api/orders/", &long).await.is_problem(400, "METADATA_TOO_LONG");
    assert!(market.queue.texts.lock().expect("the texts").is_empty());
}

/// Every combination of type, time in force and optional fields: a request is good exactly where the core calls the order
/// coherent, and then the core does not refuse it for its fields. Only an `expire_at` that a client gives a DAY order is the service's own to refuse.
#[actix_web::test]
async fn requests_are_judged_as_the_core_judges_orders() {
    let market = Market::start("").await;
    let engine = market.service.api.engine().expect("an engine");
    let (mut good, mut bad) = (0, 0);
    let mut core = Core(matching::Engine::new(1));
    let instrument = Instrument::finest("ETH_USDT".parse().expect("a symbol"));
    assert_eq!(core.rejects(Command::ListInstrument(ListInstrument { command_id: None, instrument })), None);
    for order_type in ["LIMIT", "MARKET", "STOP", "STOP_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "TRAILING_STOP"] {
        for time_in_force in ["GTC", "IOC", "FOK", "GTD", "DAY"] {
            for bits in 0..1u32 << 11 {
                let has = |bit: u32| bits & 1 << bit != 0;
                let mut body =
                    json!({"symbol": "ETH_USDT", "side": "BUY", "type": order_type, "time_in_force": time_in_force});
                let mut expected = core_order(order_type, time_in_force);
                let one: Decimal = "1".parse().expect("a number");
                let later = Micros::new(4_000_000_000_000_000);
                for (bit, field) in [
                    "price",
                    "quantity",
                    "quote_quantity",
                    "stop_price",
                    "trailing_delta",
                    "display_quantity",
                    "min_quantity",
                ]
                .iter()
                .enumerate()
                {
                    if has(bit as u32) {
                        body[field] = json!("1");
                    }
                }
                let number = |bit| has(bit).then_some(one);
                (expected.price, expected.quantity, expected.quote_quantity) = (number(0), number(1), number(2));
                (expected.stop_price, expected.trailing_delta) = (number(3), number(4));
                (expected.display_quantity, expected.min_quantity) = (number(5), number(6));
                if has(7) {
                    body["post_only"] = json!(true);
                    expected.post_only = true;
                }
                if has(8) {
                    body["expire_at"] = json!(4_000_000_000u64);
                    expected.expire_at = later;
                }
                if has(9) {
                    body["linked_order_id"] = json!(7);
                    body["account"] = json!("desk");
                    expected.linked_order_id = OrderId::new(7);
                    expected.account = Some("desk".parse().expect("a name"));
                }
                if has(10) {
                    body["self_trade_prevention"] = json!("DECREMENT");
                    expected.self_trade_prevention = SelfTradePrevention::Decrement;
                }
                let text = body.to_string();
                let read = OrderRequest::read(text.as_bytes())
                    .and_then(|read| read.check(engine, &Caller::Administrator, false, None));
                let refused_here = expected.time_in_force == TimeInForce::Day && has(8);
                let good_here = expected.is_coherent() && !refused_here;
                assert_eq!(read.is_ok(), good_here, "{text}: {:?}", read.err());
                match read {
                    Ok(new) => {
                        good += 1;
                        let rejected = core.rejects(Command::NewOrder(new));
                        assert!(matches!(rejected, None | Some(Reason::LinkNotPossible)), "{text}: {rejected:?}");
                    }
                    Err(_) => bad += 1,
                }
            }
        }
    }
    println!("{good} good, {bad} refused");
    assert!(good > 100 && bad > 1_000);
}

/// The core, to ask whether it takes an order.
struct Core(matching::Engine);

impl Core {
    fn rejects(&mut self, value: Command) -> Option<Reason> {
        let mut events = Vec::new();
        self.0.apply(&Sequenced { seq: self.0.ledger().seq().next(), time: Micros::ZERO, value }, &mut events);
        events.iter().find_map(|event| match event {
            Event::OrderRejected(rejected) => Some(rejected.reason_code),
            _ => None,
        })
    }
}

fn core_order(order_type: &str, time_in_force: &str) -> Order {
    let named = |text: &str| serde_json::from_value(json!(text)).expect("a word");
    let order_type: OrderType = serde_json::from_value(json!(order_type)).expect("a type");
    let (id, symbol) = (OrderId::new(1).expect("an id"), "ETH_USDT".parse().expect("a symbol"));
    Order { time_in_force: named(time_in_force), ..Order::bare(id, symbol, Side::Buy, order_type, Micros::ZERO) }
}

#[actix_web::test]
async fn every_field_arrives_in_the_queue() {
    let market = Market::start("").await;
    let fields = r#""type":"STOP_LIMIT","price":"100.05","quantity":2,"stop_price":99,"display_quantity":0.5,
        "time_in_force":"GTD","expire_at":4000000000.5,"deadline":4e9,"account":"desk","client_order_id":"a-1",
        "self_trade_prevention":"DECREMENT","linked_order_id":5,"metadata":"mine"#;
    market.mood(Mood::Stuck);
    market.post("/api/orders/?timeout_ms=1", &with(&format!("{fields}\""))).await.is_problem(504, "OUTCOME_UNKNOWN");
    let mut command = market.enqueued();
    let order = command["order"].as_object_mut().expect("an order");
    assert!(order.remove("received_at").is_some());
    assert_eq!(
        command,
        json!({"type": "NewOrder", "deadline": 4_000_000_000_000_000u64, "order": {
            "order_id": 1, "symbol": "BTC_USDT", "side": "BUY", "type": "STOP_LIMIT", "price": "100.05", "quantity": "2",
            "time_in_force": "GTD", "expire_at": 4_000_000_000_500_000u64, "stop_price": "99", "display_quantity": "0.5",
            "self_trade_prevention": "DECREMENT", "linked_order_id": 5, "account": "desk", "client_order_id": "a-1",
            "metadata": "mine"
        }})
    );
}

#[actix_web::test]
async fn a_client_chooses_what_it_waits_for() {
    let market = Market::start("").await;
    let sell = order("5", "1").replace("BUY", "SELL");
    let answer = market.post("/api/orders/?ack=queued", &sell).await;
    assert_eq!((answer.status, answer.text.as_str()), (202, r#"{"status":"ENQUEUED","order_id":1,"ack":"queued"}"#));

    let answer = market.post("/api/orders/?ack=committed&timeout_ms=500", &order("6", "0.4")).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["ack"], &body["duplicate"]), (200, &json!("committed"), &json!(false)));
    assert_eq!((&body["order_id"], &body["status"]), (&json!(2), &json!("FILLED")));
    let order_2 = &body["order"];
    assert_eq!(
        (&order_2["filled"], &order_2["average_price"], &order_2["price"]),
        (&json!("0.4"), &json!("5"), &json!("6"))
    );
    assert!(order_2["received_at"].as_u64().is_some_and(|time| time > 1_700_000_000_000_000));
    assert_eq!(body["sequenced_at"], json!(1_732_880_000_123_456u64));
    assert_eq!(
        body["fills"],
        json!([{"trade_id": 1, "price": "5", "quantity": "0.4", "quote_quantity": "2", "maker_order_id": 1,
                "taker_order_id": 2, "taker_side": "BUY"}])
    );

    // The header of RFC 7240 is the same; what it does not mean is passed over.
    let prefer = async |value: &str| {
        let request = request("POST", "/api/orders/").insert_header(header::ContentType::json());
        market.send(request.insert_header(("Prefer", value)).set_payload(order("1", "1"))).await.status
    };
    for (value, status) in
        [("wait=2", 200), ("respond-async; Wait = 99", 200), ("wait=0", 202), ("wait=x", 202), ("foo", 202)]
    {
        assert_eq!(prefer(value).await, status, "{value}");
    }

    // A repetition has the first order and its trades.
    let named = order("6", "0.4").replace('}', r#","client_order_id":"a-1"}"#);
    let first = market.post("/api/orders/?ack=committed", &named).await.json();
    let again = market.post("/api/orders/?ack=committed", &named).await.json();
    assert_eq!((&again["duplicate"], &again["order_id"]), (&json!(true), &first["order_id"]));
    assert_eq!((&again["fills"], &again["order"]), (&first["fills"], &first["order"]));
    assert_eq!(first["fills"].as_array().map(Vec::len), Some(1));

    for (query, code) in [
        ("ack=soon", "INVALID_PARAMETER"),
        ("ack=queued&ack=queued", "INVALID_PARAMETER"),
        ("timeout_ms=0", "INVALID_PARAMETER"),
        ("timeout_ms=10001", "INVALID_PARAMETER"),
        ("timeout_ms=1.5", "INVALID_PARAMETER"),
        ("wait=1", "UNKNOWN_FIELD"),
    ] {
        market.post(&format!("/api/orders/?{query}"), &order("1", "1")).await.is_problem(400, code);
    }
}

#[actix_web::test]
async fn a_wait_that_was_too_short_says_what_is_known() {
    let market = Market::start("").await;
    market.mood(Mood::Stuck);
    let answer = market.post("/api/orders/?ack=committed&timeout_ms=1", &order("1", "1")).await;
    assert_eq!((answer.status, &answer.json()["ack"]), (202, &json!("queued")));
    let named = order("1", "1").replace('}', r#","client_order_id":"a-1"}"#);
    market.post("/api/orders/?ack=committed&timeout_ms=1", &named).await.is_problem(504, "OUTCOME_UNKNOWN");
    market.mood(Mood::Away);
    market.post("/api/orders/?ack=committed", &order("1", "1")).await.is_problem(503, "QUEUE_UNAVAILABLE");
    // The answer to the enqueue is lost, and the outcome comes all the same.
    market.mood(Mood::Deaf);
    assert_eq!(market.post("/api/orders/?ack=committed", &order("1", "1")).await.status, 200);
}

#[actix_web::test]
async fn an_order_is_cancelled_by_its_name() {
    let market = Market::start("").await;
    let schema = serde_json::to_value(openapi(false)).expect("JSON");
    let named = order("1", "1").replace('}', r#","client_order_id":"a-1","account":"desk"}"#);
    let order_id = market.post("/api/orders/", &named).await.json()["order_id"].clone();
    let cancel = r#"{"symbol":"ETH_USDT","account":"desk","client_order_id":"a-1","reason":"enough"}"#;
    for repeated in [false, true] {
        let answer = market.post("/api/orders/cancel/", cancel).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["status"], &body["order_id"]), (200, &json!("CANCELLED"), &order_id));
        assert_eq!((&body["repeated"], &body["remaining"]), (&json!(repeated), &json!("1")));
    }
    for (body, status, code) in [
        (cancel.replace("a-1", "a-2"), 404, "UNKNOWN_ORDER"),
        (cancel.replace("desk", "other"), 404, "UNKNOWN_ORDER"),
        (cancel.replace("ETH", "BTC"), 404, "UNKNOWN_ORDER"),
        (cancel.replace("ETH_USDT", "ETH"), 400, "INVALID_SYMBOL"),
        (cancel.replace("a-1", "a 1"), 400, "INVALID_NAME"),
        (cancel.replace("symbol", "market"), 400, "UNKNOWN_FIELD"),
        (r#"{"symbol":"ETH_USDT"}"#.to_owned(), 400, "MISSING_FIELD"),
    ] {
        let answer = market.post("/api/orders/cancel", &body).await;
        answer.is_problem(status, code);
        is_documented(&schema, "/api/orders/cancel/", &answer);
    }
}

#[actix_web::test]
async fn what_concerns_many_orders_must_say_which() {
    let market = Market::start("").await;
    for (query, code) in [
        ("", "MISSING_PARAMETER"),
        ("?side=BUY", "MISSING_PARAMETER"),
        ("?account=a%20b", "INVALID_NAME"),
        ("?symbol=BTC", "INVALID_SYMBOL"),
        ("?symbol=DOGE_USDT", "UNKNOWN_SYMBOL"),
        ("?symbol=ETH_USDT&side=buy", "INVALID_SIDE"),
        ("?symbol=ETH_USDT&status=OPEN", "UNKNOWN_FIELD"),
    ] {
        market.send(request("DELETE", &format!("/api/orders/{query}"))).await.is_problem(400, code);
    }
    for (path, body, code) in [
        ("/api/accounts/a b/cancel-after/", r#"{"timeout_ms":1}"#, "INVALID_NAME"),
        ("/api/accounts/desk/cancel-after/", "{}", "MISSING_FIELD"),
        ("/api/accounts/desk/cancel-after/", r#"{"timeout_ms":1.5}"#, "INVALID_TYPE"),
        ("/api/accounts/desk/cancel-after/", r#"{"timeout_ms":86400001}"#, "OUT_OF_RANGE"),
    ] {
        market.post(&path.replace(' ', "%20"), body).await.is_problem(400, code);
    }
    let armed = market.post("/api/accounts/desk/cancel-after/", r#"{"timeout_ms":5000}"#).await.json();
    assert_eq!((&armed["account"], &armed["due"]), (&json!("desk"), &json!(1_732_880_005_123_456u64)));
    let disarmed = market.post("/api/accounts/desk/cancel-after/", r#"{"timeout_ms":0}"#).await.json();
    assert_eq!((disarmed.get("due"), &disarmed["timeout_ms"]), (None, &json!(0)));
}

#[actix_web::test]
async fn only_the_administrator_changes_markets_and_blocks_accounts() {
    let market = Market::start("").await;
    let requests = [
        ("POST", "/api/accounts/desk/block/", ""),
        ("POST", "/api/accounts/desk/unblock/", ""),
        ("PUT", "/api/symbols/ETH_USDT/", "{}"),
        ("POST", "/api/symbols/ETH_USDT/phase/", r#"{"phase":"SOMETIMES"}"#),
    ];
    for (method, path, body) in requests {
        let send = async |credential: &str| {
            let request = request(method, path).insert_header(header::ContentType::json()).set_payload(body.to_owned());
            market.send(request.insert_header((header::AUTHORIZATION, credential.to_owned()))).await
        };
        send("Bearer wrong").await.is_problem(401, "UNAUTHORIZED");
        let answer = send(&format!("Bearer {TOKEN}")).await;
        assert_ne!(answer.status, 401, "{path}: {}", answer.text);
    }
}

#[actix_web::test]
async fn an_instrument_is_listed_and_looked_at() {
    let market = Market::start("DEBUG=true").await;
    let put = async |symbol: &str, body: &str| {
        let request = request("PUT", &format!("/api/symbols/{symbol}/")).insert_header(header::ContentType::json());
        market.send(request.set_payload(body.to_owned())).await
    };
    let rules = r#"{"price_decimals":2,"quantity_decimals":1,"tick":0.05,"min_quantity":1,"max_quantity":100,
        "min_notional":10,"max_notional":1000,"price_band":500,"max_open_orders":7}"#;
    let answer = put("NEW_USDT", rules).await;
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["symbol"], &body["phase"]),
        (200, &json!("NEW_USDT"), &json!("CONTINUOUS")),
        "{body}"
    );
    assert_eq!((&body["tick"], &body["lot"], &body["price_band"]), (&json!("0.05"), &json!("0.1"), &json!(500)));
    assert_eq!(market.get("/api/symbols/NEW_USDT").await.json(), body);
    market.get("/api/symbols/OLD_USDT/").await.is_problem(404, "UNKNOWN_SYMBOL");
    market.get("/api/symbols/new/").await.is_problem(400, "INVALID_SYMBOL");
    let place = |price: &str, quantity: &str| order(price, quantity).replace("ETH", "NEW");
    for (price, quantity, code) in [
        ("10", "0.9", "QUANTITY_TOO_SMALL"),
        ("1", "100.1", "QUANTITY_TOO_LARGE"),
        ("1", "9.9", "NOTIONAL_TOO_SMALL"),
        ("100", "10.1", "NOTIONAL_TOO_LARGE"),
    ] {
        market.post("/api/orders/", &place(price, quantity)).await.is_problem(400, code);
    }
    assert_eq!(market.post("/api/orders/", &place("10", "1")).await.status, 202);
    for (body, code) in [
        (r#"{"price_decimals":9}"#, "INVALID_INSTRUMENT"),
        (r#"{"tick":0}"#, "INVALID_INSTRUMENT"),
        (r#"{"tick":"0.000000001"}"#, "TOO_MANY_DECIMALS"),
        (r#"{"min_quantity":2,"max_quantity":1}"#, "INVALID_INSTRUMENT"),
        (r#"{"price_band":0}"#, "INVALID_INSTRUMENT"),
        (r#"{"max_open_orders":4294967296}"#, "OUT_OF_RANGE"),
        (r#"{"symbol":"NEW_USDT"}"#, "UNKNOWN_FIELD"),
    ] {
        put("ODD_USDT", body).await.is_problem(400, code);
    }
    put("ETH_USDT", r#"{"price_decimals":2}"#).await.is_problem(409, "SCALE_CHANGED");
}

fn results(body: &Value) -> &Vec<Value> {
    body["results"].as_array().expect("results")
}

#[actix_web::test]
async fn a_batch_is_one_entry_and_each_item_has_its_answer() {
    let market = Market::start("").await;
    let items = json!({"items": [
        {"op": "place", "symbol": "ETH_USDT", "side": "SELL", "price": 5, "quantity": 1},
        {"op": "place", "symbol": "BTC_USDT", "side": "BUY", "price": "100.01", "quantity": 1},
        {"op": "cancel", "order_id": 1},
        {"op": "destroy"},
        7,
        {"op": "cancel", "order_id": 77, "account": "desk"},
        {"op": "amend", "order_id": 1},
    ]});
    let answer = market.post("/api/orders/batch/", &items.to_string()).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["ack"], &body["atomic"]), (202, &json!("queued"), &json!(false)));
    let got: Vec<(u64, &str)> = results(&body)
        .iter()
        .map(|result| {
            let word = result["code"].as_str().or(result["status"].as_str()).expect("a word");
            (result["http_status"].as_u64().expect("a status"), word)
        })
        .collect();
    assert_eq!(
        got,
        [
            (202, "ENQUEUED"),
            (400, "OFF_TICK"),
            (202, "ENQUEUED"),
            (400, "INVALID_VALUE"),
            (400, "INVALID_VALUE"),
            (400, "INCOHERENT"),
            (400, "MISSING_FIELD"),
        ]
    );
    assert_eq!(market.queue.texts.lock().expect("the texts").len(), 1);
    let kinds: Vec<String> = market
        .enqueued()
        .as_array()
        .expect("one entry of many commands")
        .iter()
        .map(|command| command["type"].as_str().expect("a type").to_owned())
        .collect();
    assert_eq!(kinds, ["NewOrder", "CancelOrder"]);
}

#[actix_web::test]
async fn a_committed_batch_tells_what_became_of_each_item() {
    let market = Market::start("").await;
    let place = |side: &str, name: &str| json!({"op": "place", "symbol": "ETH_USDT", "side": side, "price": 5, "quantity": 1, "client_order_id": name});
    let items = json!({"items": [
        place("SELL", "a"),
        place("BUY", "b"),
        place("SELL", "a"),
        place("BUY", "a"),
        {"op": "cancel", "order_id": 1},
        {"op": "cancel", "symbol": "ETH_USDT", "client_order_id": "none"},
    ]});
    // A name makes it wait for the commit.
    let answer = market.post("/api/orders/batch", &items.to_string()).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["ack"]), (200, &json!("committed")), "{body}");
    let results = results(&body);
    let statuses: Vec<u64> = results.iter().map(|result| result["http_status"].as_u64().expect("a status")).collect();
    assert_eq!(statuses, [200, 200, 200, 409, 409, 404]);
    assert_eq!((&results[1]["status"], &results[1]["fills"][0]["maker_order_id"]), (&json!("FILLED"), &json!(1)));
    assert_eq!((&results[2]["duplicate"], &results[2]["order_id"]), (&json!(true), &json!(1)));
    assert_eq!((&results[3]["code"], &results[4]["code"]), (&json!("KEY_REUSED"), &json!("NOT_OPEN")));

    market.mood(Mood::Stuck);
    let mixed = json!({"items": [
        place("SELL", "c"),
        {"op": "place", "symbol": "ETH_USDT", "side": "BUY", "price": 5, "quantity": 1},
    ]});
    let late = market.post("/api/orders/batch/?timeout_ms=1", &mixed.to_string()).await;
    assert_eq!(late.status, 202);
    assert_eq!(late.json()["results"][0]["code"], "OUTCOME_UNKNOWN");
    assert_eq!(late.json()["results"][1]["ack"], "queued");
    market.mood(Mood::Deaf);
    let lost = market.post("/api/orders/batch/", &mixed.to_string().replace(r#""client_order_id":"c","#, "")).await;
    lost.is_problem(503, "OUTCOME_UNKNOWN");
    assert_eq!(lost.json()["order_ids"].as_array().map(Vec::len), Some(2), "{}", lost.text);
}

#[actix_web::test]
async fn a_batch_links_its_own_orders() {
    let market = Market::start("").await;
    let order = |more: Value| {
        let mut item = json!({"op": "place", "symbol": "ETH_USDT", "side": "SELL", "quantity": 1, "account": "desk"});
        item.as_object_mut().expect("an item").extend(more.as_object().expect("fields").clone());
        item
    };
    let items = json!({"items": [
        order(json!({"price": 9})),
        order(json!({"type": "STOP", "stop_price": 4, "linked_item": 0})),
        order(json!({"type": "STOP", "stop_price": 4, "linked_item": 2})),
        order(json!({"type": "STOP", "stop_price": 4, "linked_item": 5})),
        order(json!({"type": "MARKET", "linked_item": 0})),
    ]});
    market.mood(Mood::Stuck);
    let body = market.post("/api/orders/batch/", &items.to_string()).await.json();
    let codes: Vec<&Value> = results(&body).iter().map(|result| &result["code"]).collect();
    assert_eq!(
        codes,
        [&Value::Null, &Value::Null, &json!("INVALID_LINK"), &json!("INVALID_LINK"), &json!("INCOHERENT")]
    );
    assert_eq!(market.enqueued()[1]["order"]["linked_order_id"], results(&body)[0]["order_id"]);
}

#[actix_web::test]
async fn a_batch_that_is_none_is_refused_whole() {
    let market = Market::start("").await;
    let schema = serde_json::to_value(openapi(false)).expect("JSON");
    let cancel = |count: usize| json!({"items": vec![json!({"op": "cancel", "order_id": 1}); count]}).to_string();
    for (body, code) in [
        ("{}".to_owned(), "MISSING_FIELD"),
        ("[]".to_owned(), "INVALID_TYPE"),
        (r#"{"items":{}}"#.to_owned(), "INVALID_TYPE"),
        (r#"{"items":[],"atomic":true}"#.to_owned(), "UNKNOWN_FIELD"),
        (cancel(0), "INVALID_BATCH"),
        (cancel(501), "INVALID_BATCH"),
    ] {
        let answer = market.post("/api/orders/batch/", &body).await;
        answer.is_problem(400, code);
        is_documented(&schema, "/api/orders/batch/", &answer);
    }
    let keyed = request("POST", "/api/orders/batch/").insert_header(header::ContentType::json());
    let keyed = keyed.insert_header(("Idempotency-Key", "k")).set_payload(cancel(1));
    market.send(keyed).await.is_problem(400, "INVALID_BATCH");
    let most = market.post("/api/orders/batch/", &cancel(500)).await;
    assert_eq!((most.status, results(&most.json()).len()), (202, 500));
}
