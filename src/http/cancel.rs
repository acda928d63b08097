//! `/api/orders/{order_id}/cancel/` and `/api/orders/cancel/`: cancel what is left of an order, known by its id or by its
//! name, and answer once that is committed.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Lane, Outcome};
use matching::command::{CancelByKey, CancelOrder, MAX_REASON_TEXT};
use matching::ledger::OrderStatus;
use matching::{Command, CommandId, Decimal, Event, OrderId, Reason};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::body::{JsonBody, OptionalJsonBody};
use super::endpoint::Endpoint;
use super::fields::{Field, optional, required};
use super::order_request::{name, symbol};
use super::problem::{Code, Problem, problems};
use super::{Api, Engine, fields, lookup, query, submit};

/// The fields of a cancel, as [`Cancel`] documents them.
const FIELDS: [&str; 1] = ["reason"];
/// The fields of a cancel by name, as [`CancelNamed`] documents them.
const NAMED_FIELDS: [&str; 4] = ["symbol", "account", "client_order_id", "reason"];

/// A cancel. The body may be left out.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"reason": "User requested cancel"}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct Cancel {
    /// Why, in the caller's words: at most 256 bytes. It is kept with the order.
    reason: Option<String>,
}

/// A cancel of an order by its name.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"symbol": "BTC_USDT", "account": "desk", "client_order_id": "a-1"}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct CancelNamed {
    /// The order's market.
    symbol: String,
    /// The order's account; left out where the order has none.
    account: Option<String>,
    /// The order's name.
    client_order_id: String,
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
        BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotReady, Standby, OutcomeLost,
        OutcomeLate,
}

problems! {
    /// What a cancel by name may be refused with.
    CancelNamedProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidSymbol, InvalidName, ReasonTooLong, HostNotAllowed,
        UnknownOrder, NotOpen, RequestTimeout, BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable,
        Overloaded, NotReady, Standby, OutcomeLost, OutcomeLate,
}

/// The resource of one order's cancel.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_cancel, cancel)
}

/// The resource of cancels by name.
pub fn named_endpoint() -> Endpoint {
    Endpoint::new(__path_cancel_named, cancel_named)
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
    security(("trade" = ["cancels"])),
    params(("order_id" = u64, Path, description = "The id that the order was acknowledged with.", example = 1)),
    request_body(content = inline(Option<Cancel>), description = "May be left out."),
    responses((status = 200, description = "The order is cancelled, committed.", body = Cancelled), CancelProblems)
)]
pub async fn cancel(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
    body: OptionalJsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    query::refuse(&request)?;
    let order_id = order_id(&path)?;
    let reason_text = if body.0.is_empty() {
        None
    } else {
        let [reason] = fields::read(&body.0, &FIELDS)?;
        reason_text(reason)?
    };
    lookup::check_owner(engine, &caller, order_id).await?;
    let command = by_id(engine, order_id, reason_text)?;
    let outcome = submit::commit(engine, permit, &command, Some(order_id)).await?;
    Ok(HttpResponse::Ok().json(cancelled(&command, Some(order_id), &outcome)?))
}

/// Cancel an order by its name
///
/// The order that came under this client_order_id in this market and account. The answer is that of a cancel by id.
#[utoipa::path(
    post,
    path = "/api/orders/cancel/",
    tag = "orders",
    operation_id = "cancel_order_by_name",
    security(("trade" = ["cancels"])),
    request_body = CancelNamed,
    responses((status = 200, description = "The order is cancelled, committed.", body = Cancelled), CancelNamedProblems)
)]
pub async fn cancel_named(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    query::refuse(&request)?;
    let fields = fields::read(&body.0, &NAMED_FIELDS)?;
    let command = by_name(engine, &caller, fields)?;
    let outcome = submit::commit(engine, permit, &command, None).await?;
    Ok(HttpResponse::Ok().json(cancelled(&command, None, &outcome)?))
}

/// The command that cancels an order by its id.
pub fn by_id(engine: &Engine, order_id: OrderId, reason_text: Option<String>) -> Result<Command, Problem> {
    let (command_id, received_at) = (engine.command_id()?, engine.clock.now());
    Ok(Command::CancelOrder(CancelOrder { command_id, order_id, reason_text, received_at }))
}

/// The command that cancels an order by its name: `fields` are market, account, name and reason.
pub fn by_name(engine: &Engine, caller: &Caller, fields: [Option<Field<'_>>; 4]) -> Result<Command, Problem> {
    let [market, account, client_order_id, reason] = fields;
    let symbol = symbol(required(market, "symbol")?)?;
    let account = caller.acts_for(optional(account).map(name).transpose()?)?;
    let client_order_id = name(required(client_order_id, "client_order_id")?)?;
    let reason_text = reason_text(reason)?;
    let (command_id, received_at) = (engine.command_id()?, engine.clock.now());
    Ok(Command::CancelByKey(CancelByKey { command_id, symbol, account, client_order_id, reason_text, received_at }))
}

/// What a committed cancel comes to. `order_id`: the order that was named, where one was.
pub fn cancelled(command: &Command, order_id: Option<OrderId>, outcome: &Outcome) -> Result<Cancelled, Problem> {
    let mut cancelled = None;
    let mut rejected = None;
    for event in &outcome.events {
        match event {
            Event::OrderCancelled(event) if order_id.is_none_or(|id| event.order_id == id) => {
                cancelled.get_or_insert((event.order_id, event.remaining));
            }
            Event::CancelRejected(event) if Some(event.command_id) == command.id() => {
                rejected = Some(event.reason_code)
            }
            _ => {}
        }
    }
    if let Some((order_id, remaining)) = cancelled {
        return Ok(Cancelled::new(order_id, remaining, false, outcome.seq.get()));
    }
    match (&outcome.order, rejected) {
        (Some(order), _) if order.status == OrderStatus::Cancelled => {
            Ok(Cancelled::new(order.order_id, order.remaining(), true, order.seq.get()))
        }
        (order, Some(reason)) => {
            let status = order.as_ref().map(|order| order.status);
            let order_id = order.as_ref().map(|order| order.order_id).or(order_id);
            Err(not_there("cancel", reason, order_id, status))
        }
        (_, None) => Err(no_outcome(command.id(), outcome)),
    }
}

impl Cancelled {
    fn new(order_id: OrderId, remaining: Decimal, repeated: bool, seq: u64) -> Cancelled {
        Cancelled { status: "CANCELLED", order_id: order_id.get(), remaining, repeated, seq }
    }
}

/// The problem of an order that is not open, or that nobody knows. `what` was to be done with it.
pub fn not_there(what: &str, reason: Reason, order_id: Option<OrderId>, status: Option<OrderStatus>) -> Problem {
    let problem = match (reason, status) {
        (_, Some(status)) => {
            let status = status.as_str();
            let detail = format!("the order is {status}: there is nothing left to {what}");
            Problem::new(Code::NotOpen, detail).order_status(status)
        }
        (Reason::NotOpen, None) => {
            Problem::new(Code::NotOpen, format!("the order ended long ago: there is nothing left to {what}"))
        }
        (_, None) if order_id.is_none() => Problem::new(
            Code::UnknownOrder,
            "no order of this name is known; check symbol, account and client_order_id",
        ),
        (_, None) => Problem::new(Code::UnknownOrder, "no order of this id is known; check the order_id"),
    };
    order_id.map_or(problem.clone(), |order_id| problem.order(order_id.get()))
}

/// The problem of a command whose events say nothing of it: a mistake of the service.
pub fn no_outcome(command_id: Option<CommandId>, outcome: &Outcome) -> Problem {
    tracing::error!(?command_id, seq = %outcome.seq, "a command was committed without an outcome");
    Problem::new(Code::InternalError, "the command had no outcome that the service understands")
}

/// The id in the path. What can be no id is the id of no order.
pub fn order_id(text: &str) -> Result<OrderId, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let id = if digits { text.parse().ok().and_then(OrderId::new) } else { None };
    id.ok_or_else(|| {
        let detail = format!("{:?} is the id of no order: ids are whole numbers below 2^53", fields::shortened(text));
        Problem::new(Code::UnknownOrder, detail).field("order_id")
    })
}

/// The caller's words about a cancel.
pub fn reason_text(reason: Option<Field<'_>>) -> Result<Option<String>, Problem> {
    let Some(reason) = optional(reason) else { return Ok(None) };
    let text = reason.text()?;
    if text.len() > MAX_REASON_TEXT {
        let detail = format!("reason is {} bytes long; send at most {MAX_REASON_TEXT}", text.len());
        return Err(Problem::new(Code::ReasonTooLong, detail).field(FIELDS[0]));
    }
    Ok(Some(text.into_owned()))
}
