//! `/api/engine/`: how the engine does, in a handful of numbers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Lane, Progress, TakeSnapshot};
use journal::{SnapshotStore, SnapshotSummary};
use matching::{Micros, Seq};
use serde::Serialize;
use tokio::time::{Instant, interval};
use utoipa::ToSchema;

use super::endpoint::Endpoint;
use super::problem::{Code, Problem, problems};
use super::{Api, query};
use crate::inspect::status::mode;

/// The rate is the mean of this long.
const RATE_OVER: usize = 5;
/// How many seconds pass between two looks at the snapshots.
const LOOK_AT_SNAPSHOTS: u64 = 10;

/// What is looked at every second, so that questions cost next to nothing.
pub struct Gauge {
    progress: Arc<Progress>,
    store: Arc<dyn SnapshotStore>,
    taker: actix::Recipient<TakeSnapshot>,
    looks: Mutex<Looks>,
}

#[derive(Default)]
struct Looks {
    /// When, and how many orders were committed by then; oldest first.
    orders: VecDeque<(Instant, u64)>,
    newest: Option<SnapshotSummary>,
}

impl Gauge {
    /// Looks at this engine; `taker` takes snapshots of it into `store`.
    pub fn new(
        progress: Arc<Progress>,
        store: Arc<dyn SnapshotStore>,
        taker: actix::Recipient<TakeSnapshot>,
    ) -> Arc<Gauge> {
        Arc::new(Gauge { progress, store, taker, looks: Mutex::default() })
    }

    /// Looks for as long as the process lives.
    pub async fn watch(self: Arc<Gauge>) {
        let mut seconds = interval(Duration::from_secs(1));
        for second in 0u64.. {
            seconds.tick().await;
            self.count();
            if second.is_multiple_of(LOOK_AT_SNAPSHOTS) {
                self.look_at_snapshots().await;
            }
        }
    }

    /// Takes a snapshot, unless nothing is new; its row.
    pub async fn take(&self) -> Result<Seq, Problem> {
        let stopping = || Problem::new(Code::NotReady, "the service is stopping; ask again later");
        let taken = self.taker.send(TakeSnapshot).await.map_err(|_| stopping())?;
        // The actor has said why.
        let failed = |_| Problem::new(Code::NotReady, "the snapshot could not be stored; the service's log says why");
        let seq = taken.map_err(failed)?;
        self.look_at_snapshots().await;
        Ok(seq)
    }

    fn count(&self) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.orders.push_back((Instant::now(), self.progress.measures.orders()));
        if looks.orders.len() > RATE_OVER + 1 {
            looks.orders.pop_front();
        }
    }

    async fn look_at_snapshots(&self) {
        // One that cannot be asked is asked again.
        if let Ok(snapshots) = self.store.list().await {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            looks.newest = snapshots.first().copied();
            if let Some(newest) = looks.newest {
                self.progress.snapshot_stored(newest.seq.get(), newest.verified_at.get(), newest.bytes);
            }
        }
    }

    /// Orders committed a second, and the newest snapshot.
    fn read(&self) -> (u64, Option<SnapshotSummary>) {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = match (looks.orders.front(), looks.orders.back()) {
            (Some((from, before)), Some((to, now))) if to > from => {
                let millis = to.duration_since(*from).as_millis().max(1);
                u64::try_from(u128::from(now - before) * 1_000 / millis).unwrap_or(u64::MAX)
            }
            _ => 0,
        };
        (rate, looks.newest)
    }
}

/// A snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastSnapshot {
    /// The row that it is the state after.
    at_seq: u64,
    /// How long ago it was verified, in seconds.
    age_s: u64,
}

/// The engine's numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "orders_per_second": 27, "queue_lag": 0, "match_p50_us": 85, "match_p99_us": 410, "commit_p50_ms": 0.9,
    "commit_p99_ms": 4.2, "seq": 20480, "last_snapshot": {"at_seq": 20000, "age_s": 41}, "mode": "embedded",
    "verified_seq": 20100, "demo": false
}))]
pub struct EnginePanel {
    /// Orders committed a second, over the last five.
    orders_per_second: u64,
    /// Commands that are acknowledged, or on their way, and not committed.
    queue_lag: u64,
    /// How long a batch is matched, in microseconds: half of the last 512 took less; null before the first.
    match_p50_us: Option<u32>,
    /// 99 of a hundred took less.
    match_p99_us: Option<u32>,
    /// How long a batch is committed, in milliseconds: half of the last 512 took less; null before the first.
    commit_p50_ms: Option<f64>,
    /// 99 of a hundred took less.
    commit_p99_ms: Option<f64>,
    /// The last row of the event log.
    seq: u64,
    /// The newest snapshot; null without one.
    last_snapshot: Option<LastSnapshot>,
    /// `full` or `embedded`.
    mode: &'static str,
    /// The last row up to which the log is proven right, beside the service.
    verified_seq: u64,
    /// Whether the demonstration trades here: `serve --demo`.
    demo: bool,
}

problems! {
    /// What the question for the engine may be refused with.
    PanelProblems: UnknownField, HostNotAllowed, InternalError, NotReady, Standby
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_engine, engine)
}

/// The engine at a glance
///
/// Rate, lag, latencies and positions: what the page of the market shows of it.
#[utoipa::path(
    get,
    path = "/api/engine/",
    tag = "operation",
    operation_id = "engine",
    security(("read" = [])),
    responses((status = 200, description = "The numbers.", body = EnginePanel), PanelProblems)
)]
pub async fn engine(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let progress = &engine.progress;
    let (orders_per_second, newest) = engine.snapshots.read();
    let matched = progress.matching.percentiles([50, 99]);
    let committed = progress.committing.percentiles([50, 99]);
    let millis = |index: usize| committed.map(|micros| f64::from(micros[index]) / 1_000.0);
    let waiting = engine.intake.waiting_in(Lane::Orders) + engine.intake.waiting_in(Lane::Cancels);
    Ok(HttpResponse::Ok().json(EnginePanel {
        orders_per_second,
        queue_lag: waiting as u64,
        match_p50_us: matched.map(|micros| micros[0]),
        match_p99_us: matched.map(|micros| micros[1]),
        commit_p50_ms: millis(0),
        commit_p99_ms: millis(1),
        seq: progress.committed(),
        last_snapshot: newest.map(|snapshot| LastSnapshot {
            at_seq: snapshot.seq.get(),
            age_s: seconds_since(snapshot.verified_at, engine.clock.now()),
        }),
        mode: mode(engine.bench.settings()),
        verified_seq: engine.proof.seq(),
        demo: api.is_demo(),
    }))
}

fn seconds_since(then: Micros, now: Micros) -> u64 {
    now.get().saturating_sub(then.get()) / 1_000_000
}
