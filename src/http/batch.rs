//! `/api/orders/batch/`: many orders, cancels and amends in one entry of the command queue. They are executed in their
//! order, one after the other and nothing between them, and each succeeds or fails for itself.

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use actors::{Lane, Outcome};
use matching::{Command, OrderId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::access::Caller;
use super::access::limits::{Counts, Left};
use super::batch_items::{BatchRequest, Item, Op, Operation, read_items};
use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::problem::{Code, Problem, problems};
use super::submit::NoOutcome;
use super::wait::{Wait, idempotency_key};
use super::{Api, Engine, amend, cancel, lookup, placed, submit};

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"ack": "queued", "atomic": false, "results": [
    {"http_status": 202, "status": "ENQUEUED", "order_id": 1, "ack": "queued"},
    {"http_status": 400, "type": "urn:pricetime:problem:OFF_TICK", "title": "The price is no multiple of the instrument's tick.", "status": 400,
     "code": "OFF_TICK", "detail": "price is 100.01: a price of BTC_USDT is a multiple of 0.05", "field": "price", "outcome": "not_taken"}
]}))]
pub struct BatchAnswer {
    /// How far the batch had come: `queued` is on disk in the command queue, `committed` is executed.
    ack: &'static str,
    /// Always false: each item succeeds or fails for itself.
    atomic: bool,
    /// In the order of the items: what a request of its own would have been answered, and `http_status`, its status.
    #[schema(value_type = Vec<Object>)]
    results: Vec<Value>,
}

problems! {
    /// What a whole batch may be refused with.
    BatchProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidValue, InvalidParameter, InvalidBatch, InvalidName, HostNotAllowed,
        RequestTimeout, BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotCurrent, NotReady,
        Standby, OutcomeLost,
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_batch, batch)
}

/// Place, cancel and amend many orders
///
/// Up to 500 items in one entry of the command queue, executed in their order. It is not atomic: each item has an answer of
/// its own. 202 once all good items are on disk; 200 after the commit, with `ack=committed` or when any item has a
/// client_order_id. Items that are late then say so: orders without a client_order_id as queued, others as
/// OUTCOME_UNKNOWN.
#[utoipa::path(
    post,
    path = "/api/orders/batch/",
    tag = "orders",
    operation_id = "batch",
    security(("trade" = [])),
    params(
        ("ack" = Option<String>, Query, description = "What to wait for: `queued` or `committed`.", example = "committed"),
        ("timeout_ms" = Option<u64>, Query, description = "How long to wait for the commit, 1 to 10000; 2000 if it is not sent.", example = 2000),
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`: the same as `ack=committed` with that time.")
    ),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "The batch is committed.", body = BatchAnswer),
        (status = 202, description = "The batch is on disk and will be executed.", body = BatchAnswer),
        BatchProblems
    )
)]
pub async fn batch(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    // A process that does not serve says so first.
    api.engine()?;
    let wait = Wait::read(&request)?;
    if idempotency_key(&request)?.is_some() {
        let detail = "a batch has no name of its own; give each order a client_order_id instead of an Idempotency-Key";
        return Err(Problem::new(Code::InvalidBatch, detail).field("Idempotency-Key"));
    }
    let operations = read_items(&body.0)?;
    if let Some(left) = count(&api, &caller, &operations)? {
        request.extensions_mut().insert(left);
    }
    execute(&api, &caller, wait, &operations).await
}

/// Counts each item as a request of its own; what is left to the caller in the lane that the batch takes.
pub fn count(api: &Api, caller: &Caller, operations: &[Operation<'_>]) -> Result<Option<Left>, Problem> {
    let cancels = operations.iter().filter(|operation| operation.op == Some(Op::Cancel)).count();
    let orders = api.gate.limits.take(caller, Counts::Order, operations.len() - cancels)?;
    let cancels = api.gate.limits.take(caller, Counts::Cancel, cancels)?;
    Ok(orders.or(cancels))
}

/// Does what a batch asks: the body of a request, or a message of a socket.
pub async fn execute(
    api: &Api,
    caller: &Caller,
    wait: Wait,
    operations: &[Operation<'_>],
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let only_cancels = operations.iter().all(|operation| operation.op == Some(Op::Cancel));
    let lane = if only_cancels { Lane::Cancels } else { Lane::Orders };
    let permit = submit::admit_entry(engine, lane, operations.len())?;
    let items = check(engine, caller, api.auto_list_symbols(), operations).await;
    let commands: Vec<Command> = items.iter().flatten().map(|item| item.command.clone()).collect();
    let for_commit = wait.is_for_commit() || operations.iter().any(|operation| operation.is_named);
    let fate = if commands.is_empty() {
        Fate::of_nothing(for_commit)
    } else if for_commit {
        Fate::from(submit::commit_all(engine, permit, &commands, wait.within()).await)
    } else {
        match submit::enqueue(permit, submit::entry(&commands)).await {
            Ok(()) => Fate::Queued,
            Err(error) => Fate::from(Err(error)),
        }
    };
    answer(engine, items, fate).await
}

/// What became of the entry as a whole.
enum Fate {
    /// It is on disk, and nobody waits for more.
    Queued,
    /// It is on disk, and its outcome did not come in time.
    Late,
    /// It is committed.
    Committed(Vec<Outcome>),
    /// It may be on disk or not.
    Lost,
    /// It is not.
    NotTaken(Problem),
}

impl Fate {
    /// The fate of a batch without a good item.
    fn of_nothing(for_commit: bool) -> Fate {
        if for_commit { Fate::Committed(Vec::new()) } else { Fate::Queued }
    }
}

impl From<Result<Vec<Outcome>, NoOutcome>> for Fate {
    fn from(committed: Result<Vec<Outcome>, NoOutcome>) -> Fate {
        match committed {
            Ok(outcomes) => Fate::Committed(outcomes),
            Err(NoOutcome::NotTaken(problem)) => Fate::NotTaken(problem),
            Err(NoOutcome::Late) => Fate::Late,
            Err(NoOutcome::Lost) => Fate::Lost,
        }
    }
}

/// Checks every item for itself, and makes commands of those that are good.
async fn check(
    engine: &Engine,
    caller: &Caller,
    auto_list: bool,
    operations: &[Operation<'_>],
) -> Vec<Result<Item, Problem>> {
    let mut placed: Vec<Option<OrderId>> = Vec::with_capacity(operations.len());
    let mut items = Vec::with_capacity(operations.len());
    for operation in operations {
        let mut item = operation.check(engine, caller, auto_list, &placed);
        if let Ok(Item { op: Op::Cancel | Op::Amend, order_id: Some(order_id), .. }) = &item
            && let Err(problem) = lookup::check_owner(engine, caller, *order_id).await
        {
            item = Err(problem);
        }
        placed.push(item.as_ref().ok().filter(|item| item.op == Op::Place).and_then(|item| item.order_id));
        items.push(item);
    }
    items
}

async fn answer(engine: &Engine, items: Vec<Result<Item, Problem>>, fate: Fate) -> Result<HttpResponse, Problem> {
    let (status, ack) = match &fate {
        Fate::NotTaken(problem) => return Err(problem.clone()),
        Fate::Lost => {
            let placed = items.iter().flatten().filter(|item| item.op == Op::Place);
            let ids: Vec<u64> = placed.filter_map(|item| item.order_id).map(OrderId::get).collect();
            return Err(submit::lost().orders(ids));
        }
        Fate::Queued | Fate::Late => (StatusCode::ACCEPTED, "queued"),
        Fate::Committed(_) => (StatusCode::OK, "committed"),
    };
    let late = matches!(fate, Fate::Late);
    let mut outcomes = match fate {
        Fate::Committed(outcomes) => outcomes,
        _ => Vec::new(),
    }
    .into_iter();
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        results.push(match item {
            Err(problem) => failed(&problem),
            Ok(item) => match outcomes.next() {
                Some(outcome) => committed(engine, item, outcome).await,
                None if late && !item.is_unnamed_order() => failed(&NoOutcome::Late.repeatable(item.order_id)),
                None => result(StatusCode::ACCEPTED, &QueuedItem::of(&item)),
            },
        });
    }
    Ok(HttpResponse::build(status).json(BatchAnswer { ack, atomic: false, results }))
}

/// What is answered of an item that is on disk.
#[derive(Serialize)]
struct QueuedItem {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<u64>,
    ack: &'static str,
}

impl QueuedItem {
    fn of(item: &Item) -> QueuedItem {
        QueuedItem { status: "ENQUEUED", order_id: item.order_id.map(OrderId::get), ack: "queued" }
    }
}

/// What is answered of an item that is committed: the same as of a request of its own.
async fn committed(engine: &Engine, item: Item, outcome: Outcome) -> Value {
    let answered = match (item.op, item.order_id) {
        (Op::Place, Some(order_id)) => {
            placed::answer(engine, order_id, outcome).await.map(|body| result(StatusCode::OK, &body))
        }
        (Op::Amend, Some(order_id)) => {
            amend::amended(&item.command, order_id, outcome).map(|body| result(StatusCode::OK, &body))
        }
        (_, order_id) => cancel::cancelled(&item.command, order_id, &outcome).map(|body| result(StatusCode::OK, &body)),
    };
    answered.unwrap_or_else(|problem| failed(&problem))
}

fn failed(problem: &Problem) -> Value {
    result(problem.code().status(), problem)
}

fn result<T: Serialize>(status: StatusCode, body: &T) -> Value {
    let mut result = Map::from_iter([("http_status".to_owned(), Value::from(status.as_u16()))]);
    // Every body is a JSON object of plain values.
    if let Ok(Value::Object(body)) = serde_json::to_value(body) {
        result.extend(body);
    }
    Value::Object(result)
}
