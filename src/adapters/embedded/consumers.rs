//! The positions of named consumers, in the file.

use async_trait::async_trait;
use journal::{ConsumerPosition, Consumers, HistoryError};

use super::file::Embedded;
use crate::adapters::rows::{ConsumerRow, signed};

const ALL: &str = "SELECT name, position, updated_at FROM consumer ORDER BY name";
const PUT: &str = "INSERT INTO consumer (name, position, updated_at) VALUES (?1, ?2, ?3) \
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at";

/// The positions in the file.
pub struct EmbeddedConsumers {
    file: Embedded,
}

impl EmbeddedConsumers {
    /// The positions in this file.
    pub fn new(file: &Embedded) -> EmbeddedConsumers {
        EmbeddedConsumers { file: file.clone() }
    }
}

#[async_trait]
impl Consumers for EmbeddedConsumers {
    async fn all(&self) -> Result<Vec<ConsumerPosition>, HistoryError> {
        let rows = sqlx::query_as::<_, ConsumerRow>(ALL).fetch_all(self.file.readers()).await;
        rows.map_err(|error| HistoryError(error.to_string()))?.into_iter().map(ConsumerRow::read).collect()
    }

    async fn put(&self, position: &ConsumerPosition) -> Result<(), HistoryError> {
        let (name, at) = (position.name.to_string(), signed(position.updated_at.get()));
        let row = signed(position.position.get());
        let put = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(PUT).bind(name).bind(row).bind(at).execute(connection).await })
        });
        put.await.map(drop).map_err(|error| HistoryError(error.to_string()))
    }
}
