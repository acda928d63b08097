//! What to do when something cannot go on: each is a section of the operators' page, and every last line of a process that
//! ends by itself names one.

use std::fmt;

/// A section of `docs/operations.md`.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Runbook {
    /// The service does not start as it is set up, or this release cannot read what is stored.
    Configuration,
    /// The service answers, and takes nothing.
    OrdersRefused,
    /// The command queue.
    RedisLost,
    /// The event log's server.
    PostgresLost,
    /// The log is not what it must be.
    BadRow,
    /// The log is older than what was shown.
    LogWentBack,
    /// There is no room.
    DiskFull,
    /// Another process is the writer.
    TakeOver,
    /// What is shown is not what the log says.
    ReadersBehind,
    /// Snapshots cannot be taken, or read.
    NoSnapshot,
    /// A backup, or archived rows, cannot be written, read or put back.
    Backup,
}

impl Runbook {
    /// All of them.
    pub const ALL: [Runbook; 11] = [
        Runbook::Configuration,
        Runbook::OrdersRefused,
        Runbook::RedisLost,
        Runbook::PostgresLost,
        Runbook::BadRow,
        Runbook::LogWentBack,
        Runbook::DiskFull,
        Runbook::TakeOver,
        Runbook::ReadersBehind,
        Runbook::NoSnapshot,
        Runbook::Backup,
    ];

    fn anchor(self) -> &'static str {
        match self {
            Runbook::Configuration => "the-service-does-not-start",
            Runbook::OrdersRefused => "orders-are-refused",
            Runbook::RedisLost => "redis-is-lost",
            Runbook::PostgresLost => "postgresql-is-lost",
            Runbook::BadRow => "a-row-of-the-log-is-bad",
            Runbook::LogWentBack => "the-log-went-back",
            Runbook::DiskFull => "a-disk-is-full",
            Runbook::TakeOver => "a-take-over",
            Runbook::ReadersBehind => "readers-are-behind",
            Runbook::NoSnapshot => "no-snapshot-is-taken",
            Runbook::Backup => "restore",
        }
    }
}

impl fmt::Display for Runbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runbook: docs/operations.md#{}", self.anchor())
    }
}
