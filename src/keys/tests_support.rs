//! Keys in memory, for tests.

use std::sync::Mutex;

use async_trait::async_trait;
use journal::{KeyRecord, KeyStore, KeyStoreError};
use matching::Micros;

/// Keys in memory.
#[derive(Default)]
pub struct Keys(pub Mutex<Vec<KeyRecord>>);

#[async_trait]
impl KeyStore for Keys {
    async fn all(&self) -> Result<Vec<KeyRecord>, KeyStoreError> {
        Ok(self.0.lock().expect("the keys").clone())
    }

    async fn add(&self, key: &KeyRecord) -> Result<(), KeyStoreError> {
        self.0.lock().expect("the keys").push(key.clone());
        Ok(())
    }

    async fn revoke(&self, id: &str, at: Micros) -> Result<bool, KeyStoreError> {
        let mut keys = self.0.lock().expect("the keys");
        let key = keys.iter_mut().find(|key| key.id == id && key.revoked_at.is_none());
        Ok(key.map(|key| key.revoked_at = Some(at)).is_some())
    }

    async fn rotate(&self, id: &str) -> Result<Option<u32>, KeyStoreError> {
        let mut keys = self.0.lock().expect("the keys");
        let key = keys.iter_mut().find(|key| key.id == id && key.revoked_at.is_none());
        Ok(key.map(|key| {
            key.generation += 1;
            key.generation
        }))
    }
}

/// A key of these scopes.
pub fn record(id: &str, scopes: &str, account: Option<&str>) -> KeyRecord {
    KeyRecord {
        id: id.to_owned(),
        generation: 0,
        name: id.to_owned(),
        scopes: scopes.to_owned(),
        account: account.map(|account| account.parse().expect("an account")),
        created_at: Micros::ZERO,
        expires_at: None,
        revoked_at: None,
    }
}
