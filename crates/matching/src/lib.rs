//! The pure matching core: no clock, no randomness, no I/O, no floating point. The same commands give the same
//! events and the same state on every machine, for any batching.
//!
//! [`Router`] takes a numbered command and says which [`Book`]s it concerns; a book answers with what happened;
//! the router gives trades their numbers; the [`Ledger`] folds the events into what readers see. [`Engine`] is all
//! of them in one loop.

pub mod amount;
pub mod book;
pub mod command;
pub mod decimal;
pub mod engine;
pub mod event;
mod event_line;
pub mod hex;
pub mod image;
pub mod instrument;
mod keys;
pub mod ledger;
pub mod naive;
pub mod names;
pub mod order;
pub mod phase;
pub mod planted;
pub mod reason;
pub mod router;
pub mod symbol;
mod tagged;
mod translate;
pub mod units;

pub use amount::Amount;
pub use book::{Book, BookCommand, BookEvent};
pub use command::{Command, Sequenced};
pub use decimal::Decimal;
pub use engine::Engine;
pub use event::Event;
pub use image::{EngineImage, StateHash};
pub use instrument::{Instrument, InstrumentSpec};
pub use ledger::{Changes, Ledger};
pub use names::{Account, ClientOrderId, Metadata};
pub use order::{Order, OrderType, SelfTradePrevention, TimeInForce};
pub use phase::{Phase, PhaseStep};
pub use reason::Reason;
pub use router::Router;
pub use symbol::Symbol;
pub use units::{CommandId, Micros, OrderId, Price, Quantity, Seq, Side, SymbolSeq, TradeId};

/// The version of the matching rules. Commands of the log are re-applied only by the version that applied them.
pub const ENGINE_VERSION: i32 = 1;
