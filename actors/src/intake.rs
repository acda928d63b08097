//! The way in: passes commands to the queue and remembers those that are acknowledged and not committed yet.
//!
//! What it remembers bounds how far the service may fall behind, and is what a lost stream is restored from. Cancels
//! have a share of their own, so that a flood of orders never keeps anybody from leaving the market.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::{CommandQueue, EnqueueError, QueueError, StreamId, encoding};
use matching::planted::{Bug, is_planted};
use matching::{Command, Order, OrderId};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// Whose share a command counts in.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Lane {
    /// New orders.
    Orders,
    /// Cancels.
    Cancels,
}

/// How many commands of each lane may be acknowledged or on their way and not committed.
#[derive(Debug, Copy, Clone)]
pub struct IntakeLimits {
    /// Of new orders.
    pub orders: usize,
    /// Of cancels.
    pub cancels: usize,
}

/// A command that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The stream is being restored; it certainly was not taken.
    #[error("the command stream is being restored")]
    Closed,
    /// Too much is waiting already; it certainly was not taken.
    #[error("{waiting} commands are waiting to be committed")]
    Behind {
        /// How many.
        waiting: usize,
    },
    /// The queue did not take it, or did not say.
    #[error(transparent)]
    Queue(#[from] EnqueueError),
}

/// Takes commands in.
pub struct Intake {
    queue: Arc<dyn CommandQueue>,
    limits: IntakeLimits,
    /// Held by every enqueue under way; held exclusively while the stream is restored.
    gate: Arc<RwLock<()>>,
    state: Mutex<State>,
}

/// The gate, closed; dropping it opens the gate again.
pub(crate) struct ClosedGate {
    _exclusive: OwnedRwLockWriteGuard<()>,
}

#[derive(Default)]
struct State {
    /// What is acknowledged and not committed, by its place in the stream.
    kept: BTreeMap<StreamId, Kept>,
    /// The last entry that is committed.
    committed: StreamId,
    orders: Waiting,
    cancels: Waiting,
}

struct Kept {
    lane: Lane,
    text: String,
}

/// Commands of one lane.
#[derive(Default)]
struct Waiting {
    under_way: usize,
    kept: usize,
}

impl State {
    fn lane(&mut self, lane: Lane) -> &mut Waiting {
        match lane {
            Lane::Orders => &mut self.orders,
            Lane::Cancels => &mut self.cancels,
        }
    }

    fn keep(&mut self, id: StreamId, kept: Kept) {
        // The commit can be quicker than the acknowledgement.
        if id > self.committed {
            self.lane(kept.lane).kept += 1;
            self.kept.insert(id, kept);
        }
    }
}

impl Intake {
    /// An open way into `queue`, where everything up to `committed` is committed.
    pub fn new(queue: Arc<dyn CommandQueue>, committed: StreamId, limits: IntakeLimits) -> Intake {
        let state = State { committed, ..State::default() };
        Intake { queue, limits, gate: Arc::default(), state: Mutex::new(state) }
    }

    /// Appends one entry of encoded commands; returns once it is on disk. To be run in a task of its own: dropped on its
    /// way, it would not know what was acknowledged.
    pub async fn enqueue(&self, lane: Lane, text: String) -> Result<(), IntakeError> {
        let _open = self.gate.try_read().map_err(|_| IntakeError::Closed)?;
        self.admit(lane)?;
        if is_planted(Bug::AckBeforeFsync) {
            self.state().lane(lane).under_way -= 1;
            let queue = Arc::clone(&self.queue);
            tokio::spawn(async move { queue.enqueue(&text).await });
            return Ok(());
        }
        let enqueued = self.queue.enqueue(&text).await;
        let mut state = self.state();
        state.lane(lane).under_way -= 1;
        state.keep(enqueued?, Kept { lane, text });
        Ok(())
    }

    /// Whether the stream is there to take commands.
    pub fn is_open(&self) -> bool {
        self.gate.try_read().is_ok()
    }

    /// A new order that is acknowledged and not committed.
    pub fn pending(&self, order_id: OrderId) -> Option<Order> {
        // Names and words of clients are escaped: only a new order's own id stands like this.
        let pattern = format!("\"order\":{{\"order_id\":{order_id},");
        let state = self.state();
        let text = state.kept.values().find(|kept| kept.text.contains(&pattern)).map(|kept| kept.text.clone());
        drop(state);
        let commands = encoding::decode_entry(encoding::STREAM_FORMAT, &text?).ok()?;
        commands.into_iter().find_map(|command| match command {
            Command::NewOrder(new) if new.order.order_id == order_id => Some(new.order),
            _ => None,
        })
    }

    /// Commands that are acknowledged and not committed.
    pub fn waiting(&self) -> usize {
        self.state().kept.len()
    }

    fn admit(&self, lane: Lane) -> Result<(), IntakeError> {
        let limit = match lane {
            Lane::Orders => self.limits.orders,
            Lane::Cancels => self.limits.cancels,
        };
        let mut state = self.state();
        let waiting = state.lane(lane);
        let count = waiting.under_way + waiting.kept;
        if count >= limit {
            return Err(IntakeError::Behind { waiting: count });
        }
        waiting.under_way += 1;
        Ok(())
    }

    /// Everything up to `committed` is committed.
    pub(crate) fn committed(&self, committed: StreamId) {
        let mut state = self.state();
        state.committed = state.committed.max(committed);
        while let Some(entry) = state.kept.first_entry()
            && *entry.key() <= committed
        {
            let lane = entry.remove().lane;
            state.lane(lane).kept -= 1;
        }
    }

    /// Takes no more commands, and waits for those on their way.
    pub(crate) async fn close(&self) -> ClosedGate {
        ClosedGate { _exclusive: Arc::clone(&self.gate).write_owned().await }
    }

    /// Makes a lost stream again behind `read_to` and everything that was acknowledged, and appends what was acknowledged
    /// and not committed in its old order. Returns the place to read after. When it fails it can be tried again: every
    /// command has its id, and a command that comes twice is executed once.
    pub(crate) async fn restore(&self, _: &ClosedGate, read_to: StreamId) -> Result<StreamId, RestoreError> {
        let (last, texts) = {
            let state = self.state();
            let last = state.kept.last_key_value().map_or(read_to, |(id, _)| read_to.max(*id));
            let kept = state.kept.values().filter(|_| !is_planted(Bug::RestoreNothing));
            (last, kept.map(|kept| kept.text.clone()).collect::<Vec<_>>())
        };
        self.queue.open(last).await?;
        let mut ids = Vec::with_capacity(texts.len());
        for text in &texts {
            ids.push(self.queue.enqueue(text).await?);
        }
        let mut state = self.state();
        state.kept = ids.into_iter().zip(std::mem::take(&mut state.kept).into_values()).collect();
        Ok(last)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream could not be restored now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Open(#[from] QueueError),
    #[error(transparent)]
    Add(#[from] EnqueueError),
}
