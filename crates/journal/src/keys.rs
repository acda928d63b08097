//! API keys as they are kept: who may do what. No secret is among it; a key's secret is made anew from the service's own.

use async_trait::async_trait;
use matching::{Account, Micros};

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id: what a request names it by.
    pub id: String,
    /// How often its secret was replaced; the secret depends on it.
    pub generation: u32,
    /// What people call it.
    pub name: String,
    /// What it may do: words, comma separated.
    pub scopes: String,
    /// The only account that it may act for and look at; none: all.
    pub account: Option<Account>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends; none: never.
    pub expires_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// The keys cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the API keys cannot be reached: {0}")]
pub struct KeyStoreError(pub String);

/// The keys. The service only reads them; they are made and revoked by the command line.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// All of them, also those that have ended, oldest first.
    async fn all(&self) -> Result<Vec<KeyRecord>, KeyStoreError>;

    /// Adds a key; returns once it is on disk.
    async fn add(&self, key: &KeyRecord) -> Result<(), KeyStoreError>;

    /// Ends a key; false if there is none of this id that has not been revoked already.
    async fn revoke(&self, id: &str, at: Micros) -> Result<bool, KeyStoreError>;

    /// Gives a key another secret, so that the old one ends; its new generation, none if there is no such key in force.
    async fn rotate(&self, id: &str) -> Result<Option<u32>, KeyStoreError>;
}
