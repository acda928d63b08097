//! The commit point: encodes a batch, chains it to the log, commits it, and only then lets it out.
//!
//! Invariant: nothing leaves this actor before the log says that it is committed, or reading the log has shown it.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, Message, Recipient, WrapFuture,
};
use journal::{Batch, Committed, Epoch, EventLog, LogError, Position, Record};
use matching::Router;
use matching::book::Book;
use matching::planted::{Bug, is_planted};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::fatal::{Fatal, FatalSender};
use crate::intake::Intake;
use crate::matcher::Matched;
use crate::progress::Progress;
use crate::projection::{CommittedRows, LedgerBarrier};
use crate::snapshot::StateCopy;

/// How often the writer says that it lives, when no commit says so.
const BEAT: Duration = Duration::from_secs(1);
/// How long to wait before a log that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(200);

/// Commits a batch; answers whether the engine goes on.
#[derive(Message)]
#[rtype(result = "bool")]
pub(crate) struct Commit {
    pub matched: Vec<Matched>,
}

/// Everything before this is in `router` and `books`: passes behind the commits, to meet the ledger at the same number.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Barrier {
    pub router: Router,
    pub books: Vec<Book>,
    pub reply: oneshot::Sender<StateCopy>,
}

/// Says in the log that this writer stopped with nothing under way. To be sent behind the last commit.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SignOff;

pub(crate) struct EventLogActor {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) epoch: Epoch,
    /// Where the log ends.
    pub(crate) position: Position,
    pub(crate) rows: Recipient<CommittedRows>,
    pub(crate) barrier: Recipient<LedgerBarrier>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) fatal: FatalSender,
}

impl Actor for EventLogActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.progress.set_committed(self.position.seq.get());
        self.progress.set_log_reachable(true);
        ctx.run_interval(BEAT, |actor, ctx| actor.beat(ctx));
    }
}

impl Handler<Commit> for EventLogActor {
    type Result = AtomicResponse<Self, bool>;

    fn handle(&mut self, commit: Commit, _: &mut Self::Context) -> Self::Result {
        let batch = self.encode(&commit.matched);
        let early = is_planted(Bug::AnswerBeforeCommit) || is_planted(Bug::ProjectionAheadOfLog);
        if early {
            self.publish(commit.matched.clone(), batch.end());
        }
        let (log, epoch, progress) = (Arc::clone(&self.log), self.epoch, Arc::clone(&self.progress));
        let committed = async move {
            let committed = commit_surely(&*log, epoch, &batch, &progress).await;
            (committed, batch.end())
        };
        AtomicResponse::new(Box::pin(committed.into_actor(self).map(
            move |(committed, end), actor, ctx| match committed {
                Ok(()) => {
                    actor.position = end;
                    actor.progress.set_committed(end.seq.get());
                    actor.progress.measures.committed(&commit.matched);
                    if !early {
                        actor.publish(commit.matched, end);
                    }
                    // Behind the publication: what is not pending any more is on its way to the ledger.
                    actor.intake.committed(end.stream_id);
                    true
                }
                Err(fatal) => {
                    actor.end(fatal, ctx);
                    false
                }
            },
        )))
    }
}

impl Handler<Barrier> for EventLogActor {
    type Result = ();

    fn handle(&mut self, barrier: Barrier, _: &mut Self::Context) {
        assert!(
            barrier.router.seq() == self.position.seq,
            "a barrier for row {} passes at row {}",
            barrier.router.seq(),
            self.position.seq
        );
        self.barrier.do_send(LedgerBarrier {
            position: self.position,
            router: barrier.router,
            books: barrier.books,
            reply: barrier.reply,
        });
    }
}

impl Handler<SignOff> for EventLogActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: SignOff, _: &mut Self::Context) -> Self::Result {
        let (log, epoch) = (Arc::clone(&self.log), self.epoch);
        let signed_off = async move {
            if let Err(error) = log.drained(epoch).await {
                warn!(%error, "the log was not told that this writer stopped; the next one waits a little longer");
            }
        };
        AtomicResponse::new(Box::pin(signed_off.into_actor(self)))
    }
}

impl EventLogActor {
    fn publish(&self, matched: Vec<Matched>, end: Position) {
        self.rows.do_send(CommittedRows { matched, end, epoch: self.epoch });
    }

    fn encode(&self, matched: &[Matched]) -> Batch {
        let mut position = self.position;
        let records = matched
            .iter()
            .map(|row| {
                let Matched { command, stream_id, request_id, events } = row;
                let record = Record::traced(&position, *stream_id, self.epoch, command, events, request_id.as_ref());
                position = record.position();
                record
            })
            .collect();
        Batch::new(self.position, records)
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        let (log, epoch) = (Arc::clone(&self.log), self.epoch);
        // Waited for, so that a beat and a commit never stand in each other's way on the connection.
        let began = Instant::now();
        let beat = async move { log.beat(epoch).await };
        ctx.wait(beat.into_actor(self).map(move |beaten, actor, ctx| match beaten {
            Ok(()) => {
                actor.progress.set_log_reachable(true);
                actor.progress.set_beaten(began);
            }
            Err(LogError::Unknown(error)) => {
                if actor.progress.log_reachable() {
                    warn!(%error, "the event log does not answer");
                }
                actor.progress.set_log_reachable(false);
            }
            Err(LogError::Fenced) if is_planted(Bug::NoFence) => actor.progress.set_beaten(began),
            Err(LogError::Fenced) => actor.end(Fatal::Fenced, ctx),
            Err(error) => actor.end(Fatal::Log(error), ctx),
        }));
    }

    /// Stops at once: what is queued here is in the stream too, and whoever writes next executes it.
    fn end(&mut self, fatal: Fatal, ctx: &mut Context<Self>) {
        error!("the engine ends: {fatal}\n{}", fatal.runbook());
        self.progress.set_log_reachable(false);
        // Nobody listens when the process is ending already.
        let _ = self.fatal.send(fatal);
        ctx.terminate();
    }
}

/// Commits a batch and returns only when it is certain what happened. A commit in doubt is resolved by reading: the log
/// ends at the batch's end, or at its start, when the same is sent again, or somebody else has written. A refused
/// compare-and-set is read up too: what refused it may have been our own first try, which the server finished late.
async fn commit_surely(log: &dyn EventLog, epoch: Epoch, batch: &Batch, progress: &Progress) -> Result<(), Fatal> {
    // Said once of each batch, also where a beat has said before that the log does not answer.
    let mut doubted = false;
    let began = loop {
        let began = Instant::now();
        let refused = match log.commit(epoch, batch).await {
            Ok(Committed::Committed) => break began,
            Ok(Committed::Fenced) | Err(LogError::Fenced) if is_planted(Bug::NoFence) => break began,
            Ok(Committed::Fenced) | Err(LogError::Fenced) => true,
            Err(LogError::Unknown(_)) if is_planted(Bug::GuessInDoubt) => break began,
            Err(LogError::Unknown(error)) => {
                if !std::mem::replace(&mut doubted, true) {
                    let rows = batch.records().len();
                    warn!(%error, rows, "a commit is in doubt: reading the log to learn what happened, until it says");
                }
                progress.set_log_reachable(false);
                false
            }
            Err(error) => return Err(Fatal::Log(error)),
        };
        let found = read_surely(log).await?;
        if found.epoch == epoch && found.position == batch.end() {
            info!(seq = %found.position.seq, "the commit in doubt had happened");
            break began;
        }
        if refused || found.epoch != epoch || found.position != batch.start() {
            // A writer that is paused in the middle of a commit wakes with this one in doubt.
            if is_planted(Bug::NoFence) {
                break began;
            }
            return Err(Fatal::Fenced);
        }
        debug!(seq = %found.position.seq, "the commit in doubt had not happened: sending it again");
        // A log that answers and refuses for now, as with a full disk, is given time.
        tokio::time::sleep(RETRY).await;
    };
    progress.set_log_reachable(true);
    progress.set_beaten(began);
    progress.took_to_commit(began.elapsed());
    Ok(())
}

async fn read_surely(log: &dyn EventLog) -> Result<journal::WriterPosition, Fatal> {
    loop {
        match log.position().await {
            Ok(found) => return Ok(found),
            Err(LogError::Unknown(_)) => tokio::time::sleep(RETRY).await,
            Err(LogError::Fenced) => return Err(Fatal::Fenced),
            Err(error) => return Err(Fatal::Log(error)),
        }
    }
}
