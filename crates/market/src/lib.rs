//! What readers ask of the market beside the ledger: depth, trades, the figures of a day, candles, and the index by which
//! orders are found. A fold of the same committed rows as the ledger, never a scan of it; it decides nothing, is in no
//! snapshot, and is made from the ledger again at each start.

mod candles;
mod day;
mod ids;
mod index;
mod levels;
mod market;
mod touched;

pub use candles::{Candle, INTERVALS, Interval, ParseIntervalError};
pub use day::DayFigures;
pub use index::{OrderFilter, OrderIndex, Page};
pub use levels::Level;
pub use market::{Depth, FeedRow, Market, MarketTrade, RowChanges, SymbolChanges, SymbolMarket};
pub use touched::{Before, ChangedOrder, EarlierRows, touched};
