//! Rows of the log as they are shown, and the search for them.

use actors::outcomes::subject;
use actors::recovery::row_at;
use actors::write_of;
use journal::{EventLog, LogError, ProjectionPosition, Record, RequestId, encoding, request_id};
use matching::{Changes, Command, Event, Micros, OrderId, Seq, Symbol};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::books::replay_to;
use crate::adapters::redis::written_as;
use crate::exit::End;
use crate::storage::Records;

/// Rows read at once: a short transaction.
pub const PAGE_ROWS: usize = 1_000;
/// Rows that one page of a search looks through: a fraction of a second.
const SEARCHED_ROWS: u64 = 10_000;

/// A row of the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "seq": 5, "time": 1732880001123456_u64, "epoch": 1, "stream_position": "1732880001123-0", "symbol": "BTC_USDT",
    "kind": "CancelOrder", "order_id": 1, "command": {"type": "CancelOrder", "command_id": 4, "order_id": 1},
    "events": [{"type": "OrderCancelled", "order_id": 1}], "engine_version": 1, "format": 1,
    "chain": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
}))]
pub struct LogRow {
    /// Its number.
    pub seq: u64,
    /// When its command was numbered, in microseconds since 1970.
    pub time: u64,
    /// The writer's term.
    pub epoch: u64,
    /// The entry of the command stream.
    pub stream_position: String,
    /// The market; null where the row concerns none.
    #[schema(value_type = Option<String>)]
    pub symbol: Option<Symbol>,
    /// The command's type.
    pub kind: String,
    /// The order that the command is about; null where it is about none.
    pub order_id: Option<u64>,
    /// The command, as it stands in the log.
    #[schema(value_type = Object)]
    pub command: Box<RawValue>,
    /// What came of it, as it stands in the log.
    #[schema(value_type = Vec<Object>)]
    pub events: Box<RawValue>,
    /// The matching rules that made the events.
    pub engine_version: i32,
    /// How command and events are written.
    pub format: i16,
    /// The chain's value at this row, in hexadecimal.
    pub chain: String,
}

impl LogRow {
    /// A row as it is shown.
    pub fn of(row: &Record) -> Result<LogRow, LogError> {
        let (command, events) = decoded(row)?;
        let damaged = |error: serde_json::Error| damaged(row, &error);
        let raw = |text: &str| RawValue::from_string(text.to_owned()).map_err(damaged);
        Ok(LogRow {
            seq: row.seq.get(),
            time: row.time.get(),
            epoch: row.epoch.0,
            stream_position: row.stream_id.to_string(),
            symbol: row.symbol,
            kind: row.kind.clone(),
            order_id: subject(&command, &events).map(OrderId::get),
            command: raw(&row.command)?,
            events: raw(&row.events)?,
            engine_version: row.engine_version,
            format: row.format,
            chain: row.chain.to_string(),
        })
    }
}

/// Command and events of a row.
fn decoded(row: &Record) -> Result<(Command, Vec<Event>), LogError> {
    let command = encoding::decode_command(row.format, &row.command).map_err(|error| damaged(row, &error))?;
    Ok((command, events(row)?))
}

/// The events of a row.
pub fn events(row: &Record) -> Result<Vec<Event>, LogError> {
    encoding::decode_events(row.format, &row.events).map_err(|error| damaged(row, &error))
}

fn damaged(row: &Record, error: &dyn std::error::Error) -> LogError {
    LogError::Damaged { seq: row.seq, error: error.to_string() }
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this symbol.
    pub symbol: Option<Symbol>,
    /// With an event of this order.
    pub order: Option<OrderId>,
    /// With a command of this type.
    pub kind: Option<String>,
    /// Of the request that came with this id.
    pub request: Option<RequestId>,
}

impl Filter {
    /// Whether a row is one of them.
    pub fn wants(&self, row: &Record) -> Result<bool, LogError> {
        if self.symbol.is_some_and(|symbol| row.symbol != Some(symbol))
            || self.kind.as_ref().is_some_and(|kind| row.kind != *kind)
            || self.request.is_some() && request_id(&row.command) != self.request
        {
            return Ok(false);
        }
        let Some(order) = self.order else { return Ok(true) };
        // Most rows do not even have the number.
        Ok(row.events.contains(&order.to_string()) && events(row)?.iter().any(|event| event.concerns(order)))
    }
}

/// Rows by number.
#[derive(Debug, Copy, Clone)]
pub struct Range {
    /// The first.
    pub first: Seq,
    /// The last.
    pub last: Seq,
}

impl Range {
    /// The part of it in which rows have times from `from` to `to`.
    pub async fn within(self, log: &dyn EventLog, from: Option<Micros>, to: Option<Micros>) -> Result<Range, LogError> {
        let Range { mut first, mut last } = self;
        if let Some(from) = from {
            first = first.max(first_at(log, from, last).await?);
        }
        if let Some(next) = to.and_then(|to| Micros::new(to.get() + 1)) {
            last = last.min(first_at(log, next, last).await?.previous().unwrap_or(Seq::ZERO));
        }
        Ok(Range { first, last })
    }
}

/// The first row with this time or a later one; the row behind `end` when there is none. Time never runs backwards in the
/// log, so a handful of rows are looked at.
async fn first_at(log: &dyn EventLog, time: Micros, end: Seq) -> Result<Seq, LogError> {
    let oldest = log.page(Seq::ZERO, 1).await?.first().map_or(end.next(), |row| row.seq);
    let (mut low, mut high) = (oldest.get(), end.get() + 1);
    while low < high {
        let middle = seq(low + (high - low) / 2);
        let row = row_at(log, middle).await?;
        if row.is_some_and(|row| row.time >= time) {
            high = middle.get();
        } else {
            low = middle.get() + 1;
        }
    }
    Ok(seq(low))
}

/// A page of a search, newest first.
#[derive(Debug)]
pub struct Page {
    /// The rows; perhaps none although there are more.
    pub rows: Vec<Record>,
    /// The last row of the next page's range; none at the end.
    pub next: Option<Seq>,
}

/// The newest wanted rows of a range, at most `limit`, out of the [`SEARCHED_ROWS`] at its end.
pub async fn newest(log: &dyn EventLog, range: Range, filter: &Filter, limit: usize) -> Result<Page, LogError> {
    let mut rows = Vec::new();
    let mut last = range.last;
    let stop = last.get().saturating_sub(SEARCHED_ROWS);
    while last >= range.first && last.get() > stop {
        let before = seq(last.get().saturating_sub(PAGE_ROWS as u64).max(range.first.get().saturating_sub(1)));
        let wanted = usize::try_from(last.get() - before.get()).unwrap_or(PAGE_ROWS);
        let page = log.page(before, wanted).await?;
        for row in page.into_iter().rev().filter(|row| row.seq <= last) {
            let previous = row.seq.previous().unwrap_or(Seq::ZERO);
            if filter.wants(&row)? {
                rows.push(row);
                if rows.len() == limit {
                    return Ok(Page { rows, next: Some(previous).filter(|next| *next >= range.first) });
                }
            }
        }
        last = before;
    }
    Ok(Page { rows, next: Some(last).filter(|next| *next >= range.first && *next > Seq::ZERO) })
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap_or(Seq::LAST)
}

/// What a row changes in the projection, as the commands that Redis is sent for it, one line each. In a running service
/// the last states of several rows are written as one.
pub async fn redis_writes(records: &Records, row: &Record, retain_closed: u64) -> Result<Vec<String>, End> {
    let before = row.seq.previous().unwrap_or(Seq::ZERO);
    let mut replay = replay_to(records, before, retain_closed).await?;
    replay.changes = Changes::default();
    replay.advance(&*records.log, row.seq, |_, _, _| Ok::<(), End>(())).await?;
    let to = ProjectionPosition { seq: row.seq, epoch: row.epoch, chain: row.chain };
    let changes = std::mem::take(&mut replay.changes);
    Ok(written_as(&write_of(before, to, changes, replay.engine.ledger())))
}
