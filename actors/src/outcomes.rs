//! The way from the engine back to its callers: what became of a command, and questions to the ledger.

use std::sync::Arc;

use actix::{Message, Recipient};
use market::OrderIndex;
use matching::ledger::OrderRecord;
use matching::{Command, CommandId, Event, Ledger, Micros, OrderId, Seq};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::progress::Progress;

/// What became of a command, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its row in the log.
    pub seq: Seq,
    /// When it got its number.
    pub time: Micros,
    /// Its events.
    pub events: Vec<Event>,
    /// The order that it was about, as it is after this row; none where no such order is kept.
    pub order: Option<OrderRecord>,
}

/// Asks to be told what becomes of a command. Sent before the command is enqueued, so that its outcome cannot be missed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Expect {
    /// The command.
    pub command_id: CommandId,
    /// Where the outcome goes; dropped without one when the service stops.
    pub reply: oneshot::Sender<Outcome>,
}

/// A question to the ledger and the index of its orders.
pub type Question = Box<dyn FnOnce(&Ledger, &OrderIndex) + Send>;

/// A question to the ledger, answered between two projected states.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReadLedger(pub Question);

/// The engine does not answer because it is stopping.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine is stopping")]
pub struct Stopping;

/// Why the engine does not answer a caller.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// It is stopping.
    #[error(transparent)]
    Stopping(#[from] Stopping),
    /// The event log has not heard this process for so long that another one may have taken over.
    #[error("the event log does not answer, and the state may have changed")]
    NotCurrent,
    /// The time was up.
    #[error("the outcome did not come in time")]
    Late,
}

/// What callers hold to hear from the engine.
#[derive(Clone)]
pub struct Outcomes {
    expect: Recipient<Expect>,
    read: Recipient<ReadLedger>,
    progress: Arc<Progress>,
}

/// An outcome that is on its way.
pub struct Awaited {
    outcome: oneshot::Receiver<Outcome>,
    progress: Arc<Progress>,
}

impl Awaited {
    /// The outcome, committed and projected.
    pub async fn until(self, deadline: Instant) -> Result<Outcome, Unanswered> {
        let outcome = timeout_at(deadline, self.outcome).await.map_err(|_| Unanswered::Late)?;
        let outcome = outcome.map_err(|_| Stopping)?;
        self.progress.while_current(outcome)
    }
}

impl Outcomes {
    /// Hears from the actor behind these two, as long as `progress` says that its state is current.
    pub fn new(expect: Recipient<Expect>, read: Recipient<ReadLedger>, progress: Arc<Progress>) -> Outcomes {
        Outcomes { expect, read, progress }
    }

    /// Registers for a command's outcome. To be awaited before the command is enqueued.
    pub async fn expect(&self, command_id: CommandId) -> Result<Awaited, Stopping> {
        let (reply, outcome) = oneshot::channel();
        self.expect.send(Expect { command_id, reply }).await.map_err(|_| Stopping)?;
        Ok(Awaited { outcome, progress: Arc::clone(&self.progress) })
    }

    /// Asks the ledger. The question runs on the projection's thread: it must be short, or copy what it needs.
    pub async fn read<R, Q>(&self, question: Q) -> Result<R, Unanswered>
    where
        R: Send + 'static,
        Q: FnOnce(&Ledger) -> R + Send + 'static,
    {
        self.query(move |ledger, _| question(ledger)).await
    }

    /// Asks the ledger with the index of its orders.
    pub async fn query<R, Q>(&self, question: Q) -> Result<R, Unanswered>
    where
        R: Send + 'static,
        Q: FnOnce(&Ledger, &OrderIndex) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question = ReadLedger(Box::new(move |ledger, index| {
            // Whoever asked may have gone away; then nobody misses the answer.
            let _ = reply.send(question(ledger, index));
        }));
        self.read.send(question).await.map_err(|_| Stopping)?;
        let answer = answer.await.map_err(|_| Stopping)?;
        self.progress.while_current(answer)
    }
}

/// The order that a command is about.
pub fn subject(command: &Command, events: &[Event]) -> Option<OrderId> {
    match command {
        Command::NewOrder(new) => Some(new.order.order_id),
        Command::CancelOrder(cancel) => Some(cancel.order_id),
        Command::AmendOrder(amend) => Some(amend.order_id),
        Command::CancelByKey(_) => events.iter().find_map(|event| match event {
            Event::OrderCancelled(cancelled) => Some(cancelled.order_id),
            Event::CancelRejected(rejected) => rejected.order_id,
            _ => None,
        }),
        _ => None,
    }
}
