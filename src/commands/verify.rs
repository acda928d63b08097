//! `pricetime verify`: proves that the log is whole, that its commands give its events, and that readers are shown what
//! they give.

use std::time::Duration;

use actors::Replay;
use actors::audit::{Audit, AuditError, check_snapshot};
use journal::{EventLog, LogError, ProjectionState};
use matching::Seq;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::compare::{self, Comparison};
use super::{ask, say, say_json};
use crate::adapters::redis::RedisAudit;
use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::storage::{self, Records};

/// How long the projection may take to show the end of the log as it was found.
const CATCH_UP: Duration = Duration::from_secs(5);

/// What was proven.
#[derive(Serialize)]
struct Verified {
    /// The row that the state was rebuilt from.
    from_seq: u64,
    /// The row that the log was checked up to.
    seq: u64,
    /// The hash of the state there.
    state_hash: String,
    /// Rows whose chain was checked.
    rows: u64,
    /// Rows whose commands were applied again. Those of other engine versions are not.
    applied_again: u64,
    /// Snapshots that equal the state at their row.
    snapshots: usize,
    /// The row up to which the projection was compared; none where there was nothing to compare.
    compared_at: Option<u64>,
    /// Keys of Redis that were compared.
    keys: usize,
}

/// Rebuilds the state from the newest snapshot, or with `full` from the first row, applies the commands again, and
/// compares.
pub async fn verify(settings: &Settings, full: bool, json: bool) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let end = records.log.position().await?.position;
    let mut replay = if full {
        Replay::from_the_start(settings.retain_closed_orders)
    } else {
        Replay::from_snapshot(&*records.snapshots, Seq::LAST, settings.retain_closed_orders).await?
    };
    let from_seq = replay.position.seq;
    let mut audit = Audit::new(replay.engine.clone());
    let mut snapshots = 0;
    for stop in stops(&records, full, from_seq, end.seq).await? {
        carry_on(&mut audit, &mut replay, &*records.log, stop).await?;
        snapshots += usize::from(full && check_snapshot(&*records.snapshots, &replay.engine).await?);
    }
    if replay.position != end {
        return Err(
            LogError::Damaged { seq: end.seq, error: "the writer's position names another row".to_owned() }.into()
        );
    }
    let mut verified = Verified {
        from_seq: from_seq.get(),
        seq: end.seq.get(),
        state_hash: replay.engine.state_hash().to_string(),
        rows: end.seq.get() - from_seq.get(),
        applied_again: audit.applied_again(),
        snapshots,
        compared_at: None,
        keys: 0,
    };
    match &settings.storage {
        Storage::Full { redis_url, .. } => {
            let redis = RedisAudit::connect(redis_url.expose()).await?;
            let Comparison { keys, differences, first } = compare_redis(&redis, &*records.log, &mut replay).await?;
            if differences > 0 {
                return Err(End::Disagrees { at: replay.position.seq, differences, first });
            }
            (verified.compared_at, verified.keys) = (Some(replay.position.seq.get()), keys);
        }
        Storage::Embedded { .. } => {
            verified.compared_at = compare_service(settings, &*records.log, &mut replay).await?.map(Seq::get);
        }
    }
    tell(&verified, json)
}

/// Where the replay stops on its way: at each snapshot where all are checked, and at the end.
async fn stops(records: &Records, full: bool, from: Seq, end: Seq) -> Result<Vec<Seq>, End> {
    let mut stops = Vec::new();
    if full {
        let listed = records.snapshots.list().await?;
        stops.extend(listed.iter().rev().map(|snapshot| snapshot.seq).filter(|seq| *seq > from && *seq < end));
    }
    stops.push(end);
    Ok(stops)
}

/// Folds the rows up to `to` and applies their commands beside that; both must give the same state.
async fn carry_on(audit: &mut Audit, replay: &mut Replay, log: &dyn EventLog, to: Seq) -> Result<(), AuditError> {
    replay.advance(log, to, |_, row, events| audit.take(row, events)).await?;
    audit.agree(&replay.engine)
}

/// Compares Redis with the ledger once it shows the end of the log, which a running service brings about.
async fn compare_redis(redis: &RedisAudit, log: &dyn EventLog, replay: &mut Replay) -> Result<Comparison, End> {
    let began = Instant::now();
    loop {
        match redis.state().await? {
            ProjectionState::At(at) if at.seq >= replay.position.seq => {
                return compare::moving(redis, log, replay).await;
            }
            _ if began.elapsed() < CATCH_UP => sleep(Duration::from_millis(100)).await,
            ProjectionState::At(at) => {
                return Err(End::ProjectionBehind { shown: at.seq, log: replay.position.seq });
            }
            ProjectionState::Unusable | ProjectionState::Lost(_) => return Err(End::NoProjection),
        }
    }
}

/// Compares the ledger of the service that runs on this file with ours, at the same row; none when none runs.
async fn compare_service(settings: &Settings, log: &dyn EventLog, replay: &mut Replay) -> Result<Option<Seq>, End> {
    let Some((status, answer)) = ask::ask(settings, "/api/debug/hash/").await else { return Ok(None) };
    let seq = answer.get("seq").and_then(Value::as_u64).and_then(Seq::new);
    let (Some(seq), Some(hash), true) = (seq, answer.get("ledger_hash").and_then(Value::as_str), status.is_success())
    else {
        return Ok(None);
    };
    replay.advance(log, seq, |_, _, _| Ok::<(), End>(())).await?;
    let ours = replay.engine.ledger().hash().to_string();
    if ours == hash { Ok(Some(seq)) } else { Err(End::ServiceDiffers { seq, service: hash.to_owned(), log: ours }) }
}

fn tell(verified: &Verified, json: bool) -> Result<(), End> {
    if json {
        return say_json(verified);
    }
    let Verified { from_seq, seq, state_hash, rows, applied_again, snapshots, compared_at, keys } = verified;
    say(format!("log         rows {} to {seq} are chained ({rows} rows)", from_seq + 1))?;
    say(format!("commands    {applied_again} applied again, the same events and the same state"))?;
    if *snapshots > 0 {
        say(format!("snapshots   {snapshots} equal the state at their row"))?;
    }
    match compared_at {
        Some(at) if *keys > 0 => say(format!("projection  {keys} keys of Redis show the state at row {at}"))?,
        Some(at) => say(format!("service     its ledger is ours at row {at}"))?,
        None => say("service     none was compared: none answers, or its debug routes are closed to us")?,
    }
    say(format!("state       {state_hash} at row {seq}"))
}
