//! The API keys, in PostgreSQL. The service's role may only read them: what takes over a service makes no keys.

use async_trait::async_trait;
use journal::{KeyRecord, KeyStore, KeyStoreError};
use matching::Micros;
use sqlx::postgres::PgPool;

use super::connect::Postgres;
use crate::adapters::rows::{KeyRow, signed};

const ALL: &str = "SELECT id, generation, name, scopes, account, created_at, expires_at, revoked_at FROM api_key \
    ORDER BY created_at, id";
const ADD: &str = "INSERT INTO api_key (id, generation, name, scopes, account, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const REVOKE: &str = "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const ROTATE: &str = "UPDATE api_key SET generation = generation + 1 WHERE id = $1 AND revoked_at IS NULL \
    RETURNING generation";

/// What is done as the owner is kept, and short.
const OWNER_SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'";

/// The keys in PostgreSQL.
pub struct PostgresKeys {
    postgres: Postgres,
    readers: PgPool,
}

impl PostgresKeys {
    /// The keys in this database. Connects to nothing yet.
    pub fn new(postgres: &Postgres) -> PostgresKeys {
        PostgresKeys { postgres: postgres.clone(), readers: postgres.helpers() }
    }
}

#[async_trait]
impl KeyStore for PostgresKeys {
    async fn all(&self) -> Result<Vec<KeyRecord>, KeyStoreError> {
        let rows = sqlx::query_as::<_, KeyRow>(ALL).fetch_all(&self.readers).await;
        rows.map_err(failed)?.into_iter().map(KeyRow::read).collect()
    }

    async fn add(&self, key: &KeyRecord) -> Result<(), KeyStoreError> {
        let mut owner = self.postgres.as_owner(OWNER_SETTINGS).await.map_err(failed)?;
        let add = sqlx::query(ADD).bind(&key.id).bind(i64::from(key.generation)).bind(&key.name).bind(&key.scopes);
        let add = add.bind(key.account.as_ref().map(|account| account.as_str())).bind(signed(key.created_at.get()));
        add.bind(key.expires_at.map(|at| signed(at.get()))).execute(&mut owner).await.map(drop).map_err(failed)
    }

    async fn revoke(&self, id: &str, at: Micros) -> Result<bool, KeyStoreError> {
        let mut owner = self.postgres.as_owner(OWNER_SETTINGS).await.map_err(failed)?;
        let revoked = sqlx::query(REVOKE).bind(id).bind(signed(at.get())).execute(&mut owner).await;
        revoked.map(|done| done.rows_affected() > 0).map_err(failed)
    }

    async fn rotate(&self, id: &str) -> Result<Option<u32>, KeyStoreError> {
        let mut owner = self.postgres.as_owner(OWNER_SETTINGS).await.map_err(failed)?;
        let generation = sqlx::query_scalar::<_, i64>(ROTATE).bind(id).fetch_optional(&mut owner).await;
        Ok(generation.map_err(failed)?.and_then(|generation| u32::try_from(generation).ok()))
    }
}

fn failed(error: sqlx::Error) -> KeyStoreError {
    KeyStoreError(error.to_string())
}
