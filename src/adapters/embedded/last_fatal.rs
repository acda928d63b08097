//! Where the service stopped itself.

use async_trait::async_trait;
use journal::{FatalRecord, LastFatal, LogError};
use matching::Seq;

use super::PARTITION;
use super::file::Embedded;
use super::log::failed;
use crate::adapters::rows::{FatalRow, big};

const NOTE: &str = "INSERT INTO last_fatal (partition, seq, log_end, times, error) \
    SELECT partition, coalesce(?2, seq + 1), seq, 1, ?3 FROM writer_position WHERE partition = ?1 \
    ON CONFLICT (partition) DO UPDATE SET seq = excluded.seq, log_end = excluded.log_end, error = excluded.error, \
        times = CASE WHEN last_fatal.seq = excluded.seq AND last_fatal.log_end = excluded.log_end \
                     THEN last_fatal.times + 1 ELSE 1 END";
const LAST: &str = "SELECT last_fatal.seq, times, error FROM last_fatal JOIN writer_position USING (partition) \
    WHERE partition = ?1 AND log_end = writer_position.seq";
const FORGET: &str = "DELETE FROM last_fatal WHERE partition = ?1";

/// The table `last_fatal` of the file.
pub struct EmbeddedFatalRecord {
    file: Embedded,
}

impl EmbeddedFatalRecord {
    /// The notes in this file.
    pub fn new(file: &Embedded) -> EmbeddedFatalRecord {
        EmbeddedFatalRecord { file: file.clone() }
    }
}

#[async_trait]
impl FatalRecord for EmbeddedFatalRecord {
    async fn note(&self, seq: Option<Seq>, error: &str) -> Result<(), LogError> {
        let (seq, error) = (seq.map(|seq| big(seq.get())).transpose()?, error.to_owned());
        let noted = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(NOTE).bind(PARTITION).bind(seq).bind(error).execute(connection).await })
        });
        Ok(noted.await.map(drop)?)
    }

    async fn last(&self) -> Result<Option<LastFatal>, LogError> {
        let last = sqlx::query_as::<_, FatalRow>(LAST).bind(PARTITION);
        Ok(last.fetch_optional(self.file.readers()).await.map_err(failed)?.map(LastFatal::from))
    }

    async fn forget(&self) -> Result<(), LogError> {
        let forgotten = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(FORGET).bind(PARTITION).execute(connection).await })
        });
        Ok(forgotten.await.map(drop)?)
    }
}
