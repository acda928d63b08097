//! What an HTTP answer promises.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use crate::history::{CancelAnswer, PlaceAnswer};

/// An answer as it came.
#[derive(Debug)]
pub(crate) enum Answer {
    /// None, or half of one.
    None,
    /// This.
    Status(StatusCode, Value),
}

/// A client that waits so long for an answer.
pub(crate) fn client(patience: Duration) -> Client {
    let http = Client::builder().timeout(patience).pool_max_idle_per_host(1).build();
    http.unwrap_or_else(|error| panic!("a client without TLS needs nothing that can fail: {error}"))
}

pub(crate) async fn read(answer: Result<reqwest::Response, reqwest::Error>) -> Answer {
    let Ok(answer) = answer else { return Answer::None };
    let status = answer.status();
    match answer.json::<Value>().await {
        Ok(body) => Answer::Status(status, body),
        Err(_) => Answer::None,
    }
}

/// What a client may believe after placing an order.
pub(crate) fn of_order(answer: Answer) -> PlaceAnswer {
    let Answer::Status(status, body) = answer else { return PlaceAnswer::Unknown { order_id: None } };
    let order_id = body["order_id"].as_u64();
    match (status, order_id) {
        (StatusCode::ACCEPTED, Some(order_id)) if body["ack"] == "committed" => {
            PlaceAnswer::Committed { order_id, duplicate: body["duplicate"] == true }
        }
        (StatusCode::ACCEPTED, Some(order_id)) => PlaceAnswer::Enqueued { order_id },
        _ if is_not_now(status) && body["outcome"] == "not_taken" => PlaceAnswer::NotTaken,
        // It was so long on its way that its expiry has passed.
        _ if body["code"] == "INVALID_TIME" => PlaceAnswer::NotTaken,
        _ if is_not_now(status) && body["outcome"] == "unknown" => PlaceAnswer::Unknown { order_id },
        _ => PlaceAnswer::Unexpected(format!("{status} {body}")),
    }
}

/// What a client may believe of each of the orders of a batch: what its own answer says, or else what the batch's says.
pub(crate) fn of_batch(answer: Answer, orders: usize) -> Vec<PlaceAnswer> {
    if let Answer::Status(StatusCode::ACCEPTED, body) = &answer
        && let Some(results) = body["results"].as_array().filter(|results| results.len() == orders)
    {
        let one = |result: &Value| {
            let status = result["http_status"].as_u64().and_then(|status| u16::try_from(status).ok());
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            of_order(Answer::Status(status.unwrap_or_default(), result.clone()))
        };
        return results.iter().map(one).collect();
    }
    vec![of_order(answer); orders]
}

/// What a client may believe after a cancel.
pub(crate) fn of_cancel(answer: Answer) -> CancelAnswer {
    let Answer::Status(status, body) = answer else { return CancelAnswer::Nothing };
    let remaining = body["remaining"].as_str().and_then(|text| text.parse().ok());
    match (status, remaining, body["seq"].as_u64(), body["order_status"].as_str()) {
        (StatusCode::OK, Some(remaining), Some(seq), _) => CancelAnswer::Cancelled { remaining, seq },
        (StatusCode::CONFLICT, _, _, Some(status)) => CancelAnswer::NotOpen { status: status.to_owned() },
        (StatusCode::NOT_FOUND, ..) => CancelAnswer::UnknownOrder,
        _ if is_not_now(status) && body["outcome"].is_string() => CancelAnswer::Nothing,
        _ => CancelAnswer::Unexpected(format!("{status} {body}")),
    }
}

/// What a good request may be refused with while something is away or overloaded.
fn is_not_now(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(code: u16, body: Value) -> Answer {
        Answer::Status(StatusCode::from_u16(code).expect("a status"), body)
    }

    #[test]
    fn an_order_s_answers() {
        let committed = |duplicate| PlaceAnswer::Committed { order_id: 7, duplicate };
        for (answer, expected) in [
            (Answer::None, PlaceAnswer::Unknown { order_id: None }),
            (status(202, json!({"order_id": 7, "ack": "queued"})), PlaceAnswer::Enqueued { order_id: 7 }),
            (status(202, json!({"order_id": 7, "ack": "committed", "duplicate": false})), committed(false)),
            (status(202, json!({"order_id": 7, "ack": "committed", "duplicate": true})), committed(true)),
            (status(503, json!({"outcome": "not_taken"})), PlaceAnswer::NotTaken),
            (status(429, json!({"outcome": "not_taken"})), PlaceAnswer::NotTaken),
            (status(503, json!({"outcome": "unknown", "order_id": 7})), PlaceAnswer::Unknown { order_id: Some(7) }),
            (status(504, json!({"outcome": "unknown"})), PlaceAnswer::Unknown { order_id: None }),
        ] {
            assert_eq!(of_order(answer), expected);
        }
        for (code, body) in
            [(202, json!({})), (400, json!({"outcome": "not_taken"})), (500, json!({})), (503, json!({}))]
        {
            assert!(matches!(of_order(status(code, body)), PlaceAnswer::Unexpected(_)), "{code}");
        }
    }

    #[test]
    fn the_answers_of_a_batch() {
        let good = json!({"http_status": 202, "order_id": 7, "ack": "queued"});
        let refused = json!({"http_status": 429, "outcome": "not_taken"});
        let each = of_batch(status(202, json!({"results": [good, refused]})), 2);
        assert_eq!(each, [PlaceAnswer::Enqueued { order_id: 7 }, PlaceAnswer::NotTaken]);
        assert_eq!(
            of_batch(Answer::None, 2),
            [PlaceAnswer::Unknown { order_id: None }, PlaceAnswer::Unknown { order_id: None }]
        );
        assert_eq!(of_batch(status(503, json!({"outcome": "not_taken"})), 1), [PlaceAnswer::NotTaken]);
        for strange in [json!({"results": [{}]}), json!({"results": []}), json!({})] {
            assert!(matches!(of_batch(status(202, strange), 1)[..], [PlaceAnswer::Unexpected(_)]));
        }
    }

    #[test]
    fn a_cancel_s_answers() {
        let remaining = "1.5".parse().expect("a decimal");
        for (answer, expected) in [
            (Answer::None, CancelAnswer::Nothing),
            (status(200, json!({"remaining": "1.5", "seq": 3})), CancelAnswer::Cancelled { remaining, seq: 3 }),
            (status(409, json!({"order_status": "FILLED"})), CancelAnswer::NotOpen { status: "FILLED".to_owned() }),
            (status(404, json!({"code": "UNKNOWN_ORDER"})), CancelAnswer::UnknownOrder),
            (status(504, json!({"outcome": "unknown"})), CancelAnswer::Nothing),
        ] {
            assert_eq!(of_cancel(answer), expected);
        }
        assert!(matches!(of_cancel(status(500, json!({}))), CancelAnswer::Unexpected(_)));
    }
}
