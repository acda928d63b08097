//! What became of an order that was placed, committed.

use actors::Outcome;
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Event, Ledger, Micros, OrderId};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Code, Problem};
use super::{Engine, submit};
use crate::views::answers::{Fill, OrderAnswer};

/// An order that is committed, with what it traded.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "status": "FILLED", "order_id": 2, "ack": "committed", "duplicate": false,
    "order": {
        "order_id": 2, "symbol": "BTC_USDT", "side": "BUY", "type": "MARKET", "time_in_force": "GTC", "status": "FILLED",
        "quantity": "0.4", "remaining": "0", "filled": "0.4", "average_price": "100.5", "self_trade_prevention": "NONE",
        "received_at": 1732880000123456_u64, "seq": 5
    },
    "fills": [{
        "trade_id": 1, "price": "100.5", "quantity": "0.4", "quote_quantity": "40.2", "maker_order_id": 1, "taker_order_id": 2,
        "taker_side": "BUY"
    }],
    "seq": 5, "sequenced_at": 1732880000123789_u64, "committed_at": 1732880000125012_u64
}))]
pub struct CommittedOrder {
    /// The order's state: also REJECTED or EXPIRED is an outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// The order's id; of a repetition, the first order's.
    pub order_id: u64,
    /// Always `committed`.
    pub ack: &'static str,
    /// Whether the order was there already, under its client_order_id, and nothing was executed now.
    pub duplicate: bool,
    /// The order after this; absent where the service keeps no closed orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderAnswer>,
    /// Its trades, oldest first: those of this very command; of a repetition, all that are kept.
    pub fills: Vec<Fill>,
    /// The row of the event log that this was read from.
    pub seq: u64,
    /// When the command got its number.
    #[schema(value_type = u64)]
    pub sequenced_at: Micros,
    /// When the service knew it to be committed.
    #[schema(value_type = u64)]
    pub committed_at: Micros,
}

/// Which order a committed command placed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its id; of a repetition, the first order's.
    pub order_id: OrderId,
    /// Whether it was there already.
    pub duplicate: bool,
}

/// Which order it is; the problem if its name was used for another.
pub fn placed(order_id: OrderId, outcome: &Outcome) -> Result<Placed, Problem> {
    match outcome.events.first() {
        Some(Event::OrderAccepted(_) | Event::OrderRejected(_)) => Ok(Placed { order_id, duplicate: false }),
        Some(Event::OrderRepeated(repeated)) if repeated.same_order => {
            Ok(Placed { order_id: repeated.first_order_id, duplicate: true })
        }
        Some(Event::OrderRepeated(repeated)) => {
            let detail = "the client_order_id was used for another order; send a new one with a new order";
            Err(Problem::new(Code::KeyReused, detail).order(repeated.first_order_id.get()))
        }
        _ => {
            tracing::error!(%order_id, seq = %outcome.seq, "an order was committed without an outcome");
            Err(Problem::new(Code::InternalError, "the order had no outcome that the service understands"))
        }
    }
}

/// The order with what it traded.
pub async fn answer(engine: &Engine, order_id: OrderId, outcome: Outcome) -> Result<CommittedOrder, Problem> {
    let committed_at = engine.clock.now();
    let Placed { order_id, duplicate } = placed(order_id, &outcome)?;
    let (order, fills) = if duplicate {
        let kept = engine.outcomes.read(move |ledger| kept(ledger, order_id)).await.map_err(submit::unanswered)?;
        (kept.0, kept.1.iter().map(Fill::from).collect())
    } else {
        (outcome.order, fills(order_id, &outcome.events))
    };
    let order = order.as_ref().map(OrderAnswer::from);
    Ok(CommittedOrder {
        status: order.as_ref().map(|order| order.status),
        order_id: order_id.get(),
        ack: "committed",
        duplicate,
        order,
        fills,
        seq: outcome.seq.get(),
        sequenced_at: outcome.time,
        committed_at,
    })
}

/// The trades of an order among events.
pub fn fills(order_id: OrderId, events: &[Event]) -> Vec<Fill> {
    let trades = events.iter().filter_map(|event| match event {
        Event::Trade(trade) if event.concerns(order_id) => Some(trade),
        _ => None,
    });
    trades.map(Fill::from).collect()
}

/// An order and its trades, as far as they are kept.
fn kept(ledger: &Ledger, order_id: OrderId) -> (Option<OrderRecord>, Vec<TradeRecord>) {
    (ledger.order(order_id).cloned(), ledger.trades_of(order_id).cloned().collect())
}
