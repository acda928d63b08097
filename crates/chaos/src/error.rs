//! What keeps an attack from being carried out; what it finds wrong is a finding, not an error.

use std::io;

/// An attack could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server could not be started, steered or stopped.
    #[error(transparent)]
    Testbed(#[from] testbed::Error),
    /// The operating system refused something.
    #[error("could not {attempt}: {source}")]
    Io {
        /// What was tried, as it reads after "could not".
        attempt: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A tool refused.
    #[error("{tool} failed with {status}: {message}")]
    Tool {
        /// Which.
        tool: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        message: String,
    },
    /// The service did not come back.
    #[error("{error}; the last lines of its log:\n{log}")]
    Stuck {
        /// What was awaited.
        error: String,
        /// What it said last.
        log: String,
    },
    /// A line of the log cannot be read.
    #[error("a row of the log cannot be read: {0}")]
    Row(String),
    /// Redis did not do what the attack needs.
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
}

impl Error {
    /// Turns an I/O error into one that says what was tried; for `map_err`.
    pub(crate) fn io(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let attempt = attempt.into();
        move |source| Error::Io { attempt, source }
    }
}
