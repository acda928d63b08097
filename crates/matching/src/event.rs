//! What happened. Events are facts: folding them gives the state, and they are what the outside reads.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::decimal::Decimal;
use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId, Metadata};
use crate::order::Order;
use crate::phase::{Phase, PhaseStep};
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::tagged::tagged;
use crate::units::{CommandId, Micros, OrderId, Side, SymbolSeq, TradeId};

tagged! {
    /// An event, as it stands in the log.
    pub enum Event {
        /// A market exists from here on, in phase CONTINUOUS.
        InstrumentListed,
        /// An instrument was not listed.
        ListingRejected,
        /// An instrument's rules are others from here on.
        InstrumentUpdated,
        /// A market is in this phase from here on.
        PhaseChanged,
        /// What the auction would give if it ended now; told whenever it changes.
        AuctionIndicated,
        /// An order has its place. An order that waits for a trade stands in its queue, any other in the book, or would if nothing
        /// traded with it at once; trades, if any, follow in the same command.
        OrderAccepted,
        /// An order ended before it was accepted.
        OrderRejected,
        /// An order came under a name that its account and market have had: it was not executed.
        OrderRepeated,
        /// The last trade woke an order that waited: it comes to the book now, as if just placed.
        OrderTriggered,
        /// An order's price or quantity was changed. If it lost its place, it comes to the book anew: trades may follow.
        OrderAmended,
        /// An order got smaller by what it would have traded with its own account. It keeps its place.
        OrderReduced,
        /// What an iceberg showed has traded: it shows more, behind the others of its price.
        OrderReplenished,
        /// Two orders met, at the maker's price; in an auction at the one price for all.
        Trade,
        /// An order by quote amount is done: what is left of its amount buys no lot.
        OrderFilled,
        /// What was left of an order was taken away.
        OrderCancelled,
        /// What was left of an order expired.
        OrderExpired,
        /// A cancel changed nothing.
        CancelRejected,
        /// An amend changed nothing.
        AmendRejected,
        /// Every order that fits is cancelled, one event each behind this one.
        MassCancelled,
        /// An account's dead man's switch is armed or disarmed.
        CancelAfterSet,
        /// An account's dead man's switch went off: its orders are cancelled, one event each behind this one.
        CancelAfterFired,
        /// An account's orders are refused from here on; those that were open are cancelled, one event each behind this one.
        AccountBlocked,
        /// An account's orders are taken again.
        AccountUnblocked,
        /// A command that is about no order changed nothing.
        CommandRejected,
        /// A command whose id was seen before changed nothing.
        DuplicateRejected,
        /// It is later: what was due is done.
        TimeAdvanced,
        /// A stream entry could not be read.
        EntryRejected,
    }
}

/// A market exists from here on, in phase CONTINUOUS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentListed {
    /// The command that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The market.
    pub instrument: Instrument,
}

/// An instrument was not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingRejected {
    /// The command that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Which.
    pub symbol: Symbol,
    /// Why.
    pub reason_code: Reason,
}

/// An instrument's rules are others from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentUpdated {
    /// The command that did it.
    pub command_id: CommandId,
    /// The instrument as it is now.
    pub instrument: Instrument,
}

/// A market is in this phase from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseChanged {
    /// The command that did it; none when its time had come, or the dispatcher did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The market.
    pub symbol: Symbol,
    /// The phase.
    pub phase: Phase,
    /// Phases to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<PhaseStep>,
}

/// What the auction would give if it ended now; told whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuctionIndicated {
    /// The market.
    pub symbol: Symbol,
    /// The one price for all; absent when nothing would trade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// How much would trade.
    pub volume: Amount,
    /// How much more would be bought or sold at that price.
    pub imbalance: Amount,
    /// Which side has more; absent when neither has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imbalance_side: Option<Side>,
}

/// An order has its place. An order that waits for a trade stands in its queue, any other in the book, or would if nothing
/// traded with it at once; trades, if any, follow in the same command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderAccepted {
    /// The order. A DAY order has its expiry here.
    pub order: Order,
    /// Its place among the orders of its price: lower goes first. Equal to this event's number in its book.
    pub priority: SymbolSeq,
}

/// An order ended before it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRejected {
    /// The order, as asked.
    pub order: Order,
    /// This event's number in its book, where a book refused it; absent where the router did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol_seq: Option<SymbolSeq>,
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

/// The last trade woke an order that waited: it comes to the book now, as if just placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderTriggered {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// The last trade.
    pub price: Decimal,
    /// Its place from now on.
    pub priority: SymbolSeq,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// An order's price or quantity was changed. If it lost its place, it comes to the book anew: trades may follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderAmended {
    /// The command that did it.
    pub command_id: CommandId,
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its limit, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// Its whole quantity.
    pub quantity: Decimal,
    /// What is left of it.
    pub remaining: Decimal,
    /// Its place from now on: the old one if it kept that.
    pub priority: SymbolSeq,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// An order got smaller by what it would have traded with its own account. It keeps its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderReduced {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its whole quantity from now on.
    pub quantity: Decimal,
    /// What is left of it.
    pub remaining: Decimal,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// What an iceberg showed has traded: it shows more, behind the others of its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderReplenished {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// What it shows.
    pub displayed: Decimal,
    /// Its place from now on.
    pub priority: SymbolSeq,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// Two orders met, at the maker's price; in an auction at the one price for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trade {
    /// Its number.
    pub trade_id: TradeId,
    /// The market.
    pub symbol: Symbol,
    /// The price.
    pub price: Decimal,
    /// How much changed hands.
    pub quantity: Decimal,
    /// Price times quantity, exact.
    pub quote_quantity: Amount,
    /// The order that was in the book; in an auction the older.
    pub maker_order_id: OrderId,
    /// The order that came; in an auction the younger.
    pub taker_order_id: OrderId,
    /// The side of the taker.
    pub taker_side: Side,
    /// What is left of the maker after this trade.
    pub maker_remaining: Decimal,
    /// What is left of the taker after this trade; zero for an order by quote amount.
    pub taker_remaining: Decimal,
    /// What is left of the amount of a taker by quote amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taker_quote_remaining: Option<Amount>,
    /// What the buyer gets back because its limit was worse than the price: the difference times the quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub improvement: Option<Amount>,
    /// Whether it was made at the end of an auction.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auction: bool,
    /// The maker's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker_account: Option<Account>,
    /// The taker's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taker_account: Option<Account>,
    /// The client's own words about the maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker_metadata: Option<Metadata>,
    /// The client's own words about the taker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taker_metadata: Option<Metadata>,
}

/// An order by quote amount is done: what is left of its amount buys no lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderFilled {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// What its owner gets back: for a sale, quantity; for a purchase with a limit or by quote amount, quote; absent for other
    /// purchases, whose cost was never fixed, and for sales by quote amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Amount>,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// What was left of an order was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderCancelled {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// The command that did it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// What was left.
    pub remaining: Decimal,
    /// What its owner gets back: for a sale, quantity; for a purchase with a limit or by quote amount, quote; absent for other
    /// purchases, whose cost was never fixed, and for sales by quote amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Amount>,
    /// Why.
    pub reason_code: Reason,
    /// The caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// What was left of an order expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderExpired {
    /// The order.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// What was left.
    pub remaining: Decimal,
    /// What its owner gets back: for a sale, quantity; for a purchase with a limit or by quote amount, quote; absent for other
    /// purchases, whose cost was never fixed, and for sales by quote amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Amount>,
    /// Why.
    pub reason_code: Reason,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// A cancel changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelRejected {
    /// The cancel.
    pub command_id: CommandId,
    /// The order it named, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The order's market, where the order is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// Why.
    pub reason_code: Reason,
}

/// An amend changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendRejected {
    /// The amend.
    pub command_id: CommandId,
    /// The order it named.
    pub order_id: OrderId,
    /// The order's market, where the order is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// Why.
    pub reason_code: Reason,
}

/// Every order that fits is cancelled, one event each behind this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MassCancelled {
    /// The command that did it.
    pub command_id: CommandId,
    /// Of this account; absent: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Of this market; absent: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// Of this side; absent: of either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// An account's dead man's switch is armed or disarmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelAfterSet {
    /// The command that did it.
    pub command_id: CommandId,
    /// The account.
    pub account: Account,
    /// When it goes off; absent: disarmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Micros>,
}

/// An account's dead man's switch went off: its orders are cancelled, one event each behind this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelAfterFired {
    /// The account.
    pub account: Account,
}

/// An account's orders are refused from here on; those that were open are cancelled, one event each behind this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountBlocked {
    /// The command that did it.
    pub command_id: CommandId,
    /// The account.
    pub account: Account,
}

/// An account's orders are taken again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountUnblocked {
    /// The command that did it.
    pub command_id: CommandId,
    /// The account.
    pub account: Account,
}

/// A command that is about no order changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRejected {
    /// The command; none when the dispatcher made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The market it named.
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

/// It is later: what was due is done.
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

impl Event {
    /// Whether the event is about this order.
    pub fn concerns(&self, order_id: OrderId) -> bool {
        match self {
            Event::OrderAccepted(event) => event.order.order_id == order_id,
            Event::OrderRejected(event) => event.order.order_id == order_id,
            Event::OrderRepeated(event) => event.order_id == order_id || event.first_order_id == order_id,
            Event::Trade(event) => event.maker_order_id == order_id || event.taker_order_id == order_id,
            Event::CancelRejected(event) => event.order_id == Some(order_id),
            Event::OrderTriggered(event) => event.order_id == order_id,
            Event::OrderAmended(event) => event.order_id == order_id,
            Event::OrderReduced(event) => event.order_id == order_id,
            Event::OrderReplenished(event) => event.order_id == order_id,
            Event::OrderFilled(event) => event.order_id == order_id,
            Event::OrderCancelled(event) => event.order_id == order_id,
            Event::OrderExpired(event) => event.order_id == order_id,
            Event::AmendRejected(event) => event.order_id == order_id,
            Event::InstrumentListed(_)
            | Event::ListingRejected(_)
            | Event::InstrumentUpdated(_)
            | Event::PhaseChanged(_)
            | Event::AuctionIndicated(_)
            | Event::MassCancelled(_)
            | Event::CancelAfterSet(_)
            | Event::CancelAfterFired(_)
            | Event::AccountBlocked(_)
            | Event::AccountUnblocked(_)
            | Event::CommandRejected(_)
            | Event::DuplicateRejected(_)
            | Event::TimeAdvanced(_)
            | Event::EntryRejected(_) => false,
        }
    }

    /// The market that the event is about, if one.
    pub fn symbol(&self) -> Option<Symbol> {
        match self {
            Event::InstrumentListed(event) => Some(event.instrument.symbol()),
            Event::InstrumentUpdated(event) => Some(event.instrument.symbol()),
            Event::OrderAccepted(event) => Some(event.order.symbol),
            Event::OrderRejected(event) => Some(event.order.symbol),
            Event::ListingRejected(event) => Some(event.symbol),
            Event::PhaseChanged(event) => Some(event.symbol),
            Event::AuctionIndicated(event) => Some(event.symbol),
            Event::OrderRepeated(event) => Some(event.symbol),
            Event::OrderTriggered(event) => Some(event.symbol),
            Event::OrderAmended(event) => Some(event.symbol),
            Event::OrderReduced(event) => Some(event.symbol),
            Event::OrderReplenished(event) => Some(event.symbol),
            Event::Trade(event) => Some(event.symbol),
            Event::OrderFilled(event) => Some(event.symbol),
            Event::OrderCancelled(event) => Some(event.symbol),
            Event::OrderExpired(event) => Some(event.symbol),
            Event::CancelRejected(event) => event.symbol,
            Event::AmendRejected(event) => event.symbol,
            Event::MassCancelled(event) => event.symbol,
            Event::CommandRejected(event) => event.symbol,
            Event::CancelAfterSet(_)
            | Event::CancelAfterFired(_)
            | Event::AccountBlocked(_)
            | Event::AccountUnblocked(_)
            | Event::DuplicateRejected(_)
            | Event::TimeAdvanced(_)
            | Event::EntryRejected(_) => None,
        }
    }
}
