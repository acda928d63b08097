//! `/api/orders/`: takes an order in. An order that gets through is on disk before its client hears of it, and whatever
//! depends on the book is decided there. With a client_order_id its client hears of it once it is committed.

use std::fmt::Write;
use std::time::Instant;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use actors::Outcome;
use matching::command::NewOrder;
use matching::{Command, Event, OrderId};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::fields::shortened;
use super::order_request::{OrderRequest, PlaceOrder};
use super::problem::{Code, Problem, problems};
use super::{Api, Engine, submit};

/// Another way to send the client_order_id.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Made once: the type of a text would be parsed with each answer.
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An order that is on disk and will be executed, or is committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ENQUEUED", "order_id": 1, "ack": "queued"}))]
pub struct Enqueued {
    /// Always `ENQUEUED`.
    status: &'static str,
    /// The order's id: below 2^53, unique for ever; the order of ids means nothing.
    order_id: u64,
    /// How far the order had come: `queued` is on disk in the command queue; `committed`, of an order with a
    /// client_order_id, is executed or rejected in the event log.
    ack: &'static str,
    /// Of an order with a client_order_id: whether it was there already, and nothing was executed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
}

problems! {
    /// What a new order may be refused with.
    PlaceProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidDecimal, TooManyDecimals, OutOfRange,
        PriceNotPositive, QuantityNotPositive, OffTick, OffLot, InvalidSymbol, UnknownSymbol, TooManySymbols,
        InvalidSide, InvalidName, InvalidTimeInForce, InvalidTime, HostNotAllowed, RequestTimeout, KeyReused,
        BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotReady, Standby,
        OutcomeLost, OutcomeLate,
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_place, place)
}

/// Place an order
///
/// Takes a limit order. The answer comes as soon as the order is on disk; it is executed right after, and its state then
/// shows in the debug routes. With a client_order_id the answer comes after the commit, and a repetition is answered with
/// the first order: then repeating is safe, also after 504.
#[utoipa::path(
    post,
    path = "/api/orders/",
    tag = "orders",
    operation_id = "place_order",
    params((
        "Idempotency-Key" = Option<String>,
        Header,
        description = "Another way to send client_order_id."
    )),
    request_body = PlaceOrder,
    responses((status = 202, description = "The order is on disk and will be executed; with a client_order_id, it is committed.", body = Enqueued), PlaceProblems)
)]
pub async fn place(api: web::Data<Api>, request: HttpRequest, body: JsonBody) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    refuse_query(&request)?;
    let key = idempotency_key(&request)?;
    let order = OrderRequest::read(&body.0)?.check(engine, api.auto_list_symbols(), key)?;
    let order = order.command(engine.order_id()?);
    if order.client_order_id.is_some() {
        return place_once(engine, order).await;
    }
    let order_id = order.order_id;
    let began = Instant::now();
    submit::enqueue(engine, &Command::NewOrder(order), order_id).await?;
    api.counters.enqueued(began.elapsed());
    let mut body = String::with_capacity(64);
    // Writing to a string cannot fail.
    let _ = write!(body, r#"{{"status":"ENQUEUED","order_id":{order_id},"ack":"queued"}}"#);
    Ok(HttpResponse::Accepted().insert_header((header::CONTENT_TYPE, APPLICATION_JSON)).body(body))
}

/// Places an order with a name, unless one of that name is there already.
async fn place_once(engine: &Engine, order: NewOrder) -> Result<HttpResponse, Problem> {
    let order_id = order.order_id;
    let Outcome { events, seq, .. } = submit::commit(engine, &Command::NewOrder(order), order_id).await?;
    let committed = |order_id: OrderId, duplicate| {
        let order_id = order_id.get();
        let body = Enqueued { status: "ENQUEUED", order_id, ack: "committed", duplicate: Some(duplicate) };
        Ok(HttpResponse::Accepted().json(body))
    };
    match events.first() {
        Some(Event::OrderAccepted(_) | Event::OrderRejected(_)) => committed(order_id, false),
        Some(Event::OrderRepeated(repeated)) if repeated.same_order => committed(repeated.first_order_id, true),
        Some(Event::OrderRepeated(repeated)) => {
            let detail = "the client_order_id was used for another order; send a new one with a new order";
            Err(Problem::new(Code::KeyReused, detail).order(repeated.first_order_id.get()))
        }
        _ => {
            tracing::error!(%order_id, %seq, "an order was committed without an outcome");
            Err(Problem::new(Code::InternalError, "the order had no outcome that the service understands"))
        }
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| {
        Problem::new(Code::InvalidName, "the header Idempotency-Key holds other characters than a name may")
            .field("Idempotency-Key")
    })
}

/// Refuses parameters: one that was left unseen would be a promise not kept.
pub(super) fn refuse_query(request: &HttpRequest) -> Result<(), Problem> {
    let query = request.query_string();
    if query.is_empty() {
        return Ok(());
    }
    let name = query.split(['=', '&']).next().unwrap_or_default();
    let name = shortened(name).into_owned();
    let detail = format!("there is no query parameter {name:?}; leave it out");
    Err(Problem::new(Code::UnknownField, detail).field(name))
}

impl Engine {
    /// An id for a new order.
    fn order_id(&self) -> Result<OrderId, Problem> {
        self.next_id().and_then(|id| OrderId::new(id).ok_or_else(super::no_ids))
    }
}
