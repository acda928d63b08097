//! `pricetime archive`: takes old rows out of the log's store into files that everything which reads the log goes on reading.

use actors::Replay;
use actors::recovery::row_at;
use journal::{EventLog, LogError, Position, Shelf};
use matching::Seq;

use super::backup::copy_segment;
use super::say;
use crate::archive::{Archive, ArchiveError, Segment};
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
    if dry_run {
        let would = |Shelf { first, last }: &Shelf| {
            say(format!("rows {first} to {last} would be archived in {}", archive.folder().display()))
        };
        return shelves.iter().try_for_each(would);
    }
    let _alone = archive.lock()?;
    for shelf in shelves {
        let (first, last) = (shelf.first, shelf.last);
        let segments = segments(&records, &archive, &shelf).await?;
        store.remove(shelf).await?;
        let names: Vec<String> = segments.iter().map(Segment::name).collect();
        let names = names.join(", ");
        say(format!("rows {first} to {last} are in {names}, read back and proven; the store has let go of them"))?;
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

/// Segments that hold all rows of a shelf: those that an earlier attempt has finished, and a new one for what they lack.
async fn segments(records: &Records, archive: &Archive, shelf: &Shelf) -> Result<Vec<Segment>, End> {
    let (mut segments, mut next) = (Vec::new(), shelf.first);
    while next <= shelf.last {
        let segment = match archive.holding(next)? {
            Some(segment) => {
                prove_of_this_log(&*records.log, &segment).await?;
                segment
            }
            None => {
                let before = position_before(&*records.log, next).await?;
                copy_segment(&*records.log, archive.folder(), before, shelf.last).await?.0
            }
        };
        next = segment.last().next();
        segments.push(segment);
    }
    Ok(segments)
}

/// Holds that a segment, whose last row is still in the store, has the rows of this log: the chain of the last row is made of
/// all before it.
async fn prove_of_this_log(log: &dyn EventLog, segment: &Segment) -> Result<(), End> {
    let (_, end) = segment.verify()?;
    // Behind the log's end the archive itself would answer.
    if end.seq <= log.position().await?.position.seq
        && row_at(log, end.seq).await?.is_some_and(|row| row.position() == end)
    {
        return Ok(());
    }
    Err(ArchiveError::OtherLog { path: segment.rows_path() }.into())
}

/// The position before a row, which the row before it tells: of the store, or of the archive.
async fn position_before(log: &dyn EventLog, first: Seq) -> Result<Position, End> {
    let Some(before) = first.previous().filter(|before| *before > Seq::ZERO) else { return Ok(Position::START) };
    let missing = || LogError::Damaged { seq: before, error: "the row is missing".to_owned() };
    Ok(row_at(log, before).await?.ok_or_else(missing)?.position())
}
