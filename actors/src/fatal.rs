//! Why the engine can not go on. Whoever runs the pipeline hears of it once and ends the process.

use journal::LogError;
use tokio::sync::mpsc;

/// An end that only a restart, or an operator, can answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// Another process writes now.
    #[error("another writer has taken over: this process makes no more events")]
    Fenced,
    /// The log refused, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Where an actor says that the engine has ended.
pub type FatalSender = mpsc::UnboundedSender<Fatal>;
