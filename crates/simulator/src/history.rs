//! What clients asked and were told, and when; and what the world saw of the writers.

use std::collections::{BTreeMap, BTreeSet};

use actors::Outcome;
use journal::Epoch;
use matching::ledger::OrderRecord;
use matching::{Command, CommandId, OrderId, Seq};

/// An answer that a client was given to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is on disk.
    Acknowledged,
    /// This became of it.
    Final(Box<Outcome>),
    /// It certainly was not taken.
    NotTaken,
    /// Nobody knows.
    Unknown,
}

/// A command that a client sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The command.
    pub command: Command,
    /// The process that it was sent to.
    pub life: u64,
    /// When, in milliseconds since the beginning.
    pub at: u64,
    /// What was answered.
    pub answers: Vec<Answer>,
    /// Its stream was lost together with the process that acknowledged it: the one loss that is not promised against.
    pub excused: bool,
}

impl Sent {
    /// Whether it was promised that it will be executed.
    pub fn is_promised(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer, Answer::Acknowledged | Answer::Final(_)))
    }

    /// Whether it was said that it will not be.
    pub fn is_refused(&self) -> bool {
        self.answers.contains(&Answer::NotTaken)
    }
}

/// What a client was told about an order.
#[derive(Debug, Clone)]
pub struct ReadAnswer {
    /// The row that the answer is at.
    pub seq: Seq,
    /// The order.
    pub order_id: OrderId,
    /// As it is at that row.
    pub order: Option<OrderRecord>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct History {
    /// The commands, by id.
    pub sent: BTreeMap<CommandId, Sent>,
    /// The reads.
    pub reads: Vec<ReadAnswer>,
    /// The newest row that any client has heard of.
    pub newest_heard: u64,
    /// When the row of each commit's end was committed.
    pub commits: BTreeMap<Seq, u64>,
    /// Which process wrote in each term.
    pub writers: BTreeMap<Epoch, u64>,
}

impl History {
    /// A client sends a command.
    pub fn sent(&mut self, id: CommandId, command: Command, life: u64, at: u64) {
        let before = self.sent.insert(id, Sent { command, life, at, answers: Vec::new(), excused: false });
        assert!(before.is_none(), "command {id} was sent already");
    }

    /// A client is answered.
    pub fn answered(&mut self, id: CommandId, answer: Answer) {
        if let Answer::Final(outcome) = &answer {
            self.heard(outcome.seq);
        }
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.answers.push(answer);
        }
    }

    /// A client heard of this row.
    pub fn heard(&mut self, seq: Seq) {
        self.newest_heard = self.newest_heard.max(seq.get());
    }

    /// The rows up to `seq` are committed.
    pub fn committed(&mut self, seq: Seq, at: u64) {
        self.commits.insert(seq, at);
    }

    /// A process is the writer of a term.
    pub fn took_over(&mut self, epoch: Epoch, life: u64) {
        self.writers.insert(epoch, life);
    }

    /// When row `seq` was committed.
    pub fn committed_at(&self, seq: Seq) -> Option<u64> {
        self.commits.range(seq..).next().map(|(_, at)| *at)
    }

    /// What was acknowledged by processes that `whom` names and is not among the `committed` need not be executed any more.
    pub fn excuse(&mut self, committed: &BTreeSet<CommandId>, whom: impl Fn(u64) -> bool) {
        for (id, sent) in &mut self.sent {
            if !committed.contains(id) && whom(sent.life) {
                sent.excused = true;
            }
        }
    }
}
