//! `pricetime log`: reads the event log.

use std::time::Duration;

use journal::{LogError, Record, RequestId, encoding, request_id};
use matching::{Event, OrderId, Seq, Symbol};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::{say, say_json};
use crate::config::Settings;
use crate::exit::End;
use crate::storage;
use crate::views::utc;

/// Rows read at once: a short transaction.
const PAGE_ROWS: usize = 1_000;
/// How often the end of the log is looked at when it is followed.
const LOOK: Duration = Duration::from_millis(200);

/// Which rows are shown, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Wanted {
    /// Only rows of this symbol.
    #[arg(long)]
    symbol: Option<Symbol>,
    /// Only rows with an event of this order.
    #[arg(long, value_name = "ID", value_parser = order_id)]
    order: Option<OrderId>,
    /// Only rows of the request that came with this X-Request-Id.
    #[arg(long, value_name = "ID")]
    request: Option<RequestId>,
    /// The first row.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
    /// The last row.
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// At most this many rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Wait for more rows at the end of the log, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// One JSON object a line: the row as it is stored.
    #[arg(long)]
    json: bool,
}

fn order_id(text: &str) -> Result<OrderId, String> {
    text.parse().ok().and_then(OrderId::new).ok_or_else(|| "an order id is a whole number below 2^53".to_owned())
}

/// A row as JSON.
#[derive(Serialize)]
struct Row<'a> {
    seq: u64,
    time: u64,
    epoch: u64,
    stream_position: String,
    symbol: Option<Symbol>,
    kind: &'a str,
    command: &'a RawValue,
    events: &'a RawValue,
    engine_version: i32,
    format: i16,
    chain: String,
}

/// Prints the rows that are wanted.
pub async fn log(settings: &Settings, wanted: &Wanted) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let mut after = Seq::new(wanted.from.saturating_sub(1)).unwrap_or(Seq::LAST);
    let last = wanted.to.and_then(Seq::new).unwrap_or(Seq::LAST);
    let mut left = wanted.limit.unwrap_or(u64::MAX);
    loop {
        let rows = records.log.page(after, PAGE_ROWS).await?;
        if rows.is_empty() && !wanted.follow {
            return Ok(());
        }
        if rows.is_empty() {
            sleep(LOOK).await;
        }
        for row in rows {
            if row.seq > last || left == 0 {
                return Ok(());
            }
            after = row.seq;
            let events = encoding::decode_events(row.format, &row.events);
            let events = events.map_err(|error| LogError::Damaged { seq: row.seq, error: error.to_string() })?;
            if is_wanted(wanted, &row, &events) {
                left -= 1;
                if wanted.json { as_json(&row)? } else { as_line(&row, &events)? }
            }
        }
        if left == 0 || after >= last {
            return Ok(());
        }
    }
}

fn is_wanted(wanted: &Wanted, row: &Record, events: &[Event]) -> bool {
    wanted.symbol.is_none_or(|symbol| row.symbol == Some(symbol))
        && wanted.request.as_ref().is_none_or(|request| request_id(&row.command).as_ref() == Some(request))
        && wanted.order.is_none_or(|order| events.iter().any(|event| event.concerns(order)))
}

fn as_json(row: &Record) -> Result<(), End> {
    let raw = |text: &str| -> Result<Box<RawValue>, End> {
        let damaged = |error: serde_json::Error| LogError::Damaged { seq: row.seq, error: error.to_string() };
        Ok(RawValue::from_string(text.to_owned()).map_err(damaged)?)
    };
    say_json(&Row {
        seq: row.seq.get(),
        time: row.time.get(),
        epoch: row.epoch.0,
        stream_position: row.stream_id.to_string(),
        symbol: row.symbol,
        kind: &row.kind,
        command: &raw(&row.command)?,
        events: &raw(&row.events)?,
        engine_version: row.engine_version,
        format: row.format,
        chain: row.chain.to_string(),
    })
}

fn as_line(row: &Record, events: &[Event]) -> Result<(), End> {
    let symbol = row.symbol.map(|symbol| symbol.to_string()).unwrap_or_default();
    let events: Vec<String> = events.iter().map(Event::to_string).collect();
    let request = request_id(&row.command).map(|id| format!("  (request {id})")).unwrap_or_default();
    let events = events.join("; ");
    say(format!("{:>10}  {}  {symbol:<12}  {:<14}  {events}{request}", row.seq, utc(row.time), row.kind))
}
