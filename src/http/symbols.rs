//! `/api/symbols/{symbol}/`: a market's scale, rules and phase, and how the administrator changes them.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Lane, Outcome, Permit};
use matching::command::{ListInstrument, SetPhase, UpdateInstrument};
use matching::decimal::MAX_DECIMALS;
use matching::ledger::{Indicated, Market};
use matching::{Amount, Command, Decimal, Instrument, InstrumentSpec, Micros, Phase, PhaseStep, Symbol};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::fields::{self, Field, optional, required};
use super::mass_cancel::refusal;
use super::order_request::named_symbol;
use super::order_schema::DecimalInput;
use super::problem::{Code, Problem, problems};
use super::{Api, Engine, query, submit};

/// The fields of an instrument, as [`PutInstrument`] documents them.
const FIELDS: [&str; 10] = [
    "price_decimals",
    "quantity_decimals",
    "tick",
    "lot",
    "min_quantity",
    "max_quantity",
    "min_notional",
    "max_notional",
    "price_band",
    "max_open_orders",
];
/// The fields of a change of phase, as [`PutPhase`] documents them.
const PHASE_FIELDS: [&str; 1] = ["phase"];

/// The values of `phase`.
const PHASES: [(&str, Phase); 5] = [
    ("CANCEL_ONLY", Phase::CancelOnly),
    ("POST_ONLY", Phase::PostOnly),
    ("AUCTION", Phase::Auction),
    ("CONTINUOUS", Phase::Continuous),
    ("CLOSED", Phase::Closed),
];

/// A whole instrument. What is not sent is no rule; the scale and what follows from it is as fine as it can be.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"price_decimals": 2, "quantity_decimals": 4, "tick": "0.05", "lot": "0.001", "min_notional": "10", "price_band": 1000}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct PutInstrument {
    /// Digits after the point of a price, at most 8, for ever; what it was, or 8, if it is not sent.
    price_decimals: Option<u8>,
    /// Digits after the point of a quantity, at most 8, for ever; what it was, or 8, if it is not sent.
    quantity_decimals: Option<u8>,
    /// What every price is a multiple of; the smallest price if it is not sent.
    tick: Option<DecimalInput>,
    /// What every quantity is a multiple of; the smallest quantity if it is not sent.
    lot: Option<DecimalInput>,
    /// The smallest quantity of an order.
    min_quantity: Option<DecimalInput>,
    /// The largest quantity of an order.
    max_quantity: Option<DecimalInput>,
    /// The least that an order is worth: its price times its quantity, or its quote_quantity.
    min_notional: Option<DecimalInput>,
    /// The most that an order is worth.
    max_notional: Option<DecimalInput>,
    /// How far from the last trade a price may be, in hundredths of a per cent of that trade's price.
    price_band: Option<u32>,
    /// How many orders an account may have open in this market.
    max_open_orders: Option<u32>,
}

/// A phase that is to come.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PhaseToCome {
    /// When, in microseconds since 1970.
    #[schema(value_type = u64)]
    at: Micros,
    /// Which.
    phase: &'static str,
}

/// What an auction would give if it ended now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuctionAnswer {
    /// The one price.
    #[schema(value_type = String)]
    price: Decimal,
    /// How much would trade.
    #[schema(value_type = String)]
    volume: Amount,
    /// How much more would be bought or sold at that price.
    #[schema(value_type = String)]
    imbalance: Amount,
    /// Which side has more; absent when neither has.
    #[serde(skip_serializing_if = "Option::is_none")]
    imbalance_side: Option<&'static str>,
}

/// A market.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"symbol": "BTC_USDT", "phase": "CONTINUOUS", "price_decimals": 2, "quantity_decimals": 4, "tick": "0.05", "lot": "0.001", "min_notional": "10", "last_price": "100.5", "seq": 9}))]
pub struct MarketAnswer {
    /// Its name.
    #[schema(value_type = String)]
    pub symbol: Symbol,
    /// Its phase: CANCEL_ONLY, POST_ONLY, AUCTION, CONTINUOUS or CLOSED.
    pub phase: &'static str,
    /// Phases to come, soonest first; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<PhaseToCome>,
    /// Digits after the point of a price.
    pub price_decimals: u8,
    /// Digits after the point of a quantity.
    pub quantity_decimals: u8,
    /// What every price is a multiple of.
    #[schema(value_type = String)]
    pub tick: Decimal,
    /// What every quantity is a multiple of.
    #[schema(value_type = String)]
    pub lot: Decimal,
    /// The smallest quantity of an order; absent when there is none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_quantity: Option<Decimal>,
    /// The largest quantity of an order; absent when there is none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_quantity: Option<Decimal>,
    /// The least that an order is worth; absent when there is none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_notional: Option<Decimal>,
    /// The most that an order is worth; absent when there is none.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_notional: Option<Decimal>,
    /// How far from the last trade a price may be, in hundredths of a per cent; absent when anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_band: Option<u32>,
    /// How many orders an account may have open; absent when any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
    /// The price of the last trade; absent before the first.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_price: Option<Decimal>,
    /// What the auction would give if it ended now; absent outside an auction, or while nothing would trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auction: Option<AuctionAnswer>,
    /// The row of the event log that this is as of.
    pub seq: u64,
}

impl MarketAnswer {
    /// A market as of a row of the log.
    pub fn new(market: &Market, seq: u64) -> MarketAnswer {
        let spec = InstrumentSpec::from(market.instrument);
        MarketAnswer {
            symbol: spec.symbol,
            phase: market.phase.as_str(),
            then: market.then.iter().map(PhaseToCome::from).collect(),
            price_decimals: spec.price_decimals,
            quantity_decimals: spec.quantity_decimals,
            tick: spec.tick,
            lot: spec.lot,
            min_quantity: spec.min_quantity,
            max_quantity: spec.max_quantity,
            min_notional: spec.min_notional,
            max_notional: spec.max_notional,
            price_band: spec.price_band,
            max_open_orders: spec.max_open_orders,
            last_price: market.last_price,
            auction: market.indicated.as_ref().map(AuctionAnswer::from),
            seq,
        }
    }
}

impl From<&PhaseStep> for PhaseToCome {
    fn from(step: &PhaseStep) -> PhaseToCome {
        PhaseToCome { at: step.at, phase: step.phase.as_str() }
    }
}

impl From<&Indicated> for AuctionAnswer {
    fn from(indicated: &Indicated) -> AuctionAnswer {
        let Indicated { price, volume, imbalance, imbalance_side } = *indicated;
        AuctionAnswer { price, volume, imbalance, imbalance_side: imbalance_side.map(matching::Side::as_str) }
    }
}

/// Another phase.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"phase": "AUCTION"}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct PutPhase {
    /// Which.
    phase: PhaseName,
}

/// What a market does with orders.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(dead_code, reason = "it documents requests")]
pub enum PhaseName {
    /// Orders are cancelled, and made smaller; nothing else.
    CancelOnly,
    /// Orders come that rest; what would trade is refused.
    PostOnly,
    /// Orders collect without trading, until the auction ends with one price for all.
    Auction,
    /// Orders trade as they come.
    Continuous,
    /// Orders are cancelled; nothing else.
    Closed,
}

problems! {
    /// What a look at a market may be refused with.
    LookProblems: UnknownField, InvalidSymbol, HostNotAllowed, UnknownMarket, InternalError, NotCurrent, NotReady, Standby
}

problems! {
    /// What a change of an instrument may be refused with.
    PutProblems:
        MalformedJson, UnknownField, InvalidType, InvalidDecimal, TooManyDecimals, OutOfRange, PriceNotPositive,
        QuantityNotPositive, InvalidInstrument, InvalidSymbol, TooManySymbols, HostNotAllowed, Unauthorized, RequestTimeout, AlreadyListed, ScaleChanged,
        BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded, NotCurrent, NotReady, Standby,
        OutcomeLost, OutcomeLate,
}

problems! {
    /// What a change of a phase may be refused with.
    PhaseProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, InvalidValue, InvalidSymbol, HostNotAllowed,
        Unauthorized, UnknownMarket, RequestTimeout, BodyTooLarge, UnsupportedMediaType, InternalError, QueueUnavailable, Overloaded,
        NotCurrent, NotReady, Standby, OutcomeLost, OutcomeLate,
}

/// The resources: one market, and its phase.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_market, market).and(__path_put, put))
        .service(Endpoint::new(__path_set_phase, set_phase));
}

/// A market
///
/// Its scale, its rules, its phase and what is to come.
#[utoipa::path(
    get,
    path = "/api/symbols/{symbol}/",
    tag = "markets",
    operation_id = "market",
    security(("read" = [])),
    params(("symbol" = String, Path, description = "The market.", example = "BTC_USDT")),
    responses((status = 200, description = "The market.", body = MarketAnswer), LookProblems)
)]
pub async fn market(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let symbol = named_symbol("symbol", &path)?;
    Ok(HttpResponse::Ok().json(look(engine, symbol).await?))
}

/// List or change an instrument
///
/// Lists the symbol, or gives it these rules instead of those it had. Orders that are open stay as they are. The answer comes
/// once that is committed. Needs the scope admin.
#[utoipa::path(
    put,
    path = "/api/symbols/{symbol}/",
    tag = "markets",
    operation_id = "put_instrument",
    security(("admin" = [])),
    params(("symbol" = String, Path, description = "The market.", example = "BTC_USDT")),
    request_body = PutInstrument,
    responses((status = 200, description = "The market as it is now, committed.", body = MarketAnswer), PutProblems)
)]
pub async fn put(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    query::refuse(&request)?;
    let symbol = named_symbol("symbol", &path)?;
    let listed = engine.instruments.borrow().get(&symbol).copied();
    let instrument = instrument(symbol, listed, fields::read(&body.0, &FIELDS)?)?;
    let command_id = engine.command_id()?;
    let command = match listed {
        Some(_) => Command::UpdateInstrument(UpdateInstrument { command_id, instrument }),
        None => Command::ListInstrument(ListInstrument { command_id: Some(command_id), instrument }),
    };
    change(engine, permit, &command, symbol).await
}

/// Change a market's phase
///
/// From here on, in place of what was to come. Leaving AUCTION for CONTINUOUS ends the auction: its orders trade at one
/// price. The answer comes once that is committed. Needs the scope admin.
#[utoipa::path(
    post,
    path = "/api/symbols/{symbol}/phase/",
    tag = "markets",
    operation_id = "set_phase",
    security(("admin" = [])),
    params(("symbol" = String, Path, description = "The market.", example = "BTC_USDT")),
    request_body = PutPhase,
    responses((status = 200, description = "The market as it is now, committed.", body = MarketAnswer), PhaseProblems)
)]
pub async fn set_phase(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let permit = submit::admit(engine, Lane::Cancels)?;
    query::refuse(&request)?;
    let symbol = named_symbol("symbol", &path)?;
    let [phase] = fields::read(&body.0, &PHASE_FIELDS)?;
    let phase = required(phase, PHASE_FIELDS[0])?.one_of(&PHASES, Code::InvalidValue)?;
    if !engine.instruments.borrow().contains_key(&symbol) {
        return Err(unknown(symbol));
    }
    let command_id = Some(engine.command_id()?);
    change(engine, permit, &Command::SetPhase(SetPhase { command_id, symbol, phase, then: Vec::new() }), symbol).await
}

/// Commits a change, and answers with the market after it.
async fn change(engine: &Engine, permit: Permit, command: &Command, symbol: Symbol) -> Result<HttpResponse, Problem> {
    let outcome: Outcome = submit::commit(engine, permit, command, None).await?;
    refusal(&outcome)?;
    Ok(HttpResponse::Ok().json(look(engine, symbol).await?))
}

async fn look(engine: &Engine, symbol: Symbol) -> Result<MarketAnswer, Problem> {
    let look = engine.outcomes.read(move |ledger| {
        let seq = ledger.seq().get();
        ledger.market(symbol).map(|market| MarketAnswer::new(market, seq))
    });
    look.await.map_err(submit::unanswered)?.ok_or_else(|| unknown(symbol))
}

fn unknown(symbol: Symbol) -> Problem {
    let detail = format!("{symbol} is not listed; /api/symbols/ lists the markets");
    Problem::new(Code::UnknownMarket, detail).field("symbol")
}

/// The instrument that a request asks for: what is left out is of the scale that the symbol has, or as fine as can be.
fn instrument(
    symbol: Symbol,
    listed: Option<Instrument>,
    fields: [Option<Field<'_>>; 10],
) -> Result<Instrument, Problem> {
    let [price_decimals, quantity_decimals, tick, lot, limits @ ..] = fields.map(optional);
    let [min_quantity, max_quantity, min_notional, max_notional, price_band, max_open_orders] = limits;
    let scale = |field: Option<Field<'_>>, listed: Option<u8>| match field {
        None => Ok(listed.unwrap_or(MAX_DECIMALS)),
        Some(field) => {
            let decimals = field.whole()?;
            u8::try_from(decimals).ok().filter(|decimals| *decimals <= MAX_DECIMALS).ok_or_else(|| {
                let detail = format!("{} is {decimals}; send at most {MAX_DECIMALS}", field.name());
                Problem::new(Code::InvalidInstrument, detail).field(field.name())
            })
        }
    };
    let price_decimals = scale(price_decimals, listed.map(|listed| listed.price_decimals()))?;
    let quantity_decimals = scale(quantity_decimals, listed.map(|listed| listed.quantity_decimals()))?;
    let decimal = |field: Option<Field<'_>>, code| field.map(|field| field.decimal(code)).transpose();
    let quantity = |field| decimal(field, Code::QuantityNotPositive);
    let spec = InstrumentSpec {
        symbol,
        price_decimals,
        quantity_decimals,
        tick: decimal(tick, Code::PriceNotPositive)?.unwrap_or(Decimal::from_units(1, price_decimals)),
        lot: quantity(lot)?.unwrap_or(Decimal::from_units(1, quantity_decimals)),
        min_quantity: quantity(min_quantity)?,
        max_quantity: quantity(max_quantity)?,
        min_notional: quantity(min_notional)?,
        max_notional: quantity(max_notional)?,
        price_band: price_band.map(small).transpose()?,
        max_open_orders: max_open_orders.map(small).transpose()?,
    };
    Instrument::try_from(spec).map_err(|error| Problem::new(Code::InvalidInstrument, error.to_string()))
}

fn small(field: Field<'_>) -> Result<u32, Problem> {
    let number = field.whole()?;
    u32::try_from(number).map_err(|_| {
        let detail = format!("{} is {number}; send a smaller number", field.name());
        Problem::new(Code::OutOfRange, detail).field(field.name())
    })
}
