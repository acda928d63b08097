//! Where the service stopped itself. A connection of its own each time: it is rare, and the others may be in trouble.

use std::time::Duration;

use async_trait::async_trait;
use journal::{FatalRecord, LastFatal, LogError};
use matching::Seq;
use sqlx::postgres::PgConnection;
use tokio::time::timeout;

use super::PARTITION;
use super::commit::failed;
use super::connect::{Postgres, no_answer};
use crate::adapters::rows::{FatalRow, big};

/// The process is ending: nobody waits long for this.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

const SETTINGS: &str = "SET ROLE pricetime_service; SET synchronous_commit = on; SET lock_timeout = '2s'; \
    SET statement_timeout = '3s'";

const NOTE: &str = "INSERT INTO last_fatal (partition, seq, log_end, times, error, noted_at) \
    SELECT partition, coalesce($2, seq + 1), seq, 1, $3, clock_timestamp() FROM writer_position WHERE partition = $1 \
    ON CONFLICT (partition) DO UPDATE SET seq = excluded.seq, log_end = excluded.log_end, error = excluded.error, \
        noted_at = excluded.noted_at, \
        times = CASE WHEN last_fatal.seq = excluded.seq AND last_fatal.log_end = excluded.log_end \
                     THEN last_fatal.times + 1 ELSE 1 END";
const LAST: &str = "SELECT last_fatal.seq, times, error FROM last_fatal JOIN writer_position USING (partition) \
    WHERE partition = $1 AND log_end = writer_position.seq";
const FORGET: &str = "DELETE FROM last_fatal WHERE partition = $1";

/// The table `last_fatal`.
pub struct PostgresFatalRecord {
    postgres: Postgres,
}

impl PostgresFatalRecord {
    /// The notes in this database. Connects to nothing yet.
    pub fn new(postgres: &Postgres) -> PostgresFatalRecord {
        PostgresFatalRecord { postgres: postgres.clone() }
    }

    async fn connect(&self) -> Result<PgConnection, LogError> {
        self.postgres.as_service(SETTINGS).await.map_err(failed)
    }
}

#[async_trait]
impl FatalRecord for PostgresFatalRecord {
    async fn note(&self, seq: Option<Seq>, error: &str) -> Result<(), LogError> {
        let mut connection = self.connect().await?;
        let seq = seq.map(|seq| big(seq.get())).transpose()?;
        let note = sqlx::query(NOTE).bind(PARTITION).bind(seq).bind(error);
        within(note.execute(&mut connection)).await.map(drop)
    }

    async fn last(&self) -> Result<Option<LastFatal>, LogError> {
        let mut connection = self.connect().await?;
        let last = sqlx::query_as::<_, FatalRow>(LAST).bind(PARTITION);
        Ok(within(last.fetch_optional(&mut connection)).await?.map(LastFatal::from))
    }

    async fn forget(&self) -> Result<(), LogError> {
        let mut connection = self.connect().await?;
        within(sqlx::query(FORGET).bind(PARTITION).execute(&mut connection)).await.map(drop)
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LogError> {
    let answered = timeout(ANSWER_WITHIN, answer).await;
    answered.unwrap_or_else(|_| Err(no_answer(ANSWER_WITHIN))).map_err(failed)
}
