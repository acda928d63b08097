//! What a book is asked to do and what it answers, in its instrument's integer units.

use std::ops::Deref;

use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId, Metadata};
use crate::order::{OrderType, SelfTradePrevention, TimeInForce};
use crate::phase::{Phase, PhaseStep};
use crate::reason::Reason;
use crate::units::{CommandId, Micros, OrderId, Price, Quantity, Seq, Side, SymbolSeq};

/// An order as it comes to its book: its fields go together, and are within the instrument's fixed rules. Small, since it is
/// copied on its way into the book and out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order.
    pub order_id: OrderId,
    /// Its side.
    pub side: Side,
    /// Its kind.
    pub order_type: OrderType,
    /// Its limit, where its kind has one.
    pub price: Option<Price>,
    /// How much; zero exactly for an order by quote amount.
    pub quantity: Quantity,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// Whether it is refused rather than trade when it comes.
    pub post_only: bool,
    /// What happens when it meets its own account.
    pub self_trade_prevention: SelfTradePrevention,
    /// Whose it is.
    pub account: Option<Account>,
    /// The client's name for it.
    pub client_order_id: Option<ClientOrderId>,
    /// When the request was received.
    pub received_at: Micros,
    /// What few orders have.
    pub extras: Extras,
}

const _: () = assert!(size_of::<Placed>() == 80);

/// What few orders have: nothing, or a place of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras(Option<Box<Extra>>);

/// What few orders have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// How much to spend or receive at most, in units of price times quantity.
    pub quote_quantity: Option<u128>,
    /// When it expires; the router keeps the time, the book only repeats this.
    pub expire_at: Option<Micros>,
    /// The last trade that wakes it.
    pub stop_price: Option<Price>,
    /// How far behind the last trade its stop price follows.
    pub trailing_delta: Option<Price>,
    /// How much is shown at once.
    pub display_quantity: Option<Quantity>,
    /// It trades at least so much when it comes.
    pub min_quantity: Option<Quantity>,
    /// The order that it is linked with.
    pub linked_order_id: Option<OrderId>,
    /// The client's own words.
    pub metadata: Option<Metadata>,
}

impl Extra {
    /// Nothing of it.
    pub const NONE: Extra = Extra {
        quote_quantity: None,
        expire_at: None,
        stop_price: None,
        trailing_delta: None,
        display_quantity: None,
        min_quantity: None,
        linked_order_id: None,
        metadata: None,
    };
}

impl From<Extra> for Extras {
    fn from(extra: Extra) -> Extras {
        Extras((extra != Extra::NONE).then(|| Box::new(extra)))
    }
}

impl Deref for Extras {
    type Target = Extra;

    #[inline]
    fn deref(&self) -> &Extra {
        static NONE: Extra = Extra::NONE;
        self.0.as_deref().unwrap_or(&NONE)
    }
}

/// Which orders a mass cancel takes: those that all of these fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Of this account; none: of any.
    pub account: Option<Account>,
    /// Of this side; none: of either.
    pub side: Option<Side>,
}

/// What a book is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookCommand {
    /// Place an order.
    Place(Placed),
    /// Change an order.
    Amend {
        /// The amend's own id.
        command_id: CommandId,
        /// The order.
        order_id: OrderId,
        /// The new limit.
        price: Option<Price>,
        /// The new whole quantity.
        quantity: Option<Quantity>,
        /// The last row that must have changed the order.
        if_seq: Option<Seq>,
    },
    /// Cancel what is left of an order.
    Cancel {
        /// The cancel's own id.
        command_id: CommandId,
        /// The order.
        order_id: OrderId,
        /// The caller's words.
        reason_text: Option<String>,
    },
    /// Cancel all orders of a selection.
    CancelAll {
        /// The command that asks for it; none when a dead man's switch does.
        command_id: Option<CommandId>,
        /// Which.
        selection: Selection,
        /// Why.
        reason: Reason,
    },
    /// Take out what is left of an order whose time has come, if it is still there.
    Expire {
        /// The order.
        order_id: OrderId,
    },
    /// Go to another phase.
    SetPhase {
        /// The command that asks for it, if one does.
        command_id: Option<CommandId>,
        /// The phase.
        phase: Phase,
        /// Phases to come, only repeated.
        then: Vec<PhaseStep>,
    },
    /// Go by other rules.
    UpdateInstrument {
        /// The command that asks for it.
        command_id: CommandId,
        /// The rules.
        instrument: Instrument,
    },
}

/// Whose an order is and what its client says about it: what each of its events repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: Option<Account>,
    /// The client's own words.
    pub metadata: Option<Metadata>,
}

/// Two orders met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traded {
    /// The price.
    pub price: Price,
    /// How much changed hands.
    pub quantity: Quantity,
    /// The order that was in the book.
    pub maker_order_id: OrderId,
    /// The order that came.
    pub taker_order_id: OrderId,
    /// The side of the order that came.
    pub taker_side: Side,
    /// What is left of the maker.
    pub maker_remaining: Quantity,
    /// What is left of the taker; zero for one by quote amount.
    pub taker_remaining: Quantity,
    /// What is left of the amount of a taker by quote amount.
    pub taker_quote_remaining: Option<u128>,
    /// What the buyer gets back of what its limit would have cost.
    pub improvement: u128,
    /// Whether it ended an auction.
    pub auction: bool,
    /// Whose the maker is.
    pub maker: Owner,
    /// Whose the taker is.
    pub taker: Owner,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The order.
    pub order_id: OrderId,
    /// Its side.
    pub side: Side,
    /// What was left of it.
    pub remaining: Quantity,
    /// What its owner gets back: quantity for a sale, price times quantity for a purchase; none where that was never fixed.
    pub released: Option<u128>,
    /// Whose it is.
    pub owner: Owner,
}

/// What an auction would give.
#[derive(Debug, Copy, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Indication {
    /// The one price.
    pub price: Price,
    /// How much trades.
    pub volume: u128,
    /// How much more would be bought (positive) or sold at that price.
    pub imbalance: i128,
}

/// What happened in a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookEvent {
    /// An order has its place; its trades, if any, follow.
    Accepted {
        /// The order.
        order: Placed,
        /// This event's number in the book.
        priority: SymbolSeq,
    },
    /// An order was refused.
    Rejected {
        /// The order.
        order: Placed,
        /// This event's number in the book.
        symbol_seq: SymbolSeq,
        /// Why.
        reason: Reason,
    },
    /// The last trade woke an order.
    Triggered {
        /// The order.
        order_id: OrderId,
        /// The last trade.
        price: Price,
        /// Its place from now on: this event's number.
        priority: SymbolSeq,
        /// Whose it is.
        owner: Owner,
    },
    /// An order was changed.
    Amended {
        /// The amend.
        command_id: CommandId,
        /// The order.
        order_id: OrderId,
        /// Its limit, if it has one.
        price: Option<Price>,
        /// Its whole quantity.
        quantity: Quantity,
        /// What is left of it.
        remaining: Quantity,
        /// Its place from now on.
        priority: SymbolSeq,
        /// Whose it is.
        owner: Owner,
    },
    /// An order got smaller by what it would have traded with its own account.
    Reduced {
        /// The order.
        order_id: OrderId,
        /// Its whole quantity.
        quantity: Quantity,
        /// What is left of it.
        remaining: Quantity,
        /// Whose it is.
        owner: Owner,
    },
    /// An iceberg shows more, behind the others of its price.
    Replenished {
        /// The order.
        order_id: OrderId,
        /// What it shows.
        displayed: Quantity,
        /// Its place from now on: this event's number.
        priority: SymbolSeq,
        /// Whose it is.
        owner: Owner,
    },
    /// Two orders met.
    Traded(Traded),
    /// What is left of an order's quote amount buys no lot.
    Filled(Ended),
    /// What was left of an order was taken out.
    Cancelled {
        /// The order.
        ended: Ended,
        /// The command that did it, if one did.
        command_id: Option<CommandId>,
        /// Why.
        reason: Reason,
        /// The caller's words.
        reason_text: Option<String>,
    },
    /// What was left of an order expired.
    Expired {
        /// The order.
        ended: Ended,
        /// Why.
        reason: Reason,
    },
    /// The order to cancel is not open.
    CancelRejected {
        /// The cancel.
        command_id: CommandId,
        /// The order it named.
        order_id: OrderId,
    },
    /// The order was not changed.
    AmendRejected {
        /// The amend.
        command_id: CommandId,
        /// The order it named.
        order_id: OrderId,
        /// Why.
        reason: Reason,
    },
    /// The market is in this phase.
    PhaseChanged {
        /// The command that asked for it, if one did.
        command_id: Option<CommandId>,
        /// The phase.
        phase: Phase,
        /// Phases to come.
        then: Vec<PhaseStep>,
    },
    /// The market goes by these rules.
    InstrumentUpdated {
        /// The command that asked for it.
        command_id: CommandId,
        /// The rules.
        instrument: Instrument,
    },
    /// What the auction would give has changed.
    AuctionIndicated(Option<Indication>),
}
