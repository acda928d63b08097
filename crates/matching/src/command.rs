//! What the engine is asked to do. A command holds everything that decides its outcome.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId};
use crate::symbol::Symbol;
use crate::units::{CommandId, Micros, OrderId, Seq, Side};

/// A command, as it stands in the stream and in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Command {
    /// List an instrument.
    ListInstrument(ListInstrument),
    /// Place an order.
    NewOrder(NewOrder),
    /// Cancel an order.
    CancelOrder(CancelOrder),
    /// Expire what is due. Made by the dispatcher, only when something is.
    AdvanceTime(AdvanceTime),
    /// Record that a stream entry could not be read. Made by the dispatcher in the entry's place.
    RefuseEntry(RefuseEntry),
}

/// List an instrument. Made by the dispatcher: from configuration on the first start, or in front of the first
/// order of a symbol where that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListInstrument {
    /// What is listed.
    pub instrument: Instrument,
}

/// Place a limit order that stays until it is filled or cancelled, or until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The id that the acknowledgement named.
    pub order_id: OrderId,
    /// The market.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// The worst price that the order accepts.
    pub price: Decimal,
    /// How much.
    pub quantity: Decimal,
    /// When the request was received.
    pub received_at: Micros,
    /// Whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The client's own name for it. A second order of the same name in the same account and market is not executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
    /// When what is left of it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Micros>,
    /// Numbered after this, it is refused as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Micros>,
    /// Whether it waited in the stream for longer than the service allows. Set by the dispatcher.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// Expire what is due at the time that it is stamped with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceTime {}

/// Cancel what is left of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// The order to cancel.
    pub order_id: OrderId,
    /// The caller's words, at most [`MAX_REASON_TEXT`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// When the request was received.
    pub received_at: Micros,
}

/// The longest reason text that a cancel carries, in bytes: it is repeated in the log and in the order's state.
pub const MAX_REASON_TEXT: usize = 256;

/// Record that a stream entry could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseEntry {
    /// The entry's id in the stream.
    pub stream_id: String,
    /// What was wrong with it.
    pub error: String,
}

impl NewOrder {
    /// A limit order without a name that stays until it is filled or cancelled.
    pub fn limit(
        order_id: OrderId,
        symbol: Symbol,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        received_at: Micros,
    ) -> NewOrder {
        NewOrder {
            order_id,
            symbol,
            side,
            price,
            quantity,
            received_at,
            account: None,
            client_order_id: None,
            expire_at: None,
            deadline: None,
            stale: false,
        }
    }
}

impl Command {
    /// The id by which the router refuses a repetition; what the dispatcher makes itself has none.
    pub fn id(&self) -> Option<CommandId> {
        match self {
            Command::NewOrder(order) => Some(order.order_id.into()),
            Command::CancelOrder(cancel) => Some(cancel.command_id),
            Command::ListInstrument(_) | Command::AdvanceTime(_) | Command::RefuseEntry(_) => None,
        }
    }

    /// The kind, as the log's column names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Command::ListInstrument(_) => "ListInstrument",
            Command::NewOrder(_) => "NewOrder",
            Command::CancelOrder(_) => "CancelOrder",
            Command::AdvanceTime(_) => "AdvanceTime",
            Command::RefuseEntry(_) => "RefuseEntry",
        }
    }
}

/// Something with its place in the log and the time stamped on it when it got that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequenced<T> {
    /// Its number.
    pub seq: Seq,
    /// The service's clock when it was numbered; never before that of the number below.
    pub time: Micros,
    /// The thing itself.
    pub value: T,
}
