//! The way in: passes commands to the queue and remembers those that are acknowledged and not committed yet.
//!
//! One entry is on its way at a time, and whatever comes meanwhile goes into the next one together: under load hundreds of
//! commands share an append, a sync of the disk and a read. One task carries them all, so a client that goes away takes no
//! knowledge of what was acknowledged along.
//!
//! What it remembers bounds how far the service may fall behind, in commands and in time, and is what a lost stream is
//! restored from. Cancels have a share of their own and no bound in time, so that a flood of orders neither keeps anybody
//! from leaving the market nor lets a cancel wait behind more than that time of orders.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use journal::encoding::MAX_COMMANDS_PER_ENTRY;
use journal::{CommandQueue, EnqueueError, Entry, QueueError, StreamId, encoding};
use matching::planted::{Bug, is_planted};
use matching::{Command, Order, OrderId};
use tokio::sync::{Notify, OwnedRwLockWriteGuard, RwLock, oneshot};
use tokio::time::Instant;

use crate::histogram::Histogram;

/// A queue that has commands and has answered none for this long is stuck: whoever comes now is told so at once, and
/// knows that its command was not taken, rather than wait with those whose outcome is unknown.
const STUCK: Duration = Duration::from_secs(1);

/// Whose share a command counts in.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Lane {
    /// New orders.
    Orders,
    /// Cancels.
    Cancels,
}

/// How many commands of each lane may be acknowledged or on their way and not committed, and for how long.
#[derive(Debug, Copy, Clone)]
pub struct IntakeLimits {
    /// Of new orders.
    pub orders: usize,
    /// Of cancels.
    pub cancels: usize,
    /// While the log commits, no new order is taken when the oldest command has waited for longer. A log that commits
    /// nothing is not too slow but away: then only the numbers count.
    pub wait: Duration,
}

/// How far the log is behind what was acknowledged, and the queue behind what it was given.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct Lag {
    /// Entries of the stream that are acknowledged and not committed.
    pub entries: usize,
    /// How long the oldest of them has waited.
    pub age: Duration,
    /// How long the queue has answered nobody, while somebody waits for its acknowledgement.
    pub silence: Duration,
}

/// A command that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The stream is being restored; it certainly was not taken.
    #[error("the command stream is being restored")]
    Closed,
    /// The queue answers nobody; it certainly was not taken.
    #[error("the command queue has answered nobody for a second")]
    Stuck,
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
    /// Tells the task that carries entries that something waits.
    arrived: Notify,
    /// How long entries took to be acknowledged.
    acknowledged: Histogram,
    /// How long they then took to be committed.
    settled: Histogram,
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
    /// Whether the oldest command had waited for too long at the last commit.
    late: bool,
    /// What goes into the next entries, in this order.
    waiting: VecDeque<Waiting>,
    /// The entry that the queue was given and has not answered.
    asked: Option<Asked>,
}

/// Commands of one caller that are in no entry yet, and whoever waits for their acknowledgement.
struct Waiting {
    permit: Permit,
    text: String,
    reply: oneshot::Sender<Result<(), IntakeError>>,
}

/// An entry that the queue has not answered.
struct Asked {
    since: Instant,
    text: Arc<str>,
    /// Where it was read, which can be before the answer.
    read_at: Option<StreamId>,
}

/// An entry as it is in the stream.
struct Kept {
    text: Arc<str>,
    orders: usize,
    cancels: usize,
    since: Instant,
    /// Whether it was read. A place alone does not say so: a stream that was lost may be made again behind it.
    read: bool,
}

/// The place of commands in their lane's share: from their admission until they are acknowledged, or given up.
pub struct Permit {
    intake: Arc<Intake>,
    lane: Lane,
    count: usize,
}

/// Not to be dropped while the state is locked.
impl Drop for Permit {
    fn drop(&mut self) {
        if self.count > 0 {
            self.intake.state().lane(self.lane).under_way -= self.count;
        }
    }
}

impl Permit {
    /// Has encoded commands, one or an array, appended with the next entry; returns once they are on disk. Whoever stops
    /// waiting changes nothing: the commands go their way.
    pub async fn enqueue(self, text: String) -> Result<(), IntakeError> {
        let intake = Arc::clone(&self.intake);
        let (reply, acknowledged) = oneshot::channel();
        intake.state().waiting.push_back(Waiting { permit: self, text, reply });
        intake.arrived.notify_one();
        let stopping = |_| Err(EnqueueError::Unknown("the service is stopping".to_owned()).into());
        acknowledged.await.unwrap_or_else(stopping)
    }
}

/// Commands of one lane.
#[derive(Default)]
struct Counts {
    under_way: usize,
    kept: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.under_way + self.kept
    }
}

impl State {
    fn lane(&mut self, lane: Lane) -> &mut Counts {
        match lane {
            Lane::Orders => &mut self.orders,
            Lane::Cancels => &mut self.cancels,
        }
    }

    /// How long the queue has had the entry that it has not answered.
    fn silence(&self) -> Duration {
        self.asked.as_ref().map_or(Duration::ZERO, |asked| asked.since.elapsed())
    }

    /// Whether it has had it for too long.
    fn is_stuck(&self) -> bool {
        self.silence() > STUCK
    }

    /// What goes into the next entry; empty when nothing waits.
    fn next_entry(&mut self) -> Vec<Waiting> {
        let (mut count, mut callers) = (0, 0);
        for waiting in &self.waiting {
            count += waiting.permit.count;
            if callers > 0 && count > MAX_COMMANDS_PER_ENTRY {
                break;
            }
            callers += 1;
        }
        self.waiting.drain(..callers).collect()
    }

    /// The last place in the stream that is known now.
    fn last(&self) -> StreamId {
        self.kept.last_key_value().map_or(self.committed, |(id, _)| self.committed.max(*id))
    }

    /// The queue is given an entry; returns the last place in the stream that is known now, which it must come behind.
    fn asked(&mut self, entry: Asked) -> StreamId {
        self.asked = Some(entry);
        self.last()
    }

    /// Entries were read, all that the stream has up to the last of them. Returns whether what is kept up to there is among
    /// them or was read before: else it is not the stream that held it.
    fn read(&mut self, entries: &[Entry]) -> bool {
        let Some(to) = entries.last().map(|entry| entry.id) else { return true };
        let text_at = |id: &StreamId| {
            let found = entries.binary_search_by_key(id, |entry| entry.id).ok()?;
            entries[found].payload.as_ref().ok().map(|payload| payload.text.as_str())
        };
        let mut kept = self.kept.range(..=to).filter(|(_, kept)| !kept.read);
        if kept.any(|(id, kept)| text_at(id) != Some(&kept.text)) {
            return false;
        }
        self.kept.range_mut(..=to).for_each(|(_, kept)| kept.read = true);
        if let Some(asked) = &mut self.asked {
            let found = entries.iter().find(|entry| text_at(&entry.id) == Some(&asked.text));
            asked.read_at = found.map(|entry| entry.id).or(asked.read_at);
        }
        true
    }

    /// An entry was taken at `id`, and may have been read there: its commands are under way no more.
    fn keep(&mut self, id: StreamId, text: Arc<str>, read: bool, commands: &mut [Waiting]) {
        let mut entry = Kept { text, orders: 0, cancels: 0, since: Instant::now(), read };
        for Waiting { permit, .. } in commands {
            let count = std::mem::take(&mut permit.count);
            self.lane(permit.lane).under_way -= count;
            match permit.lane {
                Lane::Orders => entry.orders += count,
                Lane::Cancels => entry.cancels += count,
            }
        }
        // The commit can be quicker than the acknowledgement, too.
        if !read || id > self.committed {
            self.orders.kept += entry.orders;
            self.cancels.kept += entry.cancels;
            self.kept.insert(id, entry);
        }
    }
}

/// Tells callers what became of their commands.
fn answer(commands: impl IntoIterator<Item = Waiting>, result: &Result<(), IntakeError>) {
    for Waiting { permit, reply, .. } in commands {
        // Before the answer: whoever hears it finds the room that it gave back.
        drop(permit);
        // Whoever asked may have gone away.
        let _ = reply.send(result.clone());
    }
}

/// The text of an entry: that of one caller as it is, else an array of all commands.
fn join(commands: &[Waiting]) -> String {
    if let [one] = commands {
        return one.text.clone();
    }
    let length: usize = commands.iter().map(|waiting| waiting.text.len() + 1).sum();
    let mut text = String::with_capacity(length + 1);
    for waiting in commands {
        text.push(if text.is_empty() { '[' } else { ',' });
        let array = waiting.text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        text.push_str(array.unwrap_or(&waiting.text));
    }
    text.push(']');
    text
}

impl Intake {
    /// An open way into `queue`, where everything up to `committed` is committed. Entries are carried on the thread that calls.
    pub fn start(queue: Arc<dyn CommandQueue>, committed: StreamId, limits: IntakeLimits) -> Arc<Intake> {
        let state = State { committed, ..State::default() };
        let intake = Arc::new(Intake {
            queue,
            limits,
            gate: Arc::default(),
            state: Mutex::new(state),
            arrived: Notify::new(),
            acknowledged: Histogram::of_times(),
            settled: Histogram::of_times(),
        });
        actix::spawn(Arc::clone(&intake).carry());
        intake
    }

    /// A place for a command, if there is room for it. Asked first, before any work is done for a request that would be
    /// refused after all.
    pub fn admit(self: &Arc<Self>, lane: Lane) -> Result<Permit, IntakeError> {
        self.admit_entry(lane, 1)
    }

    /// The same for `count` commands that stay together. The share may be exceeded by one such: otherwise a long one would
    /// never find room beside single commands.
    pub fn admit_entry(self: &Arc<Self>, lane: Lane, count: usize) -> Result<Permit, IntakeError> {
        if !self.is_open() {
            return Err(IntakeError::Closed);
        }
        let mut state = self.state();
        if state.is_stuck() {
            return Err(IntakeError::Stuck);
        }
        let late = lane == Lane::Orders && state.late;
        let waiting = state.lane(lane).all();
        if late || waiting >= self.limit(lane) {
            return Err(IntakeError::Behind { waiting });
        }
        state.lane(lane).under_way += count;
        Ok(Permit { intake: Arc::clone(self), lane, count })
    }

    /// Admits and appends a command, for callers that have it already; see [`Permit::enqueue`].
    pub async fn enqueue(self: &Arc<Self>, lane: Lane, text: String) -> Result<(), IntakeError> {
        self.admit(lane)?.enqueue(text).await
    }

    /// Carries one entry after the other, for ever.
    async fn carry(self: Arc<Self>) {
        loop {
            let mut commands = self.state().next_entry();
            if commands.is_empty() {
                self.arrived.notified().await;
                continue;
            }
            let began = Instant::now();
            let result = self.append(&mut commands).await;
            let stuck = result.is_err() && began.elapsed() > STUCK;
            answer(commands, &result);
            if stuck {
                // Those behind it waited for as long, and would wait for as long again.
                let behind = std::mem::take(&mut self.state().waiting);
                answer(behind, &Err(IntakeError::Stuck));
            }
        }
    }

    async fn append(&self, commands: &mut [Waiting]) -> Result<(), IntakeError> {
        let _open = self.gate.try_read().map_err(|_| IntakeError::Closed)?;
        let text: Arc<str> = join(commands).into();
        if is_planted(Bug::AckBeforeFsync) {
            let queue = Arc::clone(&self.queue);
            tokio::spawn(async move { queue.enqueue(&text).await });
            return Ok(());
        }
        let began = Instant::now();
        let known = self.state().asked(Asked { since: began, text: Arc::clone(&text), read_at: None });
        let enqueued = self.queue.enqueue(&text).await;
        let mut state = self.state();
        let read_at = state.asked.take().and_then(|asked| asked.read_at);
        let id = enqueued?;
        if id <= known {
            // Not the stream that holds the others: it was lost, and an old request to make it came late. What is in it
            // will be replaced.
            return Err(
                EnqueueError::Unknown(format!("it came to place {id}, behind {known}: the stream is lost")).into()
            );
        }
        state.keep(id, text, read_at == Some(id), commands);
        drop(state);
        self.acknowledged.observe_time(began.elapsed());
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
        let state = self.state();
        state.orders.kept + state.cancels.kept
    }

    /// Commands of a lane that are acknowledged or on their way and not committed.
    pub fn waiting_in(&self, lane: Lane) -> usize {
        self.state().lane(lane).all()
    }

    /// How long entries took until the queue acknowledged them.
    pub fn times_to_acknowledge(&self) -> &Histogram {
        &self.acknowledged
    }

    /// How long acknowledged entries took until they were committed; of those that were not committed before their
    /// acknowledgement came.
    pub fn times_to_settle(&self) -> &Histogram {
        &self.settled
    }

    /// How far things are behind now. What a start finds in the stream is not known here.
    pub fn lag(&self) -> Lag {
        let state = self.state();
        let oldest = state.kept.first_key_value();
        Lag {
            entries: state.kept.len(),
            age: oldest.map_or(Duration::ZERO, |(_, oldest)| oldest.since.elapsed()),
            silence: state.silence(),
        }
    }

    /// Whether as many orders wait as may.
    pub fn is_full(&self) -> bool {
        self.waiting_in(Lane::Orders) >= self.limits.orders
    }

    fn limit(&self, lane: Lane) -> usize {
        match lane {
            Lane::Orders => self.limits.orders,
            Lane::Cancels => self.limits.cancels,
        }
    }

    /// The last place in the stream that is known: of what is acknowledged or committed.
    pub(crate) fn last(&self) -> StreamId {
        self.state().last()
    }

    /// Entries were read, all that the stream has behind those read before. Returns whether it is the stream that holds what is
    /// kept; if it is not, nothing of it may be executed before that is restored.
    pub(crate) fn read(&self, entries: &[Entry]) -> bool {
        self.state().read(entries)
    }

    /// What was read up to `committed` is committed.
    pub(crate) fn committed(&self, committed: StreamId) {
        let mut state = self.state();
        state.committed = state.committed.max(committed);
        let now = Instant::now();
        let settled: Vec<_> = state.kept.extract_if(..=committed, |_, kept| kept.read).collect();
        for (_, entry) in settled {
            state.orders.kept -= entry.orders;
            state.cancels.kept -= entry.cancels;
            self.settled.observe_time(now - entry.since);
        }
        state.late = state.kept.first_key_value().is_some_and(|(_, oldest)| oldest.since.elapsed() > self.limits.wait);
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
        let kept = std::mem::take(&mut state.kept).into_values().map(|kept| Kept { read: false, ..kept });
        state.kept = ids.into_iter().zip(kept).collect();
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
