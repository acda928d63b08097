//! Rows of the log outside its store: files of rows that an operator took out of the store, or copied for a backup.
//!
//! A segment is a file of consecutive rows as `pricetime export` prints them, compressed, and a manifest beside it that names
//! the rows, the chain's values around them, and the file's hash. The manifest comes last: a segment without one is not
//! finished. `log` is the event log with such rows behind its own.

pub mod backup;
mod error;
pub mod log;
mod place;
mod row;
mod segment;

pub use error::ArchiveError;
pub use log::ArchivedLog;
pub use place::Place;
pub use row::ExportedRow;
pub use segment::{Segment, SegmentWriter};

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use journal::Record;
use matching::Seq;

/// What a process locks that writes segments.
const LOCK: &str = "archive.lock";

/// A folder of segments.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// The segments in this folder, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Archive {
        Archive { folder: folder.into() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its finished segments, oldest first.
    pub fn segments(&self) -> Result<Vec<Segment>, ArchiveError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ArchiveError::io(&self.folder, error)),
        };
        let mut segments = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| ArchiveError::io(&self.folder, error))?.path();
            segments.extend(Segment::at(&path));
        }
        segments.sort_by_key(Segment::first);
        Ok(segments)
    }

    /// A finished segment that holds this row.
    pub fn holding(&self, seq: Seq) -> Result<Option<Segment>, ArchiveError> {
        Ok(self.segments()?.into_iter().find(|segment| segment.first() <= seq && seq <= segment.last()))
    }

    /// The last row of all its segments.
    pub fn last(&self) -> Result<Option<Seq>, ArchiveError> {
        Ok(self.segments()?.iter().map(Segment::last).max())
    }

    /// Makes the folder, and keeps others from writing segments into it for as long as what is given back lives: two that
    /// write the same one would let go of rows that only the other's file has.
    pub fn lock(&self) -> Result<File, ArchiveError> {
        create_folder_surely(&self.folder)?;
        let path = self.folder.join(LOCK);
        let io = |error| ArchiveError::io(&path, error);
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(ArchiveError::Locked { folder: self.folder.clone() }),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The rows after `after` that follow it without a gap, at most `limit`.
    pub fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, ArchiveError> {
        let (mut rows, mut after) = (Vec::new(), after);
        for segment in self.segments()? {
            if segment.first() <= after.next() && segment.last() > after && rows.len() < limit {
                rows.extend(segment.page(after, limit - rows.len())?);
                after = rows.last().map_or(after, |row: &Record| row.seq);
            }
        }
        Ok(rows)
    }
}

/// Writes a value as JSON into a file that is there whole, or not at all, also after a power cut.
pub(crate) fn write_surely(path: &Path, value: &impl serde::Serialize) -> Result<(), ArchiveError> {
    let text = serde_json::to_vec(value).map_err(|error| ArchiveError::damaged(path, error))?;
    write_bytes_surely(path, &text)
}

/// The same with bytes.
pub(crate) fn write_bytes_surely(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let io = |error| ArchiveError::io(path, error);
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&unfinished, path).map_err(io)?;
    sync_folder_of(path).map_err(io)
}

/// Makes a folder, and those above it, which are there after a power cut too.
pub(crate) fn create_folder_surely(folder: &Path) -> Result<(), ArchiveError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_folder_surely(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(ArchiveError::io(folder, error)),
        _ => sync_folder_of(folder).map_err(|error| ArchiveError::io(folder, error)),
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    // A bare name has an empty one.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
