//! `/api/consumers/`: how far named consumers of the event stream have come, kept for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{HttpRequest, HttpResponse, web};
use journal::{ConsumerPosition, Consumers, HistoryError};
use matching::{Account, Micros, Seq};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::Caller;
use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::problem::{Code, Problem, problems};
use super::{Api, Engine, fields, query};

/// A position is one row of a small table; more than this many names is a mistake.
const MAX_CONSUMERS: usize = 1_000;
const FIELDS: [&str; 1] = ["position"];

/// The positions: in the store, and in memory for whoever asks.
pub struct Registry {
    store: Arc<dyn Consumers>,
    known: Mutex<BTreeMap<Account, ConsumerPosition>>,
}

impl Registry {
    /// The positions that the store has.
    pub async fn open(store: Arc<dyn Consumers>) -> Result<Registry, HistoryError> {
        let known = store.all().await?.into_iter().map(|position| (position.name.clone(), position)).collect();
        Ok(Registry { store, known: Mutex::new(known) })
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<ConsumerPosition> {
        self.known().values().cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Account, ConsumerPosition>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room_for(&self, name: &Account) -> bool {
        let known = self.known();
        known.contains_key(name) || known.len() < MAX_CONSUMERS
    }

    async fn put(&self, position: ConsumerPosition) -> Result<(), HistoryError> {
        self.store.put(&position).await?;
        self.known().insert(position.name.clone(), position);
        Ok(())
    }
}

/// A position.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"position": 5}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct PutPosition {
    /// The last row that the consumer has dealt with.
    position: u64,
}

/// How far a consumer has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "ledger", "position": 5, "lag": 2, "updated_at": 1732880001123456_u64}))]
pub struct Consumer {
    /// Its name.
    name: String,
    /// The last row that it has dealt with.
    position: u64,
    /// How many rows are behind that.
    lag: u64,
    /// When it said so.
    #[schema(value_type = u64)]
    updated_at: Micros,
}

/// All consumers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumerList {
    /// By name.
    consumers: Vec<Consumer>,
    /// The last row that is published.
    seq: u64,
}

impl Consumer {
    fn new(position: &ConsumerPosition, end: u64) -> Consumer {
        Consumer {
            name: position.name.to_string(),
            position: position.position.get(),
            lag: end.saturating_sub(position.position.get()),
            updated_at: position.updated_at,
        }
    }
}

problems! {
    /// What the question for consumers may be refused with.
    ListProblems: UnknownField, HostNotAllowed, NotReady, Standby
}

problems! {
    /// What the question for a consumer may be refused with.
    PositionProblems: UnknownField, InvalidName, HostNotAllowed, UnknownConsumer, NotReady, Standby
}

problems! {
    /// What a position may be refused with.
    PutProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidParameter, InvalidName, OutOfRange,
        HostNotAllowed, RequestTimeout, BodyTooLarge, UnsupportedMediaType, InternalError, NotReady, Standby
}

/// The resources: all consumers, and one's position.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_list, list))
        .service(Endpoint::new(__path_position, position).and(__path_put_position, put_position));
}

/// Consumers
///
/// Every named consumer of the event stream, how far it has come and how far it is behind.
#[utoipa::path(
    get,
    path = "/api/consumers/",
    tag = "feed",
    operation_id = "list_consumers",
    security(("read" = [])),
    responses((status = 200, description = "The consumers.", body = ConsumerList), ListProblems)
)]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    caller.sees_all()?;
    query::refuse(&request)?;
    let seq = engine.feed.published.borrow().get();
    let consumers = engine.consumers.all().iter().map(|position| Consumer::new(position, seq)).collect();
    Ok(HttpResponse::Ok().json(ConsumerList { consumers, seq }))
}

/// A consumer's position
#[utoipa::path(
    get,
    path = "/api/consumers/{name}/position/",
    tag = "feed",
    operation_id = "get_position",
    security(("read" = [])),
    params(("name" = String, Path, description = "The consumer.", example = "ledger")),
    responses((status = 200, description = "Its position.", body = Consumer), PositionProblems)
)]
pub async fn position(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    caller.sees_all()?;
    query::refuse(&request)?;
    let name = name(&path)?;
    let unknown = || Problem::new(Code::UnknownConsumer, "no consumer of this name has told a position").field("name");
    let position = engine.consumers.known().get(&name).cloned().ok_or_else(unknown)?;
    Ok(HttpResponse::Ok().json(Consumer::new(&position, engine.feed.published.borrow().get())))
}

/// Keep a consumer's position
///
/// Answered once it is on disk. A position may go back: then the consumer reads again from there. Keep it in the same
/// transaction as what the rows led to instead, where you can: only then is each dealt with exactly once.
#[utoipa::path(
    put,
    path = "/api/consumers/{name}/position/",
    tag = "feed",
    operation_id = "put_position",
    security(("read" = ["reads"])),
    params(("name" = String, Path, description = "The consumer: 1 to 64 letters, digits and `.` `_` `:` `-`.", example = "ledger")),
    request_body = PutPosition,
    responses((status = 200, description = "It is kept.", body = Consumer), PutProblems)
)]
pub async fn put_position(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    caller.sees_all()?;
    query::refuse(&request)?;
    let name = name(&path)?;
    let [sent] = fields::read(&body.0, &FIELDS)?;
    let position = row(fields::required(sent, FIELDS[0])?, engine)?;
    if !engine.consumers.has_room_for(&name) {
        let detail = format!("there are {MAX_CONSUMERS} consumers, as many as may be");
        return Err(Problem::new(Code::InvalidName, detail).field("name"));
    }
    let position = ConsumerPosition { name, position, updated_at: engine.clock.now() };
    engine.consumers.put(position.clone()).await.map_err(|error| super::lookup::away(&error))?;
    Ok(HttpResponse::Ok().json(Consumer::new(&position, engine.feed.published.borrow().get())))
}

fn name(text: &str) -> Result<Account, Problem> {
    let wrong =
        |error: matching::names::ParseNameError| Problem::new(Code::InvalidName, error.to_string()).field("name");
    text.parse().map_err(wrong)
}

fn row(field: fields::Field<'_>, engine: &Engine) -> Result<Seq, Problem> {
    let (position, end) = (field.whole()?, engine.progress.committed());
    let position = Seq::new(position).filter(|position| position.get() <= end);
    position.ok_or_else(|| {
        Problem::new(Code::OutOfRange, format!("the log ends at row {end}, before this position")).field(FIELDS[0])
    })
}
