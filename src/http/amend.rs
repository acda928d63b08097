//! `PATCH /api/orders/{order_id}/`: changes an order's price or quantity, and answers once that is committed.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Lane, Outcome};
use matching::command::AmendOrder;
use matching::{Command, Decimal, Event, OrderId, Reason, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::body::JsonBody;
use super::cancel::{no_outcome, not_there, order_id};
use super::endpoint::Endpoint;
use super::fields::{self, Field, optional};
use super::order_schema::DecimalInput;
use super::placed::fills;
use super::problem::{Code, Problem, problems};
use super::{Api, Engine, lookup, query, submit};
use crate::views::answers::{Fill, OrderAnswer};

/// The fields of an amend, as [`Amend`] documents them.
const FIELDS: [&str; 3] = ["price", "quantity", "if_seq"];

/// A change of an order. At least one of price and quantity must be sent.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"price": "100.5", "quantity": "2", "if_seq": 7}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct Amend {
    /// The new limit; the old one if it is not sent.
    price: Option<DecimalInput>,
    /// The new whole quantity, what is filled included; the old one if it is not sent.
    quantity: Option<DecimalInput>,
    /// Refused unless this is the order's `seq`: that nobody, and no trade, has changed it since.
    if_seq: Option<u64>,
}

/// An order that is amended, committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "status": "OPEN", "order_id": 1, "ack": "committed",
    "order": {
        "order_id": 1, "symbol": "BTC_USDT", "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "status": "OPEN",
        "price": "100.5", "quantity": "2", "remaining": "2", "filled": "0", "self_trade_prevention": "NONE",
        "received_at": 1732880000123456_u64, "seq": 8
    },
    "fills": [], "seq": 8
}))]
pub struct Amended {
    /// The order's state after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// The order.
    order_id: u64,
    /// Always `committed`.
    ack: &'static str,
    /// The order after it; absent where it ended and the service keeps no closed orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderAnswer>,
    /// What it traded at its new price.
    fills: Vec<Fill>,
    /// The row of the event log that amended it.
    seq: u64,
}

problems! {
    /// What an amend may be refused with.
    AmendProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidDecimal, TooManyDecimals, OutOfRange,
        PriceNotPositive, QuantityNotPositive, OffTick, OffLot, QuantityTooSmall, QuantityTooLarge, NotionalTooSmall,
        NotionalTooLarge, DisplayTooSmall, HostNotAllowed, UnknownOrder, RequestTimeout, NotOpen, SeqDiffers, NotAmendable, PhaseForbids,
        OutsidePriceBand, PostOnlyWouldTrade, BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable,
        Overloaded, NotReady, Standby, OutcomeLost, OutcomeLate,
}

/// Adds this operation to the resource of one order.
pub fn add_to(endpoint: Endpoint) -> Endpoint {
    endpoint.and(__path_amend, amend)
}

/// Amend an order
///
/// Less of it at the same price keeps its place in the book; more, or another price, loses it, and a price that crosses the
/// book trades. A quantity of no more than what is filled cancels the rest. The answer comes once that is committed.
#[utoipa::path(
    patch,
    path = "/api/orders/{order_id}/",
    tag = "orders",
    operation_id = "amend_order",
    security(("trade" = ["orders"])),
    params(("order_id" = u64, Path, description = "The id that the order was acknowledged with.", example = 1)),
    request_body = Amend,
    responses((status = 200, description = "The order is amended, committed.", body = Amended), AmendProblems)
)]
pub async fn amend(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Orders)?;
    query::refuse(&request)?;
    let order_id = order_id(&path)?;
    let fields = fields::read(&body.0, &FIELDS)?;
    lookup::check_owner(engine, &caller, order_id).await?;
    let command = command(engine, order_id, fields)?;
    let outcome = submit::commit(engine, permit, &command, Some(order_id)).await?;
    Ok(HttpResponse::Ok().json(amended(&command, order_id, outcome)?))
}

/// The command that amends an order: `fields` are price, quantity and if_seq. What the order's market makes of them is for
/// the core to judge.
pub fn command(engine: &Engine, order_id: OrderId, fields: [Option<Field<'_>>; 3]) -> Result<Command, Problem> {
    let [price, quantity, if_seq] = fields.map(optional);
    if price.is_none() && quantity.is_none() {
        let detail = "the amend changes nothing; send price, quantity or both";
        return Err(Problem::new(Code::MissingField, detail).field("price"));
    }
    let positive = |field: Field<'_>, code, remedy| match field.decimal(code)? {
        Decimal::ZERO => Err(Problem::new(code, format!("{} is 0; {remedy}", field.name())).field(field.name())),
        decimal => Ok(decimal),
    };
    let price = price.map(|field| positive(field, Code::PriceNotPositive, "it must be above zero")).transpose()?;
    let quantity =
        quantity.map(|field| positive(field, Code::QuantityNotPositive, "cancel the order instead")).transpose()?;
    let if_seq = if_seq.map(|field| {
        let seq = field.whole()?;
        let too_large = || Problem::new(Code::OutOfRange, "if_seq is the number of no row").field("if_seq");
        Seq::new(seq).ok_or_else(too_large)
    });
    let if_seq = if_seq.transpose()?;
    let (command_id, received_at) = (engine.command_id()?, engine.clock.now());
    Ok(Command::AmendOrder(AmendOrder { command_id, order_id, price, quantity, if_seq, received_at }))
}

/// What a committed amend comes to.
pub fn amended(command: &Command, order_id: OrderId, outcome: Outcome) -> Result<Amended, Problem> {
    let rejected = outcome.events.iter().find_map(|event| match event {
        Event::AmendRejected(rejected) => Some(rejected.reason_code),
        _ => None,
    });
    if let Some(reason) = rejected {
        return Err(refused(reason, order_id, &outcome));
    }
    let changed = outcome.events.iter().any(|event| event.concerns(order_id));
    if !changed {
        return Err(no_outcome(command.id(), &outcome));
    }
    let order = outcome.order.as_ref().map(OrderAnswer::from);
    Ok(Amended {
        status: order.as_ref().map(|order| order.status),
        order_id: order_id.get(),
        ack: "committed",
        order,
        fills: fills(order_id, &outcome.events),
        seq: outcome.seq.get(),
    })
}

fn refused(reason: Reason, order_id: OrderId, outcome: &Outcome) -> Problem {
    let ended = outcome.order.as_ref().map(|order| order.status).filter(|status| !status.is_open());
    let (code, detail) = match reason {
        Reason::UnknownOrder | Reason::NotOpen => return not_there("amend", reason, Some(order_id), ended),
        Reason::SeqDiffers => {
            (Code::SeqDiffers, "the order has changed since the row that if_seq names; look at it again")
        }
        Reason::NotAmendable => {
            (Code::NotAmendable, "the order has no price, or no quantity, to amend; cancel it instead")
        }
        Reason::PhaseForbids => (Code::PhaseForbids, "the market's phase does not allow it; send it again later"),
        Reason::OutsidePriceBand => {
            (Code::OutsidePriceBand, "the price is too far from the last trade; send a closer one")
        }
        Reason::PostOnlyWouldTrade => {
            (Code::PostOnlyWouldTrade, "the order is post_only and would trade at that price")
        }
        Reason::PriceNotPositive => (Code::PriceNotPositive, "the price must be above zero"),
        Reason::QuantityNotPositive => (Code::QuantityNotPositive, "the quantity must be above zero"),
        Reason::OffTick => (Code::OffTick, "the price is no multiple of the market's tick; /api/symbols/ tells it"),
        Reason::OffLot => (Code::OffLot, "the quantity is no multiple of the market's lot; /api/symbols/ tells it"),
        Reason::OutOfRange => (Code::OutOfRange, "the price or the quantity is too large for the market"),
        Reason::QuantityTooSmall => (Code::QuantityTooSmall, "the quantity is below the market's minimum"),
        Reason::QuantityTooLarge => (Code::QuantityTooLarge, "the quantity is above the market's maximum"),
        Reason::NotionalTooSmall => (Code::NotionalTooSmall, "the order would be worth less than the market's minimum"),
        Reason::NotionalTooLarge => (Code::NotionalTooLarge, "the order would be worth more than the market's maximum"),
        Reason::DisplayTooSmall => (Code::DisplayTooSmall, "the order would show itself in more than 1,000 parts"),
        reason => {
            tracing::error!(reason = reason.code(), seq = %outcome.seq, "an amend was refused unexpectedly");
            (Code::InternalError, "the amend was refused for a reason that the service does not expect")
        }
    };
    let problem = Problem::new(code, detail).order(order_id.get());
    match &outcome.order {
        Some(order) => problem.order_status(order.status.as_str()),
        None => problem,
    }
}
