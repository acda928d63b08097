//! `/healthz`, `/readyz`, `/metrics`: for probes and scrapers.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::endpoint::Endpoint;
use super::metrics::Metrics;
use super::{Api, Role};

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "alive"}))]
pub struct Health {
    /// Always `alive`.
    status: &'static str,
}

/// Whether the service takes orders, and what it depends on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "status": "ok", "ready": true, "role": "writer",
    "components": {
        "writer": true, "queue": true, "lag": true, "ids": true, "event_log": true, "projection": true, "verified": true
    },
    "sequenced": 7, "committed": 7, "projected": 7, "verified_seq": 7, "demo": false
}))]
pub struct Readiness {
    /// `ok`; `degraded` when orders are taken although the event log or the projection does not answer; `unavailable` when
    /// none are taken.
    status: &'static str,
    /// Whether orders are taken: 200, else 503.
    ready: bool,
    /// `standby`, `recovering`, `writer` or `stopping`.
    role: &'static str,
    /// What it depends on. Without the event log orders are taken up to the lag limit and executed later; without the
    /// projection only outside readers of Redis fall behind.
    components: Components,
    /// The last command taken from the stream.
    sequenced: u64,
    /// The last row of the event log.
    committed: u64,
    /// The last row that the projection shows.
    projected: u64,
    /// The last row up to which the log is proven right, beside the service.
    verified_seq: u64,
    /// Whether the demonstration trades here: `serve --demo`.
    demo: bool,
}

/// What the service depends on: true is well.
#[derive(Debug, Copy, Clone, Serialize, ToSchema)]
pub struct Components {
    /// This process is the writer and has recovered.
    writer: bool,
    /// The last read of the command stream, and the last check that it can be appended to, succeeded.
    queue: bool,
    /// Fewer orders wait for their commit than MAX_LAG_ORDERS.
    lag: bool,
    /// There are ids for new orders.
    ids: bool,
    /// The last commit or beat succeeded, and not long ago.
    event_log: bool,
    /// The projection follows the log.
    projection: bool,
    /// Nothing wrong was found in the event log when it was last proven.
    verified: bool,
}

impl Components {
    /// Those of this process now.
    pub fn of(api: &Api) -> Components {
        let engine = api.running_engine();
        Components {
            writer: api.role() == Role::Writer,
            queue: engine.is_some_and(|engine| engine.progress.reading() && engine.progress.appendable()),
            lag: engine.is_some_and(|engine| !engine.intake.is_full()),
            event_log: engine.is_some_and(|engine| engine.progress.log_reachable() && engine.progress.is_current()),
            ids: engine.is_some_and(|engine| engine.ids.left() > 0),
            projection: engine.is_some_and(|engine| engine.progress.projection_live()),
            verified: engine.is_none_or(|engine| engine.proof.is_sound()),
        }
    }

    /// Whether orders are taken.
    pub fn ready(self) -> bool {
        self.writer && self.queue && self.lag && self.ids && self.verified
    }

    /// All of it in one word.
    fn status(self) -> &'static str {
        match (self.ready(), self.event_log && self.projection) {
            (true, true) => "ok",
            (true, false) => "degraded",
            (false, _) => "unavailable",
        }
    }

    /// Each with its name.
    pub fn named(self) -> [(&'static str, bool); 7] {
        [
            ("writer", self.writer),
            ("queue", self.queue),
            ("lag", self.lag),
            ("ids", self.ids),
            ("event_log", self.event_log),
            ("projection", self.projection),
            ("verified", self.verified),
        ]
    }
}

/// The resources: whether the process lives, whether it serves, and its metrics.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_healthz, healthz))
        .service(Endpoint::new(__path_readyz, readyz))
        .service(Endpoint::new(__path_metrics, metrics));
}

/// Alive
///
/// Answers as long as the process does, also as a standby. A process that does not answer should be restarted.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    operation_id = "healthz",
    security(()),
    responses((status = 200, description = "The process lives.", body = Health))
)]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "alive" })
}

/// Ready
///
/// Whether this process takes orders: what a proxy goes by. It is the writer, has recovered, reaches the command queue, and
/// its lag is below the limit. `degraded` is ready: what is taken is kept, and executed once the event log is back.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    operation_id = "readyz",
    security(()),
    responses(
        (status = 200, description = "It does.", body = Readiness),
        (status = 503, description = "It does not: a standby, a start, a command queue that is away, or too much that waits.", body = Readiness)
    )
)]
pub async fn readyz(api: web::Data<Api>) -> HttpResponse {
    let components = Components::of(&api);
    let position = |read: fn(&actors::Progress) -> u64| api.running_engine().map_or(0, |engine| read(&engine.progress));
    let readiness = Readiness {
        status: components.status(),
        ready: components.ready(),
        role: api.role().as_str(),
        components,
        sequenced: position(actors::Progress::sequenced),
        committed: position(actors::Progress::committed),
        projected: position(actors::Progress::projected),
        verified_seq: api.running_engine().map_or(0, |engine| engine.proof.seq()),
        demo: api.is_demo(),
    };
    let mut response = if readiness.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(readiness)
}

/// Metrics
///
/// For Prometheus, in the OpenMetrics text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    operation_id = "metrics",
    security(()),
    responses((status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text"))
)]
pub async fn metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(metrics.text())
}
