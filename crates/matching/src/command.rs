//! What the engine is asked to do. A command holds everything that decides its outcome.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId};
use crate::order::Order;
use crate::phase::{Phase, PhaseStep};
use crate::symbol::Symbol;
use crate::tagged::tagged;
use crate::units::{CommandId, Micros, OrderId, Seq, Side};

tagged! {
    /// A command, as it stands in the stream and in the log.
    pub enum Command {
        /// List an instrument.
        ListInstrument,
        /// Change the rules of an instrument.
        UpdateInstrument,
        /// Take a market to another phase.
        SetPhase,
        /// Place an order.
        NewOrder,
        /// Change an order's price or quantity.
        AmendOrder,
        /// Cancel an order.
        CancelOrder,
        /// Cancel the order that came under a name.
        CancelByKey,
        /// Cancel every order of an account, a market, a side.
        MassCancel,
        /// Arm or disarm an account's dead man's switch.
        SetCancelAfter,
        /// Refuse an account's orders from here on, and cancel those that are open.
        BlockAccount,
        /// Take an account's orders again.
        UnblockAccount,
        /// Do what is due. Made by the dispatcher, only when something is.
        AdvanceTime,
        /// Record that a stream entry could not be read. Made by the dispatcher in the entry's place.
        RefuseEntry,
    }
}

/// List an instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListInstrument {
    /// This command's own id; none when the dispatcher made it: from configuration on the first start, or in front of the
    /// first order of a symbol where that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// What is listed.
    pub instrument: Instrument,
}

/// Change the rules of an instrument, all but its scale. Orders that are open stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateInstrument {
    /// This command's own id.
    pub command_id: CommandId,
    /// The instrument as it is from now on.
    pub instrument: Instrument,
}

/// Take a market to another phase, and perhaps further ones at times to come. What was to come before is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPhase {
    /// This command's own id; none when the dispatcher made it after an unclean start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The market.
    pub symbol: Symbol,
    /// The phase at once.
    pub phase: Phase,
    /// Phases to come, in the order of their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<PhaseStep>,
}

/// The most phases to come that one command names.
pub const MAX_PHASE_STEPS: usize = 8;

/// Place an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The order.
    pub order: Order,
    /// Numbered after this, it is refused as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Micros>,
    /// Whether it waited in the stream for longer than the service allows. Set by the dispatcher.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl From<Order> for NewOrder {
    /// To be placed whenever its turn comes.
    fn from(order: Order) -> NewOrder {
        NewOrder { order, deadline: None, stale: false }
    }
}

impl From<Order> for Command {
    fn from(order: Order) -> Command {
        Command::NewOrder(order.into())
    }
}

/// Change an order's price or quantity. Less of it at the same price keeps its place; anything else loses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendOrder {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// The order.
    pub order_id: OrderId,
    /// The new limit; none leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The new whole quantity, what is filled included; none leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// Refused unless this is the last row of the log that changed the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_seq: Option<Seq>,
    /// When the request was received.
    pub received_at: Micros,
}

/// Do what is due at the time that it is stamped with.
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

/// Cancel what is left of the order that came under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelByKey {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// The order's market.
    pub symbol: Symbol,
    /// The order's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The order's name.
    pub client_order_id: ClientOrderId,
    /// The caller's words, at most [`MAX_REASON_TEXT`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// When the request was received.
    pub received_at: Micros,
}

/// The longest reason text that a cancel carries, in bytes: it is repeated in the log and in the order's state.
pub const MAX_REASON_TEXT: usize = 256;

/// Cancel every open order that all of these fit: by market, and in a market by place, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MassCancel {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// Of this account; none: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Of this market; none: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// Of this side; none: of either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// When the request was received.
    pub received_at: Micros,
}

/// Arm an account's dead man's switch: unless it is armed anew before the time is up, all of the account's orders are
/// cancelled. The time runs from when this command is numbered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCancelAfter {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// The account.
    pub account: Account,
    /// How long, in microseconds; zero disarms.
    pub timeout: u64,
    /// When the request was received.
    pub received_at: Micros,
}

/// Refuse an account's orders from here on, and cancel those that are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockAccount {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// The account.
    pub account: Account,
    /// When the request was received.
    pub received_at: Micros,
}

/// Take an account's orders again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnblockAccount {
    /// This command's own id: the caller waits for it.
    pub command_id: CommandId,
    /// The account.
    pub account: Account,
    /// When the request was received.
    pub received_at: Micros,
}

/// Record that a stream entry could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseEntry {
    /// The entry's id in the stream.
    pub stream_id: String,
    /// What was wrong with it.
    pub error: String,
}

impl Command {
    /// The id by which the router refuses a repetition; what the dispatcher makes itself has none.
    pub fn id(&self) -> Option<CommandId> {
        match self {
            Command::NewOrder(new) => Some(new.order.order_id.into()),
            Command::AmendOrder(command) => Some(command.command_id),
            Command::CancelOrder(command) => Some(command.command_id),
            Command::CancelByKey(command) => Some(command.command_id),
            Command::MassCancel(command) => Some(command.command_id),
            Command::SetCancelAfter(command) => Some(command.command_id),
            Command::BlockAccount(command) => Some(command.command_id),
            Command::UnblockAccount(command) => Some(command.command_id),
            Command::UpdateInstrument(command) => Some(command.command_id),
            Command::ListInstrument(command) => command.command_id,
            Command::SetPhase(command) => command.command_id,
            Command::AdvanceTime(_) | Command::RefuseEntry(_) => None,
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
