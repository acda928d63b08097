//! The projection in memory: the last state of each order and the trades, as a mirror would hold them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use journal::{Projection, ProjectionError, ProjectionPosition, ProjectionState, ProjectionWrite, Written};
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Ledger, OrderId, TradeId};
use tokio::sync::Semaphore;

use crate::lock;

/// A projection in memory.
#[derive(Debug)]
pub struct MemoryProjection {
    state: Mutex<State>,
    /// Writes that may pass.
    gate: Semaphore,
}

/// What a projection holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The orders, by id.
    pub orders: BTreeMap<OrderId, OrderRecord>,
    /// The trades, by number.
    pub trades: BTreeMap<TradeId, TradeRecord>,
}

#[derive(Debug, Default)]
struct State {
    position: Option<ProjectionPosition>,
    contents: Contents,
    unreachable: bool,
    writes: u64,
    rebuilds: u64,
}

impl Default for MemoryProjection {
    fn default() -> MemoryProjection {
        MemoryProjection { state: Mutex::default(), gate: Semaphore::new(Semaphore::MAX_PERMITS) }
    }
}

impl Contents {
    /// What a projection of this ledger holds.
    pub fn of(ledger: &Ledger) -> Contents {
        Contents {
            orders: ledger.orders().map(|order| (order.order_id, order.clone())).collect(),
            trades: ledger.trades().map(|trade| (trade.trade_id, trade.clone())).collect(),
        }
    }
}

impl MemoryProjection {
    /// What it holds.
    pub fn contents(&self) -> Contents {
        lock(&self.state).contents.clone()
    }

    /// The row that it shows.
    pub fn position(&self) -> Option<ProjectionPosition> {
        lock(&self.state).position
    }

    /// Shows the state of this ledger, whatever it showed before: as an old writer's late rebuild does.
    pub fn set_back(&self, ledger: &Ledger, position: ProjectionPosition) {
        let mut state = lock(&self.state);
        state.contents = Contents::of(ledger);
        state.position = Some(position);
    }

    /// Sets the row that it claims to show.
    pub fn claim(&self, position: ProjectionPosition) {
        lock(&self.state).position = Some(position);
    }

    /// Loses everything, as a flush does.
    pub fn flush(&self) {
        let mut state = lock(&self.state);
        state.position = None;
        state.contents = Contents::default();
    }

    /// Makes every call fail, or succeed again.
    pub fn set_unreachable(&self, unreachable: bool) {
        lock(&self.state).unreachable = unreachable;
    }

    /// Lets no write pass until [`MemoryProjection::let_pass`].
    pub fn hold_writes(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets so many writes pass.
    pub fn let_pass(&self, writes: usize) {
        self.gate.add_permits(writes);
    }

    /// Writes that changed something.
    pub fn writes(&self) -> u64 {
        lock(&self.state).writes
    }

    /// Rebuilds that were done.
    pub fn rebuilds(&self) -> u64 {
        lock(&self.state).rebuilds
    }
}

impl State {
    fn check(&self) -> Result<(), ProjectionError> {
        if self.unreachable { Err(ProjectionError("as the test asked".to_owned())) } else { Ok(()) }
    }

    fn apply(&mut self, write: &ProjectionWrite) {
        let Contents { orders, trades } = &mut self.contents;
        orders.extend(write.orders.iter().map(|order| (order.order_id, order.clone())));
        trades.extend(write.trades.iter().map(|trade| (trade.trade_id, trade.clone())));
        for order in &write.dropped_orders {
            orders.remove(&order.order_id);
        }
        for trade in &write.dropped_trades {
            trades.remove(&trade.trade_id);
        }
        self.position = Some(write.to);
        self.writes += 1;
    }
}

#[async_trait]
impl Projection for MemoryProjection {
    async fn state(&self) -> Result<ProjectionState, ProjectionError> {
        let state = lock(&self.state);
        state.check()?;
        Ok(state.position.map_or(ProjectionState::Unusable, ProjectionState::At))
    }

    async fn write(&self, write: &ProjectionWrite) -> Result<Written, ProjectionError> {
        self.gate.acquire().await.expect("the gate is never closed").forget();
        let mut state = lock(&self.state);
        state.check()?;
        match state.position {
            Some(shown) if shown.seq == write.from => {
                state.apply(write);
                Ok(Written::Written)
            }
            Some(shown) if shown.seq >= write.to.seq => Ok(Written::Older),
            _ => Ok(Written::Gap),
        }
    }

    async fn rebuild(&self, ledger: Arc<Ledger>, position: ProjectionPosition) -> Result<(), ProjectionError> {
        let mut state = lock(&self.state);
        state.check()?;
        state.contents = Contents::of(&ledger);
        state.position = Some(position);
        state.rebuilds += 1;
        Ok(())
    }
}
