//! `pricetime archive`: takes old rows out of the log's store into files that everything which reads the log goes on reading.

use actors::Replay;
use actors::recovery::row_at;
use journal::{EventLog, LogError, Position};
use matching::Seq;

use super::backup::copy_segment;
use super::say;
use crate::archive::{Archive, Segment};
use crate::config::Settings;
use crate::exit::End;
use crate::storage::{self, Records};

/// Archives what lies before the second newest snapshot, or before row `up_to` where that is older; with `dry_run` only says
/// what. The rows are on disk, read back and proven before the store lets go of them.
pub async fn archive(settings: &Settings, up_to: Option<u64>, dry_run: bool) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let Some(limit) = limit(&records, up_to).await? else {
        return say("nothing to archive: there are not two snapshots yet");
    };
    let archive = Archive::new(&settings.archive_dir);
    let store = storage::shelves(settings).await?;
    let shelves = store.shelves(limit).await?;
    if shelves.is_empty() {
        return say(format!(
            "nothing to archive: the store keeps no rows apart that all lie before row {}",
            limit.next()
        ));
    }
    for shelf in shelves {
        let (first, last) = (shelf.first, shelf.last);
        if dry_run {
            say(format!("rows {first} to {last} would be archived in {}", archive.folder().display()))?;
            continue;
        }
        let segment = segment(&records, &archive, first, last).await?;
        store.remove(shelf).await?;
        say(format!(
            "rows {first} to {last} are in {}, read back and proven; the store has let go of them",
            segment.name()
        ))?;
    }
    Ok(())
}

/// The last row that may leave: none that a start could need, should the newest snapshot be of no use.
async fn limit(records: &Records, up_to: Option<u64>) -> Result<Option<Seq>, End> {
    let Some(second) = records.snapshots.list().await?.get(1).map(|snapshot| snapshot.seq) else { return Ok(None) };
    // It can be read: a file that is there is not enough.
    Replay::from_snapshot(&*records.snapshots, second, 0).await?;
    let asked = up_to.map_or(second, |up_to| Seq::new(up_to).unwrap_or(second));
    Ok(Some(second.min(asked)))
}

/// The segment of these rows: one that an earlier attempt has finished, or a new one.
async fn segment(records: &Records, archive: &Archive, first: Seq, last: Seq) -> Result<Segment, End> {
    let there = |segment: &Segment| segment.first() == first && segment.last() == last;
    if let Some(segment) = archive.segments()?.into_iter().find(there) {
        segment.verify()?;
        return Ok(segment);
    }
    let before = position_before(&*records.log, first).await?;
    copy_segment(&*records.log, archive.folder(), before, last).await?;
    let finished = archive.segments()?.into_iter().find(there);
    finished.ok_or_else(|| LogError::Refused(format!("rows {first} to {last} were not archived")).into())
}

/// The position before a row, which the row before it tells: of the store, or of the archive.
async fn position_before(log: &dyn EventLog, first: Seq) -> Result<Position, End> {
    let Some(before) = first.previous().filter(|before| *before > Seq::ZERO) else { return Ok(Position::START) };
    let missing = || LogError::Damaged { seq: before, error: "the row is missing".to_owned() };
    Ok(row_at(log, before).await?.ok_or_else(missing)?.position())
}
