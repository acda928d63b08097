//! A new order as a request: its fields, and everything about them that the request alone shows to be wrong.

use std::str::FromStr;

use matching::command::NewOrder;
use matching::instrument::MAX_TRANCHES;
use matching::names::{MAX_METADATA, ParseNameError};
use matching::router::MAX_SYMBOLS;
use matching::{
    Account, ClientOrderId, Decimal, Instrument, Metadata, Micros, Order, OrderId, OrderType, Price, Quantity, Reason,
    SelfTradePrevention, Side, Symbol, TimeInForce,
};

use super::Engine;
use super::access::Caller;
use super::fields::{self, Field, Fields, shortened};
use super::problem::{Code, Problem};

/// How many fields an order has.
pub const FIELD_COUNT: usize = 19;
/// The fields of an order, as [`super::order_schema::PlaceOrder`] documents them.
pub const FIELDS: [&str; FIELD_COUNT] = [
    "symbol",
    "side",
    "type",
    "price",
    "quantity",
    "quote_quantity",
    "time_in_force",
    "expire_at",
    "post_only",
    "stop_price",
    "trailing_delta",
    "display_quantity",
    "min_quantity",
    "deadline",
    "account",
    "client_order_id",
    "self_trade_prevention",
    "linked_order_id",
    "metadata",
];
/// A point in time is sent in seconds; it is kept with this many decimals.
const TIME_DECIMALS: u8 = 6;

/// The values of `type`.
const TYPES: [(&str, OrderType); 7] = [
    ("LIMIT", OrderType::Limit),
    ("MARKET", OrderType::Market),
    ("STOP", OrderType::Stop),
    ("STOP_LIMIT", OrderType::StopLimit),
    ("TAKE_PROFIT", OrderType::TakeProfit),
    ("TAKE_PROFIT_LIMIT", OrderType::TakeProfitLimit),
    ("TRAILING_STOP", OrderType::TrailingStop),
];
/// The values of `time_in_force`.
const TIMES_IN_FORCE: [(&str, TimeInForce); 5] = [
    ("GTC", TimeInForce::Gtc),
    ("IOC", TimeInForce::Ioc),
    ("FOK", TimeInForce::Fok),
    ("GTD", TimeInForce::Gtd),
    ("DAY", TimeInForce::Day),
];
/// The values of `self_trade_prevention`.
const SELF_TRADE_PREVENTIONS: [(&str, SelfTradePrevention); 5] = [
    ("NONE", SelfTradePrevention::None),
    ("EXPIRE_TAKER", SelfTradePrevention::ExpireTaker),
    ("EXPIRE_MAKER", SelfTradePrevention::ExpireMaker),
    ("EXPIRE_BOTH", SelfTradePrevention::ExpireBoth),
    ("DECREMENT", SelfTradePrevention::Decrement),
];

/// An order as it was sent.
pub struct OrderRequest<'a> {
    symbol: Field<'a>,
    side: Field<'a>,
    order_type: OrderType,
    price: Option<Field<'a>>,
    quantity: Option<Field<'a>>,
    quote_quantity: Option<Field<'a>>,
    time_in_force: Option<Field<'a>>,
    expire_at: Option<Field<'a>>,
    post_only: Option<Field<'a>>,
    stop_price: Option<Field<'a>>,
    trailing_delta: Option<Field<'a>>,
    display_quantity: Option<Field<'a>>,
    min_quantity: Option<Field<'a>>,
    deadline: Option<Field<'a>>,
    account: Option<Field<'a>>,
    client_order_id: Option<Field<'a>>,
    self_trade_prevention: Option<Field<'a>>,
    linked_order_id: Option<Field<'a>>,
    metadata: Option<Field<'a>>,
}

impl<'a> OrderRequest<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<OrderRequest<'a>, Problem> {
        OrderRequest::of(fields::read(body, &FIELDS)?)
    }

    /// An order of the fields that were sent. Which must be there depends on its type.
    pub fn of(fields: Fields<'a, FIELD_COUNT>) -> Result<OrderRequest<'a>, Problem> {
        let [symbol, side, order_type, price, quantity, quote_quantity, rest @ ..] = fields;
        let [time_in_force, expire_at, post_only, stop_price, trailing_delta, display_quantity, rest @ ..] =
            rest.map(fields::optional);
        let [min_quantity, deadline, account, client_order_id, self_trade_prevention, linked_order_id, metadata] = rest;
        let order_type = fields::optional(order_type);
        let order_type = order_type.map_or(Ok(OrderType::Limit), |field| field.one_of(&TYPES, Code::InvalidValue))?;
        let by_quote = order_type == OrderType::Market && fields::optional(quote_quantity).is_some();
        Ok(OrderRequest {
            symbol: fields::required(symbol, "symbol")?,
            side: fields::required(side, "side")?,
            order_type,
            price: where_it_belongs(price, "price", order_type.has_limit(), order_type)?,
            quantity: where_it_belongs(quantity, "quantity", !by_quote, order_type)?,
            quote_quantity: where_it_belongs(quote_quantity, "quote_quantity", by_quote, order_type)?,
            stop_price: where_it_belongs(stop_price, "stop_price", order_type.has_stop_price(), order_type)?,
            trailing_delta: {
                let trails = order_type == OrderType::TrailingStop;
                where_it_belongs(trailing_delta, "trailing_delta", trails, order_type)?
            },
            time_in_force,
            expire_at,
            post_only,
            display_quantity,
            min_quantity,
            deadline,
            account,
            client_order_id,
            self_trade_prevention,
            linked_order_id,
            metadata,
        })
    }

    /// Checks everything that the request alone shows, and makes it a command. The core checks it again. `caller`: whose
    /// account it must be. `idempotency_key`: the header's value, where it was sent.
    pub fn check(
        self,
        engine: &Engine,
        caller: &Caller,
        auto_list: bool,
        idempotency_key: Option<&str>,
    ) -> Result<NewOrder, Problem> {
        let instrument = instrument(engine, symbol(self.symbol)?, auto_list)?;
        let owner = Owner {
            account: caller.acts_for(self.account.map(name).transpose()?)?,
            client_order_id: client_order_id(self.client_order_id, idempotency_key)?,
        };
        self.order(&instrument, owner, engine.clock.now(), || engine.order_id())
    }

    /// The order, for its market and its owner. `order_id` is asked last: a request that is refused uses up no id.
    pub fn order(
        self,
        instrument: &Instrument,
        owner: Owner,
        now: Micros,
        order_id: impl FnOnce() -> Result<OrderId, Problem>,
    ) -> Result<NewOrder, Problem> {
        let side = side(self.side)?;
        let amounts = Amounts { instrument };
        let price = self.price.map(|field| amounts.price(field)).transpose()?;
        let quantity = self.quantity.map(|field| amounts.whole_quantity(field)).transpose()?;
        let quote_quantity = self.quote_quantity.map(|field| amounts.quote(field)).transpose()?;
        amounts.check_notional(price, quantity, quote_quantity)?;
        let display_quantity = self.display_quantity.map(|field| amounts.tranche(field, quantity)).transpose()?;
        let min_quantity = self.min_quantity.map(|field| amounts.part(field, quantity)).transpose()?;
        let stop_price = self.stop_price.map(|field| amounts.price(field)).transpose()?;
        let trailing_delta = self.trailing_delta.map(|field| amounts.price(field)).transpose()?;
        let expire_at = self.expire_at.map(|field| later_than(now, field)).transpose()?;
        let deadline = self.deadline.map(|field| later_than(now, field)).transpose()?;
        let stp = self.self_trade_prevention.map(|field| field.one_of(&SELF_TRADE_PREVENTIONS, Code::InvalidValue));
        let order = Order {
            price: price.map(|(price, _)| price),
            quantity: quantity.map(|(quantity, _)| quantity),
            quote_quantity,
            time_in_force: time_in_force(self.time_in_force, expire_at, self.order_type)?,
            expire_at,
            post_only: self.post_only.map_or(Ok(false), Field::boolean)?,
            stop_price: stop_price.map(|(price, _)| price),
            trailing_delta: trailing_delta.map(|(delta, _)| delta),
            display_quantity,
            min_quantity,
            self_trade_prevention: stp.unwrap_or(Ok(SelfTradePrevention::None))?,
            linked_order_id: self.linked_order_id.map(self::order_id).transpose()?,
            account: owner.account,
            client_order_id: owner.client_order_id,
            metadata: self.metadata.map(metadata).transpose()?,
            ..Order::bare(order_id()?, instrument.symbol(), side, self.order_type, now)
        };
        check_coherence(&order)?;
        Ok(NewOrder { deadline, ..NewOrder::from(order) })
    }
}

/// Whose an order is, and what its owner calls it.
#[derive(Debug, Default)]
pub struct Owner {
    /// The account.
    pub account: Option<Account>,
    /// The owner's name for it.
    pub client_order_id: Option<ClientOrderId>,
}

/// Names the order that this one is linked with; the problem if it cannot be.
pub fn link(new: &mut NewOrder, order_id: OrderId) -> Result<(), Problem> {
    new.order.linked_order_id = Some(order_id);
    check_coherence(&new.order)
}

/// A field that an order of this type must have, or must not.
fn where_it_belongs<'a>(
    field: Option<Field<'a>>,
    name: &'static str,
    belongs: bool,
    order_type: OrderType,
) -> Result<Option<Field<'a>>, Problem> {
    if belongs {
        return fields::required(field, name).map(Some);
    }
    match fields::optional(field) {
        None => Ok(None),
        Some(_) => {
            let detail = format!("an order of type {} has no {name}; leave it out", order_type.as_str());
            Err(Problem::new(Code::Incoherent, detail).field(name))
        }
    }
}

/// Holds what the core holds of the fields together, with a word on each rule.
fn check_coherence(order: &Order) -> Result<(), Problem> {
    if order.is_coherent() {
        return Ok(());
    }
    let immediate = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let by_quote = order.quote_quantity.is_some();
    let least_is_lost = by_quote || order.order_type.waits() || order.time_in_force == TimeInForce::Fok;
    let (field, detail) = if order.post_only
        && (order.order_type != OrderType::Limit || immediate || order.min_quantity.is_some())
    {
        ("post_only", "only a LIMIT order that is neither IOC nor FOK and has no min_quantity can be post_only")
    } else if order.display_quantity.is_some() && (immediate || !order.order_type.has_limit()) {
        ("display_quantity", "only an order with a price that is neither IOC nor FOK can have a display_quantity")
    } else if order.min_quantity.is_some() && least_is_lost {
        ("min_quantity", "an order that waits for a trade, is FOK or has a quote_quantity can have no min_quantity")
    } else if by_quote && order.self_trade_prevention == SelfTradePrevention::Decrement {
        ("self_trade_prevention", "an order with a quote_quantity cannot get smaller: send another one than DECREMENT")
    } else {
        ("linked_order_id", "only an order with an account that waits or rests can be linked with another one")
    };
    Err(Problem::new(Code::Incoherent, detail).field(field))
}

/// Reads amounts of an instrument.
pub struct Amounts<'i> {
    /// The instrument.
    pub instrument: &'i Instrument,
}

impl Amounts<'_> {
    /// A price, or a distance between prices.
    pub fn price(&self, field: Field<'_>) -> Result<(Decimal, Price), Problem> {
        let price = field.decimal(Code::PriceNotPositive)?;
        match self.instrument.price(price) {
            Ok(units) => Ok((price, units)),
            Err(reason) => Err(self.refused(reason, field.name(), price)),
        }
    }

    /// An order's whole quantity.
    pub fn whole_quantity(&self, field: Field<'_>) -> Result<(Decimal, Quantity), Problem> {
        let quantity = field.decimal(Code::QuantityNotPositive)?;
        match self.instrument.whole_quantity(quantity) {
            Ok(units) => Ok((quantity, units)),
            Err(reason) => Err(self.refused(reason, field.name(), quantity)),
        }
    }

    /// What an iceberg shows of itself at once.
    fn tranche(&self, field: Field<'_>, whole: Option<(Decimal, Quantity)>) -> Result<Decimal, Problem> {
        let tranche = self.part(field, whole)?;
        let units = self.instrument.quantity(tranche).map_or(0, Quantity::units);
        if whole.is_some_and(|(_, whole)| whole.units() > units.saturating_mul(MAX_TRANCHES)) {
            let detail =
                format!("display_quantity is {tranche}, less than a part in {MAX_TRANCHES} of the quantity; send more");
            return Err(Problem::new(Code::DisplayTooSmall, detail).field(field.name()));
        }
        Ok(tranche)
    }

    /// A part of an order's quantity.
    fn part(&self, field: Field<'_>, whole: Option<(Decimal, Quantity)>) -> Result<Decimal, Problem> {
        let quantity = field.decimal(Code::QuantityNotPositive)?;
        let units = self.instrument.quantity(quantity);
        let units = units.map_err(|reason| self.refused(reason, field.name(), quantity))?;
        match whole {
            Some((whole, whole_units)) if units > whole_units => {
                let name = field.name();
                let detail = format!("{name} is {quantity}, more than the quantity {whole}; send at most that");
                Err(Problem::new(Code::Incoherent, detail).field(name))
            }
            _ => Ok(quantity),
        }
    }

    fn quote(&self, field: Field<'_>) -> Result<Decimal, Problem> {
        let quote = field.decimal(Code::QuantityNotPositive)?;
        match self.instrument.quote(quote) {
            Ok(_) => Ok(quote),
            Err(reason) => Err(self.refused(reason, field.name(), quote)),
        }
    }

    fn check_notional(
        &self,
        price: Option<(Decimal, Price)>,
        quantity: Option<(Decimal, Quantity)>,
        quote: Option<Decimal>,
    ) -> Result<(), Problem> {
        let (field, notional) = match (price, quantity, quote) {
            (Some((_, price)), Some((_, quantity)), _) => ("quantity", price.times(quantity)),
            (_, _, Some(quote)) => match self.instrument.quote(quote) {
                Ok(quote) => ("quote_quantity", quote),
                Err(reason) => return Err(self.refused(reason, "quote_quantity", quote)),
            },
            _ => return Ok(()),
        };
        self.instrument.check_notional(notional).map_err(|reason| {
            let spec = matching::InstrumentSpec::from(*self.instrument);
            let (code, word, limit) = match reason {
                Reason::NotionalTooSmall => (Code::NotionalTooSmall, "least", spec.min_notional),
                _ => (Code::NotionalTooLarge, "most", spec.max_notional),
            };
            let worth = self.instrument.quote_amount(notional);
            let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
            let detail = format!("the order is worth {worth}; an order of {} is worth at {word} {limit}", spec.symbol);
            Problem::new(code, detail).field(field)
        })
    }

    fn refused(&self, reason: Reason, field: &'static str, value: Decimal) -> Problem {
        let spec = matching::InstrumentSpec::from(*self.instrument);
        let symbol = spec.symbol;
        let limit = |limit: Option<Decimal>| limit.map(|limit| limit.to_string()).unwrap_or_default();
        let (code, remedy) = match reason {
            Reason::PriceNotPositive => (Code::PriceNotPositive, "it must be above zero".to_owned()),
            Reason::QuantityNotPositive => (Code::QuantityNotPositive, "it must be above zero".to_owned()),
            Reason::OffTick => (Code::OffTick, format!("a price of {symbol} is a multiple of {}", spec.tick)),
            Reason::OffLot => (Code::OffLot, format!("a quantity of {symbol} is a multiple of {}", spec.lot)),
            Reason::QuantityTooSmall => {
                (Code::QuantityTooSmall, format!("an order of {symbol} has at least {}", limit(spec.min_quantity)))
            }
            Reason::QuantityTooLarge => {
                (Code::QuantityTooLarge, format!("an order of {symbol} has at most {}", limit(spec.max_quantity)))
            }
            _ => (Code::OutOfRange, format!("it is too large for {symbol}")),
        };
        Problem::new(code, format!("{field} is {value}: {remedy}")).field(field)
    }
}

/// A market's name.
pub fn symbol(field: Field<'_>) -> Result<Symbol, Problem> {
    named_symbol(field.name(), &field.text()?)
}

/// The same of a text that is no field of a body.
pub fn named_symbol(field: &'static str, text: &str) -> Result<Symbol, Problem> {
    text.parse().map_err(|error| {
        let detail = format!("{:?} is no symbol: {error}", shortened(text));
        Problem::new(Code::InvalidSymbol, detail).field(field)
    })
}

/// An account or an order's own name.
pub fn name<T: FromStr<Err = ParseNameError>>(field: Field<'_>) -> Result<T, Problem> {
    named(field.name(), &field.text()?)
}

/// The same of a text that is no field of a body.
pub fn named<T: FromStr<Err = ParseNameError>>(field: &'static str, text: &str) -> Result<T, Problem> {
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

/// An order's id.
pub fn order_id(field: Field<'_>) -> Result<OrderId, Problem> {
    let id = field.whole()?;
    OrderId::new(id).ok_or_else(|| {
        let detail = format!("{} is {id}, the id of no order: ids are whole numbers below 2^53", field.name());
        Problem::new(Code::InvalidValue, detail).field(field.name())
    })
}

fn metadata(field: Field<'_>) -> Result<Metadata, Problem> {
    let text = field.text()?.into_owned();
    let length = text.len();
    Metadata::try_from(text).map_err(|_| {
        let detail = format!("metadata is {length} bytes long; send at most {MAX_METADATA}");
        Problem::new(Code::MetadataTooLong, detail).field(field.name())
    })
}

/// A point in time that has not come yet.
fn later_than(now: Micros, field: Field<'_>) -> Result<Micros, Problem> {
    let name = field.name();
    let wrong = |detail: String| Problem::new(Code::InvalidTime, detail).field(name);
    let seconds = field.decimal(Code::InvalidTime)?;
    let time = micros(seconds)
        .and_then(Micros::new)
        .ok_or_else(|| wrong(format!("{name} is {seconds}, which is no time; send seconds since 1970")))?;
    if time > now {
        return Ok(time);
    }
    let now = Decimal::from_units(now.get(), TIME_DECIMALS);
    Err(wrong(format!("{name} is {seconds}, which has passed: it is {now}; send seconds since 1970, not milliseconds")))
}

/// Seconds in microseconds. What is finer is cut off: a clock read into a floating-point number has a seventh decimal.
fn micros(seconds: Decimal) -> Option<u64> {
    match seconds.decimals().checked_sub(TIME_DECIMALS) {
        None | Some(0) => seconds.to_units(TIME_DECIMALS),
        Some(finer) => Some(seconds.coefficient() / 10u64.pow(u32::from(finer))),
    }
}

/// How long it stays; holds that a time of expiry is there exactly where one is needed.
fn time_in_force(
    field: Option<Field<'_>>,
    expire_at: Option<Micros>,
    order_type: OrderType,
) -> Result<TimeInForce, Problem> {
    let time_in_force =
        field.map_or(Ok(TimeInForce::Gtc), |field| field.one_of(&TIMES_IN_FORCE, Code::InvalidTimeInForce))?;
    let market = order_type == OrderType::Market;
    let detail = match (time_in_force, expire_at) {
        (TimeInForce::Gtd | TimeInForce::Day, _) if market => "a MARKET order never rests: send IOC, FOK, or nothing",
        (TimeInForce::Gtd, None) => "a GTD order expires; send expire_at",
        (TimeInForce::Gtd, Some(_)) | (_, None) => return Ok(time_in_force),
        (_, Some(_)) => "an order with expire_at is GTD; send \"time_in_force\": \"GTD\"",
    };
    Err(Problem::new(Code::InvalidTimeInForce, detail).field("time_in_force"))
}

/// The side of an order.
pub fn side(field: Field<'_>) -> Result<Side, Problem> {
    let text = field.text()?;
    named_side(&text).ok_or_else(|| {
        let detail = format!("{:?} is no side; send BUY or SELL, in capitals", shortened(&text));
        Problem::new(Code::InvalidSide, detail).field(field.name())
    })
}

/// The side of this name.
pub fn named_side(text: &str) -> Option<Side> {
    [Side::Buy, Side::Sell].into_iter().find(|side| side.as_str() == text)
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
