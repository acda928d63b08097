//! The books as they were after a row of the log.

use actors::Replay;
use matching::{Amount, Decimal, Instrument, Seq, Side, Symbol};
use serde::Serialize;
use utoipa::ToSchema;

use crate::exit::End;
use crate::storage::Records;

/// The whole state after row `seq`, from the newest snapshot before it.
pub async fn replay_to(records: &Records, seq: Seq, retain_closed: u64) -> Result<Replay, End> {
    let end = records.log.position().await?.position.seq;
    if seq > end {
        return Err(End::Usage(format!("the log ends at row {end}; name a row up to there")));
    }
    let mut replay = Replay::from_snapshot(&*records.snapshots, seq, retain_closed).await?;
    replay.advance(&*records.log, seq, |_, _, _| Ok::<(), End>(())).await?;
    Ok(replay)
}

/// A price of a book.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevelThen {
    /// The price.
    #[schema(value_type = String)]
    price: Decimal,
    /// What was shown at it.
    #[schema(value_type = String)]
    quantity: Amount,
    /// How many orders were there.
    orders: u64,
}

/// A book by price, as it was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "symbol": "BTC_USDT", "seq": 7, "phase": "CONTINUOUS", "bids": [{"price": "100.4", "quantity": "2", "orders": 1}],
    "asks": [{"price": "100.6", "quantity": "1.5", "orders": 2}]
}))]
pub struct LevelsThen {
    /// The market.
    #[schema(value_type = String)]
    symbol: Symbol,
    /// The row that it is after.
    seq: u64,
    /// The market's phase then.
    phase: &'static str,
    /// Highest price first.
    bids: Vec<LevelThen>,
    /// Lowest price first.
    asks: Vec<LevelThen>,
}

impl LevelsThen {
    /// The book of a symbol; none where it was not listed yet.
    pub fn of(replay: &Replay, symbol: Symbol) -> Option<LevelsThen> {
        let market = replay.engine.ledger().market(symbol)?;
        let side = |side| levels(replay, &market.instrument, side);
        let (seq, phase) = (replay.position.seq.get(), market.phase.as_str());
        Some(LevelsThen { symbol, seq, phase, bids: side(Side::Buy), asks: side(Side::Sell) })
    }
}

fn levels(replay: &Replay, instrument: &Instrument, side: Side) -> Vec<LevelThen> {
    let Some(book) = replay.engine.book(instrument.symbol()) else { return Vec::new() };
    let mut levels: Vec<(matching::Price, u128, u64)> = Vec::new();
    for order in book.orders(side) {
        let displayed = u128::from(order.displayed.units());
        match levels.last_mut() {
            Some((price, quantity, orders)) if *price == order.price => {
                *quantity += displayed;
                *orders += 1;
            }
            _ => levels.push((order.price, displayed, 1)),
        }
    }
    let level = |(price, quantity, orders)| LevelThen {
        price: instrument.price_decimal(price),
        quantity: instrument.quantity_amount(quantity),
        orders,
    };
    levels.into_iter().map(level).collect()
}
