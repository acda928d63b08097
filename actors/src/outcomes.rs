//! The way from the engine back to its callers: what became of a command, and questions to the ledger.

use actix::{Message, Recipient};
use matching::ledger::OrderRecord;
use matching::{CommandId, Event, Ledger, Seq};
use tokio::sync::oneshot;

/// What became of a command, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its row in the log.
    pub seq: Seq,
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

/// A question to the ledger, answered between two projected states.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReadLedger(pub Box<dyn FnOnce(&Ledger) + Send>);

/// The engine does not answer because it is stopping.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine is stopping")]
pub struct Stopping;

/// What callers hold to hear from the engine.
#[derive(Clone)]
pub struct Outcomes {
    expect: Recipient<Expect>,
    read: Recipient<ReadLedger>,
}

impl Outcomes {
    /// Hears from the actor behind these two.
    pub fn new(expect: Recipient<Expect>, read: Recipient<ReadLedger>) -> Outcomes {
        Outcomes { expect, read }
    }

    /// Registers for a command's outcome. To be awaited before the command is enqueued; the receiver then gets the
    /// outcome after it is committed and projected.
    pub async fn expect(&self, command_id: CommandId) -> Result<oneshot::Receiver<Outcome>, Stopping> {
        let (reply, outcome) = oneshot::channel();
        self.expect.send(Expect { command_id, reply }).await.map_err(|_| Stopping)?;
        Ok(outcome)
    }

    /// Asks the ledger. The question runs on the projection's thread: it must be short, or copy what it needs.
    pub async fn read<R, Q>(&self, question: Q) -> Result<R, Stopping>
    where
        R: Send + 'static,
        Q: FnOnce(&Ledger) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question = ReadLedger(Box::new(move |ledger| {
            // Whoever asked may have gone away; then nobody misses the answer.
            let _ = reply.send(question(ledger));
        }));
        self.read.send(question).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }
}
