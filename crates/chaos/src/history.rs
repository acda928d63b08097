//! What clients sent and what they were told.

use std::time::Instant;

use matching::{Decimal, Side};

/// Everything that the clients and the watchers of one run remember.
#[derive(Debug, Default)]
pub struct History {
    /// Orders, each with every attempt to place it.
    pub orders: Vec<OrderSent>,
    /// Cancels, each attempt on its own: repeating one is safe.
    pub cancels: Vec<CancelSent>,
    /// States that the service showed.
    pub shown: Vec<Shown>,
    /// Positions that Redis showed.
    pub projected: Vec<Projected>,
    /// When a part of the service was away, so that some promises could not be given.
    pub outages: Vec<Outage>,
    /// Where the log ended when everything that could write it had died.
    pub crashes: Vec<Crash>,
}

/// An order as its client meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSent {
    /// The market.
    pub symbol: String,
    /// Its side.
    pub side: Side,
    /// Its limit.
    pub price: Decimal,
    /// How much.
    pub quantity: Decimal,
    /// The account, where one was sent. Of an order without a key it belongs to this order alone.
    pub account: Option<String>,
    /// The client_order_id, where one was sent.
    pub key: Option<String>,
    /// Its attempts: one, but for an order with a key.
    pub tries: Vec<Try>,
}

/// One request to place an order, and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// When and how long.
    pub span: Span,
    /// What came back.
    pub answer: PlaceAnswer,
}

/// When a request was sent, and when its answer was there.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Span {
    /// Sent.
    pub from: Instant,
    /// Answered.
    pub to: Instant,
}

/// What a client was told of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceAnswer {
    /// It is on disk.
    Enqueued {
        /// Under this id.
        order_id: u64,
    },
    /// It is committed.
    Committed {
        /// Under this id.
        order_id: u64,
        /// And was so before.
        duplicate: bool,
    },
    /// It was certainly not taken.
    NotTaken,
    /// It may have been taken.
    Unknown {
        /// Under this id, where that was told.
        order_id: Option<u64>,
    },
    /// Something that no good request should be told.
    Unexpected(String),
}

/// One request to cancel an order, and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelSent {
    /// The order: one that was acknowledged.
    pub order_id: u64,
    /// When.
    pub span: Span,
    /// What came back.
    pub answer: CancelAnswer,
}

/// What a client was told of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The order is cancelled, with so much left, by this row of the log.
    Cancelled {
        /// What was left.
        remaining: Decimal,
        /// The row.
        seq: u64,
    },
    /// The order ended otherwise.
    NotOpen {
        /// How.
        status: String,
    },
    /// There is no such order.
    UnknownOrder,
    /// Nothing is promised: not taken, or it is not known.
    Nothing,
    /// Something that no good request should be told.
    Unexpected(String),
}

/// A state that the service showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// When it was asked for and seen.
    pub span: Span,
    /// The row that it is the state at.
    pub seq: u64,
    /// The hash of the ledger.
    pub ledger_hash: String,
}

/// A position that Redis showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projected {
    /// When it was seen.
    pub at: Instant,
    /// The row.
    pub seq: u64,
    /// The chain's value there.
    pub chain: String,
}

/// What promises rest on.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Rests {
    /// The command queue: nothing can be acknowledged without it.
    Queue,
    /// The event log: nothing can be final without it.
    Log,
}

/// A time in which a part could do nothing.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Which.
    pub of: Rests,
    /// From then on.
    pub from: Instant,
    /// Until then.
    pub to: Instant,
}

/// A moment at which nothing ran, and the log as it was then: no row after its end can have been told before.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Crash {
    /// When.
    pub at: Instant,
    /// The last row.
    pub log_end: u64,
}

impl Crash {
    /// Whether somebody was told of this row before it was in the log.
    pub fn exposes(&self, seq: u64, told: Instant) -> bool {
        told <= self.at && seq > self.log_end
    }
}

impl Outage {
    /// Whether a request was sent and answered within it.
    pub fn covers(&self, span: Span) -> bool {
        self.from <= span.from && span.to <= self.to
    }
}

impl PlaceAnswer {
    /// The id that was promised: the order will be executed, or is.
    pub fn promised(&self) -> Option<u64> {
        match self {
            PlaceAnswer::Enqueued { order_id } | PlaceAnswer::Committed { order_id, .. } => Some(*order_id),
            PlaceAnswer::NotTaken | PlaceAnswer::Unknown { .. } | PlaceAnswer::Unexpected(_) => None,
        }
    }
}
