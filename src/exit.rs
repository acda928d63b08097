//! Why a command ended, and the exit code that says so to whoever started it.

use std::io;
use std::net::SocketAddr;

use actors::fatal::of_log as runbook_of_log;
use actors::{AuditError, Fatal, RecoveryError, Runbook};
use journal::{Epoch, KeyStoreError, LastFatal, LogError, ProjectionError, QueueError, SnapshotError};
use matching::Seq;

use crate::adapters::embedded::EmbeddedError;
use crate::adapters::postgres::PostgresError;
use crate::adapters::redis::RedisError;
use crate::archive::ArchiveError;
use crate::commands::Difference;
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
        error: io::Error,
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
    /// The projection cannot be read or written.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The API keys cannot be read or written.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// A command was asked for what it cannot do.
    #[error("{0}")]
    Usage(String),
    /// Nothing can be written to standard output.
    #[error("standard output cannot be written to: {0}")]
    Output(io::Error),
    /// The service does not live, or does not serve.
    #[error("the service at {address} is not well: {detail}")]
    NotWell {
        /// Where it was asked.
        address: String,
        /// What it said.
        detail: String,
    },
    /// A service writes.
    #[error(
        "a service is alive (term {epoch}): it keeps the projection itself; stop it first if the projection is to be \
         rebuilt without it"
    )]
    WriterAlive {
        /// Its term.
        epoch: Epoch,
    },
    /// The log or a snapshot is not what it must be.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A file of rows, or a backup, cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A restore was asked for into stores that hold something.
    #[error(
        "there is something already: {what}. A restore fills empty stores only, so that nothing runs twice: name a new \
         database and an empty Redis, or another DATA_DIR"
    )]
    NotEmpty {
        /// What is there.
        what: String,
    },
    /// The service has stopped itself at one row again and again.
    #[error(
        "the service stopped itself {} times in a row at row {} of the log, the last time with:\n  {}\nFind out why before \
         anything else: `pricetime verify` checks the log up to there, and `pricetime log --from {}` shows it. Then restore \
         the log, or use a release that mends it, and start once with `pricetime serve --forget-stops`",
        .0.times, .0.seq, .0.error.replace('\n', "\n  "), .0.seq
    )]
    CrashLoop(LastFatal),
    /// The projection is not usable.
    #[error(
        "Redis shows no state that can be compared: it is being rebuilt, or was emptied; a running service rebuilds it, \
         and so does `pricetime recover`"
    )]
    NoProjection,
    /// The projection does not follow.
    #[error(
        "Redis shows row {shown}, and the log goes up to row {log}: start the service, which brings it up to date, or run \
         `pricetime recover`"
    )]
    ProjectionBehind {
        /// What it shows.
        shown: Seq,
        /// What it should show.
        log: Seq,
    },
    /// The projection shows something else than the log gives.
    #[error("{differences} keys of Redis do not show the state at row {at}:{}", differences_of(.first))]
    Disagrees {
        /// The row.
        at: Seq,
        /// How many keys.
        differences: usize,
        /// The first of them.
        first: Vec<Difference>,
    },
    /// The running service shows something else than the log gives.
    #[error("at row {seq} the running service's ledger is {service}, and the log gives {log}")]
    ServiceDiffers {
        /// The row.
        seq: Seq,
        /// The service's hash.
        service: String,
        /// Ours.
        log: String,
    },
    /// The HTTP server ended.
    #[error("the HTTP server ended: {0}")]
    Http(String),
}

impl End {
    /// 2 configuration, 3 a dependency cannot be reached, 4 state does not agree or a writer is alive, 5 fenced, 6 the log is
    /// damaged or went back.
    pub fn code(&self) -> u8 {
        match self {
            End::Configuration(_) | End::Logging(_) | End::Listen { .. } | End::Usage(_) => 2,
            End::Redis(RedisError::Unreachable(_)) | End::Postgres(PostgresError::Unreachable { .. }) => 3,
            End::Redis(_) | End::Postgres(_) => 2,
            End::Embedded(EmbeddedError::Folder { error, .. }) if error.kind() == io::ErrorKind::StorageFull => 3,
            End::Embedded(
                EmbeddedError::Folder { .. } | EmbeddedError::Missing { .. } | EmbeddedError::Newer { .. },
            ) => 2,
            End::Embedded(EmbeddedError::NotNow { .. }) => 3,
            End::Embedded(EmbeddedError::Locked { .. }) => 4,
            End::Embedded(EmbeddedError::Database { .. } | EmbeddedError::Gone { .. }) => 6,
            End::Queue(_) | End::Http(_) | End::Projection(_) | End::Keys(_) => 3,
            End::Recovery(RecoveryError::Projection(_)) => 3,
            End::Archive(ArchiveError::Io { .. }) => 3,
            End::Archive(ArchiveError::Locked { .. } | ArchiveError::OtherLog { .. }) => 4,
            End::Archive(ArchiveError::Damaged { .. }) => 6,
            End::NotEmpty { .. } => 4,
            End::Output(_) | End::NotWell { .. } => 3,
            End::WriterAlive { .. } | End::NoProjection | End::ProjectionBehind { .. } | End::Disagrees { .. } => 4,
            End::ServiceDiffers { .. } => 4,
            End::Audit(AuditError::Log(error)) => of_log(error),
            End::Audit(AuditError::Snapshot(error)) => of_snapshot(error),
            End::Audit(_) => 4,
            End::Log(error) | End::Fatal(Fatal::Log(error)) | End::Recovery(RecoveryError::Log(error)) => of_log(error),
            End::Snapshot(error) | End::Recovery(RecoveryError::Snapshot(error)) => of_snapshot(error),
            End::Fatal(Fatal::Fenced) => 5,
            End::Fatal(Fatal::NewerStream { .. }) => 2,
            End::Recovery(RecoveryError::LogWentBack { .. }) | End::CrashLoop(_) => 6,
        }
    }

    /// What to do about it.
    pub fn runbook(&self) -> Runbook {
        match self {
            End::Configuration(_) | End::Logging(_) | End::Listen { .. } | End::Usage(_) => Runbook::Configuration,
            End::Redis(RedisError::Unreachable(_)) | End::Queue(_) => Runbook::RedisLost,
            End::Postgres(PostgresError::Unreachable { .. }) | End::Keys(_) => Runbook::PostgresLost,
            End::Redis(_) | End::Postgres(_) => Runbook::Configuration,
            End::Embedded(EmbeddedError::Folder { error, .. }) if error.kind() == io::ErrorKind::StorageFull => {
                Runbook::DiskFull
            }
            End::Embedded(
                EmbeddedError::Folder { .. } | EmbeddedError::Missing { .. } | EmbeddedError::Newer { .. },
            ) => Runbook::Configuration,
            End::Embedded(EmbeddedError::NotNow { .. }) => Runbook::DiskFull,
            End::Embedded(EmbeddedError::Locked { .. }) | End::WriterAlive { .. } => Runbook::TakeOver,
            End::Embedded(EmbeddedError::Database { .. } | EmbeddedError::Gone { .. }) => Runbook::BadRow,
            End::Projection(_) | End::Recovery(RecoveryError::Projection(_)) => Runbook::RedisLost,
            End::NoProjection | End::ProjectionBehind { .. } | End::Disagrees { .. } => Runbook::ReadersBehind,
            End::Log(error) | End::Recovery(RecoveryError::Log(error)) => runbook_of_log(error),
            End::Audit(AuditError::Log(error)) => runbook_of_log(error),
            End::Snapshot(_) | End::Recovery(RecoveryError::Snapshot(_)) | End::Audit(AuditError::Snapshot(_)) => {
                Runbook::NoSnapshot
            }
            End::Audit(_) | End::ServiceDiffers { .. } | End::CrashLoop(_) => Runbook::BadRow,
            End::Recovery(RecoveryError::LogWentBack { .. }) => Runbook::LogWentBack,
            End::Fatal(fatal) => fatal.runbook(),
            End::Archive(_) | End::NotEmpty { .. } => Runbook::Backup,
            End::Http(_) | End::NotWell { .. } | End::Output(_) => Runbook::OrdersRefused,
        }
    }

    /// The last thing that a process says: what happened, and behind it what to do.
    pub fn last_words(&self) -> String {
        format!("{self}\n{}", self.runbook())
    }

    /// Whether the service stops itself because of the log: a broken chain, or something that the log refuses for good.
    /// The row, where it is known.
    pub fn is_fatal(&self) -> Option<Option<Seq>> {
        match self {
            End::Log(error) | End::Fatal(Fatal::Log(error)) | End::Recovery(RecoveryError::Log(error)) => match error {
                LogError::Damaged { seq, .. } => Some(Some(*seq)),
                LogError::Refused(_) => Some(None),
                LogError::Unknown(_) | LogError::Fenced => None,
            },
            _ => None,
        }
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

fn differences_of(first: &[Difference]) -> String {
    let text = |one: &Difference| format!("\n  - {}: expected {:?}, found {:?}", one.key, one.expected, one.found);
    first.iter().map(text).collect()
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use matching::StateHash;

    use super::*;

    /// One of each kind, and of each kind within that has a runbook of its own.
    fn ends() -> Vec<End> {
        let (seq, text) = (Seq::ZERO, || "why".to_owned());
        let io = || io::Error::from(io::ErrorKind::StorageFull);
        let damaged = || LogError::Damaged { seq, error: text() };
        let snapshot = || SnapshotError::Damaged { seq, error: text() };
        let hash = StateHash::of(b"state");
        let folder = || std::path::PathBuf::from("data");
        let problem = Problem { name: text(), wrong: text(), remedy: text() };
        vec![
            End::Configuration(vec![problem]),
            End::Logging(text()),
            End::Listen { address: ([127, 0, 0, 1], 1).into(), error: io() },
            End::Redis(RedisError::Unreachable(text())),
            End::Redis(RedisError::Url(text())),
            End::Postgres(PostgresError::Unreachable { address: text(), error: text() }),
            End::Postgres(PostgresError::Newer { address: text(), migration: 9 }),
            End::Embedded(EmbeddedError::Folder { folder: folder(), error: io() }),
            End::Embedded(EmbeddedError::Missing { folder: folder() }),
            End::Embedded(EmbeddedError::Newer { file: folder(), migration: 9 }),
            End::Embedded(EmbeddedError::NotNow { file: folder(), error: text() }),
            End::Embedded(EmbeddedError::Locked { folder: folder() }),
            End::Embedded(EmbeddedError::Gone { file: folder() }),
            End::Queue(QueueError::Lost),
            End::Log(LogError::Unknown(text())),
            End::Log(LogError::Fenced),
            End::Log(LogError::Refused(text())),
            End::Log(damaged()),
            End::Snapshot(snapshot()),
            End::Recovery(RecoveryError::Log(damaged())),
            End::Recovery(RecoveryError::Snapshot(snapshot())),
            End::Recovery(RecoveryError::Projection(ProjectionError(text()))),
            End::Recovery(RecoveryError::LogWentBack { shown: seq }),
            End::Fatal(Fatal::Fenced),
            End::Fatal(Fatal::Log(damaged())),
            End::Fatal(Fatal::NewerStream { entry: journal::StreamId::ZERO, format: 9 }),
            End::Projection(ProjectionError(text())),
            End::Usage(text()),
            End::Output(io()),
            End::NotWell { address: text(), detail: text() },
            End::Archive(ArchiveError::Damaged { path: folder(), error: text() }),
            End::NotEmpty { what: text() },
            End::WriterAlive { epoch: Epoch(1) },
            End::Audit(AuditError::Log(damaged())),
            End::Audit(AuditError::Snapshot(snapshot())),
            End::Audit(AuditError::SnapshotDiffers { seq }),
            End::Audit(AuditError::StatesDiffer { seq, applied: hash, folded: hash }),
            End::CrashLoop(LastFatal { seq, times: 3, error: text() }),
            End::NoProjection,
            End::ProjectionBehind { shown: seq, log: seq },
            End::Disagrees { at: seq, differences: 0, first: Vec::new() },
            End::ServiceDiffers { seq, service: text(), log: text() },
            End::Http(text()),
            End::Keys(KeyStoreError(text())),
        ]
    }

    /// Every end of its own accord says at last where its runbook is, and that is there.
    #[test]
    fn every_last_line_is_a_runbook_that_exists() {
        let manual = include_str!("../docs/operations.md");
        let headings: BTreeSet<String> = manual
            .lines()
            .filter_map(|line| line.strip_prefix("### ").or(line.strip_prefix("## ")))
            .map(|heading| heading.to_lowercase().replace(',', "").replace(' ', "-"))
            .collect();
        let kind = |end: &End| format!("{:?}", std::mem::discriminant(end));
        let kinds: BTreeSet<String> = ends().iter().map(kind).collect();
        assert_eq!(kinds.len(), 26, "a kind of end is not among the examples, or is new: give it one and count it");
        for end in ends() {
            let words = end.last_words();
            let (said, last) = words.rsplit_once('\n').expect("two lines");
            assert_eq!(said, end.to_string());
            let anchor = last.strip_prefix("Runbook: docs/operations.md#").unwrap_or_else(|| panic!("{words}"));
            assert!(headings.contains(anchor), "{anchor} is no section of docs/operations.md");
        }
        for runbook in Runbook::ALL {
            let anchor = runbook.to_string().split('#').nth(1).map(str::to_owned).expect("an anchor");
            assert!(headings.contains(&anchor), "{anchor} is no section of docs/operations.md");
        }
    }
}
