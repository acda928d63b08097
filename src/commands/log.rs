//! `pricetime log`: reads the event log.

use std::time::Duration;

use journal::{Record, RequestId, request_id};
use matching::{Event, OrderId, Seq, Symbol};
use tokio::time::sleep;

use super::{say, say_json};
use crate::config::Settings;
use crate::exit::End;
use crate::inspect::log::{Filter, LogRow, PAGE_ROWS, events};
use crate::storage;
use crate::views::utc;

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

/// Prints the rows that are wanted.
pub async fn log(settings: &Settings, wanted: &Wanted) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let filter = Filter { symbol: wanted.symbol, order: wanted.order, kind: None, request: wanted.request.clone() };
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
            if filter.wants(&row)? {
                left -= 1;
                if wanted.json { say_json(&LogRow::of(&row)?)? } else { as_line(&row)? }
            }
        }
        if left == 0 || after >= last {
            return Ok(());
        }
    }
}

fn as_line(row: &Record) -> Result<(), End> {
    let symbol = row.symbol.map(|symbol| symbol.to_string()).unwrap_or_default();
    let events: Vec<String> = events(row)?.iter().map(Event::to_string).collect();
    let request = request_id(&row.command).map(|id| format!("  (request {id})")).unwrap_or_default();
    let events = events.join("; ");
    say(format!("{:>10}  {}  {symbol:<12}  {:<14}  {events}{request}", row.seq, utc(row.time), row.kind))
}
