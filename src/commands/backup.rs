//! `pricetime backup`: everything that has to outlive the stores, in a folder; beside a running service.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use actors::Replay;
use journal::{EventLog, LogError, Position, SnapshotError};
use matching::Seq;

use super::say;
use crate::archive::backup::{BackupFolder, Manifest, SavedConsumer, SavedKey};
use crate::archive::{ArchiveError, Segment, SegmentWriter};
use crate::config::Settings;
use crate::exit::End;
use crate::inspect::log::PAGE_ROWS;
use crate::storage::{self, Records};

/// Rows of one segment of a backup.
const SEGMENT_ROWS: u64 = 1_000_000;
/// Snapshots in a backup: the newest, and one to go on from should that be of no use.
const SNAPSHOTS: usize = 2;

/// Writes a backup into a new folder, as of the row at which the log ends now, and proves it.
pub async fn backup(settings: &Settings, to: &Path) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let writer = records.log.position().await?;
    let end = writer.position;
    let folder = BackupFolder::create(to)?;
    let snapshots = newest_snapshots(&records, end.seq).await?;
    let before = beginning(&records, &snapshots).await?;
    let mut manifest = Manifest::new(before, end, writer.epoch.0);
    manifest.created_at = now();
    for seq in &snapshots {
        // One that was pruned meanwhile is not missed.
        if let Some(snapshot) = records.snapshots.newest_until(*seq).await?.filter(|one| one.position.seq == *seq) {
            folder.save(&mut manifest, &snapshot)?;
        }
    }
    copy_rows(&*records.log, folder.log().folder(), before, end).await?;
    let end_at = Seq::new(end.seq.get()).unwrap_or(Seq::LAST);
    let (consumers, keys) = storage::small_tables(settings).await?;
    manifest.keys = keys.all().await?.into_iter().map(SavedKey::from).collect();
    let consumers = consumers.all().await.map_err(|error| LogError::Unknown(error.0))?;
    manifest.consumers = consumers
        .into_iter()
        .map(|consumer| SavedConsumer {
            name: consumer.name.to_string(),
            position: consumer.position.min(end_at).get(),
            updated_at: consumer.updated_at.get(),
        })
        .collect();
    manifest.retain_closed_orders = settings.retain_closed_orders;
    manifest.state_hash = state_hash(&records, end.seq, settings.retain_closed_orders).await?;
    // Asked last: an id that was handed out before this moment is below it.
    manifest.id_ceiling = records.log.position().await?.id_ceiling;
    let (_, _, proven) = folder.verify(&manifest)?;
    folder.finish(&manifest)?;
    say(format!(
        "rows {} to {} and {} snapshots are in {}, read back and proven, state {} at row {}",
        before.seq.next(),
        end.seq,
        proven.len(),
        to.display(),
        manifest.state_hash,
        end.seq
    ))
}

/// The hash of the state at a row. The state itself is gone then: what is proven next takes as much memory again.
async fn state_hash(records: &Records, at: Seq, retain_closed: u64) -> Result<String, End> {
    let mut replay = Replay::from_snapshot(&*records.snapshots, at, retain_closed).await?;
    replay.advance(&*records.log, at, |_, _, _| Ok::<(), End>(())).await?;
    Ok(replay.engine.state_hash().to_string())
}

/// The rows of the newest snapshots, oldest first.
async fn newest_snapshots(records: &Records, end: Seq) -> Result<Vec<Seq>, SnapshotError> {
    let listed = records.snapshots.list().await?;
    let mut newest: Vec<Seq> =
        listed.iter().map(|snapshot| snapshot.seq).filter(|seq| *seq <= end).take(SNAPSHOTS).collect();
    newest.reverse();
    Ok(newest)
}

/// Where the rows of the backup begin: before the first row, or where that is gone, at a snapshot.
async fn beginning(records: &Records, snapshots: &[Seq]) -> Result<Position, End> {
    let first = records.log.page(Seq::ZERO, 1).await?.first().map(|row| row.seq);
    let Some(gone) = first.and_then(Seq::previous).filter(|gone| *gone > Seq::ZERO) else { return Ok(Position::START) };
    let Some(seq) = snapshots.iter().find(|seq| **seq >= gone) else {
        let detail =
            format!("rows 1 to {gone} are not there, nor a snapshot behind them: set ARCHIVE_DIR to where they are");
        return Err(End::Usage(detail));
    };
    let snapshot = records.snapshots.newest_until(*seq).await?;
    let missing = || SnapshotError::Store(format!("the snapshot at row {seq} was pruned meanwhile"));
    Ok(snapshot.filter(|snapshot| snapshot.position.seq == *seq).ok_or_else(missing)?.position)
}

/// Copies the rows behind `before` up to `end` into segments, each row proven to follow the one before.
async fn copy_rows(log: &dyn EventLog, to: &Path, before: Position, end: Position) -> Result<(), End> {
    let mut at = before;
    while at.seq < end.seq {
        let last = end.seq.get().min(at.seq.get() + SEGMENT_ROWS);
        (_, at) = copy_segment(log, to, at, Seq::new(last).unwrap_or(end.seq)).await?;
    }
    if at == end {
        return Ok(());
    }
    Err(LogError::Damaged { seq: end.seq, error: "the writer's position names another row".to_owned() }.into())
}

/// Copies the rows behind `before` up to `last` into one segment; it, and the position behind them.
pub(super) async fn copy_segment(
    log: &dyn EventLog,
    to: &Path,
    before: Position,
    last: Seq,
) -> Result<(Segment, Position), End> {
    let mut segment = SegmentWriter::create(to, before)?;
    while segment.at().seq < last {
        let at = segment.at().seq;
        let wanted = (last.get() - at.get()).min(PAGE_ROWS as u64) as usize;
        let rows = log.page(at, wanted).await?;
        if rows.is_empty() {
            return Err(LogError::Damaged { seq: at.next(), error: "the row is missing".to_owned() }.into());
        }
        rows.iter().try_for_each(|row| segment.add(row)).map_err(|error: ArchiveError| error.at(at.next()))?;
    }
    let at = segment.at();
    Ok((segment.finish()?, at))
}

/// The wall clock, in microseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
