//! `/api/orders/{order_id}/`, `/api/orders/{order_id}/explain/`, the list of orders, and an account's open orders.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use journal::{PastOrder, Record, encoding};
use market::OrderFilter;
use matching::event::Trade;
use matching::ledger::OrderStatus;
use matching::{Account, Event, Micros, OrderId, Reason, Seq, Side};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::access::Caller;
use super::cancel::order_id;
use super::endpoint::Endpoint;
use super::lookup::{Found, find_for};
use super::problem::{Code, Problem, problems};
use super::query::{self, Parameter};
use super::{Api, Engine, amend, submit};
use crate::views::answers::OrderAnswer;

/// The most orders of one page.
const MAX_PAGE: usize = 1_000;
/// Those of one that names no limit.
const PAGE: usize = 100;
/// The rows of an explanation that are read; of longer lives the first and the last ones.
const EXPLAINED_ROWS: usize = 200;
/// Rows that are looked through for the beginning of an order that is older than this process.
const SEARCHED_ROWS: usize = 2_000;

/// What to do about a cursor that is none.
pub(super) const NEXT_CURSOR: &str = "send next_cursor of the page before";

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderFound {
    /// The order.
    order: OrderAnswer,
    /// The row of the event log that this is true for; absent while the order is PENDING, and of one from the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// Orders, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderPage {
    /// The orders. A page may be short, even empty, and have more behind it: `next_cursor` tells.
    orders: Vec<OrderAnswer>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The row of the event log that this is true for.
    seq: u64,
}

/// An order's life.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// The order.
    order: OrderAnswer,
    /// What became of it, in a sentence.
    summary: String,
    /// What happened to it, oldest first.
    life: Vec<Step>,
    /// Whether all of it is there. Not of an order that is older than this process, or with more than 200 rows.
    complete: bool,
}

/// A row of the log that is about the order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// The row.
    seq: u64,
    /// When.
    #[schema(value_type = u64)]
    sequenced_at: Micros,
    /// The command's type.
    kind: String,
    /// Its events about the order, as they stand in the log; for a key that is bound to an account, without what a trade
    /// tells of the other order.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Box<RawValue>>,
    /// The same in words.
    words: Vec<String>,
}

problems! {
    /// What the question for an order may be refused with.
    OrderProblems: UnknownField, HostNotAllowed, UnknownOrder, InternalError, NeedsPostgres, NotCurrent, NotReady, Standby
}

problems! {
    /// What the question for orders may be refused with.
    PageProblems: UnknownField, InvalidParameter, HostNotAllowed, InternalError, NotCurrent, NotReady, Standby
}

/// The resource of one order.
pub fn order_endpoint() -> Endpoint {
    amend::add_to(Endpoint::new(__path_order, order))
}

/// Adds the list to the resource of orders.
pub fn add_to(endpoint: Endpoint) -> Endpoint {
    endpoint.and(__path_list, list)
}

/// The resource of its explanation.
pub fn explain_endpoint() -> Endpoint {
    Endpoint::new(__path_explain, explain)
}

/// The resource of an account's open orders.
pub fn account_endpoint() -> Endpoint {
    Endpoint::new(__path_account_orders, account_orders)
}

/// An order
///
/// An order that was acknowledged is never 404: before its commit it is PENDING, and one that left the ledger is looked up
/// in the history.
#[utoipa::path(
    get,
    path = "/api/orders/{order_id}/",
    tag = "orders",
    operation_id = "get_order",
    security(("read" = [])),
    params(("order_id" = u64, Path, description = "The id that the order was acknowledged with.", example = 1)),
    responses((status = 200, description = "The order.", body = OrderFound), OrderProblems)
)]
pub async fn order(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let found = match find_for(engine, &caller, order_id(&path)?).await? {
        Found::Pending(order) => OrderFound { order: OrderAnswer::pending(&order), seq: None },
        Found::Kept { order, seq, .. } => OrderFound { order: OrderAnswer::from(&*order), seq: Some(seq.get()) },
        Found::Past(past) => OrderFound { order: OrderAnswer::from(&past.order), seq: None },
    };
    Ok(HttpResponse::Ok().json(found))
}

/// Orders
///
/// Those in the ledger, newest first, that fit every parameter.
#[utoipa::path(
    get,
    path = "/api/orders/",
    tag = "orders",
    operation_id = "list_orders",
    security(("read" = [])),
    params(
        ("symbol" = Option<String>, Query, description = "Of this market."),
        ("account" = Option<String>, Query, description = "Of this account."),
        ("status" = Option<String>, Query, description = "In this state, or one of these, comma separated; `open` is UNTRIGGERED, OPEN and PARTIALLY_FILLED."),
        ("side" = Option<String>, Query, description = "BUY or SELL."),
        ("client_order_id" = Option<String>, Query, description = "Of this name."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 100 if not sent.")
    ),
    responses((status = 200, description = "A page of orders.", body = OrderPage), PageProblems)
)]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let names = ["symbol", "account", "status", "side", "client_order_id", "cursor", "limit"];
    let [symbol, account, status, side, client_order_id, cursor, limit] = query::read(&request, names)?;
    let filter = OrderFilter {
        symbol: parsed(symbol, "send a symbol such as BTC_USDT")?,
        account: caller.acts_for(parsed(account, "send an account's name")?)?,
        statuses: status.map(|status| statuses(&status)).transpose()?.unwrap_or_default(),
        side: side.map(|side| side_of(&side)).transpose()?,
        client_order_id: parsed(client_order_id, "send a client_order_id")?,
    };
    page(engine, filter, cursor, limit).await
}

/// An account's open orders
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/api/accounts/{account}/orders/",
    tag = "orders",
    operation_id = "account_orders",
    security(("read" = [])),
    params(
        ("account" = String, Path, description = "The account.", example = "desk-1"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 100 if not sent.")
    ),
    responses((status = 200, description = "A page of orders.", body = OrderPage), PageProblems)
)]
pub async fn account_orders(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [cursor, limit] = query::read(&request, ["cursor", "limit"])?;
    let account: Account = path.parse().map_err(|error: matching::names::ParseNameError| {
        Problem::new(Code::InvalidParameter, error.to_string()).field("account")
    })?;
    let account = caller.acts_for(Some(account))?;
    page(engine, OrderFilter { account, statuses: OPEN.to_vec(), ..OrderFilter::default() }, cursor, limit).await
}

/// The states of an order that has not ended.
pub(super) const OPEN: [OrderStatus; 3] = [OrderStatus::Untriggered, OrderStatus::Open, OrderStatus::PartiallyFilled];

async fn page(
    engine: &Engine,
    filter: OrderFilter,
    cursor: Option<Parameter>,
    limit: Option<Parameter>,
) -> Result<HttpResponse, Problem> {
    let below = numbered(cursor, NEXT_CURSOR, OrderId::new)?;
    let limit = limit_of(limit, PAGE, MAX_PAGE)?;
    let question =
        engine.outcomes.query(move |ledger, index| (index.page(ledger, &filter, below, limit), ledger.seq()));
    let (page, seq) = question.await.map_err(submit::unanswered)?;
    Ok(HttpResponse::Ok().json(OrderPage {
        orders: page.orders.iter().map(OrderAnswer::from).collect(),
        next_cursor: page.next.map(|id| id.to_string()),
        seq: seq.get(),
    }))
}

/// A parameter's value, if it was sent.
pub(super) fn parsed<T: std::str::FromStr>(parameter: Option<Parameter>, remedy: &str) -> Result<Option<T>, Problem> {
    parameter.map(|parameter| parameter.parse(remedy)).transpose()
}

/// What a parameter's number stands for, if it was sent.
pub(super) fn numbered<T>(
    parameter: Option<Parameter>,
    remedy: &str,
    of: impl FnOnce(u64) -> Option<T>,
) -> Result<Option<T>, Problem> {
    parameter.map(|parameter| parameter.number(remedy, of)).transpose()
}

/// How many are wanted.
pub(super) fn limit_of(limit: Option<Parameter>, default: usize, most: usize) -> Result<usize, Problem> {
    let Some(limit) = limit else { return Ok(default) };
    let remedy = format!("send a number from 1 to {most}");
    let count = limit.parse::<usize>(&remedy)?;
    if (1..=most).contains(&count) { Ok(count) } else { Err(limit.wrong(&remedy)) }
}

fn side_of(side: &Parameter) -> Result<Side, Problem> {
    [Side::Buy, Side::Sell]
        .into_iter()
        .find(|known| known.as_str() == side.value)
        .ok_or_else(|| side.wrong("send BUY or SELL"))
}

fn statuses(parameter: &Parameter) -> Result<Vec<OrderStatus>, Problem> {
    use OrderStatus::{Cancelled, Expired, Filled, Open, PartiallyFilled, Rejected, Untriggered};
    let all = [Untriggered, Open, PartiallyFilled, Filled, Cancelled, Expired, Rejected];
    let mut statuses = Vec::new();
    for name in parameter.value.split(',') {
        if name == "open" {
            statuses.extend(OPEN);
            continue;
        }
        let status = all.into_iter().find(|status| status.as_str() == name);
        statuses.push(status.ok_or_else(|| parameter.wrong("send states of the ledger, or open"))?);
    }
    Ok(statuses)
}

/// Why an order filled or did not
///
/// Its life row by row, and what became of it in a sentence.
#[utoipa::path(
    get,
    path = "/api/orders/{order_id}/explain/",
    tag = "orders",
    operation_id = "explain_order",
    security(("read" = [])),
    params(("order_id" = u64, Path, description = "The id that the order was acknowledged with.", example = 1)),
    responses((status = 200, description = "The order's life.", body = Explanation), OrderProblems)
)]
pub async fn explain(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let id = order_id(&path)?;
    let (order, rows, mut complete) = match find_for(engine, &caller, id).await? {
        Found::Pending(order) => {
            let order = OrderAnswer::pending(&order);
            let summary = "It is acknowledged and on disk, and waits to be executed.".to_owned();
            return Ok(HttpResponse::Ok().json(Explanation { order, summary, life: Vec::new(), complete: true }));
        }
        Found::Kept { order, earlier_rows, trades, .. } => {
            let mut all: BTreeSet<Seq> = earlier_rows.into_iter().chain(trades).collect();
            all.insert(order.seq);
            (order, all, None)
        }
        Found::Past(past) => {
            let PastOrder { order, rows } = *past;
            let mut all: BTreeSet<Seq> = rows.into_iter().collect();
            all.insert(order.seq);
            (Box::new(order), all, None)
        }
    };
    let mut life = Vec::new();
    let many = rows.len() > EXPLAINED_ROWS;
    let skipped = rows.len().saturating_sub(EXPLAINED_ROWS);
    let kept = rows.iter().enumerate().filter(|(index, _)| *index == 0 || *index > skipped).map(|(_, seq)| *seq);
    for seq in kept {
        let record = actors::recovery::row_at(&*engine.log, seq).await.map_err(|error| log_away(&error))?;
        life.extend(record.map(|record| step(&record, id, &caller)).transpose()?);
    }
    let begins = |step: &Step| step.events.iter().any(|event| is_beginning(event.get()));
    if !life.first().is_some_and(begins) {
        if let Some(record) = beginning(engine, id, order.received_at).await? {
            life.insert(0, step(&record, id, &caller)?);
        }
        complete = Some(false);
    }
    let summary = summary(&OrderAnswer::from(&*order), order.reason_code);
    let complete = complete.unwrap_or(!many);
    Ok(HttpResponse::Ok().json(Explanation { order: OrderAnswer::from(&*order), summary, life, complete }))
}

fn is_beginning(event: &str) -> bool {
    event.starts_with(r#"{"type":"OrderAccepted""#) || event.starts_with(r#"{"type":"OrderRejected""#)
}

/// The row that an order began with, looked for by its time: the log is in the order of time.
async fn beginning(engine: &Engine, order_id: OrderId, received_at: Micros) -> Result<Option<Record>, Problem> {
    let (mut low, mut high) = (0, engine.progress.committed());
    while low < high {
        let middle = low.midpoint(high);
        let after = Seq::new(middle).unwrap_or(Seq::ZERO);
        let rows = engine.log.page(after, 1).await.map_err(|error| log_away(&error))?;
        match rows.first() {
            Some(row) if row.time < received_at => low = middle + 1,
            _ => high = middle,
        }
    }
    let after = Seq::new(low).unwrap_or(Seq::ZERO);
    let rows = engine.log.page(after, SEARCHED_ROWS).await.map_err(|error| log_away(&error))?;
    let accepted = format!(r#""order":{{"order_id":{order_id},"#);
    Ok(rows.into_iter().find(|row| row.events.contains(&accepted)))
}

/// The problem of a log that cannot be read at the moment.
pub fn log_away(error: &journal::LogError) -> Problem {
    tracing::warn!(%error, "the event log cannot be read");
    Problem::new(Code::NotReady, "the event log does not answer; ask again later")
}

fn step(record: &Record, order_id: OrderId, caller: &Caller) -> Result<Step, Problem> {
    let unreadable = |error: &dyn std::fmt::Display| {
        tracing::error!(seq = %record.seq, %error, "a row of the log cannot be read");
        Problem::new(Code::InternalError, "a row of the log cannot be read")
    };
    let events = encoding::decode_events(record.format, &record.events).map_err(|error| unreadable(&error))?;
    let texts: Vec<Box<RawValue>> = serde_json::from_str(&record.events).map_err(|error| unreadable(&error))?;
    let mut step = Step {
        seq: record.seq.get(),
        sequenced_at: record.time,
        kind: record.kind.clone(),
        events: Vec::new(),
        words: Vec::new(),
    };
    for (event, text) in events.iter().zip(texts).filter(|(event, _)| event.concerns(order_id)) {
        step.words.push(words(event, order_id));
        step.events.push(match event {
            Event::Trade(trade) if caller.account().is_some() => {
                one_sided(trade, order_id, &text).map_err(|error| unreadable(&error))?
            }
            _ => text,
        });
    }
    Ok(step)
}

/// A trade as the owner of one of its orders may see it: nothing of the other one but its id.
fn one_sided(trade: &Trade, order_id: OrderId, text: &RawValue) -> serde_json::Result<Box<RawValue>> {
    let is_maker = trade.maker_order_id == order_id;
    let buys = (trade.taker_side == Side::Buy) != is_maker;
    let mut shown: serde_json::Map<String, Value> = serde_json::from_str(text.get())?;
    let others = if is_maker { &OF_TAKER[..] } else { &OF_MAKER[..] };
    for name in others {
        shown.remove(*name);
    }
    if !buys {
        shown.remove("improvement");
    }
    to_raw_value(&shown)
}

/// What a trade tells of its taker alone, and of its maker.
const OF_TAKER: [&str; 4] = ["taker_remaining", "taker_quote_remaining", "taker_account", "taker_metadata"];
const OF_MAKER: [&str; 3] = ["maker_remaining", "maker_account", "maker_metadata"];

/// An event about an order in a sentence.
fn words(event: &Event, order_id: OrderId) -> String {
    match event {
        Event::OrderAccepted(_) => "It was accepted.".to_owned(),
        Event::OrderRejected(event) => format!("It was rejected: {}", event.reason_code.meaning()),
        Event::Trade(trade) => {
            let (role, other, left) = if trade.maker_order_id == order_id {
                ("as the maker", trade.taker_order_id, trade.maker_remaining)
            } else {
                ("as the taker", trade.maker_order_id, trade.taker_remaining)
            };
            let (quantity, price) = (trade.quantity, trade.price);
            format!("It traded {quantity} at {price} {role} with order {other}; {left} was left.")
        }
        Event::OrderTriggered(event) => format!("The last trade at {} woke it.", event.price),
        Event::OrderAmended(event) => {
            format!("It was amended to quantity {}, {} left.", event.quantity, event.remaining)
        }
        Event::OrderReduced(event) => {
            format!("It was made smaller by self-trade prevention: {} left.", event.remaining)
        }
        Event::OrderReplenished(event) => {
            format!("It showed {} more, behind the others of its price.", event.displayed)
        }
        Event::OrderFilled(_) => "It was filled.".to_owned(),
        Event::OrderCancelled(event) => {
            format!("It was cancelled with {} left: {}", event.remaining, event.reason_code.meaning())
        }
        Event::OrderExpired(event) => {
            format!("It expired with {} left: {}", event.remaining, event.reason_code.meaning())
        }
        Event::CancelRejected(event) => format!("A cancel changed nothing: {}", event.reason_code.meaning()),
        Event::AmendRejected(event) => format!("An amend changed nothing: {}", event.reason_code.meaning()),
        Event::OrderRepeated(event) => {
            format!("Its name came again with request {}, which was not executed.", event.order_id)
        }
        _ => String::new(),
    }
}

fn summary(order: &OrderAnswer, reason: Option<Reason>) -> String {
    let why = reason.map_or(String::new(), |reason| format!(" {}", reason.meaning()));
    let (filled, quantity, left) = (order.filled, order.quantity, order.remaining);
    match order.status {
        "FILLED" => format!("It is filled: {filled} of {quantity} traded."),
        "OPEN" => format!("It is in the book and nobody has met its price: {left} is left."),
        "PARTIALLY_FILLED" => format!("It is in the book: {filled} of {quantity} traded, {left} is left."),
        "UNTRIGGERED" => "It waits for a trade that wakes it.".to_owned(),
        "REJECTED" => format!("It was rejected.{why}"),
        "CANCELLED" => format!("It was cancelled: {filled} of {quantity} had traded.{why}"),
        _ => format!("It expired: {filled} of {quantity} had traded.{why}"),
    }
}
