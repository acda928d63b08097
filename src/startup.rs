//! Starts the service and stops it: wires all parts once, top to bottom.
//!
//! HTTP answers from the beginning, so that health can be asked; everything else is refused until this process is the
//! writer and has recovered the state.

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix::System;
use actix_web::dev::ServerHandle;
use actors::recovery::check_end;
use actors::standby::TakeOver;
use actors::{
    Computing, Fatal, IntakeLimits, Pipeline, PipelineSettings, Placement, Ports, Recovered, Sweep, guard, recover,
    standby,
};
use journal::{Clock, QueueError, ServiceClock, WriterPosition};
use matching::{Instrument, Micros};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::adapters::postgres::PostgresWatch;
use crate::config::{Problem, Settings, Storage};
use crate::demo;
use crate::exit::End;
use crate::http::admin::Bench;
use crate::http::consumers::Registry;
use crate::http::engine_panel::Gauge;
use crate::http::recent::RecentRows;
use crate::http::{self, Api, Engine};
use crate::ids::IdAllocator;
use crate::last_words;
use crate::storage::{self, Stores};
use crate::telemetry;
use crate::views;

/// Threads that the books share: as many as the small machines that this is measured on have cores.
const BOOK_THREADS: usize = 2;
/// A start reads at most so many rows of the log: a few seconds.
const SNAPSHOT_ROWS: u64 = 1_000_000;
/// How often the age of the oldest transaction is asked for: it slows commits within tens of seconds.
const LOOK_AT_TRANSACTIONS: Duration = Duration::from_secs(5);
/// How long the engine may take to commit and project what it has read, when it stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(15);

/// Runs the service until it is asked to stop, or cannot go on.
pub fn serve(demo: bool, forget_stops: bool) -> ExitCode {
    guard::abort_on_engine_panic();
    // The start folds the log on this thread.
    guard::mark_this_thread();
    // Never taken down: what is still under way then (a query, say) may need the runtime to be dropped, and nothing of it
    // matters any more. The process ends with it.
    let system = ManuallyDrop::new(System::new());
    let ended = system.block_on(async {
        let settings = Settings { demo, ..configure()? };
        let ended = run(&settings, forget_stops).await;
        if let Err(end) = &ended {
            last_words::after_an_end(&settings, end).await;
        }
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            // Logging may not be set up yet, and whoever started the service should see this in any case.
            eprintln!("pricetime: {}", end.last_words());
            ExitCode::from(end.code())
        }
    }
}

fn configure() -> Result<Settings, End> {
    let (settings, warnings) = Settings::load().map_err(End::Configuration)?;
    telemetry::init(&settings).map_err(|error| End::Logging(error.to_string()))?;
    for warning in warnings {
        warn!("{warning}");
    }
    #[cfg(feature = "planted")]
    crate::planted::plant_from_environment().map_err(|problem| End::Configuration(vec![problem]))?;
    Ok(settings)
}

async fn run(settings: &Settings, forget_stops: bool) -> Result<(), End> {
    refuse_openings(settings).await?;
    let api = Api::new(settings);
    let listener = http::listen(settings.listen).map_err(|error| End::Listen { address: settings.listen, error })?;
    let address = listener.local_addr().map_err(|error| End::Listen { address: settings.listen, error })?;
    let server = http::serve(Arc::clone(&api), listener).map_err(|error| End::Http(error.to_string()))?;
    // At the end it takes no new connections and is left to end with the process: a worker that ends by itself drops what its
    // requests wait for, and a connection to PostgreSQL needs a runtime for that.
    let handle = server.handle();
    let mut asked = StopSignals::new().map_err(|error| End::Http(error.to_string()))?;
    let mut server = actix_web::rt::spawn(server);

    let started = tokio::select! {
        biased;
        () = asked.recv() => {
            handle.pause().await;
            return Ok(());
        }
        started = start(settings, &api, forget_stops) => started,
    };
    let (pipeline, mut fatal) = match started {
        Ok(started) => started,
        Err(end) => {
            handle.pause().await;
            return Err(end);
        }
    };
    announce(settings, address);
    if settings.demo {
        tokio::spawn(demo::trading::trade(Arc::clone(&api), address, settings.admin_token.clone()));
    }
    tokio::select! {
        biased;
        ended = fatal.recv() => {
            handle.pause().await;
            Err(ended.unwrap_or(Fatal::Fenced).into())
        }
        ended = &mut server => {
            let reason = ended.map_or_else(|error| error.to_string(), |ended| format!("{ended:?}"));
            Err(End::Http(reason))
        }
        () = asked.recv() => {
            stop(&api, &handle, &pipeline, &mut fatal).await
        }
    }
}

/// Without DEBUG nothing is served that is open to everyone. All that is wrong is said at once; whether there are keys is
/// looked up where the store can be reached.
async fn refuse_openings(settings: &Settings) -> Result<(), End> {
    let mut problems = settings.openings();
    if problems.is_empty() {
        return Ok(());
    }
    if settings.admin_token.is_none()
        && let Ok(keys) = storage::keys(settings).await
        && keys.all().await.is_ok_and(|keys| keys.iter().all(|key| key.revoked_at.is_some()))
    {
        problems.push(no_keys());
    }
    Err(End::Configuration(problems))
}

/// Nobody could do anything.
fn no_keys() -> Problem {
    Problem {
        name: "API keys".to_owned(),
        wrong: "are none that hold, and without DEBUG every request needs one".to_owned(),
        remedy:
            "make one with these settings: pricetime keys make first --scopes admin; or set ADMIN_TOKEN; or DEBUG=true \
                 where nobody else can connect"
                .to_owned(),
    }
}

/// Becomes the writer, recovers the state and starts the engine behind `api`.
async fn start(
    settings: &Settings,
    api: &Arc<Api>,
    forget_stops: bool,
) -> Result<(Pipeline, mpsc::UnboundedReceiver<Fatal>), End> {
    let Stores { queue, log, snapshots, projection, history, consumers, watch, keys } = storage::open(settings).await?;
    let keyring = Arc::clone(&api.gate.keyring);
    keyring.fill(&*keys).await?;
    if !settings.debug && settings.admin_token.is_none() && keyring.is_empty() {
        return Err(End::Configuration(vec![no_keys()]));
    }
    actix_web::rt::spawn(keyring.follow(keys));
    last_words::note_panics(settings);
    let TakeOver { writer, clean } = standby::become_writer(&*log).await?;
    api.recovering();
    last_words::refuse_a_crash_loop(settings, forget_stops).await?;
    let writer = if settings.demo {
        // Behind whatever the log says of the time, and it says nothing yet where the hour is written.
        let now = ServiceClock::starting_at(Micros::ZERO).now();
        demo::hour::write(&*log, &*queue, writer, &settings.symbols, now).await?
    } else {
        writer
    };
    let recovery =
        recover(&*log, &*snapshots, &*projection, writer.position, settings.retain_closed_orders, Computing::Aside);
    let recovered = standby::while_beating(&*log, writer.epoch, recovery).await?;
    check_end(&*log, writer.position.seq).await?;
    if queue.check(writer.position.stream_id).await == Err(QueueError::Lost) && writer.id_ceiling > 1 {
        report_lost_stream(&recovered, &writer);
    }
    queue.open(writer.position.stream_id).await?;
    let stream_end = queue.last().await?;
    let consumers = Registry::open(consumers).await.map_err(|error| End::Http(error.to_string()))?;
    let clock = Arc::new(ServiceClock::starting_at(recovered.engine.ledger().time()));
    let ids = IdAllocator::start(Arc::clone(&log), writer.epoch).await?;

    let store = Arc::clone(&snapshots);
    let sweep = Sweep {
        log: Arc::clone(&log),
        snapshots: Arc::clone(&snapshots),
        clock: clock.clone(),
        retain_closed: settings.retain_closed_orders,
        period: settings.audit_period,
    };
    let ports = Ports {
        queue: Arc::clone(&queue),
        log: Arc::clone(&log),
        snapshots: Arc::clone(&snapshots),
        projection,
        clock: clock.clone(),
    };
    let pace = recovered.pace;
    let placement = Placement::threads(BOOK_THREADS);
    let (pipeline, mut fatal) =
        Pipeline::start(ports, pipeline_settings(settings, clean), recovered, writer.epoch, &placement);
    // Whoever looks at Redis after the first answer finds the state there.
    tokio::select! {
        biased;
        ended = fatal.recv() => return Err(ended.unwrap_or(Fatal::Fenced).into()),
        settled = pipeline.settled() => settled.map_err(|_| Fatal::Fenced)?,
    }
    if let Some(watch) = watch {
        actix_web::rt::spawn(watch_transactions(watch, Arc::clone(api)));
    }
    let gauge = Gauge::new(Arc::clone(&pipeline.progress), store, pipeline.snapshots.clone());
    tokio::spawn(Arc::clone(&gauge).watch());
    api.open(Engine {
        intake: Arc::clone(&pipeline.intake),
        outcomes: pipeline.outcomes.clone(),
        progress: Arc::clone(&pipeline.progress),
        ids,
        clock,
        instruments: pipeline.instruments.clone(),
        proof: sweep.start(),
        feed: pipeline.feed.clone(),
        log: Arc::clone(&log),
        recent: Arc::new(RecentRows::new(Arc::clone(&log))),
        history: history.clone(),
        consumers,
        projected: pipeline.projected.clone(),
        stream_end,
        pace,
        snapshots: gauge,
        bench: Bench::new(settings),
    });
    if let Some(history) = history {
        let (progress, feed) = (Arc::clone(&pipeline.progress), pipeline.feed.clone());
        tokio::spawn(actors::history::follow(log, snapshots, history, progress, feed));
    }
    Ok((pipeline, fatal))
}

/// Keeps the metric of the oldest transaction fresh.
async fn watch_transactions(watch: PostgresWatch, api: Arc<Api>) {
    loop {
        // Whether PostgreSQL answers is said elsewhere; an unknown age is shown as none.
        api.set_oldest_transaction(watch.oldest_transaction().await.ok());
        tokio::time::sleep(LOOK_AT_TRANSACTIONS).await;
    }
}

/// The stream is gone, and nobody remembers what was in it: what was acknowledged and not committed went with it.
fn report_lost_stream(recovered: &Recovered, writer: &WriterPosition) {
    let first = recovered.engine.ledger().greatest_order_id().map_or(1, |id| id.get() + 1);
    let last = writer.id_ceiling - 1;
    warn!(
        first,
        last,
        "the command stream is lost, or went back in time: of the order ids {first} to {last}, those that were handed out \
         and whose orders are not in the log were acknowledged and are lost with it"
    );
}

fn pipeline_settings(settings: &Settings, clean: bool) -> PipelineSettings {
    PipelineSettings {
        auto_list_symbols: settings.auto_list_symbols,
        instruments: settings.symbols.iter().copied().map(Instrument::finest).collect(),
        reopening: settings.reopening.filter(|_| !clean),
        snapshot_interval: settings.snapshot_interval,
        snapshot_rows: SNAPSHOT_ROWS,
        retain_snapshots: settings.retain_snapshots,
        queue_retention_entries: settings.queue_retention_entries,
        max_queue_age: settings.max_queue_age,
        encode: views::market::encode,
        intake: IntakeLimits {
            orders: settings.max_lag_orders,
            cancels: settings.max_lag_cancels,
            wait: settings.max_lag,
        },
    }
}

/// Requests under way are answered, what was read is committed and projected, what was not stays in the stream.
async fn stop(
    api: &Api,
    handle: &ServerHandle,
    pipeline: &Pipeline,
    fatal: &mut mpsc::UnboundedReceiver<Fatal>,
) -> Result<(), End> {
    info!("stopping: no new requests; what was read is committed and projected first");
    api.close().await;
    let stopped = tokio::select! {
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
    };
    // The last answers have gone out meanwhile; what is still connected is idle.
    handle.pause().await;
    stopped
}

fn announce(settings: &Settings, address: SocketAddr) {
    let storage = match &settings.storage {
        Storage::Embedded { data_dir } => {
            let folder = data_dir.canonicalize().unwrap_or_else(|_| data_dir.clone());
            format!("embedded mode, data in {}", folder.display())
        }
        Storage::Full { .. } => "full mode, on Redis and PostgreSQL".to_owned(),
    };
    if settings.demo {
        info!("DEMO: made-up orders are traded here, as `serve --demo` asks");
    }
    let opened = if settings.debug {
        "DEBUG opens every route and any symbol to everyone"
    } else {
        "DEBUG is off: requests need a key"
    };
    let key = if settings.debug { "" } else { "-H 'Authorization: Bearer <token>' " };
    info!(
        "ready on http://{address}/ ({storage}; {opened}); try: curl -d '{{\"symbol\":\"BTC_USDT\",\"side\":\"BUY\",\"price\":100,\"quantity\":1}}' \
         {key}-H 'Content-Type: application/json' http://{address}/api/orders/"
    );
}

/// SIGTERM and SIGINT.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(crate) fn new() -> std::io::Result<StopSignals> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
