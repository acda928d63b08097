//! Drains the stream: numbers each command, routes it to its book, merges what the books answer, and hands the batch
//! to the event log. One thing at a time, so the log's order is the stream's order.
//!
//! Invariant: at most [`CREDITS`] batches are handed over and not committed, and a book never has two batches.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle, WrapFuture};
use journal::{Clock, CommandQueue, Entry, QueueError, StreamId};
use matching::{Instrument, Micros};
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use crate::event_log::{Barrier, Commit};
use crate::matcher::{Matched, Matcher};
use crate::progress::Progress;
use crate::retention::Retention;
use crate::snapshot::SnapshotNow;

/// Batches that may be matched and not yet committed: one that commits, one ready behind it. More would only make
/// what a crash throws away larger, since all commit one after the other.
const CREDITS: usize = 2;
/// Entries taken from the stream at once: enough that one transaction's cost is spread thin, few enough that a batch
/// is matched in milliseconds.
const ENTRIES_PER_READ: usize = 1_000;
/// How long to wait before a failed read is tried again.
const READ_RETRY: Duration = Duration::from_millis(200);

/// What the dispatcher is made of.
pub(crate) struct DispatcherParts {
    pub queue: Arc<dyn CommandQueue>,
    pub clock: Arc<dyn Clock>,
    pub log: Recipient<Commit>,
    pub barrier: Recipient<Barrier>,
    pub progress: Arc<Progress>,
    /// The last stream entry that the projection shows.
    pub projected: watch::Receiver<StreamId>,
    /// Where reading starts: after the last entry in the log.
    pub read_to: StreamId,
    /// Entries kept in the stream behind the projection, for audit.
    pub retention_entries: u64,
}

pub(crate) struct DispatcherActor {
    parts: DispatcherParts,
    matcher: Option<Matcher>,
    /// Instruments that are listed before anything is read.
    seeds: Vec<Instrument>,
    reading: Option<SpawnHandle>,
    credits: usize,
    barriers: Vec<SnapshotNow>,
    draining: Option<oneshot::Sender<()>>,
    retention: Retention,
}

/// Stops reading; answers when everything that was read is committed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain(pub oneshot::Sender<()>);

impl DispatcherActor {
    pub(crate) fn new(parts: DispatcherParts, matcher: Matcher, seeds: Vec<Instrument>) -> DispatcherActor {
        let retention = Retention::new(parts.retention_entries);
        DispatcherActor {
            parts,
            matcher: Some(matcher),
            seeds,
            reading: None,
            credits: CREDITS,
            barriers: Vec::new(),
            draining: None,
            retention,
        }
    }

    /// Decides what comes next, whenever something has ended.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        if self.reading.is_some() || self.matcher.is_none() {
            return;
        }
        if let Some(request) = self.barriers.pop() {
            self.copy_state(request, ctx);
        } else if self.draining.is_some() {
            self.finish_drain();
        } else if self.credits == 0 {
            // A commit that ends returns its credit and comes here again.
        } else if self.seeds.is_empty() {
            self.read(ctx);
        } else {
            let seeds = std::mem::take(&mut self.seeds);
            let read_to = self.parts.read_to;
            self.dispatch(ctx, |matcher, now| matcher.plan_listings(seeds, read_to, now));
        }
    }

    fn read(&mut self, ctx: &mut Context<Self>) {
        let queue = Arc::clone(&self.parts.queue);
        let after = self.parts.read_to;
        let read = async move {
            let entries = queue.read(after, ENTRIES_PER_READ).await;
            if entries.is_err() {
                tokio::time::sleep(READ_RETRY).await;
            }
            entries
        };
        let handle = ctx.spawn(read.into_actor(self).map(|entries, dispatcher, ctx| {
            dispatcher.reading = None;
            dispatcher.take_entries(entries, ctx);
        }));
        self.reading = Some(handle);
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
        let Some(last) = entries.last() else { return self.turn(ctx) };
        self.parts.read_to = last.id;
        self.retention.read(entries.len() as u64, last.id);
        self.trim(ctx);
        self.dispatch(ctx, |matcher, now| matcher.plan_entries(entries, now));
    }

    fn trim(&mut self, ctx: &mut Context<Self>) {
        let Some(oldest_kept) = self.retention.projected(*self.parts.projected.borrow()) else { return };
        let queue = Arc::clone(&self.parts.queue);
        let trim = async move {
            if let Err(error) = queue.trim(oldest_kept).await {
                warn!(%error, "the stream was not trimmed; the next time will do");
            }
        };
        ctx.spawn(trim.into_actor(self));
    }

    /// Plans a batch, has the books apply it, and hands the result to the event log.
    fn dispatch(&mut self, ctx: &mut Context<Self>, plan: impl FnOnce(&mut Matcher, Micros)) {
        let Some(mut matcher) = self.matcher.take() else { panic!("a batch is planned while another is matched") };
        plan(&mut matcher, self.parts.clock.now());
        let matched = async move {
            let matched = matcher.run().await;
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

    fn finish_drain(&mut self) {
        if self.credits == CREDITS
            && let Some(reply) = self.draining.take()
        {
            // Whoever asked for the drain may have stopped waiting.
            let _ = reply.send(());
        }
    }
}

impl Actor for DispatcherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The stream was opened just now; whether it can be read shows with the first entry, or after a second.
        self.parts.progress.set_reading(true);
        self.turn(ctx);
    }
}

impl Handler<Drain> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        self.draining = Some(drain.0);
        // A read changes nothing: what it would have brought is still in the stream.
        if let Some(reading) = self.reading.take() {
            ctx.cancel_future(reading);
        }
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
