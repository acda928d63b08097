//! What happened. Events are facts: folding them gives the state, and they are what the outside reads.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId};
use crate::symbol::Symbol;
use crate::units::{CommandId, Micros, OrderId, Side, SymbolSeq, TradeId};

/// An event, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    /// A market exists from here on.
    InstrumentListed(InstrumentListed),
    /// An instrument was not listed.
    ListingRejected(ListingRejected),
    /// An order is in the book, or would be if nothing traded with it at once.
    OrderAccepted(OrderAccepted),
    /// An order ended before it reached a book.
    OrderRejected(OrderRejected),
    /// An order came under a name that its account and market have had: it was not executed.
    OrderRepeated(OrderRepeated),
    /// Two orders met.
    Trade(Trade),
    /// What was left of an order was taken out of the book.
    OrderCancelled(OrderCancelled),
    /// What was left of an order was taken out of the book because its time had come.
    OrderExpired(OrderExpired),
    /// A cancel changed nothing.
    CancelRejected(CancelRejected),
    /// A command whose id was seen before changed nothing.
    DuplicateRejected(DuplicateRejected),
    /// It is later: what was due expired.
    TimeAdvanced(TimeAdvanced),
    /// A stream entry could not be read.
    EntryRejected(EntryRejected),
}

/// A market exists from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentListed {
    /// The market.
    pub instrument: Instrument,
}

/// An instrument was not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingRejected {
    /// Which.
    pub symbol: Symbol,
    /// Why.
    pub reason_code: Reason,
}

/// An order has its place in the book. Trades with it, if any, follow in the same command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderAccepted {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// Its limit.
    pub price: Decimal,
    /// Its whole quantity.
    pub quantity: Decimal,
    /// Its place among the orders of its price: lower goes first. Equal to this event's number in its book.
    pub priority: SymbolSeq,
    /// When the request was received.
    pub received_at: Micros,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
    /// When what is left of it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Micros>,
}

/// An order ended before it reached a book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRejected {
    /// The order.
    pub order_id: OrderId,
    /// The market it asked for, listed or not.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// Its limit, as asked.
    pub price: Decimal,
    /// Its quantity, as asked.
    pub quantity: Decimal,
    /// When the request was received.
    pub received_at: Micros,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
    /// When what is left of it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Micros>,
    /// Why.
    pub reason_code: Reason,
}

/// An order came under a name that its account and market have had: it was not executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRepeated {
    /// The id that this request was given; there is no order of it.
    pub order_id: OrderId,
    /// The order that had the name first.
    pub first_order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The name.
    pub client_order_id: ClientOrderId,
    /// Whether the first order asked for the same.
    pub same_order: bool,
}

/// Two orders met, at the maker's price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trade {
    /// Its number.
    pub trade_id: TradeId,
    /// The market.
    pub symbol: Symbol,
    /// The maker's price.
    pub price: Decimal,
    /// How much changed hands.
    pub quantity: Decimal,
    /// The order that was in the book.
    pub maker_order_id: OrderId,
    /// The order that came.
    pub taker_order_id: OrderId,
    /// The side of the order that came.
    pub taker_side: Side,
    /// What is left of the maker after this trade.
    pub maker_remaining: Decimal,
    /// What is left of the taker after this trade.
    pub taker_remaining: Decimal,
}

/// What was left of an order was taken out of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderCancelled {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// The cancel that did it.
    pub command_id: CommandId,
    /// What was left: released to its owner.
    pub remaining: Decimal,
    /// Why.
    pub reason_code: Reason,
    /// The caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
}

/// What was left of an order was taken out of the book because its time had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderExpired {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// What was left: released to its owner.
    pub remaining: Decimal,
}

/// A cancel changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelRejected {
    /// The cancel.
    pub command_id: CommandId,
    /// The order it named.
    pub order_id: OrderId,
    /// The order's market, where the order is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// Why.
    pub reason_code: Reason,
}

/// A command whose id was seen before changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRejected {
    /// The id that came again.
    pub command_id: CommandId,
}

/// It is later: what was due expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeAdvanced {}

/// A stream entry could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRejected {
    /// The entry's id in the stream.
    pub stream_id: String,
    /// What was wrong with it.
    pub error: String,
}

/// Why something was refused or ended. The codes are stable: clients and the log rely on them.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The symbol is listed already.
    AlreadyListed,
    /// As many symbols are listed as there may be.
    TooManySymbols,
    /// The symbol is not listed.
    UnknownSymbol,
    /// The price is zero.
    PriceNotPositive,
    /// The quantity is zero.
    QuantityNotPositive,
    /// The price is no multiple of the tick.
    OffTick,
    /// The quantity is no multiple of the lot.
    OffLot,
    /// The price or the quantity is too large for the instrument.
    OutOfRange,
    /// It was numbered after its deadline, or waited for longer than the service allows.
    Stale,
    /// Its expiry had passed when it was numbered.
    AlreadyExpired,
    /// No order of that id is known.
    UnknownOrder,
    /// The order has ended already.
    NotOpen,
    /// Its owner asked for it.
    ByUser,
}

impl Reason {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Reason; 13] = [
        Reason::AlreadyListed,
        Reason::TooManySymbols,
        Reason::UnknownSymbol,
        Reason::PriceNotPositive,
        Reason::QuantityNotPositive,
        Reason::OffTick,
        Reason::OffLot,
        Reason::OutOfRange,
        Reason::Stale,
        Reason::AlreadyExpired,
        Reason::UnknownOrder,
        Reason::NotOpen,
        Reason::ByUser,
    ];

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Reason::AlreadyListed => "The symbol is listed already.",
            Reason::TooManySymbols => "As many symbols are listed as there may be.",
            Reason::UnknownSymbol => "The symbol is not listed.",
            Reason::PriceNotPositive => "The price is zero.",
            Reason::QuantityNotPositive => "The quantity is zero.",
            Reason::OffTick => "The price is no multiple of the tick.",
            Reason::OffLot => "The quantity is no multiple of the lot.",
            Reason::OutOfRange => "The price or the quantity is too large for the instrument.",
            Reason::Stale => "It was numbered after its deadline, or waited for longer than the service allows.",
            Reason::AlreadyExpired => "Its expiry had passed when it was numbered.",
            Reason::UnknownOrder => "No order of that id is known.",
            Reason::NotOpen => "The order has ended already.",
            Reason::ByUser => "Its owner asked for it.",
        }
    }

    /// The code as it is written everywhere.
    pub fn code(self) -> &'static str {
        match self {
            Reason::AlreadyListed => "ALREADY_LISTED",
            Reason::TooManySymbols => "TOO_MANY_SYMBOLS",
            Reason::UnknownSymbol => "UNKNOWN_SYMBOL",
            Reason::PriceNotPositive => "PRICE_NOT_POSITIVE",
            Reason::QuantityNotPositive => "QUANTITY_NOT_POSITIVE",
            Reason::OffTick => "OFF_TICK",
            Reason::OffLot => "OFF_LOT",
            Reason::OutOfRange => "OUT_OF_RANGE",
            Reason::Stale => "STALE",
            Reason::AlreadyExpired => "ALREADY_EXPIRED",
            Reason::UnknownOrder => "UNKNOWN_ORDER",
            Reason::NotOpen => "NOT_OPEN",
            Reason::ByUser => "BY_USER",
        }
    }
}

impl Event {
    /// Whether the event is about this order.
    pub fn concerns(&self, order_id: OrderId) -> bool {
        match self {
            Event::OrderAccepted(event) => event.order_id == order_id,
            Event::OrderRejected(event) => event.order_id == order_id,
            Event::OrderRepeated(event) => event.order_id == order_id || event.first_order_id == order_id,
            Event::Trade(event) => event.maker_order_id == order_id || event.taker_order_id == order_id,
            Event::OrderCancelled(event) => event.order_id == order_id,
            Event::OrderExpired(event) => event.order_id == order_id,
            Event::CancelRejected(event) => event.order_id == order_id,
            Event::InstrumentListed(_)
            | Event::ListingRejected(_)
            | Event::DuplicateRejected(_)
            | Event::TimeAdvanced(_)
            | Event::EntryRejected(_) => false,
        }
    }

    /// The market that the event is about, if one.
    pub fn symbol(&self) -> Option<Symbol> {
        match self {
            Event::InstrumentListed(event) => Some(event.instrument.symbol()),
            Event::ListingRejected(event) => Some(event.symbol),
            Event::OrderAccepted(event) => Some(event.symbol),
            Event::OrderRejected(event) => Some(event.symbol),
            Event::OrderRepeated(event) => Some(event.symbol),
            Event::Trade(event) => Some(event.symbol),
            Event::OrderCancelled(event) => Some(event.symbol),
            Event::OrderExpired(event) => Some(event.symbol),
            Event::CancelRejected(event) => event.symbol,
            Event::DuplicateRejected(_) | Event::TimeAdvanced(_) | Event::EntryRejected(_) => None,
        }
    }
}
