//! The event log in memory, with commits that fail as a test asks.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use journal::{Batch, Committed, Epoch, EventLog, LogError, Position, Record, Standing, WriterPosition};
use matching::Seq;
use tokio::sync::Semaphore;

use crate::lock;

/// What goes wrong with one commit.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum CommitFault {
    /// It happens, and the answer is lost.
    AnswerLost,
    /// It does not happen, and there is no answer.
    RequestLost,
    /// Another writer takes over just before it.
    TakenOver,
}

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog {
    state: Mutex<State>,
    /// Commits that may pass.
    gate: Semaphore,
}

#[derive(Debug)]
struct State {
    rows: Vec<Record>,
    batches: Vec<usize>,
    writer: WriterPosition,
    beat: u64,
    vacant: bool,
    drained: bool,
    faults: VecDeque<CommitFault>,
}

impl Default for MemoryLog {
    fn default() -> MemoryLog {
        let writer = WriterPosition { epoch: Epoch(0), position: Position::START, id_ceiling: 1 };
        let state = State {
            rows: Vec::new(),
            batches: Vec::new(),
            writer,
            beat: 0,
            vacant: true,
            drained: true,
            faults: VecDeque::new(),
        };
        MemoryLog { state: Mutex::new(state), gate: Semaphore::new(Semaphore::MAX_PERMITS) }
    }
}

impl MemoryLog {
    /// Lets no commit pass until [`MemoryLog::let_pass`].
    pub fn hold_commits(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets so many commits pass.
    pub fn let_pass(&self, commits: usize) {
        self.gate.add_permits(commits);
    }

    /// The next commits go wrong like this, one after the other.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = CommitFault>) {
        lock(&self.state).faults.extend(faults);
    }

    /// All rows.
    pub fn rows(&self) -> Vec<Record> {
        lock(&self.state).rows.clone()
    }

    /// The row with this number.
    pub fn row(&self, seq: Seq) -> Option<Record> {
        let index = usize::try_from(seq.previous()?.get()).ok()?;
        lock(&self.state).rows.get(index).cloned()
    }

    /// Where the log ends and who writes it, as it is.
    pub fn writer(&self) -> WriterPosition {
        lock(&self.state).writer
    }

    /// How many rows each commit had.
    pub fn batches(&self) -> Vec<usize> {
        lock(&self.state).batches.clone()
    }

    /// Changes a row behind the writer's back.
    pub fn tamper(&self, index: usize, change: impl FnOnce(&mut Record)) {
        change(&mut lock(&self.state).rows[index]);
    }

    /// Makes the log say that its writer is gone, as a cut connection does, while it lives on.
    pub fn declare_vacant(&self) {
        lock(&self.state).vacant = true;
    }

    /// Whether the last writer signed off.
    pub fn is_vacant(&self) -> bool {
        lock(&self.state).vacant
    }
}

impl State {
    fn append(&mut self, epoch: Epoch, batch: &Batch) -> Committed {
        if self.writer.epoch != epoch || self.writer.position != batch.start() {
            return Committed::Fenced;
        }
        self.rows.extend_from_slice(batch.records());
        self.batches.push(batch.records().len());
        self.writer.position = batch.end();
        Committed::Committed
    }

    fn check(&self, epoch: Epoch) -> Result<(), LogError> {
        if self.writer.epoch == epoch { Ok(()) } else { Err(LogError::Fenced) }
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn standing(&self) -> Result<Standing, LogError> {
        let state = lock(&self.state);
        let WriterPosition { epoch, position, .. } = state.writer;
        Ok(Standing { epoch, seq: position.seq, beat: state.beat, vacant: state.vacant, clean: state.drained })
    }

    async fn take_over(&self, last: Epoch) -> Result<WriterPosition, LogError> {
        let mut state = lock(&self.state);
        state.check(last)?;
        state.writer.epoch = Epoch(last.0 + 1);
        state.vacant = false;
        state.drained = false;
        Ok(state.writer)
    }

    async fn commit(&self, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError> {
        self.gate.acquire().await.expect("the gate is never closed").forget();
        let mut state = lock(&self.state);
        let lost = || LogError::Unknown("as the test asked".to_owned());
        match state.faults.pop_front() {
            None => Ok(state.append(epoch, batch)),
            Some(CommitFault::AnswerLost) => {
                state.append(epoch, batch);
                Err(lost())
            }
            Some(CommitFault::RequestLost) => Err(lost()),
            Some(CommitFault::TakenOver) => {
                state.writer.epoch = Epoch(epoch.0 + 1);
                Ok(state.append(epoch, batch))
            }
        }
    }

    async fn position(&self) -> Result<WriterPosition, LogError> {
        Ok(lock(&self.state).writer)
    }

    async fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        Ok(lock(&self.state).rows.iter().filter(|row| row.seq > after).take(limit).cloned().collect())
    }

    async fn lease_ids(&self, epoch: Epoch, count: u64) -> Result<u64, LogError> {
        let mut state = lock(&self.state);
        state.check(epoch)?;
        state.writer.id_ceiling += count;
        Ok(state.writer.id_ceiling)
    }

    async fn beat(&self, epoch: Epoch) -> Result<(), LogError> {
        let mut state = lock(&self.state);
        state.check(epoch)?;
        state.beat += 1;
        Ok(())
    }

    async fn drained(&self, epoch: Epoch) -> Result<(), LogError> {
        let mut state = lock(&self.state);
        state.check(epoch)?;
        (state.vacant, state.drained) = (true, true);
        Ok(())
    }
}
