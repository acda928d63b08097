//! A simulated process: starts as the service does, serves its clients, and ends when its engine ends or it is killed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::standby::TakeOver;
use actors::{
    Computing, Fatal, IntakeLimits, Outcomes, Pipeline, PipelineSettings, Placement, Ports, RecoveryError, recover,
    standby,
};
use journal::{Clock, CommandQueue, Epoch, EventLog, LogError, QueueError, ServiceClock};
use matching::{Instrument, Symbol};
use tokio::time::timeout;

use crate::life::Life;
use crate::lock;
use crate::ports::{Link, LogLink, ProjectionLink, QueueLink, SnapshotLink};
use crate::random::Random;
use crate::world::{SimulatedTimes, World};

/// Ids leased at a start: more than any simulation needs.
const BLOCK: u64 = 100_000;
/// How long a stop in good order may take.
const DRAIN_WITHIN: Duration = Duration::from_secs(15);

/// What of a process is configuration: the same for all of a simulation.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    /// The engine's.
    pub pipeline: PipelineSettings,
    /// Closed orders that the ledger keeps.
    pub retain_closed: u64,
}

impl ProcessSettings {
    /// The settings of a seed: small limits, so that they are reached.
    pub fn new(random: &mut Random) -> ProcessSettings {
        let seconds = random.pick(&[2, 4, 3_600]);
        let instruments = MARKETS[..2].iter().map(|market| Instrument::finest(symbol(market))).collect();
        let lag = random.pick(&[20, 1_000]);
        ProcessSettings {
            pipeline: PipelineSettings {
                auto_list_symbols: random.below(2) == 0,
                instruments,
                snapshot_interval: Duration::from_secs(seconds),
                snapshot_rows: random.pick(&[50, 1_000_000]),
                retain_snapshots: 3,
                queue_retention_entries: random.pick(&[0, 10, 1_000]),
                max_queue_age: random.pick(&[None, Some(Duration::from_secs(3))]),
                reopening: None,
                encode: |_| String::new(),
                intake: IntakeLimits { orders: lag, cancels: lag, wait: Duration::from_secs(1) },
            },
            retain_closed: random.pick(&[10, 100, 500_000]),
        }
    }
}

/// The markets that clients trade in; the first two are listed from the start.
pub const MARKETS: [&str; 3] = ["BTC_USDT", "ETH_USDT", "XRP_USDT"];

/// # Panics
/// If the text is no symbol: a mistake in this crate.
pub fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

/// A process and what clients see of it.
pub struct Process {
    /// Whether it lives.
    pub life: Life,
    world: Arc<World>,
    settings: ProcessSettings,
    serving: Mutex<Option<Arc<Serving>>>,
}

/// A process that takes commands.
pub struct Serving {
    /// The process.
    pub life: Life,
    /// Its engine.
    pub pipeline: Pipeline,
    /// The way back.
    pub outcomes: Outcomes,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its term.
    pub epoch: Epoch,
    next_id: AtomicU64,
}

impl Serving {
    /// An id that no command has.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// Why a process ended by itself.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl Process {
    /// Starts a process.
    pub fn start(world: &Arc<World>, number: u64, settings: ProcessSettings) -> Arc<Process> {
        let process = Arc::new(Process {
            life: Life::new(number),
            world: Arc::clone(world),
            settings,
            serving: Mutex::new(None),
        });
        world.trace(|| format!("p{number} starts"));
        let running = Arc::clone(&process);
        actix::spawn(async move {
            tokio::select! {
                biased;
                () = running.life.ended() => running.world.trace(|| format!("p{number} is dead")),
                end = running.run() => running.exit(&end),
            }
            *lock(&running.serving) = None;
        });
        process
    }

    /// What clients may use, if it serves.
    pub fn serving(&self) -> Option<Arc<Serving>> {
        lock(&self.serving).clone().filter(|_| !self.life.is_dead())
    }

    /// As the service does: become the writer, recover, open the stream, lease ids, start the engine, let clients in.
    async fn run(&self) -> End {
        match self.serve().await {
            Ok(never) => never,
            Err(end) => end,
        }
    }

    async fn serve(&self) -> Result<End, End> {
        let link = Link { world: Arc::clone(&self.world), life: self.life.clone() };
        let log = Arc::new(LogLink(link.clone()));
        let snapshots = Arc::new(SnapshotLink(link.clone()));
        let projection = Arc::new(ProjectionLink(link.clone()));
        let queue = Arc::new(QueueLink(link));
        let TakeOver { writer, .. } = standby::become_writer(&*log).await?;
        let position = writer.position;
        let recovery =
            recover(&*log, &*snapshots, &*projection, position, self.settings.retain_closed, Computing::Here);
        let recovered = standby::while_beating(&*log, writer.epoch, recovery).await?;
        queue.open(position.stream_id).await?;
        let times = SimulatedTimes(Arc::clone(&self.world));
        let clock: Arc<dyn Clock> = Arc::new(ServiceClock::on(times, recovered.engine.ledger().time()));
        let ceiling = log.lease_ids(writer.epoch, BLOCK).await?;
        let ports = Ports { queue, log, snapshots, projection, clock: Arc::clone(&clock) };
        let (pipeline, mut fatal) =
            Pipeline::start(ports, self.settings.pipeline.clone(), recovered, writer.epoch, &Placement::here());
        tokio::select! {
            biased;
            ended = fatal.recv() => return Err(ended.unwrap_or(Fatal::Fenced).into()),
            settled = pipeline.settled() => settled.map_err(|_| Fatal::Fenced)?,
        }
        let outcomes = pipeline.outcomes.clone();
        let next_id = AtomicU64::new((ceiling - BLOCK).max(1));
        let (life, epoch) = (self.life.clone(), writer.epoch);
        self.life.breathe().await;
        self.world.trace(|| format!("p{} serves under epoch {epoch}", life.number));
        *lock(&self.serving) = Some(Arc::new(Serving { life, pipeline, outcomes, clock, epoch, next_id }));
        let ended = fatal.recv().await;
        self.life.breathe().await;
        Err(ended.unwrap_or(Fatal::Fenced).into())
    }

    /// Stops in good order, as on SIGTERM.
    pub async fn stop(&self) {
        if let Some(serving) = self.serving() {
            let number = self.life.number;
            self.world.trace(|| format!("p{number} is asked to stop"));
            let drained = timeout(DRAIN_WITHIN, serving.pipeline.drain()).await.is_ok();
            self.world.trace(|| format!("p{number} stops, drained: {drained}"));
        }
        self.life.kill();
    }

    /// The end of a process by itself: being fenced by another writer, or by a dependency that does not answer at the start.
    fn exit(&self, end: &End) {
        self.world.trace(|| format!("p{} ends: {end}", self.life.number));
        match end {
            End::Log(LogError::Unknown(_))
            | End::Queue(QueueError::Unreachable(_))
            | End::Recovery(
                RecoveryError::Log(LogError::Unknown(_)) | RecoveryError::Snapshot(_) | RecoveryError::Projection(_),
            ) => {}
            End::Fatal(Fatal::Fenced)
            | End::Log(LogError::Fenced)
            | End::Recovery(RecoveryError::Log(LogError::Fenced)) => {
                let writer = lock(&self.world.history).writers.last_key_value().map(|(_, life)| *life);
                if writer == Some(self.life.number) {
                    self.world
                        .violate("one writer", format!("p{} is fenced, and nobody else writes", self.life.number));
                }
            }
            other => self.world.violate("the log is whole", format!("p{} ends: {other}", self.life.number)),
        }
        self.life.kill();
    }
}
