//! The metrics: positions and states are read when they are asked for, requests are counted as they come.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actors::{Lane, Proof};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::health::Components;
use super::problem::Code;
use super::{Api, Role};

/// Bounds in seconds around what an enqueue takes: 0.2 ms is one disk sync, 2 s is when it is given up.
const ENQUEUE_BUCKETS: [f64; 12] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5];

/// What is counted while requests are served.
#[derive(Debug)]
pub struct Counters {
    enqueue_seconds: Histogram,
    refused: [AtomicU64; Code::ALL.len()],
}

impl Default for Counters {
    fn default() -> Counters {
        let refused = std::array::from_fn(|_| AtomicU64::new(0));
        Counters { enqueue_seconds: Histogram::new(ENQUEUE_BUCKETS), refused }
    }
}

impl Counters {
    /// An order was acknowledged after this long.
    pub fn enqueued(&self, took: Duration) {
        self.enqueue_seconds.observe(took.as_secs_f64());
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
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The release", build);
        registry.register(
            "enqueue_seconds",
            "Time from a checked order to its acknowledgement by the command queue",
            api.counters.enqueue_seconds.clone(),
        );
        registry.register_collector(Box::new(State(api)));
        Metrics { registry }
    }

    /// The page.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(4_096);
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
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let api = &self.0;
        let engine = api.running_engine();
        let position = |read: fn(&actors::Progress) -> u64| engine.map_or(0, |engine| read(&engine.progress));
        let proof = |read: fn(&Proof) -> u64| engine.map_or(0, |engine| read(&engine.proof));
        let waiting = |lane| engine.map_or(0, |engine| engine.intake.waiting_in(lane) as u64);
        let gauges = [
            ("sequenced_seq", "The last command taken from the stream", position(actors::Progress::sequenced)),
            ("committed_seq", "The last row of the event log", position(actors::Progress::committed)),
            ("projection_seq", "The last row that the projection shows", position(actors::Progress::projected)),
            ("verified_seq", "The last row up to which the event log is proven right", proof(Proof::seq)),
            ("verified_time_seconds", "When that was, since 1970", proof(Proof::at) / 1_000_000),
            ("feed_seq", "The last row that the feed has published", position(actors::Progress::fed)),
            ("history_seq", "The last row that the history has", position(actors::Progress::history)),
            ("sockets", "Sockets that are open", api.sockets.open()),
            ("slow_sockets_closed", "Sockets that were closed because they did not read", api.sockets.slow()),
            (
                "waiting_orders",
                "Orders that are acknowledged, or on their way, and not committed",
                waiting(Lane::Orders),
            ),
            (
                "waiting_cancels",
                "Cancels that are acknowledged, or on their way, and not committed",
                waiting(Lane::Cancels),
            ),
            ("ids_left", "Ids left before the next lease", engine.map_or(0, |engine| engine.ids.left())),
            ("writer", "1 when this process is the writer", u64::from(api.role() == Role::Writer)),
            ("ready", "1 when orders are taken", u64::from(Components::of(api).ready())),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let end = position(actors::Progress::committed);
        let lag = ConstGauge::new(0u64);
        let mut family = encoder.encode_descriptor(
            "consumer_lag",
            "Rows of the event log that a named consumer has not dealt with",
            None,
            lag.metric_type(),
        )?;
        for consumer in engine.map(|engine| engine.consumers.all()).unwrap_or_default() {
            let labels = [("consumer", consumer.name.as_str())];
            let lag = end.saturating_sub(consumer.position.get());
            ConstGauge::new(lag).encode(family.encode_family(&labels)?)?;
        }
        if let Some(age) = api.oldest_transaction() {
            let age = ConstGauge::new(age.as_secs_f64());
            let help = "Age of the oldest transaction in PostgreSQL: a long one slows every commit down";
            age.encode(encoder.encode_descriptor("oldest_transaction_seconds", help, None, age.metric_type())?)?;
        }
        let up = ConstGauge::new(0u64);
        let mut family = encoder.encode_descriptor(
            "component_up",
            "1 when what the service depends on is well",
            None,
            up.metric_type(),
        )?;
        for (name, well) in Components::of(api).named() {
            ConstGauge::new(u64::from(well)).encode(family.encode_family(&[("component", name)])?)?;
        }
        let refused = ConstCounter::new(0u64);
        let mut family =
            encoder.encode_descriptor("refused_requests", "Requests refused, by code", None, refused.metric_type())?;
        for code in Code::ALL {
            let count = api.counters.refused[code.index()].load(Ordering::Relaxed);
            let status = code.status().as_u16().to_string();
            let labels = [("code", code.as_str()), ("status", status.as_str())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
