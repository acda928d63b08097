//! Orders, cancels and amends over a socket: a batch as `/api/orders/batch/` takes it, answered the same way.

use actix_web::body::MessageBody;
use actix_web::{HttpResponse, ResponseError, web};
use journal::encoding::MAX_COMMANDS_PER_ENTRY;
use matching::{Account, OrderId};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::request::Request;
use crate::http::access::Caller;
use crate::http::batch_items::read_items;
use crate::http::problem::{Code, Problem};
use crate::http::query::Parameter;
use crate::http::wait::Wait;
use crate::http::{Api, batch, submit, trace};
use crate::views::answers::OrderAnswer;

/// The orders of one account in a snapshot.
const MAX_OPEN: usize = 5_000;

/// A reply that is ready.
pub struct Reply {
    /// As it is sent.
    pub text: String,
    /// Orders that were placed.
    pub placed: Vec<OrderId>,
}

/// A reply to a request.
#[derive(Serialize)]
struct ReplyMessage<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a T>,
}

fn written<T: Serialize>(id: Option<u64>, status: u16, body: Option<&T>) -> String {
    // Nothing in a reply can fail to be written as JSON.
    serde_json::to_string(&ReplyMessage { kind: "reply", id, status, body }).unwrap_or_default()
}

/// The reply to what was done.
pub fn done(id: Option<u64>) -> String {
    written::<()>(id, 200, None)
}

/// The reply to what was not.
pub fn refusal(id: Option<u64>, problem: &Problem) -> String {
    written(id, problem.code().status().as_u16(), Some(problem))
}

/// Begins a batch; its reply goes to `replies`.
pub fn start(api: web::Data<Api>, caller: Caller, request: Request, replies: mpsc::Sender<Reply>) {
    actix_web::rt::spawn(async move {
        let id = request.id;
        let response = batch(&api, &caller, &request).await.unwrap_or_else(|problem| problem.error_response());
        let status = response.status().as_u16();
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        let placed = placed(&body);
        let body: Option<Box<RawValue>> = serde_json::from_slice(&body).ok();
        // A session that has ended misses nothing: its client asks again.
        let _ = replies.send(Reply { text: written(id, status, body.as_ref()), placed }).await;
    });
}

/// The orders that an answer to a batch says were placed.
fn placed(body: &[u8]) -> Vec<OrderId> {
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let results = answer.get("results").and_then(Value::as_array).into_iter().flatten();
    let ids = results.filter(|result| result.get("ack").is_some()).filter_map(|result| result["order_id"].as_u64());
    ids.filter_map(OrderId::new).collect()
}

/// A snapshot of an account's open orders, and the row that it is true for.
pub async fn open_orders(api: &Api, account: Account) -> Result<(matching::Seq, String), Problem> {
    #[derive(Serialize)]
    struct Snapshot {
        channel: String,
        #[serde(rename = "type")]
        kind: &'static str,
        seq: u64,
        prev: Option<u64>,
        data: Vec<OrderAnswer>,
    }
    let engine = api.engine()?;
    let filter = market::OrderFilter {
        account: Some(account.clone()),
        statuses: crate::http::order_queries::OPEN.to_vec(),
        ..market::OrderFilter::default()
    };
    let question =
        engine.outcomes.query(move |ledger, index| (index.page(ledger, &filter, None, MAX_OPEN), ledger.seq()));
    let (page, seq) = question.await.map_err(submit::unanswered)?;
    if page.next.is_some() {
        let detail = format!("the account has more than {MAX_OPEN} open orders; page through them instead");
        return Err(Problem::new(Code::InvalidParameter, detail).field("channels"));
    }
    let data = page.orders.iter().map(OrderAnswer::from).collect();
    let snapshot =
        Snapshot { channel: format!("orders:{account}"), kind: "snapshot", seq: seq.get(), prev: None, data };
    Ok((seq, serde_json::to_string(&snapshot).unwrap_or_default()))
}

async fn batch(api: &Api, caller: &Caller, request: &Request) -> Result<HttpResponse, Problem> {
    let parameter = |name, value: Option<String>| value.map(|value| Parameter { name, value });
    let timeout = request.timeout_ms.map(|timeout| timeout.to_string());
    let wait = Wait::of(parameter("ack", request.ack.clone()), parameter("timeout_ms", timeout), None)?;
    let items = request.items.as_ref().map_or("null", |items| items.get());
    let body = format!(r#"{{"items":{items}}}"#);
    let executed = async {
        let operations = read_items(body.as_bytes())?;
        batch::count(api, caller, &operations)?;
        batch::execute(api, caller, wait, &operations).await
    };
    // What is no id is passed over, as in the header.
    match request.request_id.as_ref().and_then(|id| id.parse().ok()) {
        Some(id) => trace::with(id, executed).await,
        None => executed.await,
    }
}

/// Cancels what is still open of these orders, which this caller has placed: as many at a time as a batch may have.
pub async fn cancel_all(api: &Api, caller: &Caller, placed: &[OrderId]) {
    let Ok(engine) = api.engine() else { return };
    let ids = placed.to_vec();
    let is_open = |ledger: &matching::Ledger, id: OrderId| ledger.order(id).is_none_or(|order| order.status.is_open());
    let open =
        engine.outcomes.read(move |ledger| ids.into_iter().filter(|id| is_open(ledger, *id)).collect::<Vec<_>>());
    let Ok(open) = open.await else { return };
    for ids in open.chunks(MAX_COMMANDS_PER_ENTRY) {
        let items =
            ids.iter().map(|id| format!(r#"{{"op":"cancel","order_id":{id},"reason":"its socket was closed"}}"#));
        let items = items.collect::<Vec<_>>().join(",");
        let wait = Wait::Queued { within: submit::COMMITTED_WITHIN };
        let body = format!(r#"{{"items":[{items}]}}"#);
        let cancelled = match read_items(body.as_bytes()) {
            Ok(operations) => batch::execute(api, caller, wait, &operations).await,
            Err(problem) => Err(problem),
        };
        if let Err(problem) = cancelled {
            tracing::warn!(%problem, orders = ids.len(), "the orders of a socket that was closed are not cancelled");
        }
    }
}
