//! A new order as a request: its fields, and everything about them that the request alone shows to be wrong.

use std::str::FromStr;

use matching::command::NewOrder;
use matching::names::ParseNameError;
use matching::router::MAX_SYMBOLS;
use matching::{
    Account, ClientOrderId, Decimal, Instrument, Micros, Order, OrderId, Reason, Side, Symbol, TimeInForce,
};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Engine;
use super::fields::{self, Field, shortened};
use super::problem::{Code, Problem};

/// The fields of an order, as [`PlaceOrder`] documents them.
const FIELDS: [&str; 9] =
    ["symbol", "side", "price", "quantity", "account", "client_order_id", "time_in_force", "expire_at", "deadline"];
/// A point in time is sent in seconds with up to this many decimals.
const TIME_DECIMALS: u8 = 6;

/// An order to be placed.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"symbol": "BTC_USDT", "side": "BUY", "price": "100.0", "quantity": "1.0"}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct PlaceOrder {
    /// The market: BASE_QUOTE, each part 2 to 12 of A-Z and 0-9.
    #[schema(pattern = "^[A-Z0-9]{2,12}_[A-Z0-9]{2,12}$")]
    symbol: String,
    /// BUY or SELL.
    side: OrderSide,
    /// The worst price that the order accepts: above zero, a multiple of the instrument's tick.
    price: DecimalInput,
    /// How much: above zero, a multiple of the instrument's lot.
    quantity: DecimalInput,
    /// Whose order it is, as the platform around the engine names it.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    account: Option<String>,
    /// Your own name for it, unique per account and symbol; the header Idempotency-Key is another way to send it. With it
    /// the answer comes after the commit, and sending the same again is answered with the same order.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    client_order_id: Option<String>,
    /// How long it stays; GTC if it is not sent.
    time_in_force: Option<OrderTimeInForce>,
    /// When a GTD order expires, in seconds since 1970.
    expire_at: Option<DecimalInput>,
    /// Executed later than this, it is rejected as STALE; in seconds since 1970.
    deadline: Option<DecimalInput>,
}

/// How long an order stays in the book.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[allow(dead_code, reason = "it documents requests")]
pub enum OrderTimeInForce {
    /// Until it is filled or cancelled.
    Gtc,
    /// Until `expire_at`.
    Gtd,
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

/// An order as it was sent.
pub struct OrderRequest<'a> {
    symbol: Field<'a>,
    side: Field<'a>,
    price: Field<'a>,
    quantity: Field<'a>,
    account: Option<Field<'a>>,
    client_order_id: Option<Field<'a>>,
    time_in_force: Option<Field<'a>>,
    expire_at: Option<Field<'a>>,
    deadline: Option<Field<'a>>,
}

impl<'a> OrderRequest<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<OrderRequest<'a>, Problem> {
        let [symbol, side, price, quantity, account, client_order_id, time_in_force, expire_at, deadline] =
            fields::read(body, &FIELDS)?;
        Ok(OrderRequest {
            symbol: fields::required(symbol, FIELDS[0])?,
            side: fields::required(side, FIELDS[1])?,
            price: fields::required(price, FIELDS[2])?,
            quantity: fields::required(quantity, FIELDS[3])?,
            account: fields::optional(account),
            client_order_id: fields::optional(client_order_id),
            time_in_force: fields::optional(time_in_force),
            expire_at: fields::optional(expire_at),
            deadline: fields::optional(deadline),
        })
    }

    /// Checks everything that the request alone shows, and makes it an order of this id. The core checks it again.
    /// `idempotency_key`: the header's value, where it was sent.
    pub fn check(self, engine: &Engine, auto_list: bool, idempotency_key: Option<&str>) -> Result<Checked, Problem> {
        let text = self.symbol.text()?;
        let symbol: Symbol = text.parse().map_err(|error| {
            let detail = format!("{:?} is no symbol: {error}", shortened(&text));
            Problem::new(Code::InvalidSymbol, detail).field("symbol")
        })?;
        let side = side(self.side)?;
        let price = self.price.decimal(Code::PriceNotPositive)?;
        let quantity = self.quantity.decimal(Code::QuantityNotPositive)?;
        let instrument = instrument(engine, symbol, auto_list)?;
        if let Err(reason) = instrument.price(price) {
            return Err(refused(reason, "price", price, &instrument));
        }
        if let Err(reason) = instrument.quantity(quantity) {
            return Err(refused(reason, "quantity", quantity, &instrument));
        }
        let account = self.account.map(name).transpose()?;
        let client_order_id = client_order_id(self.client_order_id, idempotency_key)?;
        let now = engine.clock.now();
        let expire_at = self.expire_at.map(|field| later_than(now, field)).transpose()?;
        let deadline = self.deadline.map(|field| later_than(now, field)).transpose()?;
        check_time_in_force(self.time_in_force, expire_at)?;
        Ok(Checked { symbol, side, price, quantity, account, client_order_id, expire_at, deadline, received_at: now })
    }
}

/// An order whose every field is good.
pub struct Checked {
    symbol: Symbol,
    side: Side,
    price: Decimal,
    quantity: Decimal,
    account: Option<Account>,
    client_order_id: Option<ClientOrderId>,
    expire_at: Option<Micros>,
    deadline: Option<Micros>,
    received_at: Micros,
}

impl Checked {
    /// The command that places it.
    pub fn command(self, order_id: OrderId) -> NewOrder {
        let Checked { symbol, side, price, quantity, received_at, .. } = self;
        let time_in_force = if self.expire_at.is_some() { TimeInForce::Gtd } else { TimeInForce::Gtc };
        let order = Order {
            account: self.account,
            client_order_id: self.client_order_id,
            time_in_force,
            expire_at: self.expire_at,
            ..Order::limit(order_id, symbol, side, price, quantity, received_at)
        };
        NewOrder { deadline: self.deadline, ..NewOrder::from(order) }
    }
}

/// An account or an order's own name.
fn name<T: FromStr<Err = ParseNameError>>(field: Field<'_>) -> Result<T, Problem> {
    named(field.name(), &field.text()?)
}

fn named<T: FromStr<Err = ParseNameError>>(field: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| {
        Problem::new(Code::InvalidName, format!("{field} is {:?}: {error}", shortened(text))).field(field)
    })
}

/// The order's name, from the body or the header, which must agree where both are sent.
fn client_order_id(field: Option<Field<'_>>, header: Option<&str>) -> Result<Option<ClientOrderId>, Problem> {
    let field: Option<ClientOrderId> = field.map(name).transpose()?;
    let header: Option<ClientOrderId> = header.map(|text| named("Idempotency-Key", text)).transpose()?;
    match (&field, &header) {
        (Some(field), Some(header)) if field != header => {
            let detail = "client_order_id and the header Idempotency-Key differ; send one of them, or the same in both";
            Err(Problem::new(Code::InvalidName, detail).field("client_order_id"))
        }
        _ => Ok(field.or(header)),
    }
}

/// A point in time that has not come yet.
fn later_than(now: Micros, field: Field<'_>) -> Result<Micros, Problem> {
    let name = field.name();
    let wrong = |detail: String| Problem::new(Code::InvalidTime, detail).field(name);
    let seconds = field.decimal(Code::InvalidTime)?;
    let time = seconds.to_units(TIME_DECIMALS).and_then(Micros::new).ok_or_else(|| {
        wrong(format!(
            "{name} is {seconds}, which is no time; send seconds since 1970 with up to {TIME_DECIMALS} decimals"
        ))
    })?;
    if time > now {
        return Ok(time);
    }
    let now = Decimal::from_units(now.get(), TIME_DECIMALS);
    Err(wrong(format!("{name} is {seconds}, which has passed: it is {now}; send seconds since 1970, not milliseconds")))
}

/// Holds that a time of expiry is there exactly where one is needed.
fn check_time_in_force(field: Option<Field<'_>>, expire_at: Option<Micros>) -> Result<(), Problem> {
    let text = field.map(Field::text).transpose()?;
    let wrong = |detail: String| Err(Problem::new(Code::InvalidTimeInForce, detail).field("time_in_force"));
    match (text.as_deref(), expire_at) {
        (None | Some("GTC"), None) | (Some("GTD"), Some(_)) => Ok(()),
        (None | Some("GTC"), Some(_)) => {
            wrong("an order with expire_at is GTD; send \"time_in_force\": \"GTD\"".to_owned())
        }
        (Some("GTD"), None) => wrong("a GTD order expires; send expire_at".to_owned()),
        (Some(other), _) => wrong(format!("{:?} is no time in force; send GTC or GTD", shortened(other))),
    }
}

fn side(field: Field<'_>) -> Result<Side, Problem> {
    let text = field.text()?;
    match text.as_ref() {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => {
            let detail = format!("{:?} is no side; send BUY or SELL, in capitals", shortened(&text));
            Err(Problem::new(Code::InvalidSide, detail).field("side"))
        }
    }
}

/// The instrument that the order will meet.
fn instrument(engine: &Engine, symbol: Symbol, auto_list: bool) -> Result<Instrument, Problem> {
    let listed = engine.instruments.borrow();
    if let Some(instrument) = listed.get(&symbol) {
        return Ok(*instrument);
    }
    if !auto_list {
        let detail = format!("{symbol} is not listed; send one of the listed symbols");
        return Err(Problem::new(Code::UnknownSymbol, detail).field("symbol"));
    }
    if listed.len() >= MAX_SYMBOLS {
        let detail = format!("{symbol} is not listed, and {MAX_SYMBOLS} symbols are already; send one of those");
        return Err(Problem::new(Code::TooManySymbols, detail).field("symbol"));
    }
    Ok(Instrument::finest(symbol))
}

fn refused(reason: Reason, field: &'static str, value: Decimal, instrument: &Instrument) -> Problem {
    let spec = matching::InstrumentSpec::from(*instrument);
    let symbol = spec.symbol;
    let (code, remedy) = match reason {
        Reason::PriceNotPositive => (Code::PriceNotPositive, "it must be above zero".to_owned()),
        Reason::QuantityNotPositive => (Code::QuantityNotPositive, "it must be above zero".to_owned()),
        Reason::OffTick => (Code::OffTick, format!("a price of {symbol} is a multiple of {}", spec.tick)),
        Reason::OffLot => (Code::OffLot, format!("a quantity of {symbol} is a multiple of {}", spec.lot)),
        _ => (Code::OutOfRange, format!("it is too large for {symbol}")),
    };
    Problem::new(code, format!("{field} is {value}: {remedy}")).field(field)
}
