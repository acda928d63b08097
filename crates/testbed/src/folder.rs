//! A server's folder: a temporary one that goes with the server, or a given one that stays.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;

/// Lines of a log that an error quotes: enough for a stack of causes, little enough to read.
const QUOTED_LINES: usize = 20;

pub(crate) enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Folder {
    pub(crate) fn temporary(server: &str) -> Result<Folder, Error> {
        let folder = tempfile::Builder::new().prefix(&format!("pricetime-{server}-")).tempdir();
        folder.map(Folder::Temporary).map_err(Error::io(format!("make a temporary folder for {server}")))
    }

    /// Uses `path`, made if absent; absolute afterwards, since servers run in folders of their own.
    pub(crate) fn given(path: &Path) -> Result<Folder, Error> {
        let made = fs::create_dir_all(path).and_then(|()| path.canonicalize());
        made.map(Folder::Given).map_err(Error::io(format!("make the folder {}", path.display())))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Folder::Temporary(folder) => folder.path(),
            Folder::Given(path) => path,
        }
    }

    /// What is to be removed when this process dies without having done it.
    pub(crate) fn leftover(&self) -> Option<&Path> {
        match self {
            Folder::Temporary(folder) => Some(folder.path()),
            Folder::Given(_) => None,
        }
    }

    /// Keeps a temporary folder for whoever looks for the cause of a failure.
    pub(crate) fn keep(&mut self) {
        if let Folder::Temporary(folder) = self {
            folder.disable_cleanup(true);
        }
    }

    /// Opens a log in this folder, for a server's output; a restarted server continues it.
    pub(crate) fn open_log(&self, name: &str) -> Result<File, Error> {
        let path = self.path().join(name);
        let file = File::options().create(true).append(true).open(&path);
        file.map_err(Error::io(format!("open the log {}", path.display())))
    }

    /// The last lines of a log in this folder; what cannot be read is said in their place.
    pub(crate) fn end_of_log(&self, name: &str) -> String {
        let text = match fs::read(self.path().join(name)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => return format!("(the log {name} cannot be read: {error})"),
        };
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }
}
