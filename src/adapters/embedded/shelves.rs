//! The log's rows as an operator sees them: taken out, or put into an empty file.

use async_trait::async_trait;
use journal::{LogError, Record, Shelf, Shelves, WriterPosition};
use matching::Seq;

use super::PARTITION;
use super::file::Embedded;
use super::log::{appends, execute, failed};
use crate::adapters::rows::{big, number};

/// Rows taken out in one change: tens of milliseconds in which no order is acknowledged.
const ROWS_AT_ONCE: i64 = 2_000;
const OLDEST: &str = "SELECT min(seq) FROM event_log";
const REMOVE: &str = "DELETE FROM event_log WHERE seq >= ?1 AND seq <= ?2";
const PLACE: &str = "UPDATE writer_position SET epoch = ?2, seq = ?3, stream_position = ?4, chain = ?5, id_ceiling = ?6, \
    drained = 0 WHERE partition = ?1 AND epoch = 0 AND seq = 0";

/// The rows in the file.
pub struct EmbeddedShelves {
    file: Embedded,
}

impl EmbeddedShelves {
    /// The rows in this file.
    pub fn new(file: &Embedded) -> EmbeddedShelves {
        EmbeddedShelves { file: file.clone() }
    }
}

#[async_trait]
impl Shelves for EmbeddedShelves {
    /// Any rows may leave.
    async fn shelves(&self, up_to: Seq) -> Result<Vec<Shelf>, LogError> {
        let oldest =
            sqlx::query_scalar::<_, Option<i64>>(OLDEST).fetch_one(self.file.readers()).await.map_err(failed)?;
        let first = oldest.and_then(number).and_then(Seq::new).filter(|first| *first <= up_to);
        Ok(first.map(|first| Shelf { first, last: up_to }).into_iter().collect())
    }

    async fn remove(&self, shelf: Shelf) -> Result<(), LogError> {
        let (mut first, last) = (big(shelf.first.get())?, big(shelf.last.get())?);
        while first <= last {
            let to = last.min(first + ROWS_AT_ONCE - 1);
            let removed = self.file.writer().change(move |connection| {
                Box::pin(async move { sqlx::query(REMOVE).bind(first).bind(to).execute(connection).await })
            });
            removed.await?;
            first = to + 1;
        }
        Ok(())
    }

    async fn put(&self, rows: &[Record]) -> Result<(), LogError> {
        let appends = appends(rows)?;
        let put = self.file.writer().change(move |connection| Box::pin(execute(connection, appends)));
        Ok(put.await?)
    }

    async fn place(&self, writer: WriterPosition) -> Result<bool, LogError> {
        let WriterPosition { epoch, position, id_ceiling } = writer;
        let (epoch, seq, id_ceiling) = (big(epoch.0)?, big(position.seq.get())?, big(id_ceiling)?);
        let placed = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let place = sqlx::query(PLACE).bind(PARTITION).bind(epoch).bind(seq);
                let place = place.bind(position.stream_id.to_string()).bind(position.chain.as_bytes().to_vec());
                place.bind(id_ceiling).execute(connection).await
            })
        });
        Ok(placed.await?.rows_affected() == 1)
    }
}
