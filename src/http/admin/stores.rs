//! `/api/admin/health/`: what `pricetime status` says, and what this process says of itself.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::Lane;
use serde::Serialize;
use utoipa::ToSchema;

use super::AdminProblems;
use crate::http::endpoint::Endpoint;
use crate::http::health::Components;
use crate::http::problem::Problem;
use crate::http::{Api, query};
use crate::inspect::status::{self, StoreStatus};

/// The service and its stores at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdminHealth {
    /// What the stores say.
    #[serde(flatten)]
    stores: StoreStatus,
    /// `standby`, `recovering`, `writer` or `stopping`.
    role: &'static str,
    /// The release.
    version: &'static str,
    /// Whether the demonstration trades here.
    demo: bool,
    /// What the service depends on: true is well.
    components: Components,
    /// The last command taken from the stream.
    sequenced: u64,
    /// The last row that this process has committed.
    committed: u64,
    /// The last row that the projection shows.
    projected: u64,
    /// How many rows that is behind the log.
    projection_lag: u64,
    /// The last row that the feed has published.
    feed: u64,
    /// The last row that the history has; 0 where there is none.
    history: u64,
    /// Orders that are acknowledged and not committed.
    waiting_orders: u64,
    /// Cancels likewise.
    waiting_cancels: u64,
    /// Ids left before the next lease.
    ids_left: u64,
    /// Sockets that are open.
    sockets: u64,
    /// The last row up to which the log is proven right.
    verified_seq: u64,
    /// When that was, in microseconds since 1970; null before the first time.
    verified_at: Option<u64>,
    /// The service's clock, in microseconds since 1970.
    time: u64,
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_health, health)
}

/// The service and its stores at a glance
///
/// What `pricetime status` says. Needs DEBUG or the administrator's credential.
#[utoipa::path(
    get,
    path = "/api/admin/health/",
    tag = "admin",
    operation_id = "admin_health",
    security(("admin" = [])),
    responses((status = 200, description = "All that.", body = AdminHealth), AdminProblems)
)]
pub async fn health(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let settings = engine.bench.settings().clone();
    let stores = engine.bench.look(async move |records| status::of(&settings, &records).await);
    let (stores, _) = stores.await?;
    let (progress, proof) = (&engine.progress, &engine.proof);
    let projected = progress.projected();
    Ok(HttpResponse::Ok().json(AdminHealth {
        role: api.role().as_str(),
        version: env!("CARGO_PKG_VERSION"),
        demo: api.is_demo(),
        components: Components::of(&api),
        sequenced: progress.sequenced(),
        committed: progress.committed(),
        projected,
        projection_lag: stores.seq.saturating_sub(projected),
        feed: progress.fed(),
        history: progress.history(),
        waiting_orders: engine.intake.waiting_in(Lane::Orders) as u64,
        waiting_cancels: engine.intake.waiting_in(Lane::Cancels) as u64,
        ids_left: engine.ids.left(),
        sockets: api.open_sockets(),
        verified_seq: proof.seq(),
        verified_at: Some(proof.at()).filter(|at| *at > 0),
        time: engine.clock.now().get(),
        stores,
    }))
}
