//! `DELETE /api/orders/`: cancels every open order of an account, a market, a side, and answers once that is committed.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Lane, Outcome};
use matching::command::MassCancel;
use matching::{Account, Command, Event, Reason, Symbol};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::endpoint::Endpoint;
use super::order_request::{named, named_side, named_symbol};
use super::problem::{Code, Problem, problems};
use super::{Api, query, submit};

/// Orders that are cancelled, committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "CANCELLED", "cancelled": 2, "order_ids": [3, 5], "seq": 9}))]
pub struct MassCancelled {
    /// Always `CANCELLED`.
    status: &'static str,
    /// How many there were.
    cancelled: usize,
    /// Which, in the order in which they were cancelled: by market, and in a market by place.
    order_ids: Vec<u64>,
    /// The row of the event log that cancelled them.
    seq: u64,
}

problems! {
    /// What a mass cancel may be refused with.
    MassCancelProblems:
        UnknownField, InvalidParameter, MissingParameter, InvalidSymbol, UnknownSymbol, InvalidSide, InvalidName, HostNotAllowed,
        InternalError, QueueUnavailable, Overloaded, NotReady, Standby, OutcomeLost, OutcomeLate,
}

/// The resource of orders with this operation.
pub fn add_to(endpoint: Endpoint) -> Endpoint {
    endpoint.and(__path_cancel_all, cancel_all)
}

/// Cancel many orders
///
/// Cancels every open order that all parameters fit; at least one of account and symbol must be sent. The answer comes once
/// that is committed.
#[utoipa::path(
    delete,
    path = "/api/orders/",
    tag = "orders",
    operation_id = "cancel_orders",
    security(("trade" = ["cancels"])),
    params(
        ("account" = Option<String>, Query, description = "Of this account.", example = "desk"),
        ("symbol" = Option<String>, Query, description = "Of this market.", example = "BTC_USDT"),
        ("side" = Option<String>, Query, description = "Of this side: BUY or SELL.", example = "BUY")
    ),
    responses((status = 200, description = "They are cancelled, committed.", body = MassCancelled), MassCancelProblems)
)]
pub async fn cancel_all(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    let [account, symbol, side] = query::read(&request, ["account", "symbol", "side"])?;
    if account.is_none() && symbol.is_none() {
        let detail = "send account, symbol or both: every order of every account is too much for one request";
        return Err(Problem::new(Code::MissingParameter, detail).field("account"));
    }
    let account: Option<Account> = account.map(|account| named("account", &account.value)).transpose()?;
    let account = caller.acts_for(account)?;
    let symbol: Option<Symbol> = symbol.map(|symbol| named_symbol("symbol", &symbol.value)).transpose()?;
    let side = side.map(|side| {
        let wrong = || Problem::new(Code::InvalidSide, "send BUY or SELL, in capitals").field("side");
        named_side(&side.value).ok_or_else(wrong)
    });
    let (command_id, received_at) = (engine.command_id()?, engine.clock.now());
    let cancel = MassCancel { command_id, account, symbol, side: side.transpose()?, received_at };
    let outcome = submit::commit(engine, permit, &Command::MassCancel(cancel), None).await?;
    refusal(&outcome)?;
    Ok(HttpResponse::Ok().json(MassCancelled::of(&outcome)))
}

impl MassCancelled {
    fn of(outcome: &Outcome) -> MassCancelled {
        let order_ids = cancelled(&outcome.events);
        MassCancelled { status: "CANCELLED", cancelled: order_ids.len(), order_ids, seq: outcome.seq.get() }
    }
}

/// The orders that events cancelled.
pub fn cancelled(events: &[Event]) -> Vec<u64> {
    let cancelled = events.iter().filter_map(|event| match event {
        Event::OrderCancelled(cancelled) => Some(cancelled.order_id.get()),
        _ => None,
    });
    cancelled.collect()
}

/// The problem of a command about no order that was refused.
pub fn refusal(outcome: &Outcome) -> Result<(), Problem> {
    let reason = outcome.events.iter().find_map(|event| match event {
        Event::CommandRejected(rejected) => Some(rejected.reason_code),
        Event::ListingRejected(rejected) => Some(rejected.reason_code),
        _ => None,
    });
    let (code, detail) = match reason {
        None => return Ok(()),
        Some(Reason::UnknownSymbol) => {
            (Code::UnknownSymbol, "the symbol is not listed; send one of the listed symbols")
        }
        Some(Reason::TooManySymbols) => (Code::TooManySymbols, "as many symbols are listed as there may be"),
        Some(Reason::AlreadyListed) => {
            (Code::AlreadyListed, "the symbol was listed meanwhile; look at it, and send it again")
        }
        Some(Reason::ScaleChanged) => {
            (Code::ScaleChanged, "an instrument keeps its price_decimals and quantity_decimals for ever")
        }
        Some(Reason::OutOfRange) => (Code::OutOfRange, "the time is too far away; send a shorter one"),
        Some(reason) => {
            tracing::error!(reason = reason.code(), seq = %outcome.seq, "a command was refused unexpectedly");
            (Code::InternalError, "the command was refused for a reason that the service does not expect")
        }
    };
    Err(Problem::new(code, detail))
}
