//! `/api/accounts/{account}/...`: what is done to all orders of an account at once. Each answers once it is committed.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::Lane;
use matching::command::{BlockAccount, SetCancelAfter, UnblockAccount};
use matching::{Account, Command, Event, Micros};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::Caller;
use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::fields::{self, required};
use super::mass_cancel::{cancelled, refusal};
use super::order_request::named;
use super::problem::{Code, Problem, problems};
use super::{Api, query, submit};

/// The fields of an arming, as [`CancelAfter`] documents them.
const FIELDS: [&str; 1] = ["timeout_ms"];
/// A day: whoever wants to be away for longer does not want a dead man's switch.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1_000;

/// How long an account may stay silent.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"timeout_ms": 5000}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct CancelAfter {
    /// After so many milliseconds, at most a day, all of the account's orders are cancelled, unless this is sent again before; 0
    /// disarms.
    timeout_ms: u64,
}

/// A dead man's switch, committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"account": "desk", "timeout_ms": 5000, "due": 1732880005123456_u64, "seq": 9}))]
pub struct CancelAfterSet {
    /// The account.
    account: String,
    /// How long; 0 is disarmed.
    timeout_ms: u64,
    /// When it goes off; absent when it is disarmed.
    #[schema(value_type = Option<u64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Micros>,
    /// The row of the event log that did it.
    seq: u64,
}

/// An account that is blocked or not, committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"account": "desk", "blocked": true, "cancelled": 2, "order_ids": [3, 5], "seq": 9}))]
pub struct AccountState {
    /// The account.
    account: String,
    /// Whether its orders are refused.
    blocked: bool,
    /// How many of its orders were cancelled by this.
    cancelled: usize,
    /// Which.
    order_ids: Vec<u64>,
    /// The row of the event log that did it.
    seq: u64,
}

problems! {
    /// What an arming may be refused with.
    CancelAfterProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, OutOfRange, InvalidName, HostNotAllowed, RequestTimeout,
        BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotReady, Standby, OutcomeLost,
        OutcomeLate,
}

problems! {
    /// What blocking may be refused with.
    BlockProblems:
        UnknownField, InvalidName, HostNotAllowed, Unauthorized, InternalError, QueueUnavailable, Overloaded, NotReady, Standby,
        OutcomeLost, OutcomeLate,
}

/// The resources: the dead man's switch, and the kill switch and its opposite.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_cancel_after, cancel_after))
        .service(Endpoint::new(__path_block, block))
        .service(Endpoint::new(__path_unblock, unblock));
}

/// Dead man's switch
///
/// Cancels all of the account's orders, in every market, unless this is sent again before the time is up. The time runs from
/// the command's place in the log, and survives restarts.
#[utoipa::path(
    post,
    path = "/api/accounts/{account}/cancel-after/",
    tag = "accounts",
    operation_id = "cancel_after",
    security(("trade" = ["cancels"])),
    params(("account" = String, Path, description = "The account.", example = "desk")),
    request_body = CancelAfter,
    responses((status = 200, description = "It is armed or disarmed, committed.", body = CancelAfterSet), CancelAfterProblems)
)]
pub async fn cancel_after(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    query::refuse(&request)?;
    let account: Account = named("account", &path)?;
    caller.acts_for(Some(account.clone()))?;
    let [timeout] = fields::read(&body.0, &FIELDS)?;
    let timeout_ms = required(timeout, FIELDS[0])?.whole()?;
    if timeout_ms > LONGEST_MS {
        let detail = format!("timeout_ms is {timeout_ms}; send at most {LONGEST_MS}, a day, or 0 to disarm");
        return Err(Problem::new(Code::OutOfRange, detail).field(FIELDS[0]));
    }
    let (command_id, received_at) = (engine.command_id()?, engine.clock.now());
    let timeout = timeout_ms * 1_000;
    let command =
        Command::SetCancelAfter(SetCancelAfter { command_id, account: account.clone(), timeout, received_at });
    let outcome = submit::commit(engine, permit, &command, None).await?;
    refusal(&outcome)?;
    let due = outcome.events.iter().find_map(|event| match event {
        Event::CancelAfterSet(set) => set.due,
        _ => None,
    });
    Ok(HttpResponse::Ok().json(CancelAfterSet { account: account.into(), timeout_ms, due, seq: outcome.seq.get() }))
}

/// Block an account
///
/// The kill switch: refuses the account's orders from here on and cancels those that are open, in one command. Needs the
/// scope admin.
#[utoipa::path(
    post,
    path = "/api/accounts/{account}/block/",
    tag = "accounts",
    operation_id = "block_account",
    security(("admin" = [])),
    params(("account" = String, Path, description = "The account.", example = "desk")),
    responses((status = 200, description = "It is blocked, committed.", body = AccountState), BlockProblems)
)]
pub async fn block(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    set_blocked(&api, &request, &path, true).await
}

/// Unblock an account
///
/// Takes the account's orders again. Needs the scope admin.
#[utoipa::path(
    post,
    path = "/api/accounts/{account}/unblock/",
    tag = "accounts",
    operation_id = "unblock_account",
    security(("admin" = [])),
    params(("account" = String, Path, description = "The account.", example = "desk")),
    responses((status = 200, description = "It is unblocked, committed.", body = AccountState), BlockProblems)
)]
pub async fn unblock(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    set_blocked(&api, &request, &path, false).await
}

async fn set_blocked(api: &Api, request: &HttpRequest, path: &str, blocked: bool) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    query::refuse(request)?;
    let account: Account = named("account", path)?;
    let (command_id, received_at) = (engine.command_id()?, engine.clock.now());
    let command = if blocked {
        Command::BlockAccount(BlockAccount { command_id, account: account.clone(), received_at })
    } else {
        Command::UnblockAccount(UnblockAccount { command_id, account: account.clone(), received_at })
    };
    let outcome = submit::commit(engine, permit, &command, None).await?;
    refusal(&outcome)?;
    let order_ids = cancelled(&outcome.events);
    let (account, cancelled, seq) = (account.into(), order_ids.len(), outcome.seq.get());
    Ok(HttpResponse::Ok().json(AccountState { account, blocked, cancelled, order_ids, seq }))
}
