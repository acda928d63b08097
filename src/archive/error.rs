//! What can be wrong with files of rows.

use std::io;
use std::path::{Path, PathBuf};

use journal::LogError;
use matching::Seq;

/// A file of rows cannot be read or written, or is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read or written.
    #[error("{} cannot be used: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process writes segments there.
    #[error("another process archives into {}; let it end first", folder.display())]
    Locked {
        /// Where.
        folder: PathBuf,
    },
    /// Its rows are not the log's.
    #[error(
        "{} holds other rows than the log, such as those of a log that was lost: nothing was taken out; set ARCHIVE_DIR to a \
         folder of this log's own", path.display()
    )]
    OtherLog {
        /// Which.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("{} is damaged: {error}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        error: String,
    },
}

impl ArchiveError {
    pub(crate) fn io(path: &Path, error: io::Error) -> ArchiveError {
        ArchiveError::Io { path: path.to_owned(), error }
    }

    pub(crate) fn damaged(path: &Path, error: impl ToString) -> ArchiveError {
        ArchiveError::Damaged { path: path.to_owned(), error: error.to_string() }
    }

    /// The same as an error of the log, which stands there at this row.
    pub fn at(self, seq: Seq) -> LogError {
        match self {
            ArchiveError::Io { .. } | ArchiveError::Locked { .. } | ArchiveError::OtherLog { .. } => {
                LogError::Unknown(self.to_string())
            }
            ArchiveError::Damaged { .. } => LogError::Damaged { seq, error: self.to_string() },
        }
    }
}
