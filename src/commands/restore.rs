//! `pricetime restore`: fills empty stores from a backup.
//!
//! Invariant: as long as it is not done, no service starts on what is there. The rows come first and the position last, in
//! one step, and rows behind the position are damage to every start.

use std::collections::BTreeSet;
use std::path::Path;

use actors::Replay;
use journal::{
    ConsumerPosition, Epoch, EventLog, KeyRecord, LogError, Position, ProjectionState, QueueError, StreamId,
    WriterPosition,
};
use matching::{Account, Micros, Seq};

use super::{backup, say};
use crate::adapters::redis::RedisAudit;
use crate::archive::Archive;
use crate::archive::backup::{BackupFolder, Manifest};
use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::inspect::log::PAGE_ROWS;
use crate::storage::{self, Stores};

/// How many ids are passed over at least: those that were handed out after the backup must never be handed out again. At
/// 20,000 a second it takes three weeks to hand out so many; a start has 1,000 such leaps.
const ID_LEAP: u64 = 1 << 35;
/// How many are passed over for each second since the backup: several times what the service can take.
const IDS_A_SECOND: u64 = 100_000;
/// How many terms are passed over: a writer that still runs on what was lost finds that its own is over.
const EPOCH_LEAP: u64 = 1 << 20;

/// Proves the backup, then fills the stores with it. Refused unless they are empty.
pub async fn restore(settings: &Settings, from: &Path) -> Result<(), End> {
    let (folder, manifest) = BackupFolder::open(from)?;
    let (before, end, snapshots) = folder.verify(&manifest)?;
    let (stores, shelves) = storage::empty(settings).await?;
    refuse_unless_empty(settings, &stores).await?;
    refuse_later_rows(settings, end)?;

    let archive = folder.log();
    let mut at = before.seq;
    while at < end.seq {
        let rows = archive.page(at, PAGE_ROWS)?;
        let Some(last) = rows.last().map(|row| row.seq) else {
            return Err(LogError::Damaged { seq: at.next(), error: "the backup lacks the row".to_owned() }.into());
        };
        shelves.put(&rows).await?;
        at = last;
    }
    for snapshot in &snapshots {
        stores.snapshots.store(snapshot, settings.retain_snapshots).await?;
    }
    put_consumers(&stores, &manifest).await?;
    put_keys(&stores, &manifest).await?;
    let state_hash = prove(&stores, &manifest, end).await?;
    let writer = WriterPosition {
        epoch: Epoch(manifest.epoch.saturating_add(EPOCH_LEAP)),
        position: end,
        id_ceiling: id_ceiling(&manifest)?,
    };
    if !shelves.place(writer).await? {
        return Err(End::NotEmpty { what: "a service has started on the log meanwhile".to_owned() });
    }
    say(format!("restored up to row {}, state {state_hash}; ids go on at {}", end.seq, writer.id_ceiling))
}

/// Where ids go on: far enough behind those that were leased when the backup was made.
fn id_ceiling(manifest: &Manifest) -> Result<u64, End> {
    let seconds = backup::now().saturating_sub(manifest.created_at) / 1_000_000;
    let leap = seconds.saturating_mul(IDS_A_SECOND).max(ID_LEAP);
    let ceiling = manifest.id_ceiling.saturating_add(leap);
    // What a partition has.
    if ceiling < 1 << 45 {
        Ok(ceiling)
    } else {
        Err(End::Usage("there are no ids left behind those of the backup".to_owned()))
    }
}

/// An older stream would be executed again, and rows that are there already are not these.
async fn refuse_unless_empty(settings: &Settings, stores: &Stores) -> Result<(), End> {
    let not_empty = |what: &str| Err(End::NotEmpty { what: what.to_owned() });
    let writer = stores.log.position().await?;
    if writer.position != Position::START || writer.epoch != Epoch(0) {
        return not_empty("a service has run on the log");
    }
    if !stores.log.page(Seq::ZERO, 1).await?.is_empty() {
        return not_empty("the log has rows, perhaps of a restore that was not finished");
    }
    if let Storage::Full { redis_url, .. } = &settings.storage {
        let redis = RedisAudit::connect(redis_url.expose()).await?;
        if stores.queue.check(StreamId::ZERO).await != Err(QueueError::Lost) {
            return not_empty("Redis has a command stream");
        }
        if redis.state().await? != ProjectionState::Unusable || !redis.keys().await?.is_empty() {
            return not_empty("Redis has a projection");
        }
    } else if stores.queue.last().await? != StreamId::ZERO {
        return not_empty("commands wait in the file");
    }
    Ok(())
}

/// Archived rows behind the backup's last would be taken for the log's own, which goes on with others.
fn refuse_later_rows(settings: &Settings, end: Position) -> Result<(), End> {
    let archive = Archive::new(&settings.archive_dir);
    match archive.last()?.filter(|last| *last > end.seq) {
        None => Ok(()),
        Some(last) => {
            let folder = archive.folder().display();
            let what = format!(
                "{folder} has rows up to {last}, and the backup ends at row {}; move that folder away, or set ARCHIVE_DIR",
                end.seq
            );
            Err(End::NotEmpty { what })
        }
    }
}

async fn put_consumers(stores: &Stores, manifest: &Manifest) -> Result<(), End> {
    for consumer in &manifest.consumers {
        let wrong = || End::Usage(format!("the backup names a consumer that is none: {:?}", consumer.name));
        let position = ConsumerPosition {
            name: consumer.name.parse::<Account>().map_err(|_| wrong())?,
            position: Seq::new(consumer.position).ok_or_else(wrong)?,
            updated_at: Micros::new(consumer.updated_at).ok_or_else(wrong)?,
        };
        stores.consumers.put(&position).await.map_err(|error| LogError::Unknown(error.0))?;
    }
    Ok(())
}

/// Keys that are there already were made for the new stores, and stay.
async fn put_keys(stores: &Stores, manifest: &Manifest) -> Result<(), End> {
    let there: BTreeSet<String> = stores.keys.all().await?.into_iter().map(|key| key.id).collect();
    for key in manifest.keys.iter().cloned().map(KeyRecord::from).filter(|key| !there.contains(&key.id)) {
        stores.keys.add(&key).await?;
        if let Some(at) = key.revoked_at {
            stores.keys.revoke(&key.id, at).await?;
        }
    }
    Ok(())
}

/// Holds that what is in the stores now gives the state that was backed up.
async fn prove(stores: &Stores, manifest: &Manifest, end: Position) -> Result<String, End> {
    let log: &dyn EventLog = &*stores.log;
    let mut replay = Replay::from_snapshot(&*stores.snapshots, end.seq, manifest.retain_closed_orders).await?;
    replay.advance(log, end.seq, |_, _, _| Ok::<(), End>(())).await?;
    let found = replay.engine.state_hash().to_string();
    if replay.position == end && found == manifest.state_hash {
        return Ok(found);
    }
    let error = format!("its state is {found}, and {} was backed up", manifest.state_hash);
    Err(LogError::Damaged { seq: end.seq, error }.into())
}
