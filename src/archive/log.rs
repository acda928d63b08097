//! The event log with archived rows behind its own: whoever reads from before its first row goes on as if they had never
//! left.

use std::sync::Arc;

use async_trait::async_trait;
use journal::{Batch, Committed, Epoch, EventLog, LogError, Record, Standing, WriterPosition};
use matching::Seq;
use tokio::task::spawn_blocking;

use super::Archive;

/// A log and an archive of it.
pub struct ArchivedLog {
    log: Arc<dyn EventLog>,
    archive: Archive,
}

impl ArchivedLog {
    /// The log with what this archive has of it.
    pub fn new(log: Arc<dyn EventLog>, archive: Archive) -> ArchivedLog {
        ArchivedLog { log, archive }
    }

    async fn archived(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let archive = self.archive.clone();
        let read = spawn_blocking(move || archive.page(after, limit).map_err(|error| error.at(after.next())));
        read.await.unwrap_or_else(|error| Err(LogError::Unknown(format!("the archive was not read: {error}"))))
    }
}

#[async_trait]
impl EventLog for ArchivedLog {
    async fn commit(&self, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError> {
        self.log.commit(epoch, batch).await
    }

    async fn standing(&self) -> Result<Standing, LogError> {
        self.log.standing().await
    }

    async fn take_over(&self, last: Epoch) -> Result<WriterPosition, LogError> {
        self.log.take_over(last).await
    }

    async fn position(&self) -> Result<WriterPosition, LogError> {
        self.log.position().await
    }

    async fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let rows = self.log.page(after, limit).await?;
        if rows.first().is_some_and(|row| row.seq == after.next()) || limit == 0 {
            return Ok(rows);
        }
        // A gap, or the end.
        let mut archived = self.archived(after, limit).await?;
        let Some(last) = archived.last().map(|row| row.seq) else { return Ok(rows) };
        if archived.len() < limit {
            let more = self.log.page(last, limit - archived.len()).await?;
            if more.first().is_some_and(|row| row.seq == last.next()) {
                archived.extend(more);
            }
        }
        Ok(archived)
    }

    async fn lease_ids(&self, epoch: Epoch, count: u64) -> Result<u64, LogError> {
        self.log.lease_ids(epoch, count).await
    }

    async fn beat(&self, epoch: Epoch) -> Result<(), LogError> {
        self.log.beat(epoch).await
    }

    async fn drained(&self, epoch: Epoch) -> Result<(), LogError> {
        self.log.drained(epoch).await
    }
}
