//! Drains the stream: numbers each command, routes it to its book, merges what the books answer, and hands the batch
//! to the event log. One thing at a time, so the log's order is the stream's order.
//!
//! Invariant: at most [`CREDITS`] batches are handed over and not committed, and a book never has two batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle, WrapFuture};
use journal::encoding::STREAM_FORMAT;
use journal::{CommandQueue, Entry, QueueError, StreamId};
use matching::planted::{Bug, is_planted};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::event_log::{Barrier, Commit};
use crate::fatal::{Fatal, FatalSender};
use crate::intake::{ClosedGate, Intake};
use crate::matcher::{First, Matched, Matcher};
use crate::progress::Progress;
use crate::retention::Retention;
use crate::snapshot::SnapshotNow;

/// Batches that may be matched and not yet committed: one that commits, one ready behind it. More would only make
/// what a crash throws away larger, since all commit one after the other.
const CREDITS: usize = 2;
/// Entries taken from the stream at once. One holds up to 500 commands, so a read is some megabytes at most.
const ENTRIES_PER_READ: usize = 64;
/// Commands from which on a batch takes no further entry: enough that one transaction's cost is spread thin, few enough
/// that a batch is matched in milliseconds.
const COMMANDS_PER_BATCH: usize = 1_000;
/// How long to wait before a failed read, or a failed restoration of the stream, is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often the stream is checked. What is enqueued into a lost stream is refused meanwhile.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// The longest sleep until something expires: the wall clock may leap meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What the dispatcher is made of.
pub(crate) struct DispatcherParts {
    pub queue: Arc<dyn CommandQueue>,
    pub intake: Arc<Intake>,
    pub log: Recipient<Commit>,
    pub barrier: Recipient<Barrier>,
    pub progress: Arc<Progress>,
    /// The last stream entry that the projection shows.
    pub projected: watch::Receiver<StreamId>,
    /// Where reading starts: after the last entry in the log.
    pub read_to: StreamId,
    /// Entries kept in the stream behind the projection, for audit.
    pub retention_entries: u64,
    pub fatal: FatalSender,
}

pub(crate) struct DispatcherActor {
    parts: DispatcherParts,
    matcher: Option<Matcher>,
    /// What is done before anything is read.
    first: First,
    /// Whether that is committed.
    begun: bool,
    /// Who waits for it.
    awaiting_begin: Vec<oneshot::Sender<()>>,
    reading: Option<SpawnHandle>,
    /// Entries that were read and are not planned.
    fetched: VecDeque<Entry>,
    /// Wakes this actor when something expires.
    alarm: Option<SpawnHandle>,
    stream: Stream,
    credits: usize,
    barriers: Vec<SnapshotNow>,
    /// Whether nothing is read any more; it stays so.
    stopping: bool,
    /// Who waits for what was read to be committed.
    draining: Option<oneshot::Sender<()>>,
    retention: Retention,
}

/// The stream, as far as this actor knows.
enum Stream {
    /// It is the one that was read before.
    There,
    /// It is lost, and the gate closes.
    Lost,
    /// It is lost, and nobody enqueues: it is restored once everything that was read is committed.
    Closed(ClosedGate),
    /// It is being restored.
    Restoring,
}

/// Answers when what is done before anything is read is committed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Begin(pub oneshot::Sender<()>);

/// Stops reading; answers when everything that was read is committed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain(pub oneshot::Sender<()>);

impl DispatcherActor {
    pub(crate) fn new(parts: DispatcherParts, matcher: Matcher, first: First) -> DispatcherActor {
        let retention = Retention::new(parts.retention_entries);
        DispatcherActor {
            parts,
            matcher: Some(matcher),
            begun: first.is_empty(),
            first,
            awaiting_begin: Vec::new(),
            reading: None,
            fetched: VecDeque::new(),
            alarm: None,
            stream: Stream::There,
            credits: CREDITS,
            barriers: Vec::new(),
            stopping: false,
            draining: None,
            retention,
        }
    }

    /// Decides what comes next, whenever something has ended.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        self.read(ctx);
        let Some(matcher) = &self.matcher else { return };
        if let Some(request) = self.barriers.pop() {
            self.copy_state(request, ctx);
        } else if self.stopping {
            self.finish_drain();
        } else if self.credits == 0 {
            // A commit that ends returns its credit and comes here again.
        } else if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            self.dispatch(ctx, |matcher| matcher.plan_first(first));
        } else if !self.fetched.is_empty() {
            let mut entries = std::mem::take(&mut self.fetched);
            self.dispatch(ctx, |matcher| matcher.plan_entries(&mut entries, COMMANDS_PER_BATCH));
            self.fetched = entries;
        } else if matcher.is_due() {
            self.dispatch(ctx, Matcher::plan_expiry);
        } else {
            self.sleep_until_due(ctx);
            self.restore(ctx);
        }
    }

    /// Reads on, beside whatever is matched and committed, unless something waits already.
    fn read(&mut self, ctx: &mut Context<Self>) {
        let wanted = matches!(self.stream, Stream::There) && !self.stopping && self.first.is_empty();
        if !wanted || self.reading.is_some() || !self.fetched.is_empty() {
            return;
        }
        let queue = Arc::clone(&self.parts.queue);
        let after = self.parts.read_to;
        let read = async move {
            let entries = queue.read(after, ENTRIES_PER_READ).await;
            if entries.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            entries
        };
        let handle = ctx.spawn(read.into_actor(self).map(|entries, dispatcher, ctx| {
            dispatcher.reading = None;
            dispatcher.take_entries(entries, ctx);
        }));
        self.reading = Some(handle);
    }

    /// A read changes nothing: what it would have brought is still in the stream.
    fn stop_reading(&mut self, ctx: &mut Context<Self>) {
        if let Some(reading) = self.reading.take() {
            ctx.cancel_future(reading);
        }
    }

    fn take_entries(&mut self, entries: Result<Vec<Entry>, QueueError>, ctx: &mut Context<Self>) {
        if self.parts.progress.reading() != entries.is_ok() {
            match &entries {
                Ok(_) => info!("the command stream is read from {}", self.parts.read_to),
                Err(error) => error!(%error, "the command stream cannot be read; trying again until it can"),
            }
            self.parts.progress.set_reading(entries.is_ok());
        }
        let mut entries = entries.unwrap_or_default();
        // The stream only grows; an entry at or before the last one read was executed already.
        entries.retain(|entry| {
            let new = entry.id > self.parts.read_to;
            if !new {
                warn!(entry = %entry.id, "the stream gave an entry again: passed over");
            }
            new
        });
        if let Some((index, newer)) = entries.iter().enumerate().find_map(|(index, entry)| Some((index, newer(entry)?)))
        {
            if index == 0 {
                return self.end(newer, ctx);
            }
            // What is before it is executed; then it is the first.
            entries.truncate(index);
        }
        // Before anything of them counts as read: in a stream that was made again, others stand at the places of what is kept.
        if !self.parts.intake.read(&entries) {
            if matches!(self.stream, Stream::There) {
                self.close_gate(ctx);
            }
            return self.turn(ctx);
        }
        if let Some(last) = entries.last() {
            self.parts.read_to = last.id;
            self.retention.read(entries.len() as u64, last.id);
            self.trim(ctx);
            self.fetched = entries.into();
        }
        self.turn(ctx);
    }

    /// Reads nothing more: whoever runs this process ends it.
    fn end(&mut self, fatal: Fatal, ctx: &mut Context<Self>) {
        error!("the engine ends: {fatal}\n{}", fatal.runbook());
        self.stopping = true;
        self.parts.progress.set_reading(false);
        // Nobody listens when the process is ending already.
        let _ = self.parts.fatal.send(fatal);
        self.turn(ctx);
    }

    /// Makes sure that the stream is still the one that was read, also while nothing is read.
    fn check_stream(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.stream, Stream::There) {
            return;
        }
        let (queue, known) = (Arc::clone(&self.parts.queue), self.parts.read_to.max(self.parts.intake.last()));
        let check = async move { queue.check(known).await };
        ctx.spawn(check.into_actor(self).map(|found, dispatcher, ctx| match found {
            Err(QueueError::Lost) if matches!(dispatcher.stream, Stream::There) => dispatcher.close_gate(ctx),
            found => dispatcher.parts.progress.set_appendable(found.is_ok()),
        }));
    }

    /// The stream is lost: nothing more is taken until it is there again with everything that was acknowledged.
    fn close_gate(&mut self, ctx: &mut Context<Self>) {
        warn!(read_to = %self.parts.read_to, "the command stream is lost: restoring it from what was acknowledged");
        self.stream = Stream::Lost;
        self.parts.progress.set_reading(false);
        let intake = Arc::clone(&self.parts.intake);
        let closed = async move { intake.close().await };
        ctx.spawn(closed.into_actor(self).map(|gate, dispatcher, ctx| {
            dispatcher.stream = Stream::Closed(gate);
            dispatcher.turn(ctx);
        }));
    }

    /// Restores a lost stream, once what was read from it is committed.
    fn restore(&mut self, ctx: &mut Context<Self>) {
        if self.credits < CREDITS {
            return;
        }
        let gate = match std::mem::replace(&mut self.stream, Stream::Restoring) {
            Stream::Closed(gate) => gate,
            other => {
                self.stream = other;
                return;
            }
        };
        // A read of the lost stream that still waits would see what is appended now, before all of it is there: what is
        // committed then would count as the commit of everything kept from before the loss, whose old places are lower.
        self.stop_reading(ctx);
        let (intake, read_to) = (Arc::clone(&self.parts.intake), self.parts.read_to);
        let restored = async move {
            loop {
                match intake.restore(&gate, read_to).await {
                    Ok(last) => return last,
                    Err(error) => {
                        warn!(%error, "the command stream is not restored yet; trying again until it is");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        };
        ctx.spawn(restored.into_actor(self).map(|last, dispatcher, ctx| {
            info!(%last, "the command stream is restored");
            dispatcher.parts.read_to = last;
            dispatcher.stream = Stream::There;
            dispatcher.parts.progress.set_reading(true);
            dispatcher.turn(ctx);
        }));
    }

    /// Sleeps until something expires, if anything ever does.
    fn sleep_until_due(&mut self, ctx: &mut Context<Self>) {
        if let Some(alarm) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
        let due_in = self.matcher.as_ref().and_then(Matcher::next_due_in);
        self.alarm = due_in.map(|due_in| {
            ctx.run_later(due_in.min(LONGEST_SLEEP), |dispatcher, ctx| {
                dispatcher.alarm = None;
                dispatcher.turn(ctx);
            })
        });
    }

    fn trim(&mut self, ctx: &mut Context<Self>) {
        let projected = self.retention.projected(*self.parts.projected.borrow());
        let read_to = self.parts.read_to;
        let all_read = StreamId { index: read_to.index + 1, ..read_to };
        let Some(oldest_kept) = projected.or(is_planted(Bug::TrimBeforeCommit).then_some(all_read)) else { return };
        let queue = Arc::clone(&self.parts.queue);
        let trim = async move {
            if let Err(error) = queue.trim(oldest_kept).await {
                warn!(%error, "the stream was not trimmed; the next time will do");
            }
        };
        ctx.spawn(trim.into_actor(self));
    }

    /// Plans a batch, has the books apply it, and hands the result to the event log.
    fn dispatch(&mut self, ctx: &mut Context<Self>, plan: impl FnOnce(&mut Matcher)) {
        let Some(mut matcher) = self.matcher.take() else { panic!("a batch is planned while another is matched") };
        let (began, progress) = (Instant::now(), Arc::clone(&self.parts.progress));
        plan(&mut matcher);
        let matched = async move {
            let matched = matcher.run().await;
            progress.took_to_match(began.elapsed());
            (matcher, matched)
        };
        ctx.spawn(matched.into_actor(self).map(|(matcher, matched), dispatcher, ctx| {
            dispatcher.matcher = Some(matcher);
            dispatcher.hand_over(matched, ctx);
            dispatcher.turn(ctx);
        }));
    }

    fn hand_over(&mut self, matched: Vec<Matched>, ctx: &mut Context<Self>) {
        assert!(self.credits > 0, "a batch was matched without a credit");
        self.credits -= 1;
        if let Some(last) = matched.last() {
            self.parts.progress.set_sequenced(last.command.seq.get());
        }
        let commit = self.parts.log.send(Commit { matched });
        ctx.spawn(commit.into_actor(self).map(|committed, dispatcher, ctx| {
            // No credit comes back after a fatal end: nothing more is read.
            if let Ok(true) = committed {
                dispatcher.credits += 1;
                // Batches commit in their order, and that one was the first.
                dispatcher.begun = true;
                dispatcher.tell_begun();
                dispatcher.turn(ctx);
            }
        }));
    }

    /// At a barrier between two batches: one state of router and all books, sent down the way of the batches so that
    /// the ledger's part is taken at the same number.
    fn copy_state(&mut self, request: SnapshotNow, ctx: &mut Context<Self>) {
        let Some(matcher) = self.matcher.take() else { panic!("the state is copied while a batch is matched") };
        let copy = async move {
            let books = matcher.copy_books().await;
            (matcher, books)
        };
        ctx.spawn(copy.into_actor(self).map(|(matcher, books), dispatcher, ctx| {
            dispatcher.parts.barrier.do_send(Barrier { router: matcher.router().clone(), books, reply: request.0 });
            dispatcher.matcher = Some(matcher);
            dispatcher.turn(ctx);
        }));
    }

    fn tell_begun(&mut self) {
        if self.begun {
            for reply in self.awaiting_begin.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(());
            }
        }
    }

    fn finish_drain(&mut self) {
        if self.credits == CREDITS
            && let Some(reply) = self.draining.take()
        {
            // Whoever asked for the drain may have stopped waiting.
            let _ = reply.send(());
        }
    }
}

/// That an entry is of a newer release.
fn newer(entry: &Entry) -> Option<Fatal> {
    let format = entry.payload.as_ref().ok()?.format;
    (format > STREAM_FORMAT).then_some(Fatal::NewerStream { entry: entry.id, format })
}

impl Actor for DispatcherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The stream was opened just now; whether it can be read shows with the first entry, or after a second.
        self.parts.progress.set_reading(true);
        self.parts.progress.set_appendable(true);
        ctx.run_interval(CHECK_EVERY, |dispatcher, ctx| dispatcher.check_stream(ctx));
        self.turn(ctx);
    }
}

impl Handler<Begin> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, begin: Begin, _: &mut Self::Context) {
        self.awaiting_begin.push(begin.0);
        self.tell_begun();
    }
}

impl Handler<Drain> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        self.stopping = true;
        self.draining = Some(drain.0);
        self.stop_reading(ctx);
        self.turn(ctx);
    }
}

impl Handler<SnapshotNow> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, request: SnapshotNow, ctx: &mut Self::Context) {
        self.barriers.push(request);
        self.turn(ctx);
    }
}
