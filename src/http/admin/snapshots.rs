//! `/api/admin/snapshots/`: list them, take one, prove one, compare two.

use actix_web::{HttpRequest, HttpResponse, web};
use matching::Seq;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{AdminProblems, row_in_path};
use crate::http::endpoint::Endpoint;
use crate::http::problem::{Code, Problem, problems};
use crate::http::query::Parameter;
use crate::http::{Api, Engine, query};
use crate::inspect::snapshots::{self, SnapshotDifference, SnapshotView, Verification};

/// The snapshots.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotList {
    /// Newest first.
    snapshots: Vec<SnapshotView>,
}

problems! {
    /// What the wish for a snapshot may be refused with.
    TakeProblems:
        UnknownField, HostNotAllowed, Unauthorized, NothingNew, InternalError, Overloaded, NotReady, Standby
}

/// The resources: all snapshots, a comparison, and a proof.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_list, list).and(__path_take, take))
        .service(Endpoint::new(__path_compare, compare))
        .service(Endpoint::new(__path_verify, verify));
}

/// Snapshots
///
/// Newest first. Needs DEBUG or the administrator's credential.
#[utoipa::path(
    get,
    path = "/api/admin/snapshots/",
    tag = "admin",
    operation_id = "admin_snapshots",
    security(("admin" = [])),
    responses((status = 200, description = "The snapshots.", body = SnapshotList), AdminProblems)
)]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    Ok(HttpResponse::Ok().json(SnapshotList { snapshots: listed(engine).await? }))
}

async fn listed(engine: &Engine) -> Result<Vec<SnapshotView>, Problem> {
    let now = engine.clock.now();
    engine.bench.look(async move |records| snapshots::list(&records, now).await).await
}

/// Take a snapshot
///
/// At the last row, read back and verified. 409 when nothing has happened since the newest one. Needs DEBUG or the
/// administrator's credential.
#[utoipa::path(
    post,
    path = "/api/admin/snapshots/",
    tag = "admin",
    operation_id = "admin_take_snapshot",
    security(("admin" = [])),
    responses((status = 200, description = "It is there.", body = SnapshotView), TakeProblems)
)]
pub async fn take(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let before = listed(engine).await?.first().map(|snapshot| snapshot.at_seq);
    let seq = engine.snapshots.take().await?;
    if before == Some(seq.get()) {
        let detail = format!("nothing has happened since the snapshot at row {seq}");
        return Err(Problem::new(Code::NothingNew, detail));
    }
    let taken = listed(engine).await?.into_iter().find(|snapshot| snapshot.at_seq == seq.get());
    let gone = || Problem::new(Code::InternalError, "the snapshot is not there any more");
    Ok(HttpResponse::Ok().json(taken.ok_or_else(gone)?))
}

/// Prove a snapshot
///
/// Replays the log from the snapshot before it, folding the events and applying the commands again, and compares. Needs
/// DEBUG or the administrator's credential.
#[utoipa::path(
    post,
    path = "/api/admin/snapshots/{at_seq}/verify/",
    tag = "admin",
    operation_id = "admin_verify_snapshot",
    security(("admin" = [])),
    params(("at_seq" = u64, Path, description = "The row of the snapshot.", example = 1000)),
    responses((status = 200, description = "What was found.", body = Verification), AdminProblems)
)]
pub async fn verify(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let at_seq = row_in_path(&path)?;
    let verified = engine.bench.work(async move |records| snapshots::verify(&records, at_seq).await);
    Ok(HttpResponse::Ok().json(verified.await?))
}

/// Compare two snapshots
///
/// What differs between the books of two snapshots, by market. Needs DEBUG or the administrator's credential.
#[utoipa::path(
    get,
    path = "/api/admin/snapshots/compare/",
    tag = "admin",
    operation_id = "admin_compare_snapshots",
    security(("admin" = [])),
    params(
        ("a" = u64, Query, description = "The row of one snapshot.", example = 1000),
        ("b" = u64, Query, description = "The row of the other.", example = 2000)
    ),
    responses((status = 200, description = "The differences.", body = SnapshotDifference), CompareProblems)
)]
pub async fn compare(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [a, b] = query::read(&request, ["a", "b"])?;
    let (a, b) = (row(a, "a")?, row(b, "b")?);
    let compared = engine.bench.work(async move |records| snapshots::compare(&records, a, b).await);
    Ok(HttpResponse::Ok().json(compared.await?))
}

problems! {
    /// What a comparison may be refused with.
    CompareProblems:
        UnknownField, InvalidParameter, MissingParameter, HostNotAllowed, Unauthorized, UnknownRow, InternalError,
        Overloaded, NotReady, Standby
}

fn row(parameter: Option<Parameter>, name: &'static str) -> Result<Seq, Problem> {
    let missing =
        || Problem::new(Code::MissingParameter, format!("{name} is missing: the row of a snapshot")).field(name);
    let seq: u64 = parameter.ok_or_else(missing)?.parse("send the row of a snapshot")?;
    Ok(Seq::new(seq).unwrap_or(Seq::LAST))
}
