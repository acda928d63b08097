//! `/api/events/`: the ordered log to the outside, a page at a time, by long poll, or as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use matching::Seq;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Api;
use super::access::Caller;
use super::access::authorize::unauthorized;
use super::endpoint::Endpoint;
use super::event_tail::EventTail;
use super::order_queries::{limit_of, parsed};
use super::problem::{Code, Problem, problems};
use super::query;
use super::recent::{EventRow, WrittenRow, array};

const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;
/// The longest that a poll waits: below what proxies let a request take.
const MAX_WAIT_MS: u64 = 30_000;
/// How often a silent stream says that it lives, so that no proxy takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Rows of the event log.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "answers are put together from rows that are written down already; it documents them")]
pub struct Events {
    /// The rows after the cursor, in order, without gaps.
    events: Vec<EventRow>,
    /// The cursor to go on with.
    next: u64,
    /// The last row that is published.
    seq: u64,
}

problems! {
    /// What the question for events may be refused with.
    EventProblems:
        UnknownField, InvalidParameter, HostNotAllowed, CursorTooOld, InternalError, NotCurrent, NotReady, Standby
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_events, events)
}

/// The event stream
///
/// The rows of the event log after a cursor. With `wait_ms` the answer waits until there is one. With
/// `Accept: text/event-stream` it goes on for ever: each event's id is the cursor behind it, and `Last-Event-ID` takes the
/// stream up again.
#[utoipa::path(
    get,
    path = "/api/events/",
    tag = "feed",
    operation_id = "events",
    security(("read" = [])),
    params(
        ("after" = Option<u64>, Query, description = "The last row that you have; 0, before the first, if not sent.", example = 0),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 100 if not sent."),
        ("wait_ms" = Option<u64>, Query, description = "How long to wait for a row, 0 to 30000; 0 if not sent.", example = 0),
        ("Last-Event-ID" = Option<u64>, Header, description = "Of a stream: the last row that you have; wins over `after`.")
    ),
    responses(
        (status = 200, description = "Rows of the log.", content((Events = "application/json"), (String = "text/event-stream"))),
        EventProblems
    )
)]
pub async fn events(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    caller.sees_all()?;
    let [after, limit, wait_ms] = query::read(&request, ["after", "limit", "wait_ms"])?;
    let remedy = "send the number of a row";
    let after = match parsed::<u64>(after, remedy)? {
        Some(after) => cursor(after)?,
        None => Seq::ZERO,
    };
    let limit = limit_of(limit, PAGE, MAX_PAGE)?;
    let wait = wait(wait_ms)?;
    if wants_stream(&request) {
        return streamed(&api, caller, EventTail::new(engine, last_event_id(&request)?.unwrap_or(after))?);
    }
    let mut tail = EventTail::new(engine, after)?;
    let mut stopping = api.stopping();
    let events = tokio::select! {
        biased;
        _ = stopping.wait_for(|stopping| *stopping) => Vec::new(),
        () = caller.until_ended(&api.gate.keyring) => return Err(unauthorized()),
        events = soon(&mut tail, limit, wait) => events?,
    };
    let (next, seq) = (tail.after().get(), engine.feed.published.borrow().get());
    let (rows, seq) = (array(&events), seq.max(next));
    let body = format!(r#"{{"events":{rows},"next":{next},"seq":{seq}}}"#);
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// The rows that are there, or those that come in time. What is there is read to its end, however short the wait: a question
/// to the log that is given up costs its connection.
async fn soon(tail: &mut EventTail, limit: usize, wait: Duration) -> Result<Vec<WrittenRow>, Problem> {
    let there = tail.page(limit).await?;
    if !there.is_empty() || wait.is_zero() {
        return Ok(there);
    }
    match timeout(wait, tail.next(limit)).await {
        Ok(rows) => rows,
        Err(_) => tail.page(limit).await,
    }
}

fn wait(wait_ms: Option<query::Parameter>) -> Result<Duration, Problem> {
    let Some(wait_ms) = wait_ms else { return Ok(Duration::ZERO) };
    let remedy = "send milliseconds from 0 to 30000";
    let wait = wait_ms.parse::<u64>(remedy)?;
    if wait > MAX_WAIT_MS { Err(wait_ms.wrong(remedy)) } else { Ok(Duration::from_millis(wait)) }
}

fn cursor(row: u64) -> Result<Seq, Problem> {
    let too_large = || Problem::new(Code::InvalidParameter, "no row has so large a number").field("after");
    Seq::new(row).ok_or_else(too_large)
}

fn wants_stream(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("text/event-stream")
}

fn last_event_id(request: &HttpRequest) -> Result<Option<Seq>, Problem> {
    let Some(id) = request.headers().get("Last-Event-ID") else { return Ok(None) };
    let row = id.to_str().ok().and_then(|id| id.parse().ok());
    let wrong = || Problem::new(Code::InvalidParameter, "Last-Event-ID is no row's number").field("Last-Event-ID");
    row.ok_or_else(wrong).and_then(cursor).map(Some)
}

/// A stream that ends when the service stops, with a word about it, when the log cannot be read, or with its caller's key or
/// session.
fn streamed(api: &Api, caller: Caller, tail: EventTail) -> Result<HttpResponse, Problem> {
    let keyring = Arc::clone(&api.gate.keyring);
    let state = Some((tail, api.stopping(), keyring, caller));
    let events = stream::unfold(state, async |state| {
        let (mut tail, mut stopping, keyring, caller) = state?;
        let next = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => {
                return Some((Ok("event: closing\ndata: {\"code\":\"STOPPING\"}\n\n".into()), None));
            }
            () = caller.until_ended(&keyring) => {
                return Some((Ok("event: closing\ndata: {\"code\":\"UNAUTHORIZED\"}\n\n".into()), None));
            }
            next = timeout(KEEP_ALIVE, tail.next(MAX_PAGE)) => next,
        };
        match next {
            Ok(Ok(rows)) => {
                Some((Ok::<Bytes, Problem>(written(&rows).into()), Some((tail, stopping, keyring, caller))))
            }
            Ok(Err(problem)) => {
                let problem = serde_json::to_string(&problem).unwrap_or_default();
                Some((Ok(format!("event: problem\ndata: {problem}\n\n").into()), None))
            }
            Err(_) => Some((Ok(": alive\n\n".into()), Some((tail, stopping, keyring, caller)))),
        }
    });
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.streaming(Box::pin(events)))
}

fn written(rows: &[WrittenRow]) -> String {
    rows.iter().map(|row| format!("id: {}\ndata: {}\n\n", row.seq, row.text)).collect()
}
