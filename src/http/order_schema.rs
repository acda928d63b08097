//! How the fields of an order are documented. Requests are read field by field, without these types.

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An order to be placed.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"symbol": "BTC_USDT", "side": "BUY", "price": "100.0", "quantity": "1.0"}))]
#[allow(dead_code, reason = "it documents requests")]
pub struct PlaceOrder {
    /// The market: BASE_QUOTE, each part 2 to 12 of A-Z and 0-9.
    #[schema(pattern = "^[A-Z0-9]{2,12}_[A-Z0-9]{2,12}$")]
    symbol: String,
    /// BUY or SELL.
    side: OrderSide,
    /// Its kind; LIMIT if it is not sent.
    #[schema(rename = "type")]
    order_type: Option<OrderKind>,
    /// The worst price that the order accepts: above zero, a multiple of the instrument's tick. Of LIMIT, STOP_LIMIT and
    /// TAKE_PROFIT_LIMIT, which must have it; no other order has.
    price: Option<DecimalInput>,
    /// How much: above zero, a multiple of the instrument's lot. Every order has it but a MARKET order with quote_quantity.
    quantity: Option<DecimalInput>,
    /// How much a MARKET order spends or receives at most, in the quote asset, instead of a quantity.
    quote_quantity: Option<DecimalInput>,
    /// How long it stays; GTC if it is not sent.
    time_in_force: Option<OrderTimeInForce>,
    /// When a GTD order expires, in seconds since 1970.
    expire_at: Option<DecimalInput>,
    /// Whether it is rejected rather than trade when it comes; of a LIMIT order that rests.
    post_only: Option<bool>,
    /// The last trade that wakes it: of STOP, STOP_LIMIT, TAKE_PROFIT and TAKE_PROFIT_LIMIT, which must have it.
    stop_price: Option<DecimalInput>,
    /// How far behind the best trade its stop price follows, in units of price: of TRAILING_STOP, which must have it.
    trailing_delta: Option<DecimalInput>,
    /// How much of it is shown at once, at most its quantity: of an order with a price that rests.
    display_quantity: Option<DecimalInput>,
    /// It trades at least so much when it comes, or expires.
    min_quantity: Option<DecimalInput>,
    /// Executed later than this, it is rejected as STALE; in seconds since 1970.
    deadline: Option<DecimalInput>,
    /// Whose order it is, as the platform around the engine names it.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    account: Option<String>,
    /// Your own name for it, unique per account and symbol; the header Idempotency-Key is another way to send it. With it
    /// the answer comes after the commit, and sending the same again is answered with the same order.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    client_order_id: Option<String>,
    /// What happens when it meets an order of its own account; NONE if it is not sent.
    self_trade_prevention: Option<OrderSelfTradePrevention>,
    /// One cancels the other: the order that is cancelled when this one trades or is triggered, and the other way round. Of
    /// the same account, market and side, open and untraded; at least one of the two waits for a trade.
    linked_order_id: Option<u64>,
    /// Your own words, at most 256 bytes: they come back in each of the order's events.
    #[schema(max_length = 256)]
    metadata: Option<String>,
}

/// What kind of order it is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(dead_code, reason = "it documents requests")]
pub enum OrderKind {
    /// Trades at its price or better, and rests with what is left.
    Limit,
    /// Trades at any price and never rests.
    Market,
    /// A market order that waits until the last trade has come against it.
    Stop,
    /// The same, and then a limit order.
    StopLimit,
    /// A market order that waits until the last trade has come to its favour.
    TakeProfit,
    /// The same, and then a limit order.
    TakeProfitLimit,
    /// A stop whose price follows the last trade.
    TrailingStop,
}

/// How long an order stays in the book.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[allow(dead_code, reason = "it documents requests")]
pub enum OrderTimeInForce {
    /// Until it is filled or cancelled.
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

/// What happens when an order meets one of its own account.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(dead_code, reason = "it documents requests")]
pub enum OrderSelfTradePrevention {
    /// They trade.
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

/// Which side of the book.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[allow(dead_code, reason = "it documents requests")]
pub enum OrderSide {
    /// Buys the base asset.
    Buy,
    /// Sells the base asset.
    Sell,
}

/// A decimal number, sent as a JSON number or as a string. Either is taken exactly, with at most eight decimals.
#[derive(Debug)]
pub struct DecimalInput;

impl PartialSchema for DecimalInput {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .pattern(Some(r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"));
        let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Number));
        let either = OneOfBuilder::new()
            .item(text)
            .item(number)
            .description(Some("A decimal number, as a string or a JSON number. Either is taken exactly."))
            .examples([serde_json::json!("100.5"), serde_json::json!(100.5)]);
        either.into()
    }
}

impl ToSchema for DecimalInput {}
