//! Wires the actors, once, from left to right: dispatcher, books, event log, projection; and the snapshots beside them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix::{Addr, Recipient};
use journal::{Clock, CommandQueue, Epoch, EventLog, Projection, SnapshotStore, StreamId};
use matching::Instrument;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::dispatcher::{Begin, DispatcherActor, DispatcherParts, Drain};
use crate::event_log::{EventLogActor, SignOff};
use crate::fatal::Fatal;
use crate::feed::{Encode, Feed, FeedActor};
use crate::intake::{Intake, IntakeLimits};
use crate::matcher::{First, Matcher, MatcherRules};
use crate::outcomes::{Answering, Outcomes, Stopping};
use crate::placement::{self, Placement};
use crate::progress::Progress;
use crate::projection::{Instruments, ProjectionActor, ProjectionParts, Settle};
use crate::readers::Readers;
use crate::recovery::Recovered;
use crate::reopening::Reopening;
use crate::snapshot::{SnapshotActor, TakeSnapshot};

/// What the engine stands on.
#[derive(Clone)]
pub struct Ports {
    /// Where commands come from.
    pub queue: Arc<dyn CommandQueue>,
    /// Where events are committed.
    pub log: Arc<dyn EventLog>,
    /// Where snapshots are kept.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Where outside readers look.
    pub projection: Arc<dyn Projection>,
    /// The service's clock.
    pub clock: Arc<dyn Clock>,
}

/// What of the configuration concerns the engine.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// Whether an order for an unlisted symbol lists it.
    pub auto_list_symbols: bool,
    /// Listed on the first start, before anything is read.
    pub instruments: Vec<Instrument>,
    /// How markets open again, where the start follows no clean stop; none: at once.
    pub reopening: Option<Reopening>,
    /// Time between two snapshots.
    pub snapshot_interval: Duration,
    /// A snapshot is taken as well when the log has grown by this many rows since the last.
    pub snapshot_rows: u64,
    /// Snapshots that are kept.
    pub retain_snapshots: usize,
    /// Stream entries that are kept behind the projection.
    pub queue_retention_entries: u64,
    /// An order that waited for longer is stale; none: it may wait for ever.
    pub max_queue_age: Option<Duration>,
    /// How far the engine may fall behind.
    pub intake: IntakeLimits,
    /// How messages of the feed are written.
    pub encode: Encode,
}

/// The running engine.
pub struct Pipeline {
    /// The way in.
    pub intake: Arc<Intake>,
    /// The way back to callers.
    pub outcomes: Outcomes,
    /// How far the engine has come.
    pub progress: Arc<Progress>,
    /// What is listed, as committed.
    pub instruments: watch::Receiver<Instruments>,
    /// The market, to ask and to subscribe to.
    pub feed: Feed,
    /// The last stream entry that readers see.
    pub projected: watch::Receiver<StreamId>,
    /// Takes snapshots on demand.
    pub snapshots: Recipient<TakeSnapshot>,
    dispatcher: Addr<DispatcherActor>,
    event_log: Addr<EventLogActor>,
    projection: Addr<ProjectionActor>,
}

impl Pipeline {
    /// Starts all actors on a recovered state. The receiver hears when the engine cannot go on.
    pub fn start(
        ports: Ports,
        settings: PipelineSettings,
        recovered: Recovered,
        epoch: Epoch,
        placement: &Placement,
    ) -> (Pipeline, mpsc::UnboundedReceiver<Fatal>) {
        let progress = Arc::new(Progress::default());
        // Taking over was a beat.
        progress.set_beaten(Instant::now());
        let (fatal, ended) = mpsc::unbounded_channel();
        let (listed, instruments) = watch::channel(Instruments::default());
        let (projected_to, projected) = watch::channel(StreamId::ZERO);
        let Recovered { engine, market, index, position, epoch: last_epoch, snapshot, projected: shown, pace: _ } =
            recovered;
        let (router, books, ledger) = engine.into_parts();
        // Configuration seeds the instruments on the first start; from then on they change by commands only.
        let first = First {
            listings: if position.seq == matching::Seq::ZERO { settings.instruments } else { Vec::new() },
            reopenings: settings.reopening.map(|reopening| reopening.of(&ledger)).unwrap_or_default(),
        };

        let backlog = Arc::new(AtomicU64::new(0));
        let (published_to, published) = watch::channel(ledger.seq());
        let feed = FeedActor::new(market, settings.encode, Arc::clone(&progress), published_to, Arc::clone(&backlog));
        let feed = placement::start(&placement.feed, feed);
        let readers = Readers::new(index, feed.clone().recipient(), backlog);
        let feed = Feed::of(&feed, Arc::clone(&progress), published);

        let answering = Answering::default();
        let callers = answering.callers();
        let parts = ProjectionParts {
            projection: ports.projection,
            projected: projected_to,
            instruments: listed,
            answering,
            progress: Arc::clone(&progress),
        };
        let projection = ProjectionActor::new(parts, ledger, readers, position, last_epoch, shown);
        let projection = placement::start(&placement.projection, projection);

        let intake = Intake::start(Arc::clone(&ports.queue), position.stream_id, settings.intake);
        let event_log = EventLogActor {
            log: ports.log,
            epoch,
            position,
            intake: Arc::clone(&intake),
            rows: projection.clone().recipient(),
            barrier: projection.clone().recipient(),
            progress: Arc::clone(&progress),
            fatal: fatal.clone(),
        };
        let event_log = placement::start(&placement.event_log, event_log);

        let parts = DispatcherParts {
            queue: ports.queue,
            intake: Arc::clone(&intake),
            log: event_log.clone().recipient(),
            barrier: event_log.clone().recipient(),
            progress: Arc::clone(&progress),
            projected: projected.clone(),
            read_to: position.stream_id,
            retention_entries: settings.queue_retention_entries,
            fatal,
        };
        let rules = MatcherRules {
            clock: Arc::clone(&ports.clock),
            auto_list: settings.auto_list_symbols,
            max_queue_age: settings.max_queue_age,
        };
        let matcher = Matcher::new(rules, router, books, placement.clone(), position.stream_id, Arc::clone(&progress));
        let dispatcher = DispatcherActor::new(parts, matcher, first);
        let dispatcher = placement::start(&placement.dispatcher, dispatcher);

        let snapshots = SnapshotActor {
            dispatcher: dispatcher.clone().recipient(),
            store: ports.snapshots,
            interval: settings.snapshot_interval,
            rows: settings.snapshot_rows,
            progress: Arc::clone(&progress),
            clock: ports.clock,
            placement: placement.clone(),
            retain: settings.retain_snapshots,
            newest: snapshot,
        };
        let snapshots = placement::start(&placement.projection, snapshots).recipient();
        let outcomes = Outcomes::new(callers, projection.clone().recipient(), Arc::clone(&progress));
        (
            Pipeline {
                intake,
                outcomes,
                progress,
                instruments,
                feed,
                projected,
                snapshots,
                dispatcher,
                event_log,
                projection,
            },
            ended,
        )
    }

    /// Waits until what is done before anything is read is committed, and the projection shows it: a start is done then,
    /// and nobody sees the markets as they were before.
    pub async fn settled(&self) -> Result<(), Stopping> {
        let (reply, begun) = oneshot::channel();
        self.dispatcher.send(Begin(reply)).await.map_err(|_| Stopping)?;
        begun.await.map_err(|_| Stopping)?;
        self.projected().await
    }

    /// Waits until the projection shows everything that is committed now.
    async fn projected(&self) -> Result<(), Stopping> {
        let (reply, settled) = oneshot::channel();
        self.projection.send(Settle(reply)).await.map_err(|_| Stopping)?;
        settled.await.map_err(|_| Stopping)
    }

    /// Stops reading, commits and projects what was read, takes a snapshot, and signs off in the log, so that the next
    /// start need not wait and reads little. What is still in the stream stays there.
    pub async fn drain(&self) -> Result<(), Stopping> {
        let (reply, committed) = oneshot::channel();
        self.dispatcher.send(Drain(reply)).await.map_err(|_| Stopping)?;
        committed.await.map_err(|_| Stopping)?;
        self.projected().await?;
        // Without one, the next start reads more of the log; the actor has said why.
        let _ = self.snapshots.send(TakeSnapshot).await.map_err(|_| Stopping)?;
        self.event_log.send(SignOff).await.map_err(|_| Stopping)
    }
}
