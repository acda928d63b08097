//! `pricetime recover`: rebuilds the projection in Redis from the log.

use std::sync::Arc;

use actors::recovery::{check_shown, row_at};
use actors::{Replay, standby};
use journal::{Epoch, Projection, ProjectionPosition, ProjectionState};
use matching::Seq;

use super::compare::{self, Comparison};
use super::say;
use crate::adapters::redis::{RedisAudit, RedisProjection};
use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::storage;

/// Says what the rebuild replaces and, unless it is a `dry_run`, rebuilds. Refused while a writer is alive,
/// and when Redis shows what this log does not have.
pub async fn recover(settings: &Settings, dry_run: bool) -> Result<(), End> {
    let Storage::Full { redis_url, .. } = &settings.storage else {
        return say("embedded mode: the projection is the service's memory, and there is nothing to rebuild");
    };
    let records = storage::records(settings).await?;
    let redis = RedisAudit::connect(redis_url.expose()).await?;
    if !standby::writer_is_gone(&*records.log).await? {
        return Err(End::WriterAlive { epoch: records.log.position().await?.epoch });
    }
    let end = records.log.position().await?.position;
    let mut replay = Replay::from_snapshot(&*records.snapshots, Seq::LAST, settings.retain_closed_orders).await?;
    replay.advance(&*records.log, end.seq, |_, _, _| Ok::<(), End>(())).await?;

    let state = redis.state().await?;
    let shown = match state {
        ProjectionState::At(at) => format!("row {}", at.seq),
        ProjectionState::Unusable | ProjectionState::Lost(_) => "nothing that can be built upon".to_owned(),
    };
    let Comparison { keys, differences, first } = compare::resting(&redis, &mut replay).await?;
    say(format!("Redis shows {shown}, the log ends at row {}", end.seq))?;
    say(format!("{differences} of {keys} keys differ from the log"))?;
    for difference in &first {
        say(format!("  {}: {:?} instead of {:?}", difference.key, difference.found, difference.expected))?;
    }
    // A rebuild would cover up that the log has lost rows, and the next start would give their ids again.
    if let ProjectionState::At(shown) | ProjectionState::Lost(shown) = state {
        check_shown(&*records.log, shown, end.seq).await?;
    }
    if dry_run {
        return say("nothing was changed");
    }
    let epoch = row_at(&*records.log, end.seq).await?.map_or(Epoch::default(), |row| row.epoch);
    let position = ProjectionPosition { seq: end.seq, epoch, chain: end.chain };
    let projection = RedisProjection::connect(redis_url.expose()).await?;
    let (_, _, ledger) = replay.engine.into_parts();
    projection.rebuild(Arc::new(ledger), position).await?;
    say(format!("rebuilt: Redis shows row {}", end.seq))
}
