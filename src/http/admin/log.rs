//! `/api/admin/log/`: the event log, to search and to export, and a row with what it did.

use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use actors::recovery::row_at;
use futures_util::{FutureExt, stream};
use journal::{LogError, Record};
use matching::{Micros, OrderId, Seq};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{AdminProblems, row_in_path};
use crate::exit::End;
use crate::http::access::Caller;
use crate::http::access::authorize::unauthorized;
use crate::http::endpoint::Endpoint;
use crate::http::order_queries::{limit_of, numbered, parsed};
use crate::http::problem::Problem;
use crate::http::{Api, query};
use crate::inspect::log::{self, Filter, LogRow, PAGE_ROWS, Range};

const PAGE: usize = 100;
const MAX_PAGE: usize = 500;
const PARAMETERS: [&str; 10] =
    ["symbol", "order_id", "kind", "from_time", "to_time", "from_seq", "to_seq", "cursor", "limit", "format"];

/// Rows of the log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPage {
    /// The rows. A page may be short, even empty, and have more behind it: `next_cursor` tells.
    rows: Vec<LogRow>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
    /// The last row of the log.
    seq: u64,
}

/// A row of the log with what it did.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogRowDetail {
    /// The row.
    #[serde(flatten)]
    row: LogRow,
    /// What it changed in the projection, as the commands that Redis is sent for it in full mode.
    redis: Vec<String>,
    /// The hash of the state after it, where there is a snapshot of it; null otherwise.
    state_hash: Option<String>,
}

/// The resources: the log, and a row.
pub fn routes(config: &mut ServiceConfig) {
    config.service(Endpoint::new(__path_list, list)).service(Endpoint::new(__path_row, row));
}

/// The event log
///
/// The rows that fit every parameter, newest first. With `format=jsonl` all of them, oldest first, one JSON object a line;
/// then neither `cursor` nor `limit` is of use. Needs DEBUG or the administrator's credential.
#[utoipa::path(
    get,
    path = "/api/admin/log/",
    tag = "admin",
    operation_id = "admin_log",
    security(("admin" = [])),
    params(
        ("symbol" = Option<String>, Query, description = "Of this market."),
        ("order_id" = Option<u64>, Query, description = "With an event of this order."),
        ("kind" = Option<String>, Query, description = "With a command of this type, such as NewOrder."),
        ("from_time" = Option<u64>, Query, description = "Numbered then or later: microseconds since 1970."),
        ("to_time" = Option<u64>, Query, description = "Numbered then or earlier: microseconds since 1970."),
        ("from_seq" = Option<u64>, Query, description = "The first row."),
        ("to_seq" = Option<u64>, Query, description = "The last row."),
        ("cursor" = Option<u64>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "1 to 500; 100 if not sent."),
        ("format" = Option<String>, Query, description = "`json`, or `jsonl` for all rows as JSON Lines.")
    ),
    responses(
        (status = 200, description = "Rows of the log.", content((LogPage = "application/json"), (String = "application/x-ndjson"))),
        AdminProblems
    )
)]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [symbol, order_id, kind, from_time, to_time, from_seq, to_seq, cursor, limit, format] =
        query::read(&request, PARAMETERS)?;
    let filter = Filter {
        symbol: parsed(symbol, "send a symbol such as BTC_USDT")?,
        order: numbered(order_id, "send an order's id", OrderId::new)?,
        kind: kind.map(|kind| kind.value),
        request: None,
    };
    let times = "send microseconds since 1970";
    let (from_time, to_time) = (numbered(from_time, times, Micros::new)?, numbered(to_time, times, Micros::new)?);
    let number = |parameter| parsed::<u64>(parameter, "send a row's number");
    let (from_seq, to_seq, cursor) = (number(from_seq)?, number(to_seq)?, number(cursor)?);
    let limit = limit_of(limit, PAGE, MAX_PAGE)?;
    let as_lines = match format {
        Some(format) if format.value == "jsonl" => true,
        Some(format) if format.value != "json" => return Err(format.wrong("send json or jsonl")),
        _ => false,
    };
    let first = seq(from_seq.unwrap_or(1).max(1));
    let last = [to_seq, cursor].into_iter().flatten().min().map(seq);
    let range = async move |records: &crate::storage::Records| {
        let end = records.log.position().await?.position.seq;
        let range = Range { first, last: last.unwrap_or(end).min(end) };
        Ok::<_, LogError>((range.within(&*records.log, from_time, to_time).await?, end))
    };
    if as_lines {
        let found = engine.bench.look(async move |records| Ok((range(&records).await?.0, records)));
        let (range, records) = found.await?;
        let keyring = Arc::clone(&api.gate.keyring);
        let ended = move || caller.until_ended(&keyring).now_or_never().is_some();
        return Ok(lines(records, range, filter, ended));
    }
    let page = engine.bench.look(async move |records| {
        let (range, end) = range(&records).await?;
        let page = log::newest(&*records.log, range, &filter, limit).await?;
        let rows = page.rows.iter().map(LogRow::of).collect::<Result<_, _>>()?;
        Ok(LogPage { rows, next_cursor: page.next.map(|next| next.to_string()), seq: end.get() })
    });
    Ok(HttpResponse::Ok().json(page.await?))
}

/// A row of the event log
///
/// With its command, its events, what it changed in the projection, and the hash of the state where that is known. Needs
/// DEBUG or the administrator's credential.
#[utoipa::path(
    get,
    path = "/api/admin/log/{seq}/",
    tag = "admin",
    operation_id = "admin_log_row",
    security(("admin" = [])),
    params(("seq" = u64, Path, description = "The row.", example = 5)),
    responses((status = 200, description = "The row.", body = LogRowDetail), AdminProblems)
)]
pub async fn row(api: web::Data<Api>, request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let seq = row_in_path(&path)?;
    let retain_closed = engine.bench.settings().retain_closed_orders;
    let detail = engine.bench.work(async move |records| {
        let unknown = || End::Usage(format!("there is no row {seq} in the log"));
        let end = records.log.position().await?.position.seq;
        let record = if seq <= end { row_at(&*records.log, seq).await? } else { None };
        let record = record.ok_or_else(unknown)?;
        let snapshots = records.snapshots.list().await?;
        let snapshot = snapshots.iter().find(|snapshot| snapshot.seq == seq);
        Ok(LogRowDetail {
            row: LogRow::of(&record)?,
            redis: log::redis_writes(&records, &record, retain_closed).await?,
            state_hash: snapshot.map(|snapshot| snapshot.state_hash.to_string()),
        })
    });
    Ok(HttpResponse::Ok().json(detail.await?))
}

/// All wanted rows of a range as JSON Lines, a page at a time as they are read: a slow reader holds up nobody. What cannot
/// be read cuts the answer short, which its end shows; so does a caller whose credential has `ended` meanwhile.
fn lines(
    records: crate::storage::Records,
    range: Range,
    filter: Filter,
    ended: impl Fn() -> bool + 'static,
) -> HttpResponse {
    let log = Arc::clone(&records.log);
    let before = range.first.previous().unwrap_or(Seq::ZERO);
    let pages = stream::try_unfold(before, move |after| {
        let (log, filter, ended) = (Arc::clone(&log), filter.clone(), ended());
        async move {
            if after >= range.last {
                return Ok(None);
            }
            if ended {
                return Err(unauthorized());
            }
            let rows = log.page(after, PAGE_ROWS).await.map_err(cut_short)?;
            let Some(next) = rows.last().map(|row| row.seq) else { return Ok(None) };
            let wanted = rows.iter().filter(|row| row.seq <= range.last);
            let text = wanted.map(|row| line(row, &filter)).collect::<Result<String, _>>().map_err(cut_short)?;
            Ok::<_, Problem>(Some((Bytes::from(text), next)))
        }
    });
    HttpResponse::Ok().content_type("application/x-ndjson").streaming(Box::pin(pages))
}

fn line(row: &Record, filter: &Filter) -> Result<String, LogError> {
    if !filter.wants(row)? {
        return Ok(String::new());
    }
    let unwritable = |error: serde_json::Error| LogError::Damaged { seq: row.seq, error: error.to_string() };
    Ok(serde_json::to_string(&LogRow::of(row)?).map_err(unwritable)? + "\n")
}

fn cut_short(error: LogError) -> Problem {
    crate::http::order_queries::log_away(&error)
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap_or(Seq::LAST)
}
