//! The keys that hold, in memory: requests are checked without asking the store. A task looks for changes every second,
//! so a new key works and a revoked one ends about a second later; while the store does not answer, what was known holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use journal::{KeyRecord, KeyStore, KeyStoreError};
use matching::{Account, Micros};
use tokio::sync::watch;

use super::{Scope, Scopes, parts, secret};
use crate::config::Secret;

/// How often the store is looked at: one small statement.
const LOOK: Duration = Duration::from_secs(1);

/// A key that holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    id: Arc<str>,
    generation: u32,
    scopes: Scopes,
    account: Option<Account>,
    secret: Secret,
    /// What a token's secret is compared with.
    hash: blake3::Hash,
}

impl Key {
    /// Its id.
    pub fn id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// Whether it may do what needs this scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }

    /// The only account that it may act for and look at.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// What it signs requests with.
    pub fn secret(&self) -> &[u8] {
        self.secret.expose().as_bytes()
    }
}

/// The keys that hold, by id; none before the store was read.
type Known = Option<HashMap<Arc<str>, Arc<Key>>>;

/// The keys that hold.
pub struct Keyring {
    secret_key: Option<Secret>,
    known: watch::Sender<Known>,
}

impl Keyring {
    /// A keyring that has not been filled. Without SECRET_KEY it stays empty: no key has a secret then.
    pub fn new(secret_key: Option<Secret>) -> Keyring {
        Keyring { secret_key, known: watch::Sender::new(None) }
    }

    /// Reads the store.
    pub async fn fill(&self, store: &dyn KeyStore) -> Result<(), KeyStoreError> {
        let records = store.all().await?;
        let now = now();
        let held = records.into_iter().filter(|record| holds(record, now)).filter_map(|record| self.key(record));
        let held: HashMap<Arc<str>, Arc<Key>> = held.map(|key| (key.id(), Arc::new(key))).collect();
        self.known.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&held);
            if changed {
                *known = Some(held);
            }
            changed
        });
        Ok(())
    }

    /// Keeps the keyring as the store is, for ever.
    pub async fn follow(self: Arc<Self>, store: Arc<dyn KeyStore>) {
        let mut reached = true;
        loop {
            tokio::time::sleep(LOOK).await;
            match self.fill(&*store).await {
                Ok(()) => reached = true,
                Err(error) if reached => {
                    reached = false;
                    tracing::warn!(%error, "keys that were made or revoked since are not known; the others hold");
                }
                Err(_) => {}
            }
        }
    }

    /// Whether the store was read.
    pub fn is_filled(&self) -> bool {
        self.known.borrow().is_some()
    }

    /// Whether no key holds.
    pub fn is_empty(&self) -> bool {
        self.known.borrow().as_ref().is_none_or(HashMap::is_empty)
    }

    /// The key of this id, if it holds.
    pub fn get(&self, id: &str) -> Option<Arc<Key>> {
        self.known.borrow().as_ref()?.get(id).cloned()
    }

    /// The key whose token this is.
    pub fn by_token(&self, token: &str) -> Option<Arc<Key>> {
        let (id, sent) = parts(token)?;
        // The comparison of hashes takes the same time wherever they differ.
        self.get(id).filter(|key| blake3::hash(sent.as_bytes()) == key.hash)
    }

    /// Whether a key that was shown before still holds, with the secret that it had.
    pub fn still_holds(&self, key: &Key) -> bool {
        self.get(&key.id).is_some_and(|now| *now == *key)
    }

    /// Returns once a key does not hold any more.
    pub async fn until_ended(&self, key: &Key) {
        let mut changes = self.changes();
        while self.still_holds(key) && changes.changed().await.is_ok() {}
    }

    /// Tells when keys were made, revoked or have expired.
    fn changes(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// A key with its secret. One whose scopes this release does not know may do nothing, and is left out.
    fn key(&self, record: KeyRecord) -> Option<Key> {
        let KeyRecord { id, generation, scopes, account, .. } = record;
        let secret = secret(self.secret_key.as_ref()?, &id, generation);
        let hash = blake3::hash(secret.as_bytes());
        Some(Key {
            scopes: scopes.parse().ok()?,
            secret: Secret::hidden(secret),
            id: id.into(),
            generation,
            account,
            hash,
        })
    }
}

fn holds(record: &KeyRecord, now: Micros) -> bool {
    record.revoked_at.is_none() && record.expires_at.is_none_or(|end| end > now)
}

/// The time by the wall clock, which is what expiries and signatures are meant by.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).ok().and_then(Micros::new).unwrap_or(Micros::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests_support::{Keys, record};
    use crate::keys::token;

    #[tokio::test]
    async fn a_key_holds_until_it_is_revoked_expires_or_gets_another_secret() {
        let secret_key = Secret::hidden("0123456789abcdef0123456789abcdef".to_owned());
        let store = Keys::default();
        let keyring = Keyring::new(Some(secret_key.clone()));
        let of = |id: &str, generation| token(id, &secret(&secret_key, id, generation));
        assert!(keyring.is_empty() && !keyring.is_filled());
        for id in ["a", "b", "c"] {
            store.add(&record(id, "trade", None)).await.expect("added");
        }
        store.add(&record("odd", "trade,fly", None)).await.expect("added");
        store.0.lock().expect("the keys")[2].expires_at = Some(Micros::ZERO);
        keyring.fill(&store).await.expect("filled");
        let changes = keyring.changes();
        let a = keyring.by_token(&of("a", 0)).expect("a key");
        assert!(keyring.by_token(&of("b", 0)).is_some());
        for token in
            [of("a", 1), of("c", 0), of("odd", 0), of("d", 0), of("a", 0).replace("pt_a", "pt_b"), of("a", 0) + "0"]
        {
            assert!(keyring.by_token(&token).is_none(), "{token}");
        }
        keyring.fill(&store).await.expect("filled");
        assert!(keyring.still_holds(&a) && !changes.has_changed().expect("a keyring"));
        assert_eq!(store.rotate("a").await, Ok(Some(1)));
        store.revoke("b", Micros::ZERO).await.expect("revoked");
        keyring.fill(&store).await.expect("filled");
        assert!(!keyring.still_holds(&a) && changes.has_changed().expect("a keyring"));
        assert!(keyring.by_token(&of("a", 0)).is_none() && keyring.by_token(&of("b", 0)).is_none());
        assert!(keyring.by_token(&of("a", 1)).is_some());
        let without = Keyring::new(None);
        without.fill(&store).await.expect("filled");
        assert!(without.is_filled() && without.is_empty());
    }
}
