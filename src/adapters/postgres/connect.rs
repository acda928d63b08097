//! Connections to PostgreSQL: what the server must be, the migrations, and the role that all later work is done as.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::time::timeout;

/// The schema, built into the program.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// 12 and older have no support any more; 13 is the oldest that this is meant for.
const OLDEST_VERSION: i32 = 130_000;
/// A server on the same network takes a connection in milliseconds; one that does not is gone.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// The checks at start are simple questions.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Readers of the log beside each other: recovery, verification, the admin pages.
const READERS: u32 = 4;

/// One writes the history, the others answer.
const HELPERS: u32 = 3;

/// Settings that the promise rests on: name, value, and what is lost without it.
const REQUIRED: [(&str, &str, &str); 2] = [
    ("fsync", "on", "committed orders would be lost in a power cut"),
    ("full_page_writes", "on", "a power cut could leave the log unreadable"),
];

/// PostgreSQL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The address is none.
    #[error(
        "DATABASE_URL is no address of a PostgreSQL database: {0}; one looks like postgres://user@127.0.0.1:5432/name"
    )]
    Url(String),
    /// It does not answer.
    #[error("PostgreSQL at {address} cannot be reached: {error}")]
    Unreachable {
        /// Which server.
        address: String,
        /// Why.
        error: String,
    },
    /// It is older than anything this was made for.
    #[error("PostgreSQL at {address} has version {version}; 13 or newer is needed")]
    TooOld {
        /// Which server.
        address: String,
        /// Its version as it says it.
        version: String,
    },
    /// It would not keep what it commits.
    #[error(
        "PostgreSQL at {address} would not keep the promise that a final state is on disk: {}. \
         To run without that promise, set ALLOW_UNSAFE_DURABILITY=true",
        problems.join("; ")
    )]
    Unsafe {
        /// Which server.
        address: String,
        /// What is wrong and how to mend it, one text each.
        problems: Vec<String>,
    },
    /// A newer release has brought the tables up to date.
    #[error(
        "the tables in PostgreSQL at {address} were brought up to date by a newer release (migration {migration}), and this \
         one does not know what that changed: use that release or a newer one"
    )]
    Newer {
        /// Which server.
        address: String,
        /// The first change that is not known here.
        migration: i64,
    },
    /// The tables could not be made or brought up to date.
    #[error("the tables in PostgreSQL at {address} cannot be brought up to date: {error}")]
    Migration {
        /// Which server.
        address: String,
        /// Why, with PostgreSQL's hint.
        error: String,
    },
}

/// What the adapters open their connections with.
#[derive(Debug, Clone)]
pub struct Postgres {
    options: PgConnectOptions,
}

impl Postgres {
    /// Connects as the owner of the tables, makes sure that the server keeps what it commits, and brings the tables up to
    /// date. What is unsafe is an error, or with `allow_unsafe` a warning.
    pub async fn prepare(url: &str, application_name: &str, allow_unsafe: bool) -> Result<Postgres, PostgresError> {
        let postgres = Postgres::attach(url, application_name)?;
        let mut owner = postgres.connect().await.map_err(|error| postgres.unreachable(&error))?;
        postgres.check(&mut owner, allow_unsafe).await?;
        // `run` is this with a generic connection, whose future the compiler cannot prove to be Send.
        MIGRATIONS.run_direct(None, &mut owner, false).await.map_err(|error| postgres.not_migrated(&error))?;
        // The work is done; a server that does not say goodbye changes nothing.
        let _ = timeout(ANSWER_WITHIN, owner.close()).await;
        Ok(postgres)
    }

    fn not_migrated(&self, error: &MigrateError) -> PostgresError {
        match error {
            MigrateError::VersionMissing(migration) => {
                PostgresError::Newer { address: self.address(), migration: *migration }
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if went_away(error) => {
                self.unreachable(error)
            }
            error => PostgresError::Migration { address: self.address(), error: with_hint(error) },
        }
    }

    /// For programs that find the tables as they are: reading, checking. Connects to nothing yet.
    pub fn attach(url: &str, application_name: &str) -> Result<Postgres, PostgresError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| PostgresError::Url(error.to_string()))?;
        // Statements are expected to be fast and have limits of their own; the library's log of slow ones is noise.
        Ok(Postgres { options: options.application_name(application_name).disable_statement_logging() })
    }

    /// Whether the server answers.
    pub async fn reach(&self) -> Result<(), PostgresError> {
        let connection = self.connect().await.map_err(|error| self.unreachable(&error))?;
        // The work is done; a server that does not say goodbye changes nothing.
        let _ = timeout(ANSWER_WITHIN, connection.close()).await;
        Ok(())
    }

    /// Host, port and database, without any secret.
    pub fn address(&self) -> String {
        let options = &self.options;
        format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
    }

    /// A connection of the service's role, which is among the `settings`.
    pub(super) async fn as_service(&self, settings: &'static str) -> Result<PgConnection, sqlx::Error> {
        self.connect_with(settings).await
    }

    async fn connect_with(&self, settings: &'static str) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.connect().await?;
        timeout(ANSWER_WITHIN, connection.execute(settings)).await.map_err(|_| no_answer(ANSWER_WITHIN))??;
        Ok(connection)
    }

    /// A connection of the tables' owner with the settings in `settings`: for operators' commands.
    pub(super) async fn as_owner(&self, settings: &'static str) -> Result<PgConnection, sqlx::Error> {
        self.connect_with(settings).await
    }

    /// A few connections of the service's role for readers. Connects to nothing yet.
    pub(super) fn readers(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT_WITHIN)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(READER_SETTINGS).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// A few connections of the service's role for what may lag behind the log: history and consumers. Connects to nothing
    /// yet.
    pub(super) fn helpers(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(HELPERS)
            .acquire_timeout(CONNECT_WITHIN)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(HELPER_SETTINGS).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone())
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        timeout(CONNECT_WITHIN, self.options.connect()).await.map_err(|_| no_answer(CONNECT_WITHIN))?
    }

    async fn check(&self, owner: &mut PgConnection, allow_unsafe: bool) -> Result<(), PostgresError> {
        let asked = timeout(ANSWER_WITHIN, self.problems(owner)).await;
        let problems = asked.unwrap_or_else(|_| Err(self.unreachable(&no_answer(ANSWER_WITHIN))))?;
        if !problems.is_empty() && !allow_unsafe {
            return Err(PostgresError::Unsafe { address: self.address(), problems });
        }
        for problem in problems {
            tracing::warn!(
                address = self.address(),
                "unsafe PostgreSQL, allowed by ALLOW_UNSAFE_DURABILITY: {problem}"
            );
        }
        Ok(())
    }

    async fn problems(&self, owner: &mut PgConnection) -> Result<Vec<String>, PostgresError> {
        let server = sqlx::query_as::<_, (i32, String, bool, String, String, String)>(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
             pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes'), \
             current_setting('synchronous_commit')",
        );
        let server = server.fetch_one(&mut *owner).await.map_err(|error| self.unreachable(&error))?;
        let (version_number, version, is_standby, fsync, full_page_writes, synchronous_commit) = server;
        if version_number < OLDEST_VERSION {
            return Err(PostgresError::TooOld { address: self.address(), version });
        }
        let mut problems = Vec::new();
        if is_standby {
            problems.push("it is a standby, which takes no commits; use the address of its primary".to_owned());
        }
        problems.extend(unsafe_settings([fsync, full_page_writes], &synchronous_commit));
        Ok(problems)
    }

    fn unreachable(&self, error: &sqlx::Error) -> PostgresError {
        PostgresError::Unreachable { address: self.address(), error: error.to_string() }
    }
}

/// Readers work in short transactions: a long one keeps PostgreSQL from tidying the position row (*measured*: four times
/// slower after 18 s).
const READER_SETTINGS: &str = "SET ROLE pricetime_service; SET default_transaction_read_only = on; \
    SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '10s'";

/// Whoever helps works in short transactions too.
const HELPER_SETTINGS: &str = "SET ROLE pricetime_service; SET synchronous_commit = on; SET statement_timeout = '30s'; \
    SET idle_in_transaction_session_timeout = '10s'";

/// What is wrong with the values of [`REQUIRED`] and of `synchronous_commit`, and how to mend it.
fn unsafe_settings(required: [String; 2], synchronous_commit: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for ((name, required, loss), found) in REQUIRED.iter().zip(required) {
        if found != *required {
            problems.push(format!(
                "its {name} is {found} and must be {required} ({loss}): ALTER SYSTEM SET {name} = {required}, then \
                 SELECT pg_reload_conf()"
            ));
        }
    }
    // Each session of ours sets it itself; who switched it off for all the others expects that it is off here too.
    if synchronous_commit == "off" {
        problems.push(
            "its synchronous_commit is off and must be on (committed orders would be lost when it stops): ALTER SYSTEM \
             SET synchronous_commit = on, then SELECT pg_reload_conf(); or ALTER DATABASE … SET synchronous_commit = on"
                .to_owned(),
        );
    }
    problems
}

pub(super) fn no_answer(within: Duration) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {within:?}")))
}

/// Whether the connection broke, or the server ended it: it stops, or one of its processes crashed.
fn went_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// An error with the hint that PostgreSQL gave, which says what to do.
fn with_hint(error: &MigrateError) -> String {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = source {
        if let Some(sqlx::Error::Database(database)) = current.downcast_ref::<sqlx::Error>()
            && let Some(hint) = database.downcast_ref::<sqlx::postgres::PgDatabaseError>().hint()
        {
            return format!("{database}; {hint}");
        }
        source = current.source();
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unsafe_setting_is_named_with_its_remedy() {
        let problems = |fsync: &str, full_page_writes: &str, synchronous_commit: &str| {
            unsafe_settings([fsync.to_owned(), full_page_writes.to_owned()], synchronous_commit)
        };
        for commit in ["on", "remote_apply", "remote_write", "local"] {
            assert!(problems("on", "on", commit).is_empty(), "each session of ours sets it to on");
        }
        let all = problems("off", "off", "off");
        for (problem, name) in all.iter().zip(["fsync", "full_page_writes", "synchronous_commit"]) {
            assert!(problem.contains(&format!("its {name} is off")), "{problem}");
            assert!(problem.contains(&format!("SET {name} = on")), "{problem}");
        }
        assert_eq!(all.len(), 3);
    }
}
