//! The trades that an order took part in.
//!
//! Invariant: a list that is there is not empty, so that equal states are equal.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::units::TradeId;

/// Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "VecDeque<TradeId>", into = "VecDeque<TradeId>")]
#[expect(clippy::box_collection, reason = "most open orders have none, which then take the room of a pointer")]
pub(super) struct OrderTrades(Option<Box<VecDeque<TradeId>>>);

impl OrderTrades {
    pub(super) fn iter(&self) -> impl Iterator<Item = TradeId> + '_ {
        self.0.iter().flat_map(|trades| trades.iter().copied())
    }

    pub(super) fn push(&mut self, trade_id: TradeId) {
        self.0.get_or_insert_default().push_back(trade_id);
    }

    /// Takes a trade out, if it is there. Trades go in the order in which they came but for rare cases: at the front.
    pub(super) fn remove(&mut self, trade_id: TradeId) {
        let Some(trades) = &mut self.0 else { return };
        if let Ok(index) = trades.binary_search(&trade_id) {
            trades.remove(index);
        }
        if trades.is_empty() {
            self.0 = None;
        }
    }
}

impl From<VecDeque<TradeId>> for OrderTrades {
    fn from(trades: VecDeque<TradeId>) -> OrderTrades {
        OrderTrades((!trades.is_empty()).then(|| Box::new(trades)))
    }
}

impl From<OrderTrades> for VecDeque<TradeId> {
    fn from(trades: OrderTrades) -> VecDeque<TradeId> {
        trades.0.map_or_else(VecDeque::new, |trades| *trades)
    }
}
