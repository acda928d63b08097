//! Which ids were seen, and under which names orders came.
//!
//! Invariant: an order's id and name are kept while it is open and for exactly [`ID_WINDOW`] rows after it closed; any
//! other command's id for as many rows after it came.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::keys::{Keys, Named};
use crate::planted::{Bug, is_planted};
use crate::units::{CommandId, Micros, OrderId, Seq};

use super::markets::Index;

/// For so many rows after an order closed its id is kept, and for so many rows after it came the id of any other command.
pub const ID_WINDOW: u64 = 1_000_000;

/// What is kept of an order.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) index: Index,
    /// Zero: never. A time of zero has passed before the first order comes.
    expire_at: u64,
}

impl Known {
    pub(super) fn new(index: Index, expire_at: Option<Micros>) -> Known {
        Known { index, expire_at: expire_at.map_or(0, Micros::get) }
    }

    pub(super) fn expire_at(self) -> Option<Micros> {
        Micros::new(self.expire_at).filter(|at| *at > Micros::ZERO)
    }
}

/// All ids and names that are kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Orders whose id is kept: open, or closed within the window.
    pub(super) orders: FxHashMap<OrderId, Known>,
    /// The names under which orders came, as long as the orders' ids are kept.
    pub(super) keys: Keys,
    /// Closed orders that are still kept, with the row that closed them, oldest first.
    pub(super) closed: VecDeque<(Seq, OrderId)>,
    /// Ids of other commands within the window.
    commands: FxHashSet<CommandId>,
    /// The same with the row they came in, oldest first.
    command_rows: VecDeque<(Seq, CommandId)>,
}

impl Window {
    pub(super) fn has_seen(&self, command_id: CommandId) -> bool {
        let order_id = OrderId::new(command_id.get());
        let seen = self.commands.contains(&command_id) || order_id.is_some_and(|id| self.orders.contains_key(&id));
        seen && !is_planted(Bug::SkipDedupe)
    }

    pub(super) fn remember(&mut self, seq: Seq, command_id: CommandId) {
        self.commands.insert(command_id);
        self.command_rows.push_back((seq, command_id));
    }

    pub(super) fn keep(&mut self, order_id: OrderId, known: Known, named: Option<Named>) {
        self.orders.insert(order_id, known);
        self.keys.insert(order_id, named);
    }

    /// Forgets what has left the window at row `seq`.
    pub(super) fn forget_until(&mut self, seq: Seq) {
        let expired = |since: Seq| seq.get() - since.get() > ID_WINDOW;
        while let Some((since, order_id)) = self.closed.front().copied()
            && expired(since)
        {
            self.closed.pop_front();
            self.orders.remove(&order_id);
            self.keys.remove(order_id);
        }
        while let Some((since, command_id)) = self.command_rows.front().copied()
            && expired(since)
        {
            self.command_rows.pop_front();
            self.commands.remove(&command_id);
            if let Some(order_id) = OrderId::new(command_id.get()) {
                self.keys.remove(order_id);
            }
        }
    }

    /// Ids of other commands, with the row they came in, oldest first.
    pub(super) fn into_commands(self) -> Vec<(Seq, CommandId)> {
        self.command_rows.into()
    }

    pub(super) fn set_commands(&mut self, rows: Vec<(Seq, CommandId)>) {
        self.commands = rows.iter().map(|(_, command_id)| *command_id).collect();
        self.command_rows = rows.into();
    }
}
