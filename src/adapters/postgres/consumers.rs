//! The positions of named consumers.

use async_trait::async_trait;
use journal::{ConsumerPosition, Consumers, HistoryError};
use sqlx::postgres::PgPool;

use super::connect::Postgres;
use crate::adapters::rows::{ConsumerRow, signed};

const ALL: &str = "SELECT name, position, updated_at FROM consumer ORDER BY name";
const PUT: &str = "INSERT INTO consumer (name, position, updated_at) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at";

/// The positions in PostgreSQL.
pub struct PostgresConsumers {
    pool: PgPool,
}

impl PostgresConsumers {
    /// The positions in this database. Connects to nothing yet.
    pub fn new(postgres: &Postgres) -> PostgresConsumers {
        PostgresConsumers { pool: postgres.helpers() }
    }
}

#[async_trait]
impl Consumers for PostgresConsumers {
    async fn all(&self) -> Result<Vec<ConsumerPosition>, HistoryError> {
        let rows = sqlx::query_as::<_, ConsumerRow>(ALL).fetch_all(&self.pool).await;
        rows.map_err(|error| HistoryError(error.to_string()))?.into_iter().map(ConsumerRow::read).collect()
    }

    async fn put(&self, position: &ConsumerPosition) -> Result<(), HistoryError> {
        let put = sqlx::query(PUT).bind(position.name.as_str()).bind(signed(position.position.get()));
        let put = put.bind(signed(position.updated_at.get())).execute(&self.pool).await;
        put.map(drop).map_err(|error| HistoryError(error.to_string()))
    }
}
