//! Starts the service and stops it: wires all parts once, top to bottom.
//!
//! HTTP answers from the beginning, so that health can be asked; everything else is refused until this process is the
//! writer and has recovered the state.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix::System;
use actix_web::dev::ServerHandle;
use actors::{Fatal, Pipeline, PipelineSettings, Placement, Ports, RecoveryError, guard, recover, standby};
use journal::{CommandQueue, LogError, QueueError, ServiceClock};
use matching::Instrument;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::adapters::postgres::{Postgres, PostgresError, PostgresLog, PostgresSnapshots};
use crate::adapters::redis::{RedisError, RedisProjection, RedisQueue, check_durability};
use crate::config::{Settings, Storage};
use crate::http::{self, Api, Engine};
use crate::ids::IdAllocator;
use crate::telemetry;

/// Threads that the books share: as many as the small machines that this is measured on have cores.
const BOOK_THREADS: usize = 2;
/// How long the engine may take to commit and project what it has read, when it stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(15);
/// As PostgreSQL lists the service's connections.
const APPLICATION_NAME: &str = "pricetime";

/// Why the service ended, or did not start.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Configuration(String),
    #[error("cannot listen on {address}: {error}; stop what listens there, or set PORT to a free one")]
    Listen { address: std::net::SocketAddr, error: std::io::Error },
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    #[error(transparent)]
    Fatal(#[from] Fatal),
    #[error("the HTTP server ended: {0}")]
    Http(String),
}

impl End {
    /// The exit code: 2 configuration, 3 a dependency, 5 fenced, 6 the log is damaged or went back.
    fn code(&self) -> u8 {
        match self {
            End::Configuration(_) | End::Listen { .. } => 2,
            End::Redis(RedisError::Unreachable(_)) | End::Postgres(PostgresError::Unreachable { .. }) => 3,
            End::Redis(_) | End::Postgres(_) => 2,
            End::Queue(_) | End::Http(_) => 3,
            End::Log(error) | End::Fatal(Fatal::Log(error)) | End::Recovery(RecoveryError::Log(error)) => of_log(error),
            End::Fatal(Fatal::Fenced) => 5,
            End::Recovery(RecoveryError::LogWentBack { .. } | RecoveryError::Snapshot(_)) => 6,
            End::Recovery(RecoveryError::Projection(_)) => 3,
        }
    }
}

fn of_log(error: &LogError) -> u8 {
    match error {
        LogError::Unknown(_) => 3,
        LogError::Fenced => 5,
        LogError::Refused(_) | LogError::Damaged { .. } => 6,
    }
}

/// Runs the service until it is asked to stop, or cannot go on.
pub fn serve() -> ExitCode {
    guard::abort_on_engine_panic();
    let ended = System::new().block_on(async {
        let settings = configure()?;
        run(settings).await
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            // Logging may not be set up yet, and whoever started the service should see this in any case.
            eprintln!("pricetime: {end}");
            ExitCode::from(end.code())
        }
    }
}

fn configure() -> Result<Settings, End> {
    let (settings, warnings) = Settings::load().map_err(|problems| {
        let list: Vec<String> = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
        End::Configuration(format!("the configuration has {} problem(s):{}", problems.len(), list.concat()))
    })?;
    telemetry::init(&settings).map_err(|error| End::Configuration(error.to_string()))?;
    for warning in warnings {
        warn!("{warning}");
    }
    Ok(settings)
}

async fn run(settings: Settings) -> Result<(), End> {
    let api = Api::new(&settings);
    let listener =
        TcpListener::bind(settings.listen).map_err(|error| End::Listen { address: settings.listen, error })?;
    let server = http::serve(Arc::clone(&api), listener).map_err(|error| End::Http(error.to_string()))?;
    let handle = server.handle();
    let mut asked = StopSignals::new().map_err(|error| End::Http(error.to_string()))?;
    let mut server = actix_web::rt::spawn(server);

    let started = tokio::select! {
        biased;
        () = asked.recv() => {
            handle.stop(true).await;
            return Ok(());
        }
        started = start(&settings, &api) => started,
    };
    let (pipeline, mut fatal) = match started {
        Ok(started) => started,
        Err(end) => {
            handle.stop(false).await;
            return Err(end);
        }
    };
    announce(&settings);
    tokio::select! {
        biased;
        ended = fatal.recv() => {
            handle.stop(false).await;
            Err(ended.unwrap_or(Fatal::Fenced).into())
        }
        ended = &mut server => {
            let reason = ended.map_or_else(|error| error.to_string(), |ended| format!("{ended:?}"));
            Err(End::Http(reason))
        }
        () = asked.recv() => {
            api.close();
            stop(&handle, &pipeline, &mut fatal).await
        }
    }
}

/// Becomes the writer, recovers the state and starts the engine behind `api`.
async fn start(settings: &Settings, api: &Api) -> Result<(Pipeline, mpsc::UnboundedReceiver<Fatal>), End> {
    let Storage::Full { redis_url, database_url } = &settings.storage;
    let postgres = Postgres::prepare(database_url.expose(), APPLICATION_NAME, settings.allow_unsafe_durability).await?;
    check_durability(redis_url.expose(), settings.allow_unsafe_durability).await?;
    let log = Arc::new(PostgresLog::new(&postgres));
    let snapshots = Arc::new(PostgresSnapshots::new(&postgres));
    let queue = Arc::new(RedisQueue::connect(redis_url.expose()).await?);
    let projection = Arc::new(RedisProjection::connect(redis_url.expose()).await?);

    let writer = standby::become_writer(&*log).await?;
    api.recovering();
    let recovered = recover(&*log, &*snapshots, &*projection, writer.position, settings.retain_closed_orders).await?;
    queue.open(writer.position.stream_id).await?;
    let clock = Arc::new(ServiceClock::starting_at(recovered.engine.ledger().time()));
    let ids = IdAllocator::start(log.clone(), writer.epoch).await?;

    let ports = Ports { queue: queue.clone(), log, snapshots, projection, clock: clock.clone() };
    let placement = Placement::threads(BOOK_THREADS);
    let (pipeline, mut fatal) =
        Pipeline::start(ports, pipeline_settings(settings), recovered, writer.epoch, &placement);
    // Whoever looks at Redis after the first answer finds the state there.
    tokio::select! {
        biased;
        ended = fatal.recv() => return Err(ended.unwrap_or(Fatal::Fenced).into()),
        settled = pipeline.settled() => settled.map_err(|_| Fatal::Fenced)?,
    }
    api.open(Engine {
        queue,
        outcomes: pipeline.outcomes.clone(),
        progress: Arc::clone(&pipeline.progress),
        ids,
        clock,
        instruments: pipeline.instruments.clone(),
    });
    Ok((pipeline, fatal))
}

fn pipeline_settings(settings: &Settings) -> PipelineSettings {
    PipelineSettings {
        auto_list_symbols: settings.auto_list_symbols,
        instruments: settings.symbols.iter().copied().map(Instrument::finest).collect(),
        snapshot_interval: settings.snapshot_interval,
        retain_snapshots: settings.retain_snapshots,
        queue_retention_entries: settings.queue_retention_entries,
    }
}

/// Requests under way are answered, what was read is committed and projected, what was not stays in the stream.
async fn stop(
    handle: &ServerHandle,
    pipeline: &Pipeline,
    fatal: &mut mpsc::UnboundedReceiver<Fatal>,
) -> Result<(), End> {
    info!("stopping: no new requests; what was read is committed and projected first");
    handle.stop(true).await;
    tokio::select! {
        biased;
        ended = fatal.recv() => Err(ended.unwrap_or(Fatal::Fenced).into()),
        drained = timeout(DRAIN_WITHIN, pipeline.drain()) => {
            match drained {
                Ok(Ok(())) => info!("stopped: nothing is under way"),
                // Nothing is lost: what was acknowledged is in the stream, and the next start goes on from there.
                _ => warn!("stopped before everything was committed and projected; the next start goes on from there"),
            }
            Ok(())
        }
    }
}

fn announce(settings: &Settings) {
    let opened = if settings.debug { "DEBUG opens /api/debug/ and any symbol to everyone" } else { "DEBUG is off" };
    info!(
        "ready on http://{address}/ ({opened}); try: curl -d '{{\"symbol\":\"BTC_USDT\",\"side\":\"BUY\",\"price\":100,\"quantity\":1}}' \
         -H 'Content-Type: application/json' http://{address}/api/orders/",
        address = settings.listen
    );
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<StopSignals> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
