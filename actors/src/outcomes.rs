//! The way from the engine back to its callers: what became of a command, and questions to the ledger.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Those who wait for what becomes of their commands. Callers enter themselves: a message to the actor that answers them, and
/// its reply, would each wait for a core.
#[derive(Default)]
pub struct Callers(Mutex<Entered>);

#[derive(Default)]
struct Entered {
    /// Nobody will be answered any more.
    closed: bool,
    replies: BTreeMap<CommandId, oneshot::Sender<Outcome>>,
}

impl Callers {
    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, command_id: CommandId) -> Result<oneshot::Receiver<Outcome>, Stopping> {
        let (reply, outcome) = oneshot::channel();
        let mut entered = self.entered();
        if entered.closed {
            return Err(Stopping);
        }
        entered.replies.insert(command_id, reply);
        Ok(outcome)
    }
}

/// The side of whoever answers callers; when it is dropped, those who wait hear that the engine is stopping.
#[derive(Default)]
pub struct Answering(Arc<Callers>);

impl Answering {
    /// The side of those who are answered.
    pub fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.0)
    }

    /// Where the outcomes of these commands go, one by one; none where nobody waits.
    pub fn take(&self, commands: impl Iterator<Item = Option<CommandId>>) -> Vec<Option<oneshot::Sender<Outcome>>> {
        let mut entered = self.0.entered();
        commands.map(|id| entered.replies.remove(&id?)).collect()
    }

    /// Forgets callers that went away without their outcome.
    pub fn forget_gone(&self) {
        self.0.entered().replies.retain(|_, reply| !reply.is_closed());
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *self.0.entered() = Entered { closed: true, ..Entered::default() };
    }
}

/// What callers hold to hear from the engine.
#[derive(Clone)]
pub struct Outcomes {
    callers: Arc<Callers>,
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
    pub fn new(callers: Arc<Callers>, read: Recipient<ReadLedger>, progress: Arc<Progress>) -> Outcomes {
        Outcomes { callers, read, progress }
    }

    /// Asks to be told what becomes of a command. To be called before the command is enqueued, so that its outcome cannot be
    /// missed.
    pub fn expect(&self, command_id: CommandId) -> Result<Awaited, Stopping> {
        Ok(Awaited { outcome: self.callers.enter(command_id)?, progress: Arc::clone(&self.progress) })
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

#[cfg(test)]
mod tests {
    use super::{Answering, Outcome, Stopping};
    use matching::{CommandId, Micros, Seq};

    fn id(number: u64) -> CommandId {
        CommandId::new(number).expect("an id")
    }

    #[test]
    fn each_caller_is_answered_once_and_those_who_are_left_hear_the_end() {
        let answering = Answering::default();
        let callers = answering.callers();
        let [mut first, mut second] = [1, 2].map(|number| callers.enter(id(number)).expect("a place"));
        let wanted = || [Some(id(3)), Some(id(1)), None].into_iter();
        let [third, Some(found), nobody] = <[_; 3]>::try_from(answering.take(wanted())).expect("three") else {
            panic!("the first caller was not found");
        };
        assert!(third.is_none() && nobody.is_none());
        let outcome = Outcome { seq: Seq::ZERO, time: Micros::ZERO, events: Vec::new(), order: None };
        found.send(outcome.clone()).expect("somebody who waits");
        assert_eq!(first.try_recv(), Ok(outcome));
        assert!(answering.take(wanted()).iter().all(Option::is_none), "a caller was found twice");

        assert!(second.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty));
        drop(answering);
        assert!(second.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed));
        assert_eq!(callers.enter(id(4)).err(), Some(Stopping));
    }
}
