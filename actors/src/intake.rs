//! The way in: passes commands to the queue and remembers those that are acknowledged and not committed yet.
//!
//! One entry is on its way at a time, and whatever comes meanwhile goes into the next one together: under load hundreds of
//! commands share an append, a sync of the disk and a read. A task of its own carries the entry, so a client that goes
//! away takes no knowledge of what was acknowledged along.
//!
//! What it remembers bounds how far the service may fall behind, and is what a lost stream is restored from. Cancels
//! have a share of their own, so that a flood of orders never keeps anybody from leaving the market.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::encoding::MAX_COMMANDS_PER_ENTRY;
use journal::{CommandQueue, EnqueueError, QueueError, StreamId};
use matching::planted::{Bug, is_planted};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, oneshot};

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
    /// Held by the entry on its way; held exclusively while the stream is restored.
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
    orders: Counts,
    cancels: Counts,
    /// What goes into the next entries, in this order.
    waiting: Vec<Waiting>,
    /// Whether a task carries entries to the queue.
    carrying: bool,
}

/// A command that is in no entry yet, and whoever waits for its acknowledgement.
struct Waiting {
    lane: Lane,
    text: String,
    reply: oneshot::Sender<Result<(), IntakeError>>,
}

/// An entry as it is in the stream.
struct Kept {
    text: String,
    orders: usize,
    cancels: usize,
}

/// The task that carries. If it ends halfway, with the thread that it ran on, what was under way is unknown to its
/// callers, and the next command begins anew.
struct Carrier<'a>(Option<&'a Intake>);

impl Drop for Carrier<'_> {
    fn drop(&mut self) {
        let Some(intake) = self.0 else { return };
        let mut state = intake.state();
        state.carrying = false;
        state.waiting.clear();
        state.orders.under_way = 0;
        state.cancels.under_way = 0;
    }
}

/// Commands of one lane.
#[derive(Default)]
struct Counts {
    under_way: usize,
    kept: usize,
}

impl State {
    fn lane(&mut self, lane: Lane) -> &mut Counts {
        match lane {
            Lane::Orders => &mut self.orders,
            Lane::Cancels => &mut self.cancels,
        }
    }

    /// The commands of the next entry; none when nothing waits, and then nobody carries any more.
    fn next_entry(&mut self) -> Option<Vec<Waiting>> {
        self.carrying = !self.waiting.is_empty();
        let count = self.waiting.len().min(MAX_COMMANDS_PER_ENTRY);
        self.carrying.then(|| self.waiting.drain(..count).collect())
    }

    /// An entry came back: taken at `id`, or not.
    fn landed(&mut self, entry: Kept, id: Option<StreamId>) {
        self.orders.under_way -= entry.orders;
        self.cancels.under_way -= entry.cancels;
        // The commit can be quicker than the acknowledgement.
        if let Some(id) = id.filter(|id| *id > self.committed) {
            self.orders.kept += entry.orders;
            self.cancels.kept += entry.cancels;
            self.kept.insert(id, entry);
        }
    }
}

impl Kept {
    /// The entry of these commands: one as it is, more as an array.
    fn of(commands: &[Waiting]) -> Kept {
        let cancels = commands.iter().filter(|command| command.lane == Lane::Cancels).count();
        let text = match commands {
            [one] => one.text.clone(),
            _ => {
                let mut text =
                    String::with_capacity(commands.iter().map(|command| command.text.len() + 1).sum::<usize>() + 1);
                for command in commands {
                    text.push(if text.is_empty() { '[' } else { ',' });
                    text.push_str(&command.text);
                }
                text.push(']');
                text
            }
        };
        Kept { text, orders: commands.len() - cancels, cancels }
    }
}

impl Intake {
    /// An open way into `queue`, where everything up to `committed` is committed.
    pub fn new(queue: Arc<dyn CommandQueue>, committed: StreamId, limits: IntakeLimits) -> Intake {
        let state = State { committed, ..State::default() };
        Intake { queue, limits, gate: Arc::default(), state: Mutex::new(state) }
    }

    /// Has an encoded command appended with the next entry; returns once it is on disk. Whoever stops waiting changes
    /// nothing: the command goes its way.
    pub async fn enqueue(self: &Arc<Self>, lane: Lane, text: String) -> Result<(), IntakeError> {
        if !self.is_open() {
            return Err(IntakeError::Closed);
        }
        let (reply, acknowledged) = oneshot::channel();
        if self.admit(Waiting { lane, text, reply })? {
            actix::spawn(Arc::clone(self).carry());
        }
        let stopping = |_| Err(EnqueueError::Unknown("the service is stopping".to_owned()).into());
        acknowledged.await.unwrap_or_else(stopping)
    }

    /// Carries one entry after the other until nothing waits.
    async fn carry(self: Arc<Self>) {
        let mut carrier = Carrier(Some(&*self));
        loop {
            let Some(commands) = self.state().next_entry() else {
                carrier.0 = None;
                return;
            };
            let result = self.append(Kept::of(&commands)).await;
            for command in commands {
                // Whoever asked may have gone away.
                let _ = command.reply.send(result.clone());
            }
        }
    }

    async fn append(&self, entry: Kept) -> Result<(), IntakeError> {
        let open = self.gate.try_read();
        let enqueued = if open.is_err() {
            Err(IntakeError::Closed)
        } else if is_planted(Bug::AckBeforeFsync) {
            let (queue, text) = (Arc::clone(&self.queue), entry.text.clone());
            tokio::spawn(async move { queue.enqueue(&text).await });
            Ok(None)
        } else {
            self.queue.enqueue(&entry.text).await.map(Some).map_err(IntakeError::from)
        };
        self.state().landed(entry, enqueued.as_ref().ok().copied().flatten());
        enqueued.map(drop)
    }

    /// Whether the stream is there to take commands.
    pub fn is_open(&self) -> bool {
        self.gate.try_read().is_ok()
    }

    /// Commands that are acknowledged and not committed.
    pub fn waiting(&self) -> usize {
        let state = self.state();
        state.orders.kept + state.cancels.kept
    }

    /// Lets a command in; returns whether somebody has to begin to carry.
    fn admit(&self, command: Waiting) -> Result<bool, IntakeError> {
        let limit = match command.lane {
            Lane::Orders => self.limits.orders,
            Lane::Cancels => self.limits.cancels,
        };
        let mut state = self.state();
        let counts = state.lane(command.lane);
        let waiting = counts.under_way + counts.kept;
        if waiting >= limit {
            return Err(IntakeError::Behind { waiting });
        }
        counts.under_way += 1;
        state.waiting.push(command);
        Ok(!std::mem::replace(&mut state.carrying, true))
    }

    /// Everything up to `committed` is committed.
    pub(crate) fn committed(&self, committed: StreamId) {
        let mut state = self.state();
        state.committed = state.committed.max(committed);
        while let Some(entry) = state.kept.first_entry()
            && *entry.key() <= committed
        {
            let entry = entry.remove();
            state.orders.kept -= entry.orders;
            state.cancels.kept -= entry.cancels;
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
