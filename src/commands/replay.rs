//! `pricetime replay`: the books as they were.

use actors::Replay;
use matching::book::RestingOrder;
use matching::{Decimal, Instrument, Seq, Side, Symbol};
use serde::Serialize;

use super::{say, say_json};
use crate::config::Settings;
use crate::exit::End;
use crate::inspect::books::replay_to;
use crate::storage;

/// A book at a row.
#[derive(Serialize)]
struct BookThen {
    symbol: Symbol,
    bids: Vec<OrderThen>,
    asks: Vec<OrderThen>,
}

#[derive(Serialize)]
struct OrderThen {
    order_id: u64,
    price: Decimal,
    remaining: Decimal,
}

/// Everything that is printed.
#[derive(Serialize)]
struct Then {
    seq: u64,
    time: u64,
    state_hash: String,
    symbols: Vec<BookThen>,
}

/// Prints the books after row `to`, of one symbol or of all. Reads only.
pub async fn replay(settings: &Settings, to: u64, symbol: Option<Symbol>, json: bool) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let to = Seq::new(to).unwrap_or(Seq::LAST);
    let replay = replay_to(&records, to, settings.retain_closed_orders).await?;
    let ledger = replay.engine.ledger();
    let instruments: Vec<&Instrument> =
        ledger.instruments().filter(|instrument| symbol.is_none_or(|symbol| symbol == instrument.symbol())).collect();
    if let (Some(symbol), true) = (symbol, instruments.is_empty()) {
        return Err(End::Usage(format!("{symbol} is not listed at row {to}")));
    }
    let then = Then {
        seq: to.get(),
        time: ledger.time().get(),
        state_hash: replay.engine.state_hash().to_string(),
        symbols: instruments.into_iter().map(|instrument| book(&replay, instrument)).collect(),
    };
    if json { say_json(&then) } else { tell(&then) }
}

fn book(replay: &Replay, instrument: &Instrument) -> BookThen {
    let orders = |side| {
        let order = |order: RestingOrder| OrderThen {
            order_id: order.order_id.get(),
            price: instrument.price_decimal(order.price),
            remaining: instrument.quantity_decimal(order.remaining),
        };
        replay.engine.book(instrument.symbol()).map(|book| book.orders(side).map(order).collect()).unwrap_or_default()
    };
    BookThen { symbol: instrument.symbol(), bids: orders(Side::Buy), asks: orders(Side::Sell) }
}

fn tell(then: &Then) -> Result<(), End> {
    say(format!("after row {}, state {}", then.seq, then.state_hash))?;
    for BookThen { symbol, bids, asks } in &then.symbols {
        say(format!("\n{symbol}: {} bids, {} asks, best first", bids.len(), asks.len()))?;
        for (side, orders) in [("bid", bids), ("ask", asks)] {
            for OrderThen { order_id, price, remaining } in orders {
                say(format!("  {side}  {price:>20} x {remaining:<20} order {order_id}"))?;
            }
        }
    }
    Ok(())
}
