//! Why the engine can not go on. Whoever runs the pipeline hears of it once and ends the process.

use journal::encoding::STREAM_FORMAT;
use journal::{LogError, StreamId};
use tokio::sync::mpsc;

use crate::runbook::Runbook;

/// An end that only a restart, or an operator, can answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// Another process writes now.
    #[error("another writer has taken over: this process makes no more events")]
    Fenced,
    /// The log refused, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What was acknowledged cannot be read here. To refuse it in the log would lose it.
    #[error(
        "entry {entry} of the command stream has format {format}, and this release reads up to {STREAM_FORMAT}: it was \
         acknowledged by a newer release; use that one or a newer one. Nothing is lost meanwhile"
    )]
    NewerStream {
        /// The first one.
        entry: StreamId,
        /// Its format.
        format: i16,
    },
}

impl Fatal {
    /// What to do.
    pub fn runbook(&self) -> Runbook {
        match self {
            Fatal::Fenced => Runbook::TakeOver,
            Fatal::Log(error) => of_log(error),
            Fatal::NewerStream { .. } => Runbook::Configuration,
        }
    }
}

/// What to do about an error of the log.
pub fn of_log(error: &LogError) -> Runbook {
    match error {
        LogError::Unknown(_) => Runbook::PostgresLost,
        LogError::Fenced => Runbook::TakeOver,
        LogError::Refused(_) | LogError::Damaged { .. } => Runbook::BadRow,
    }
}

/// Where an actor says that the engine has ended.
pub type FatalSender = mpsc::UnboundedSender<Fatal>;
