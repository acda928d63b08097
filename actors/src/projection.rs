//! Folds committed rows into the ledger, mirrors the ledger to the projection, and answers those who wait.
//!
//! Rows that arrive while a write is under way wait, are folded together and written as one. So between two writes the
//! ledger is exactly what the projection shows, and that is when questions are answered. If a write takes longer than
//! [`PATIENCE`], the projection is behind: rows are folded and callers answered without it, since what they are told is
//! committed, and what changed is collected until the projection takes it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use journal::{
    Epoch, Position, Projection, ProjectionError, ProjectionPosition, ProjectionState, ProjectionWrite, StreamId,
    Written,
};
use market::touched;
use matching::book::Book;
use matching::planted::{Bug, is_planted};
use matching::{Changes, EngineImage, Instrument, Ledger, Router, Seq, Symbol};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::matcher::Matched;
use crate::measures::Stage;
use crate::outcomes::{Answering, Outcome, ReadLedger, subject};
use crate::progress::Progress;
use crate::readers::Readers;
use crate::snapshot::StateCopy;

/// How long callers wait for the projection before they are answered without it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before a projection that did not answer is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often an idle projection is looked at, in case somebody emptied it.
const INSPECTION: Duration = Duration::from_secs(1);
/// Rows folded for one write: bounds the time that the projection is busy with one.
const ROWS_PER_WRITE: usize = 4_000;

/// The instruments, for whoever checks orders before they are enqueued.
pub type Instruments = Arc<BTreeMap<Symbol, Instrument>>;

/// The write of what changed in `ledger` from row `from` to its own.
pub fn write_of(from: Seq, to: ProjectionPosition, changes: Changes, ledger: &Ledger) -> ProjectionWrite {
    ProjectionWrite {
        from,
        to,
        orders: changes.orders.iter().filter_map(|order_id| ledger.order(*order_id).cloned()).collect(),
        left_places: changes.left_places,
        dropped_orders: changes.dropped_orders,
        trades: changes.trades,
        dropped_trades: changes.dropped_trades,
        instruments: changes.instruments,
        greatest_order_id: ledger.greatest_order_id(),
    }
}

/// Rows that are in the log.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CommittedRows {
    pub matched: Vec<Matched>,
    pub end: Position,
    pub epoch: Epoch,
}

/// Router and books at a row: to be met by the ledger at the same row.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LedgerBarrier {
    pub position: Position,
    pub router: Router,
    pub books: Vec<Book>,
    pub reply: oneshot::Sender<StateCopy>,
}

/// Answers when the projection shows everything that was committed before.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Settle(pub oneshot::Sender<()>);

enum Waiting {
    Rows(CommittedRows),
    Barrier(Box<LedgerBarrier>),
    Settle(oneshot::Sender<()>),
}

/// What the projection shows, as far as this actor knows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Shown {
    /// The state at this row.
    At(Seq),
    /// Nothing that can be built upon.
    Unusable,
}

/// What is under way to the projection.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Transfer {
    Idle,
    /// Begun less than [`PATIENCE`] ago: everything waits for it.
    Awaited,
    /// Begun longer ago: the ledger goes on without it.
    Overdue,
}

/// What the projection is made of.
pub(crate) struct ProjectionParts {
    pub projection: Arc<dyn Projection>,
    /// The last stream entry that the projection shows.
    pub projected: watch::Sender<StreamId>,
    pub instruments: watch::Sender<Instruments>,
    pub answering: Answering,
    pub progress: Arc<Progress>,
}

pub(crate) struct ProjectionActor {
    parts: ProjectionParts,
    ledger: Ledger,
    readers: Readers,
    /// The log's position and term at the ledger's row.
    position: ProjectionPosition,
    stream_id: StreamId,
    /// What the projection does not show yet.
    changes: Changes,
    shown: Shown,
    transfer: Transfer,
    /// Counts transfers, so that an old one's alarm is not taken for the present one's.
    transfers: u64,
    waiting: VecDeque<Waiting>,
    answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    questions: Vec<ReadLedger>,
}

impl ProjectionActor {
    /// `changes`: what happened since `shown`, the row that the projection shows; `None` when it must be rebuilt.
    pub(crate) fn new(
        parts: ProjectionParts,
        ledger: Ledger,
        readers: Readers,
        position: Position,
        epoch: Epoch,
        shown: Option<(Seq, Changes)>,
    ) -> ProjectionActor {
        let (shown, changes) = match shown {
            Some((seq, changes)) => (Shown::At(seq), changes),
            None => (Shown::Unusable, Changes::default()),
        };
        ProjectionActor {
            position: ProjectionPosition { seq: position.seq, epoch, chain: position.chain },
            stream_id: position.stream_id,
            parts,
            ledger,
            readers,
            changes,
            shown,
            transfer: Transfer::Idle,
            transfers: 0,
            waiting: VecDeque::new(),
            answers: Vec::new(),
            questions: Vec::new(),
        }
    }

    /// Decides what comes next, whenever something has arrived or ended.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        if self.transfer == Transfer::Awaited {
            return;
        }
        let limit = if self.transfer == Transfer::Overdue { usize::MAX } else { ROWS_PER_WRITE };
        let mut rows = 0;
        while rows < limit
            && let Some(waiting) = self.waiting.pop_front()
        {
            match waiting {
                Waiting::Rows(committed) => {
                    rows += committed.matched.len();
                    self.fold(committed);
                    if is_planted(Bug::AnswerBeforeCommit) {
                        self.answer();
                    }
                }
                Waiting::Barrier(barrier) => self.copy_state(*barrier),
                Waiting::Settle(reply) if self.shown == Shown::At(self.ledger.seq()) => {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(());
                }
                Waiting::Settle(reply) => {
                    self.waiting.push_front(Waiting::Settle(reply));
                    break;
                }
            }
        }
        match (self.transfer, self.shown) {
            (Transfer::Idle, Shown::At(seq)) if seq == self.ledger.seq() => self.answer(),
            (Transfer::Idle, Shown::At(seq)) => self.write(seq, ctx),
            (Transfer::Idle, Shown::Unusable) => self.rebuild(ctx),
            (Transfer::Overdue | Transfer::Awaited, _) => self.answer(),
        }
    }

    fn fold(&mut self, committed: CommittedRows) {
        let listed = self.changes.instruments.len();
        let callers = self.parts.answering.take(committed.matched.iter().map(|row| row.command.value.id()));
        for (row, caller) in committed.matched.into_iter().zip(callers) {
            let dropped = self.changes.dropped_orders.len();
            let touched = touched(&self.ledger, &row.events);
            self.ledger.fold(row.command.seq, row.command.time, &row.events, &mut self.changes);
            if let Some(caller) = caller {
                let order = subject(&row.command.value, &row.events).and_then(|id| self.ledger.order(id)).cloned();
                let (seq, time, events) = (row.command.seq, row.command.time, row.events.clone());
                self.answers.push((caller, Outcome { seq, time, events, order }));
            }
            self.readers.row(&self.ledger, row.events, touched, &self.changes.dropped_orders[dropped..]);
        }
        self.readers.publish();
        assert!(
            self.ledger.seq() == committed.end.seq,
            "rows up to {} were folded to {}",
            committed.end.seq,
            self.ledger.seq()
        );
        self.position =
            ProjectionPosition { seq: committed.end.seq, epoch: committed.epoch, chain: committed.end.chain };
        self.stream_id = committed.end.stream_id;
        if self.changes.instruments.len() > listed {
            self.publish_instruments();
        }
    }

    fn publish_instruments(&self) {
        let instruments = self.ledger.instruments().map(|instrument| (instrument.symbol(), *instrument)).collect();
        self.parts.instruments.send_replace(Arc::new(instruments));
    }

    fn copy_state(&self, barrier: LedgerBarrier) {
        assert!(
            self.ledger.seq() == barrier.position.seq,
            "a barrier for row {} met the ledger at row {}",
            barrier.position.seq,
            self.ledger.seq()
        );
        let image = EngineImage { router: barrier.router, books: barrier.books, ledger: self.ledger.clone() };
        // Whoever asked may have stopped waiting.
        let _ = barrier.reply.send(StateCopy { position: barrier.position, image });
    }

    /// Writes what changed since row `from`.
    fn write(&mut self, from: Seq, ctx: &mut Context<Self>) {
        let write = write_of(from, self.position, std::mem::take(&mut self.changes), &self.ledger);
        let (projection, progress) = (Arc::clone(&self.parts.projection), Arc::clone(&self.parts.progress));
        let to = write.to.seq;
        let transfer = async move {
            let began = Instant::now();
            let written = persist(&progress, || projection.write(&write)).await;
            progress.measures.took(Stage::Project, began.elapsed());
            match written {
                Written::Written | Written::Older => Shown::At(to),
                Written::Gap => Shown::Unusable,
            }
        };
        self.transfer(transfer, ctx);
    }

    /// Replaces what the projection shows by the ledger as it is now.
    fn rebuild(&mut self, ctx: &mut Context<Self>) {
        warn!(seq = %self.ledger.seq(), "the projection is not usable: rebuilding it from the ledger");
        self.changes = Changes::default();
        self.publish_instruments();
        let (ledger, position) = (Arc::new(self.ledger.clone()), self.position);
        let (projection, progress) = (Arc::clone(&self.parts.projection), Arc::clone(&self.parts.progress));
        let transfer = async move {
            persist(&progress, || projection.rebuild(Arc::clone(&ledger), position)).await;
            info!(seq = %position.seq, "the projection is rebuilt");
            Shown::At(position.seq)
        };
        self.transfer(transfer, ctx);
    }

    /// Begins a write or rebuild; everything waits for it up to [`PATIENCE`].
    fn transfer(&mut self, transfer: impl Future<Output = Shown> + 'static, ctx: &mut Context<Self>) {
        self.transfer = Transfer::Awaited;
        self.transfers += 1;
        let number = self.transfers;
        let alarm = ctx.run_later(PATIENCE, move |actor, ctx| actor.overdue(number, ctx));
        ctx.spawn(transfer.into_actor(self).map(move |shown, actor, ctx| {
            ctx.cancel_future(alarm);
            actor.transferred(shown, ctx);
        }));
    }

    fn overdue(&mut self, number: u64, ctx: &mut Context<Self>) {
        if self.transfers == number && self.transfer == Transfer::Awaited {
            warn!("the projection is behind: answers go out without it until it follows again");
            self.transfer = Transfer::Overdue;
            self.parts.progress.set_projection_live(false);
            self.turn(ctx);
        }
    }

    fn transferred(&mut self, shown: Shown, ctx: &mut Context<Self>) {
        self.transfer = Transfer::Idle;
        self.shown = shown;
        self.parts.progress.set_projection_live(matches!(shown, Shown::At(_)));
        if let Shown::At(seq) = shown {
            self.parts.progress.set_projected(seq.get());
            if seq == self.ledger.seq() {
                self.parts.projected.send_replace(self.stream_id);
                self.answer();
            }
        }
        self.turn(ctx);
    }

    /// Tells those who wait.
    fn answer(&mut self) {
        for (caller, outcome) in self.answers.drain(..) {
            // A caller that has gone away misses nothing: the outcome is in the log.
            let _ = caller.send(outcome);
        }
        for question in self.questions.drain(..) {
            question.0(&self.ledger, self.readers.index());
        }
    }

    /// Notices that somebody emptied the projection, that its server was restarted and lost it, or that it was set back: a
    /// process that wakes after its term may still end a rebuild that it had begun. One that is ahead belongs to a newer
    /// writer, who will have this one stopped.
    fn inspect(&mut self, ctx: &mut Context<Self>) {
        self.parts.answering.forget_gone();
        if self.transfer != Transfer::Idle {
            return;
        }
        let projection = Arc::clone(&self.parts.projection);
        let expected = self.shown;
        let transfers = self.transfers;
        let inspection = async move { projection.state().await };
        ctx.spawn(inspection.into_actor(self).map(move |state, actor, ctx| {
            let unchanged = actor.transfers == transfers && actor.shown == expected;
            let gone = match (state, expected) {
                (Ok(ProjectionState::Unusable), _) => true,
                (Ok(ProjectionState::Lost(found)), Shown::At(shown)) => found.seq <= shown,
                (Ok(ProjectionState::At(found)), Shown::At(shown)) => found.seq < shown,
                (Ok(ProjectionState::At(_) | ProjectionState::Lost(_)), Shown::Unusable) | (Err(_), _) => false,
            };
            if unchanged && gone {
                actor.shown = Shown::Unusable;
                actor.turn(ctx);
            }
        }));
    }
}

/// Tries until the projection answers. Every try is guarded there, so trying again is safe. A process that may not be the
/// writer any more, because it stood still, tries nothing until it knows that it is.
async fn persist<T, F>(progress: &Progress, attempt: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, ProjectionError>>,
{
    let mut failures: u64 = 0;
    loop {
        if !progress.is_current() {
            tokio::time::sleep(RETRY).await;
            continue;
        }
        match attempt().await {
            Ok(done) => return done,
            Err(error) => {
                if failures == 0 {
                    warn!(%error, "the projection does not answer; trying again until it does");
                }
                failures += 1;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

impl Actor for ProjectionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.publish_instruments();
        ctx.run_interval(INSPECTION, |actor, ctx| actor.inspect(ctx));
        if self.shown == Shown::At(self.ledger.seq()) {
            self.transferred(self.shown, ctx);
        } else {
            self.turn(ctx);
        }
    }
}

impl Handler<CommittedRows> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, committed: CommittedRows, ctx: &mut Self::Context) {
        self.waiting.push_back(Waiting::Rows(committed));
        self.turn(ctx);
    }
}

impl Handler<LedgerBarrier> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, barrier: LedgerBarrier, ctx: &mut Self::Context) {
        self.waiting.push_back(Waiting::Barrier(Box::new(barrier)));
        self.turn(ctx);
    }
}

impl Handler<Settle> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, settle: Settle, ctx: &mut Self::Context) {
        self.waiting.push_back(Waiting::Settle(settle.0));
        self.turn(ctx);
    }
}

impl Handler<ReadLedger> for ProjectionActor {
    type Result = ();

    fn handle(&mut self, question: ReadLedger, _: &mut Self::Context) {
        if self.transfer == Transfer::Awaited {
            self.questions.push(question);
        } else {
            question.0(&self.ledger, self.readers.index());
        }
    }
}
