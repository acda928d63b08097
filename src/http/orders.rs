//! `/api/orders/`: takes an order in. What the request alone shows to be wrong is refused here; an order that gets
//! through is on disk before its client hears of it, and whatever depends on the book is decided there.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use journal::{CommandQueue, EnqueueError, encoding};
use matching::command::NewOrder;
use matching::router::MAX_SYMBOLS;
use matching::{Command, Instrument, OrderId, Reason, Side, Symbol};
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::fields::{self, Field, shortened};
use super::problem::{Code, Problem, problems};
use super::{Api, Engine};

/// The fields of an order, as [`PlaceOrder`] documents them.
const FIELDS: [&str; 4] = ["symbol", "side", "price", "quantity"];

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

/// An order that is on disk and will be executed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ENQUEUED", "order_id": 1, "ack": "queued"}))]
pub struct Enqueued {
    /// Always `ENQUEUED`.
    status: &'static str,
    /// The order's id: below 2^53, unique for ever; the order of ids means nothing.
    order_id: u64,
    /// How far the order had come: `queued` is on disk in the command queue.
    ack: &'static str,
}

problems! {
    /// What a new order may be refused with.
    PlaceProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidDecimal, TooManyDecimals, OutOfRange,
        PriceNotPositive, QuantityNotPositive, OffTick, OffLot, InvalidSymbol, UnknownSymbol, TooManySymbols,
        InvalidSide, HostNotAllowed, RequestTimeout, BodyTooLarge, UnsupportedMediaType, InternalError,
        QueueUnavailable, NotReady, Standby, OutcomeLost,
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_place, web::to(place))
}

/// Place an order
///
/// Takes a limit order that stays until it is filled or cancelled. The answer comes as soon as the order is on disk; it
/// is executed right after, and its state then shows in the debug routes.
#[utoipa::path(
    post,
    path = "/api/orders/",
    tag = "orders",
    operation_id = "place_order",
    request_body = PlaceOrder,
    responses((status = 202, description = "The order is on disk and will be executed.", body = Enqueued), PlaceProblems)
)]
pub async fn place(api: web::Data<Api>, request: HttpRequest, body: JsonBody) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    refuse_query(&request)?;
    let order = parse(&body.0)?;
    let Checked { symbol, side, price, quantity } = order.check(engine, api.auto_list_symbols())?;
    let order_id = engine.order_id()?;
    let received_at = engine.clock.now();
    let command = Command::NewOrder(NewOrder::limit(order_id, symbol, side, price, quantity, received_at));
    let began = Instant::now();
    enqueue(&engine.queue, encoding::encode_command(&command)).await.map_err(|error| match error {
        EnqueueError::NotTaken(error) => not_taken(&error),
        EnqueueError::Unknown(error) => {
            tracing::warn!(%order_id, %error, "an order may have been taken or not");
            let detail =
                "the command queue did not answer: look for the order under its order_id before sending it again";
            Problem::new(Code::OutcomeLost, detail).order(order_id.get())
        }
    })?;
    api.counters.enqueued(began.elapsed());
    let mut body = String::with_capacity(64);
    // Writing to a string cannot fail.
    let _ = write!(body, r#"{{"status":"ENQUEUED","order_id":{order_id},"ack":"queued"}}"#);
    Ok(HttpResponse::Accepted().content_type("application/json").body(body))
}

/// Appends a command to the queue in a task of its own: a client that goes away takes only its handler along.
pub(super) async fn enqueue(queue: &Arc<dyn CommandQueue>, text: String) -> Result<(), EnqueueError> {
    let queue = Arc::clone(queue);
    let task = actix_web::rt::spawn(async move { queue.enqueue(&text).await });
    match task.await {
        Ok(acknowledged) => acknowledged.map(|_| ()),
        Err(error) => Err(EnqueueError::Unknown(error.to_string())),
    }
}

/// The problem of a command that is certainly not in the queue. The cause is for the operator only.
pub(super) fn not_taken(error: &str) -> Problem {
    tracing::debug!(error, "a command was not taken");
    Problem::new(Code::QueueUnavailable, "the command queue takes no commands at the moment; send it again later")
}

/// Refuses parameters: one that was left unseen would be a promise not kept.
pub(super) fn refuse_query(request: &HttpRequest) -> Result<(), Problem> {
    let query = request.query_string();
    if query.is_empty() {
        return Ok(());
    }
    let name = query.split(['=', '&']).next().unwrap_or_default();
    let name = shortened(name).into_owned();
    let detail = format!("there is no query parameter {name:?}; leave it out");
    Err(Problem::new(Code::UnknownField, detail).field(name))
}

struct Order<'a> {
    symbol: Field<'a>,
    side: Field<'a>,
    price: Field<'a>,
    quantity: Field<'a>,
}

struct Checked {
    symbol: Symbol,
    side: Side,
    price: matching::Decimal,
    quantity: matching::Decimal,
}

fn parse(body: &[u8]) -> Result<Order<'_>, Problem> {
    let [symbol, side, price, quantity] = fields::read(body, &FIELDS)?;
    Ok(Order {
        symbol: fields::required(symbol, FIELDS[0])?,
        side: fields::required(side, FIELDS[1])?,
        price: fields::required(price, FIELDS[2])?,
        quantity: fields::required(quantity, FIELDS[3])?,
    })
}

impl Order<'_> {
    /// Checks everything that the request alone shows. The core checks it again.
    fn check(self, engine: &Engine, auto_list: bool) -> Result<Checked, Problem> {
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
        Ok(Checked { symbol, side, price, quantity })
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

fn refused(reason: Reason, field: &'static str, value: matching::Decimal, instrument: &Instrument) -> Problem {
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

impl Engine {
    /// An id for a new order.
    fn order_id(&self) -> Result<OrderId, Problem> {
        self.next_id().and_then(|id| OrderId::new(id).ok_or_else(super::no_ids))
    }
}
