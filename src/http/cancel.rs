//! `/api/orders/{order_id}/cancel/`: cancels what is left of an order, and answers once that is committed.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::Outcome;
use matching::command::{CancelOrder, MAX_REASON_TEXT};
use matching::ledger::OrderStatus;
use matching::{Command, CommandId, Decimal, Event, OrderId, Reason};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::OptionalJsonBody;
use super::endpoint::Endpoint;
use super::orders::refuse_query;
use super::problem::{Code, Problem, problems};
use super::{Api, fields, submit};

/// The fields of a cancel, as [`Cancel`] documents them.
const FIELDS: [&str; 1] = ["reason"];

/// A cancel. The body may be left out.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"reason": "User requested cancel"}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct Cancel {
    /// Why, in the caller's words: at most 256 bytes. It is kept with the order.
    reason: Option<String>,
}

/// An order that is cancelled, committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "CANCELLED", "order_id": 1, "remaining": "0.4", "repeated": false, "seq": 7}))]
pub struct Cancelled {
    /// Always `CANCELLED`.
    status: &'static str,
    /// The order.
    order_id: u64,
    /// What was left of it.
    #[schema(value_type = String)]
    remaining: Decimal,
    /// Whether it was cancelled before.
    repeated: bool,
    /// The row of the event log that cancelled it.
    seq: u64,
}

problems! {
    /// What a cancel may be refused with.
    CancelProblems:
        MalformedJson, UnknownField, InvalidType, ReasonTooLong, HostNotAllowed, UnknownOrder, NotOpen, RequestTimeout,
        BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotCurrent, NotReady, Standby, OutcomeLost,
        OutcomeLate,
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_cancel, cancel)
}

/// Cancel an order
///
/// The answer comes once the cancel is committed. Repeating is safe: an order that is cancelled already is answered the
/// same way, with `"repeated": true`.
#[utoipa::path(
    post,
    path = "/api/orders/{order_id}/cancel/",
    tag = "orders",
    operation_id = "cancel_order",
    params(("order_id" = u64, Path, description = "The id that the order was acknowledged with.", example = 1)),
    request_body(content = inline(Option<Cancel>), description = "May be left out."),
    responses((status = 200, description = "The order is cancelled, committed.", body = Cancelled), CancelProblems)
)]
pub async fn cancel(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
    body: OptionalJsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    refuse_query(&request)?;
    let order_id = order_id(&path)?;
    let reason_text = reason(&body.0)?;
    let command_id = engine.next_id().and_then(|id| CommandId::new(id).ok_or_else(super::no_ids))?;
    let received_at = engine.clock.now();
    let command = Command::CancelOrder(CancelOrder { command_id, order_id, reason_text, received_at });
    answer(order_id, command_id, submit::commit(engine, &command, order_id).await?)
}

/// What a committed cancel comes to.
fn answer(order_id: OrderId, command_id: CommandId, outcome: Outcome) -> Result<HttpResponse, Problem> {
    let mut cancelled = None;
    let mut rejected = None;
    for event in &outcome.events {
        match event {
            Event::OrderCancelled(event) if event.order_id == order_id => cancelled = Some(event.remaining),
            Event::CancelRejected(event) if event.command_id == command_id => rejected = Some(event.reason_code),
            _ => {}
        }
    }
    let id = order_id.get();
    let response = |remaining, repeated, seq| {
        HttpResponse::Ok().json(Cancelled { status: "CANCELLED", order_id: id, remaining, repeated, seq })
    };
    match (cancelled, outcome.order, rejected) {
        (Some(remaining), _, _) => Ok(response(remaining, false, outcome.seq.get())),
        (None, Some(order), _) if order.status == OrderStatus::Cancelled => {
            Ok(response(order.remaining(), true, order.seq.get()))
        }
        (None, Some(order), Some(_)) => {
            let status = order.status.as_str();
            let detail = format!("the order is {status}: there is nothing left to cancel");
            Err(Problem::new(Code::NotOpen, detail).order(id).order_status(status))
        }
        (None, None, Some(Reason::NotOpen)) => {
            Err(Problem::new(Code::NotOpen, "the order ended long ago: there is nothing left to cancel").order(id))
        }
        (None, None, Some(_)) => {
            Err(Problem::new(Code::UnknownOrder, "no order of this id is known; check the order_id").order(id))
        }
        (None, _, None) => {
            tracing::error!(%command_id, seq = %outcome.seq, "a cancel was committed without an outcome");
            Err(Problem::new(Code::InternalError, "the cancel had no outcome that the service understands").order(id))
        }
    }
}

/// The id in the path. What can be no id is the id of no order.
fn order_id(text: &str) -> Result<OrderId, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let id = if digits { text.parse().ok().and_then(OrderId::new) } else { None };
    id.ok_or_else(|| {
        let detail = format!("{:?} is the id of no order: ids are whole numbers below 2^53", fields::shortened(text));
        Problem::new(Code::UnknownOrder, detail).field("order_id")
    })
}

fn reason(body: &[u8]) -> Result<Option<String>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let [reason] = fields::read(body, &FIELDS)?;
    let Some(reason) = fields::optional(reason) else { return Ok(None) };
    let text = reason.text()?;
    if text.len() > MAX_REASON_TEXT {
        let detail = format!("reason is {} bytes long; send at most {MAX_REASON_TEXT}", text.len());
        return Err(Problem::new(Code::ReasonTooLong, detail).field(FIELDS[0]));
    }
    Ok(Some(text.into_owned()))
}
