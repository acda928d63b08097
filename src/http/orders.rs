//! `/api/orders/`: takes an order in. An order that gets through is on disk before its client hears of it, and whatever
//! depends on the book is decided there. A client that asks for it, or that gives its order a name, hears of it once it is
//! committed.

use std::fmt::Write;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Lane, Permit};
use matching::command::NewOrder;
use matching::{Command, OrderId};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::order_request::OrderRequest;
use super::order_schema::PlaceOrder;
use super::placed::{self, CommittedOrder};
use super::problem::{Problem, problems};
use super::submit::NoOutcome;
use super::wait::{Wait, idempotency_key};
use super::{Api, Engine, mass_cancel, order_queries, submit};

/// Made once: the type of a text would be parsed with each answer.
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An order that is on disk and will be executed, or is committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ENQUEUED", "order_id": 1, "ack": "queued"}))]
pub struct Enqueued {
    /// Always `ENQUEUED`.
    pub status: &'static str,
    /// The order's id: below 2^53, unique for ever; the order of ids means nothing.
    pub order_id: u64,
    /// How far the order had come: `queued` is on disk in the command queue; `committed`, of an order with a
    /// client_order_id, is executed or rejected in the event log.
    pub ack: &'static str,
    /// Of an order with a client_order_id: whether it was there already, and nothing was executed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

problems! {
    /// What a new order may be refused with.
    PlaceProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidValue, Incoherent, InvalidParameter, InvalidDecimal,
        TooManyDecimals, OutOfRange, PriceNotPositive, QuantityNotPositive, OffTick, OffLot, QuantityTooSmall,
        QuantityTooLarge, NotionalTooSmall, NotionalTooLarge, DisplayTooSmall, InvalidSymbol, UnknownSymbol, TooManySymbols, InvalidSide,
        InvalidName, InvalidTimeInForce, InvalidTime, MetadataTooLong, HostNotAllowed, RequestTimeout, KeyReused,
        BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotCurrent, NotReady, Standby,
        OutcomeLost, OutcomeLate,
}

/// The resource.
pub fn endpoint() -> Endpoint {
    order_queries::add_to(mass_cancel::add_to(Endpoint::new(__path_place, place)))
}

/// Place an order
///
/// With `ack=queued`, the default, the answer comes as soon as the order is on disk; it is executed right after. With
/// `ack=committed` it comes after the commit, with the order and what it traded, also when the order ended REJECTED or
/// EXPIRED. With a client_order_id it comes after the commit in any case, and a repetition is answered with the first
/// order: then repeating is safe, also after 504.
#[utoipa::path(
    post,
    path = "/api/orders/",
    tag = "orders",
    operation_id = "place_order",
    security(("trade" = ["orders"])),
    params(
        ("ack" = Option<String>, Query, description = "What to wait for: `queued` or `committed`.", example = "committed"),
        ("timeout_ms" = Option<u64>, Query, description = "How long to wait for the commit, 1 to 10000; 2000 if it is not sent. After it, an order without a client_order_id is answered as queued.", example = 2000),
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`: the same as `ack=committed` with that time."),
        ("Idempotency-Key" = Option<String>, Header, description = "Another way to send client_order_id.")
    ),
    request_body = PlaceOrder,
    responses(
        (status = 200, description = "With ack=committed: the order is committed, whatever became of it.", body = CommittedOrder),
        (status = 202, description = "The order is on disk and will be executed; with a client_order_id, it is committed.", body = Enqueued),
        PlaceProblems
    )
)]
pub async fn place(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Orders)?;
    let wait = Wait::read(&request)?;
    let key = idempotency_key(&request)?;
    let order = OrderRequest::read(&body.0)?.check(engine, &caller, api.auto_list_symbols(), key)?;
    if wait.is_for_commit() || order.order.client_order_id.is_some() {
        return place_and_wait(engine, permit, order, wait).await;
    }
    let order_id = order.order.order_id;
    match submit::enqueue(permit, submit::text(&Command::NewOrder(order))).await {
        Ok(()) => {}
        Err(NoOutcome::NotTaken(problem)) => return Err(problem),
        Err(NoOutcome::Late | NoOutcome::Lost) => return Err(submit::lost().order(order_id.get())),
    }
    Ok(queued(order_id))
}

/// An order is on disk.
fn queued(order_id: OrderId) -> HttpResponse {
    let mut body = String::with_capacity(64);
    // Writing to a string cannot fail.
    let _ = write!(body, r#"{{"status":"ENQUEUED","order_id":{order_id},"ack":"queued"}}"#);
    HttpResponse::Accepted().insert_header((header::CONTENT_TYPE, APPLICATION_JSON)).body(body)
}

/// Places an order, unless it has a name and one of that name is there already, and answers what is committed. An order
/// without a name that is late is on disk all the same.
async fn place_and_wait(engine: &Engine, permit: Permit, order: NewOrder, wait: Wait) -> Result<HttpResponse, Problem> {
    let (order_id, named) = (order.order.order_id, order.order.client_order_id.is_some());
    let outcome = match submit::commit_within(engine, permit, &Command::NewOrder(order), wait.within()).await {
        Ok(outcome) => outcome,
        Err(NoOutcome::Late) if !named => return Ok(queued(order_id)),
        Err(NoOutcome::Lost) if !named => return Err(submit::lost().order(order_id.get())),
        Err(error) => return Err(error.repeatable(Some(order_id))),
    };
    if wait.is_for_commit() {
        return Ok(HttpResponse::Ok().json(placed::answer(engine, order_id, outcome).await?));
    }
    let placed = placed::placed(order_id, &outcome)?;
    let order_id = placed.order_id.get();
    let body = Enqueued { status: "ENQUEUED", order_id, ack: "committed", duplicate: Some(placed.duplicate) };
    Ok(HttpResponse::Accepted().json(body))
}
