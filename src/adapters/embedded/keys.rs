//! The API keys, in the file.

use async_trait::async_trait;
use journal::{KeyRecord, KeyStore, KeyStoreError};
use matching::Micros;
use sqlx::Row;

use super::file::Embedded;
use crate::adapters::rows::{KeyRow, signed};

const ALL: &str = "SELECT id, generation, name, scopes, account, created_at, expires_at, revoked_at FROM api_key \
    ORDER BY created_at, id";
const ADD: &str = "INSERT INTO api_key (id, generation, name, scopes, account, created_at, expires_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const REVOKE: &str = "UPDATE api_key SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
const ROTATE: &str = "UPDATE api_key SET generation = generation + 1 WHERE id = ?1 AND revoked_at IS NULL \
    RETURNING generation";

/// The keys in the file.
pub struct EmbeddedKeys {
    file: Embedded,
}

impl EmbeddedKeys {
    /// The keys in this file.
    pub fn new(file: &Embedded) -> EmbeddedKeys {
        EmbeddedKeys { file: file.clone() }
    }
}

#[async_trait]
impl KeyStore for EmbeddedKeys {
    async fn all(&self) -> Result<Vec<KeyRecord>, KeyStoreError> {
        let rows = sqlx::query_as::<_, KeyRow>(ALL).fetch_all(self.file.readers()).await;
        rows.map_err(failed)?.into_iter().map(KeyRow::read).collect()
    }

    async fn add(&self, key: &KeyRecord) -> Result<(), KeyStoreError> {
        let key = key.clone();
        let added = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let add = sqlx::query(ADD).bind(key.id).bind(i64::from(key.generation)).bind(key.name).bind(key.scopes);
                let add = add.bind(key.account.map(String::from)).bind(signed(key.created_at.get()));
                add.bind(key.expires_at.map(|at| signed(at.get()))).execute(connection).await
            })
        });
        added.await.map(drop).map_err(failed)
    }

    async fn revoke(&self, id: &str, at: Micros) -> Result<bool, KeyStoreError> {
        let (id, at) = (id.to_owned(), signed(at.get()));
        let revoked = self.file.writer().change(move |connection| {
            Box::pin(async move { sqlx::query(REVOKE).bind(id).bind(at).execute(connection).await })
        });
        revoked.await.map(|done| done.rows_affected() > 0).map_err(failed)
    }

    async fn rotate(&self, id: &str) -> Result<Option<u32>, KeyStoreError> {
        let id = id.to_owned();
        let rotated = self.file.writer().change(move |connection| {
            Box::pin(async move {
                let row = sqlx::query(ROTATE).bind(id).fetch_optional(connection).await?;
                row.map(|row| row.try_get::<i64, _>(0)).transpose()
            })
        });
        Ok(rotated.await.map_err(failed)?.and_then(|generation| u32::try_from(generation).ok()))
    }
}

fn failed(error: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError(error.to_string())
}
