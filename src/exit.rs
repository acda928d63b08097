//! Why a command ended, and the exit code that says so to whoever started it.

use std::net::SocketAddr;
use std::process::ExitCode;

use actors::{Fatal, RecoveryError};
use journal::{LogError, QueueError, SnapshotError};

use crate::adapters::embedded::EmbeddedError;
use crate::adapters::postgres::PostgresError;
use crate::adapters::redis::RedisError;
use crate::config::Problem;

/// An end that is not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The settings are wrong.
    #[error("the configuration has {} problem(s):{}", .0.len(), list(.0))]
    Configuration(Vec<Problem>),
    /// Logging could not be set up.
    #[error("logging cannot be set up: {0}")]
    Logging(String),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {error}; stop what listens there, or set HOST and PORT to a free address")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// PostgreSQL cannot be used.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The embedded file cannot be used.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The stream cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots cannot be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There is no state to start from.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The engine cannot go on.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The HTTP server ended.
    #[error("the HTTP server ended: {0}")]
    Http(String),
}

impl End {
    /// 2 configuration, 3 a dependency cannot be reached, 4 a writer is alive, 5 fenced, 6 the log is damaged or went back.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            End::Configuration(_) | End::Logging(_) | End::Listen { .. } => 2,
            End::Redis(RedisError::Unreachable(_)) | End::Postgres(PostgresError::Unreachable { .. }) => 3,
            End::Redis(_) | End::Postgres(_) => 2,
            End::Embedded(EmbeddedError::Folder { .. } | EmbeddedError::Missing { .. }) => 2,
            End::Embedded(EmbeddedError::Locked { .. }) => 4,
            End::Embedded(EmbeddedError::Database { .. }) => 6,
            End::Queue(_) | End::Http(_) | End::Recovery(RecoveryError::Projection(_)) => 3,
            End::Log(error) | End::Fatal(Fatal::Log(error)) | End::Recovery(RecoveryError::Log(error)) => of_log(error),
            End::Snapshot(error) | End::Recovery(RecoveryError::Snapshot(error)) => of_snapshot(error),
            End::Fatal(Fatal::Fenced) => 5,
            End::Recovery(RecoveryError::LogWentBack { .. }) => 6,
        })
    }
}

fn of_log(error: &LogError) -> u8 {
    match error {
        LogError::Unknown(_) => 3,
        LogError::Fenced => 5,
        LogError::Refused(_) | LogError::Damaged { .. } => 6,
    }
}

fn of_snapshot(error: &SnapshotError) -> u8 {
    match error {
        SnapshotError::Store(_) => 3,
        SnapshotError::Damaged { .. } => 6,
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}
