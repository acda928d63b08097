//! Orders and fills as answers outside the debug routes have them: decimals as strings, times in microseconds since 1970.

use matching::event::Trade;
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Amount, Decimal, Micros, Order, Reason, Symbol};
use serde::Serialize;
use utoipa::ToSchema;

/// The state of an order that is acknowledged and not executed yet. No ledger has it.
pub const PENDING: &str = "PENDING";

/// An order and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": 1, "symbol": "BTC_USDT", "side": "SELL", "type": "LIMIT", "time_in_force": "GTC", "status":
    "PARTIALLY_FILLED", "price": "100.5", "quantity": "1", "remaining": "0.6", "filled": "0.4", "average_price": "100.5",
    "received_at": 1732880000123456_u64, "seq": 5
}))]
pub struct OrderAnswer {
    /// Its id.
    pub order_id: u64,
    /// Its market.
    #[schema(value_type = String)]
    pub symbol: Symbol,
    /// `BUY` or `SELL`.
    pub side: &'static str,
    /// Its kind.
    #[serde(rename = "type")]
    pub order_type: &'static str,
    /// How long it stays.
    pub time_in_force: &'static str,
    /// PENDING, UNTRIGGERED, OPEN, PARTIALLY_FILLED, FILLED, CANCELLED, EXPIRED or REJECTED.
    pub status: &'static str,
    /// Its limit; absent when it has none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// Its whole quantity; of an order by quote amount, what is filled.
    #[schema(value_type = String)]
    pub quantity: Decimal,
    /// What is left of it.
    #[schema(value_type = String)]
    pub remaining: Decimal,
    /// What has traded.
    #[schema(value_type = String)]
    pub filled: Decimal,
    /// The mean price of what has traded; absent before the first trade.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_price: Option<Decimal>,
    /// How much it spends or receives at most; absent when it names a quantity.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_quantity: Option<Decimal>,
    /// The last trade that wakes it.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    /// How far behind the last trade its stop price follows.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailing_delta: Option<Decimal>,
    /// How much of it is shown at once.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_quantity: Option<Decimal>,
    /// What it had to trade at least when it came.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_quantity: Option<Decimal>,
    /// Whether it was refused rather than trade when it came; absent when not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub post_only: bool,
    /// What happens when it meets an order of its own account.
    pub self_trade_prevention: &'static str,
    /// The order that it named to be linked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linked_order_id: Option<u64>,
    /// When it expires; absent when it does not.
    #[schema(value_type = Option<u64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Micros>,
    /// Whose order it is; absent when nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The client's own name for it; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// The client's own words about it; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Why it was rejected, cancelled or expired; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// The words of whoever cancelled it; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// When the request was received.
    #[schema(value_type = u64)]
    pub received_at: Micros,
    /// The last row of the log that changed it; absent while it is PENDING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

impl From<&OrderRecord> for OrderAnswer {
    fn from(order: &OrderRecord) -> OrderAnswer {
        OrderAnswer {
            order_id: order.order_id.get(),
            symbol: order.symbol,
            side: order.side.as_str(),
            order_type: order.order_type().as_str(),
            time_in_force: order.time_in_force().as_str(),
            status: order.status.as_str(),
            price: order.price(),
            quantity: order.quantity(),
            remaining: order.remaining(),
            filled: order.filled(),
            average_price: order.average_price(),
            quote_quantity: order.quote_quantity(),
            stop_price: order.stop_price(),
            trailing_delta: order.trailing_delta(),
            display_quantity: order.display_quantity(),
            min_quantity: order.min_quantity(),
            post_only: order.post_only(),
            self_trade_prevention: order.self_trade_prevention().as_str(),
            linked_order_id: order.linked_order_id().map(matching::OrderId::get),
            expire_at: order.expire_at(),
            account: order.account.clone().map(String::from),
            client_order_id: order.client_order_id.clone().map(String::from),
            metadata: order.metadata().cloned().map(String::from),
            reason_code: order.reason_code.map(Reason::code),
            reason_text: order.reason_text().map(str::to_owned),
            received_at: order.received_at,
            seq: Some(order.seq.get()),
        }
    }
}

impl OrderAnswer {
    /// An order that is acknowledged and not executed yet.
    pub fn pending(order: &Order) -> OrderAnswer {
        let quantity = order.quantity.unwrap_or(Decimal::ZERO);
        OrderAnswer {
            order_id: order.order_id.get(),
            symbol: order.symbol,
            side: order.side.as_str(),
            order_type: order.order_type.as_str(),
            time_in_force: order.time_in_force.as_str(),
            status: PENDING,
            price: order.price,
            quantity,
            remaining: quantity,
            filled: Decimal::ZERO,
            average_price: None,
            quote_quantity: order.quote_quantity,
            stop_price: order.stop_price,
            trailing_delta: order.trailing_delta,
            display_quantity: order.display_quantity,
            min_quantity: order.min_quantity,
            post_only: order.post_only,
            self_trade_prevention: order.self_trade_prevention.as_str(),
            linked_order_id: order.linked_order_id.map(matching::OrderId::get),
            expire_at: order.expire_at,
            account: order.account.clone().map(String::from),
            client_order_id: order.client_order_id.clone().map(String::from),
            metadata: order.metadata.clone().map(String::from),
            reason_code: None,
            reason_text: None,
            received_at: order.received_at,
            seq: None,
        }
    }
}

/// A trade that an order took part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "trade_id": 1, "price": "100.5", "quantity": "0.4", "quote_quantity": "40.2", "maker_order_id": 1,
    "taker_order_id": 2, "taker_side": "BUY"
}))]
pub struct Fill {
    /// Its number.
    pub trade_id: u64,
    /// The maker's price.
    #[schema(value_type = String)]
    pub price: Decimal,
    /// How much changed hands.
    #[schema(value_type = String)]
    pub quantity: Decimal,
    /// Price times quantity.
    #[schema(value_type = String)]
    pub quote_quantity: Amount,
    /// The order that was in the book.
    pub maker_order_id: u64,
    /// The order that came.
    pub taker_order_id: u64,
    /// The side of the order that came.
    pub taker_side: &'static str,
}

impl From<&Trade> for Fill {
    fn from(trade: &Trade) -> Fill {
        Fill {
            trade_id: trade.trade_id.get(),
            price: trade.price,
            quantity: trade.quantity,
            quote_quantity: trade.quote_quantity,
            maker_order_id: trade.maker_order_id.get(),
            taker_order_id: trade.taker_order_id.get(),
            taker_side: trade.taker_side.as_str(),
        }
    }
}

impl From<&TradeRecord> for Fill {
    fn from(trade: &TradeRecord) -> Fill {
        let units = u128::from(trade.price.coefficient()) * u128::from(trade.quantity.coefficient());
        Fill {
            trade_id: trade.trade_id.get(),
            price: trade.price,
            quantity: trade.quantity,
            quote_quantity: Amount::from_units(units, trade.price.decimals() + trade.quantity.decimals()),
            maker_order_id: trade.maker_order_id.get(),
            taker_order_id: trade.taker_order_id.get(),
            taker_side: trade.taker_side.as_str(),
        }
    }
}
