//! The metrics: positions and states are read when they are asked for, requests are counted as they come.
//!
//! Every name is listed here, with its unit; labels have values from fixed lists, or names of consumers, which are at most a
//! thousand. `docs/operations.md` says what to make of them.

mod page;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actors::{Count, Lag, Lane, Progress, Stage};
use journal::{SNAPSHOT_FORMAT, encoding};
use matching::{ENGINE_VERSION, Phase, Reason};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::health::Components;
use super::problem::Code;
use super::{Api, Engine, Role};
use page::Page;

/// What is counted while requests are served.
#[derive(Debug)]
pub struct Counters {
    requests: AtomicU64,
    refused: [AtomicU64; Code::ALL.len()],
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { requests: AtomicU64::new(0), refused: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Counters {
    /// A request has come.
    pub fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was refused.
    pub fn refused(&self, code: Code) {
        self.refused[code.index()].fetch_add(1, Ordering::Relaxed);
    }
}

/// The page of metrics.
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The metrics of this service.
    pub fn new(api: Arc<Api>) -> Metrics {
        let mut registry = Registry::with_prefix("pricetime");
        let build = Info::new([
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("engine_version", ENGINE_VERSION.to_string()),
            ("log_format", encoding::LOG_FORMAT.to_string()),
            ("snapshot_format", SNAPSHOT_FORMAT.to_string()),
            ("stream_format", encoding::STREAM_FORMAT.to_string()),
        ]);
        registry.register("build", "The release, its matching rules and the formats that it writes", build);
        registry.register_collector(Box::new(State(api)));
        Metrics { registry }
    }

    /// The page.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32_768);
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Reads the state of the service for each scrape.
struct State(Arc<Api>);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Collector for State {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (api, mut page) = (&*self.0, Page::new(encoder));
        process(api, &mut page)?;
        requests(api, &mut page)?;
        // Before there is an engine everything about it is zero: a metric that is not there cannot be waited for.
        let none = Progress::default();
        let engine = api.running_engine();
        let progress = engine.map_or(&none, |engine| &engine.progress);
        positions(engine, &mut page)?;
        waiting(engine, &mut page)?;
        outcomes(progress, &mut page)?;
        markets(progress, &mut page)?;
        times(engine, progress, &mut page)?;
        recovery(engine, progress, &mut page)?;
        readers(api, engine, &mut page)
    }
}

/// What this process is, and whether what it depends on is well.
fn process(api: &Api, page: &mut Page<'_>) -> fmt::Result {
    let components = Components::of(api);
    page.gauge("writer", "1 when this process is the writer", u64::from(api.role() == Role::Writer))?;
    page.gauge("ready", "1 when orders are taken", u64::from(components.ready()))?;
    let named = components.named();
    let named = named.iter().map(|(name, well)| ([("component", *name)], u64::from(*well)));
    page.gauges("component_up", "1 when what the service depends on is well", named)?;
    page.gauge("start_time_seconds", "When the process started, in seconds since 1970", api.started_at())?;
    if let Some(age) = api.oldest_transaction() {
        let help = "Age of the oldest transaction in PostgreSQL: a long one slows every commit down";
        page.seconds("oldest_transaction", help, age)?;
    }
    match resident_memory() {
        Some(bytes) => page.bytes("resident_memory", "Memory that the process holds", bytes),
        None => Ok(()),
    }
}

fn requests(api: &Api, page: &mut Page<'_>) -> fmt::Result {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.counter("requests", "Requests that came", count(&api.counters.requests))?;
    let refused = Code::ALL.iter().map(|code| {
        (
            [("code", code.as_str().to_owned()), ("status", code.status().as_str().to_owned())],
            count(&api.counters.refused[code.index()]),
        )
    });
    page.counters("refused_requests", "Requests refused, by code", refused)
}

/// How far every part has come, and how far it is behind the log.
fn positions(engine: Option<&Engine>, page: &mut Page<'_>) -> fmt::Result {
    let position = |read: fn(&Progress) -> u64| engine.map_or(0, |engine| read(&engine.progress));
    let end = position(Progress::committed);
    let behind = |at: u64| end.saturating_sub(at);
    page.gauge("sequenced_seq", "The last command taken from the stream", position(Progress::sequenced))?;
    page.gauge("committed_seq", "The last row of the event log", end)?;
    page.gauge("projection_seq", "The last row that the projection shows", position(Progress::projected))?;
    page.gauge(
        "projection_lag_rows",
        "Rows of the event log that the projection does not show",
        behind(position(Progress::projected)),
    )?;
    page.gauge("feed_seq", "The last row that the feed has published", position(Progress::fed))?;
    page.gauge(
        "feed_lag_rows",
        "Rows of the event log that the feed has not published",
        behind(position(Progress::fed)),
    )?;
    page.gauge("history_seq", "The last row that the history has", position(Progress::history))?;
    let history = engine.filter(|engine| engine.history.is_some());
    let lag = history.map_or(0, |engine| behind(engine.progress.history()));
    page.gauge("history_lag_rows", "Rows of the event log that the history does not have", lag)?;
    let proof = engine.map(|engine| &engine.proof);
    let help = "The last row up to which the event log is proven right";
    page.gauge("verified_seq", help, proof.map_or(0, |proof| proof.seq()))?;
    let help = "When that was, in seconds since 1970";
    page.gauge("verified_time_seconds", help, proof.map_or(0, |proof| proof.at() / 1_000_000))?;
    let caught_up = engine.is_some_and(|engine| *engine.projected.borrow() >= engine.stream_end);
    page.gauge("caught_up", "1 when what the start found in the stream is executed and shown", u64::from(caught_up))?;
    page.gauge("ids_left", "Ids left before the next lease", engine.map_or(0, |engine| engine.ids.left()))
}

/// What is acknowledged, or on its way, and not committed.
fn waiting(engine: Option<&Engine>, page: &mut Page<'_>) -> fmt::Result {
    let waiting = |lane| engine.map_or(0, |engine| engine.intake.waiting_in(lane) as u64);
    let Lag { entries, age, silence } = engine.map(|engine| engine.intake.lag()).unwrap_or_default();
    let help = "Orders that are acknowledged, or on their way, and not committed";
    page.gauge("waiting_orders", help, waiting(Lane::Orders))?;
    let help = "Cancels that are acknowledged, or on their way, and not committed";
    page.gauge("waiting_cancels", help, waiting(Lane::Cancels))?;
    page.gauge("queue_lag_entries", "Stream entries that are acknowledged and not committed", entries as u64)?;
    page.seconds("queue_lag", "Age of the oldest of them", age)?;
    let help = "How long the command queue has acknowledged nothing while somebody waits for it";
    page.seconds("oldest_unacknowledged", help, silence)
}

/// What the committed events say, since this process started.
fn outcomes(progress: &Progress, page: &mut Page<'_>) -> fmt::Result {
    let measures = &progress.measures;
    let count = |count: Count| measures.count(count);
    let results = [
        ([("result", "accepted")], count(Count::Accepted)),
        ([("result", "rejected")], count(Count::Rejected)),
        ([("result", "repeated")], count(Count::Repeated)),
    ];
    page.counters("orders", "New orders that are committed, by what became of them at once", results)?;
    let reasons = Reason::ALL.iter().map(|reason| ([("reason", reason.code())], measures.rejected_for(*reason)));
    page.counters("rejected_orders", "Orders that ended REJECTED, by reason", reasons)?;
    let ends = [
        ([("how", "filled")], count(Count::Filled)),
        ([("how", "cancelled")], count(Count::Cancelled)),
        ([("how", "expired")], count(Count::Expired)),
    ];
    page.counters("closed_orders", "Accepted orders that ended, by how", ends)?;
    page.counter("trades", "Trades", count(Count::Trades))?;
    page.counter("amends", "Amends that changed an order", count(Count::Amended))?;
    let help = "Cancels, amends and other commands that changed nothing";
    page.counter("refused_commands", help, count(Count::RefusedCommands))?;
    page.counter("duplicate_commands", "Commands whose id had been seen before", count(Count::Duplicates))?;
    page.counter("undecodable_entries", "Stream entries that could not be read", count(Count::Undecodable))
}

/// How long the stages of the way take, and how many rows go it together.
fn times(engine: Option<&Engine>, progress: &Progress, page: &mut Page<'_>) -> fmt::Result {
    let measures = &progress.measures;
    let mut stages: Vec<_> =
        Stage::ALL.iter().map(|stage| ([("stage", stage.as_str())], measures.stage(*stage))).collect();
    if let Some(engine) = engine {
        stages.push(([("stage", "enqueue")], engine.intake.times_to_acknowledge()));
        stages.push(([("stage", "settle")], engine.intake.times_to_settle()));
    }
    page.times("stage", "How long a stage of the way takes", &stages)?;
    page.sizes("batch_rows", "Rows that are committed in one transaction", measures.batches())
}

fn markets(progress: &Progress, page: &mut Page<'_>) -> fmt::Result {
    let markets = Phase::ALL.iter().map(|phase| ([("phase", phase.as_str())], progress.markets_in(*phase)));
    page.gauges("markets", "Markets in each phase", markets)
}

/// The newest snapshot, and what a start would take now.
fn recovery(engine: Option<&Engine>, progress: &Progress, page: &mut Page<'_>) -> fmt::Result {
    let age = engine.filter(|_| progress.snapshot_at() > 0).map_or(Duration::ZERO, |engine| {
        Duration::from_micros(engine.clock.now().get().saturating_sub(progress.snapshot_at()))
    });
    let rows = progress.committed().saturating_sub(progress.snapshot());
    page.gauge(
        "snapshot_seq",
        "The row of the newest snapshot that the service took or started from; 0 without one",
        progress.snapshot(),
    )?;
    page.gauge("snapshot_lag_rows", "Rows of the event log behind the newest snapshot", rows)?;
    page.seconds("snapshot_age", "Time since the newest snapshot was verified; 0 without one", age)?;
    page.bytes("snapshot_size", "Size of the newest snapshot as it is stored", progress.snapshot_bytes())?;
    page.counter("snapshot_failures", "Snapshots that could not be taken", progress.measures.snapshot_failures())?;
    let estimate = engine.map_or(Duration::ZERO, |engine| engine.pace.estimate(progress.snapshot_bytes(), rows));
    page.seconds("recovery_estimate", "What a start would take to recover the state, if it came now", estimate)
}

/// Who listens.
fn readers(api: &Api, engine: Option<&Engine>, page: &mut Page<'_>) -> fmt::Result {
    page.gauge("sockets", "Sockets that are open", api.sockets.open())?;
    page.counter("slow_sockets_closed", "Sockets that were closed because they did not read", api.sockets.slow())?;
    let end = engine.map_or(0, |engine| engine.progress.committed());
    let consumers = engine.map(|engine| engine.consumers.all()).unwrap_or_default();
    let lags = consumers
        .iter()
        .map(|consumer| ([("consumer", consumer.name.as_str())], end.saturating_sub(consumer.position.get())));
    page.gauges("consumer_lag", "Rows of the event log that a named consumer has not dealt with", lags)
}

/// The memory that this process holds, as the kernel says: in pages of 4 KiB, the second number.
fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4_096)
}
