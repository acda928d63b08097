//! An order as it is asked for: its kind, how long it stays, and what it must not do.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::names::{Account, ClientOrderId, Metadata};
use crate::symbol::Symbol;
use crate::units::{Micros, OrderId, Side};

/// What kind of order it is.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderType {
    /// Trades at its price or better, and rests with what is left.
    #[default]
    Limit,
    /// Trades at any price and never rests.
    Market,
    /// A market order that waits until the last trade has come against it: at or above `stop_price` for a buy, at or below
    /// for a sell.
    Stop,
    /// The same, and then a limit order.
    StopLimit,
    /// A market order that waits until the last trade has come to its favour: at or below `stop_price` for a buy, at or
    /// above for a sell.
    TakeProfit,
    /// The same, and then a limit order.
    TakeProfitLimit,
    /// A stop whose price follows the last trade at a distance of `trailing_delta` while that goes its way.
    TrailingStop,
}

/// How long an order stays.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    #[default]
    Gtc,
    /// Trades what it can at once; the rest expires.
    Ioc,
    /// Trades all of it at once, or expires.
    Fok,
    /// Until `expire_at`.
    Gtd,
    /// Until the day ends, 00:00 UTC.
    Day,
}

/// What happens when an order meets one of the same account. The order that comes decides for both.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SelfTradePrevention {
    /// They trade.
    #[default]
    None,
    /// What is left of the order that comes is cancelled.
    ExpireTaker,
    /// The order that rests is cancelled.
    ExpireMaker,
    /// Both are cancelled.
    ExpireBoth,
    /// The smaller is cancelled, and the larger gets smaller by as much.
    Decrement,
}

/// An order as it stands in commands and events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The id that the acknowledgement named.
    pub order_id: OrderId,
    /// The market.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Its kind.
    #[serde(rename = "type", default, skip_serializing_if = "is_default")]
    pub order_type: OrderType,
    /// The worst price that it accepts: of limit orders, also those that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// How much: of all but market orders by quote amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// How much to spend or to receive at most: of a market order that names no quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_quantity: Option<Decimal>,
    /// How long it stays.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time_in_force: TimeInForce,
    /// When what is left of it expires: of a GTD order; of a DAY order once it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Micros>,
    /// Whether it is refused rather than trade when it comes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub post_only: bool,
    /// The last trade that wakes it: of stops and take-profits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    /// How far behind the last trade its stop price follows: of a trailing stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_delta: Option<Decimal>,
    /// How much of it is shown at once: what makes it an iceberg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_quantity: Option<Decimal>,
    /// It trades at least so much when it comes, or expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_quantity: Option<Decimal>,
    /// What happens when it meets an order of its own account.
    #[serde(default, skip_serializing_if = "is_default")]
    pub self_trade_prevention: SelfTradePrevention,
    /// The order that is cancelled when this one trades or triggers, and the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_order_id: Option<OrderId>,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own name for it. A second order of the same name in the same account and market is not executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
    /// The client's own words, which come back in each of the order's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// When the request was received.
    pub received_at: Micros,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Order {
    /// A limit order without a name that stays until it is filled or cancelled.
    pub fn limit(
        order_id: OrderId,
        symbol: Symbol,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        received_at: Micros,
    ) -> Order {
        Order {
            price: Some(price),
            quantity: Some(quantity),
            ..Order::bare(order_id, symbol, side, OrderType::Limit, received_at)
        }
    }

    /// An order of a kind with nothing said beyond it: to be completed with `..`.
    pub fn bare(order_id: OrderId, symbol: Symbol, side: Side, order_type: OrderType, received_at: Micros) -> Order {
        Order {
            order_id,
            symbol,
            side,
            order_type,
            price: None,
            quantity: None,
            quote_quantity: None,
            time_in_force: TimeInForce::Gtc,
            expire_at: None,
            post_only: false,
            stop_price: None,
            trailing_delta: None,
            display_quantity: None,
            min_quantity: None,
            self_trade_prevention: SelfTradePrevention::None,
            linked_order_id: None,
            account: None,
            client_order_id: None,
            metadata: None,
            received_at,
        }
    }

    /// Whether its fields go together: each is there exactly where its kind has a use for it. What the values are is for
    /// the instrument to judge.
    pub fn is_coherent(&self) -> bool {
        let order_type = self.order_type;
        let immediate = matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let limited = order_type.has_limit();
        let market = order_type == OrderType::Market;
        let by_quote = self.quote_quantity.is_some();
        let may_expire = self.time_in_force == TimeInForce::Day || self.time_in_force == TimeInForce::Gtd;
        let expires = match self.time_in_force {
            TimeInForce::Gtd => self.expire_at.is_some(),
            // A DAY order's time is written into it when it is accepted.
            TimeInForce::Day => true,
            TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok => self.expire_at.is_none(),
        };
        limited == self.price.is_some()
            && by_quote != self.quantity.is_some()
            && (market || !by_quote)
            // Without a quantity there is nothing that could get smaller.
            && !(by_quote && self.self_trade_prevention == SelfTradePrevention::Decrement)
            && expires
            && !(market && may_expire)
            && order_type.has_stop_price() == self.stop_price.is_some()
            && (order_type == OrderType::TrailingStop) == self.trailing_delta.is_some()
            && (!self.post_only || (order_type == OrderType::Limit && !immediate && self.min_quantity.is_none()))
            && (self.display_quantity.is_none() || (limited && !immediate))
            && (self.min_quantity.is_none()
                || (!by_quote && !order_type.waits() && self.time_in_force != TimeInForce::Fok))
            && (self.linked_order_id.is_none()
                || (!market && (order_type.waits() || !immediate) && self.account.is_some()))
    }
}

impl OrderType {
    /// Whether it has a limit price.
    pub fn has_limit(self) -> bool {
        matches!(self, OrderType::Limit | OrderType::StopLimit | OrderType::TakeProfitLimit)
    }

    /// Whether it has a fixed price that wakes it.
    pub fn has_stop_price(self) -> bool {
        matches!(self, OrderType::Stop | OrderType::StopLimit | OrderType::TakeProfit | OrderType::TakeProfitLimit)
    }

    /// Whether it waits for a trade before it enters the book.
    pub fn waits(self) -> bool {
        self.has_stop_price() || self == OrderType::TrailingStop
    }

    /// All of them.
    pub const ALL: [OrderType; 7] = [
        OrderType::Limit,
        OrderType::Market,
        OrderType::Stop,
        OrderType::StopLimit,
        OrderType::TakeProfit,
        OrderType::TakeProfitLimit,
        OrderType::TrailingStop,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderType::Limit => "LIMIT",
            OrderType::Market => "MARKET",
            OrderType::Stop => "STOP",
            OrderType::StopLimit => "STOP_LIMIT",
            OrderType::TakeProfit => "TAKE_PROFIT",
            OrderType::TakeProfitLimit => "TAKE_PROFIT_LIMIT",
            OrderType::TrailingStop => "TRAILING_STOP",
        }
    }
}

impl TimeInForce {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
            TimeInForce::Fok => "FOK",
            TimeInForce::Gtd => "GTD",
            TimeInForce::Day => "DAY",
        }
    }
}

impl SelfTradePrevention {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            SelfTradePrevention::None => "NONE",
            SelfTradePrevention::ExpireTaker => "EXPIRE_TAKER",
            SelfTradePrevention::ExpireMaker => "EXPIRE_MAKER",
            SelfTradePrevention::ExpireBoth => "EXPIRE_BOTH",
            SelfTradePrevention::Decrement => "DECREMENT",
        }
    }
}
