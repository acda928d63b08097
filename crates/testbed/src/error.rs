//! What can go wrong while a server is started, steered or stopped.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A server could not be started, steered or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server's program is not installed.
    #[error("{program} was not found; install it (on Debian: apt-get install {package})")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },

    /// The operating system refused something.
    #[error("could not {attempt}: {source}")]
    Io {
        /// What was tried, as it reads after "could not".
        attempt: String,
        /// The operating system's answer.
        source: io::Error,
    },

    /// A server ended although it was wanted.
    #[error("{program} ended by itself with {status}; the last lines of its log:\n{log}")]
    Ended {
        /// Which server.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// A signal is meant for a server that does not run.
    #[error("{program} is not running; start it again first")]
    NotRunning {
        /// Which server.
        program: String,
    },

    /// Something did not happen in time.
    #[error("waited {within:?} in vain for {what}")]
    Late {
        /// What was awaited.
        what: String,
        /// For how long.
        within: Duration,
    },

    /// A tool such as `initdb` or `psql` refused.
    #[error("{tool} failed with {status}: {message}")]
    Tool {
        /// Which tool.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },

    /// PostgreSQL's user may not enter a folder on the way to its data.
    #[error(
        "PostgreSQL runs as {user}, who may not enter {folder}; \
         let others through (chmod o+x) or choose another folder"
    )]
    ShutOut {
        /// The user that PostgreSQL runs as.
        user: String,
        /// The first folder that does not let that user through.
        folder: PathBuf,
    },

    /// Root cannot run PostgreSQL, and there is no user to run it as.
    #[error("PostgreSQL refuses to run as root, and neither the user postgres nor nobody exists; create one of them")]
    NoUser,

    /// Another stack has the folder.
    #[error("another stack is using {folder}; stop it first")]
    FolderTaken {
        /// The stack's folder.
        folder: PathBuf,
    },
}

impl Error {
    /// Turns an I/O error into one that says what was tried; for `map_err`.
    pub(crate) fn io(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let attempt = attempt.into();
        move |source| Error::Io { attempt, source }
    }
}
