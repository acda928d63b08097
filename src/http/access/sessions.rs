//! Who has logged in with a browser. A session is in memory only: after a restart, or a take-over by a standby, one logs in
//! again. It holds no longer than the credential that it was opened with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep_until;
use uuid::Uuid;

use crate::config::Secret;
use crate::keys::{Key, Keyring};

/// The cookie that holds a session's id.
pub const COOKIE: &str = "pricetime_session";
/// The header that holds its CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// A working day: then one logs in again.
pub const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at a time; of more, the oldest end. Each is a few hundred bytes.
const MOST: usize = 1_000;

/// What a session was opened with.
#[derive(Debug, Clone)]
pub enum Opened {
    /// The ADMIN_TOKEN, which is the same for as long as the process runs.
    Token,
    /// A key.
    Key(Arc<Key>),
}

/// A session.
#[derive(Debug)]
pub struct Session {
    opened: Opened,
    csrf: Secret,
    ends: Instant,
    /// Whether it was ended before its time.
    ended: watch::Sender<bool>,
}

impl Session {
    /// The key that it was opened with, if it was one.
    pub fn key(&self) -> Option<&Arc<Key>> {
        match &self.opened {
            Opened::Token => None,
            Opened::Key(key) => Some(key),
        }
    }

    /// What requests that change something say beside the cookie.
    pub fn csrf(&self) -> &str {
        self.csrf.expose()
    }

    fn holds(&self, keyring: &Keyring, now: Instant) -> bool {
        self.ends > now && self.key().is_none_or(|key| keyring.still_holds(key))
    }

    fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Returns once it does not hold any more.
    pub async fn until_ended(&self, keyring: &Keyring) {
        let mut ended = self.ended.subscribe();
        let key = async {
            match self.key() {
                Some(key) => keyring.until_ended(key).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = ended.wait_for(|ended| *ended) => {}
            () = sleep_until(self.ends.into()) => {}
            () = key => {}
        }
    }
}

/// A session that was just opened.
#[derive(Debug)]
pub struct New {
    /// What the cookie holds.
    pub id: String,
    /// What requests that change something say beside it.
    pub csrf: String,
}

/// The sessions, by the hash of their ids: what looks one up takes the same time for all ids.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<blake3::Hash, Arc<Session>>>);

impl Sessions {
    /// Opens a session.
    pub fn open(&self, opened: Opened, now: Instant) -> New {
        let new = New { id: random(), csrf: random() };
        let (csrf, ends) = (Secret::hidden(new.csrf.clone()), now + LIFETIME);
        let session = Session { opened, csrf, ends, ended: watch::Sender::new(false) };
        let mut sessions = self.sessions();
        if sessions.len() >= MOST {
            sessions.retain(|_, session| session.ends > now);
        }
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(id, _)| *id);
            if let Some(oldest) = oldest.and_then(|id| sessions.remove(&id)) {
                oldest.end();
            }
        }
        sessions.insert(blake3::hash(new.id.as_bytes()), Arc::new(session));
        new
    }

    /// The session of this id, if it holds.
    pub fn find(&self, id: &str, keyring: &Keyring, now: Instant) -> Option<Arc<Session>> {
        let mut sessions = self.sessions();
        let hash = blake3::hash(id.as_bytes());
        let session = sessions.get(&hash)?;
        if !session.holds(keyring, now) {
            sessions.remove(&hash);
            return None;
        }
        Some(Arc::clone(session))
    }

    /// Ends the session of this id, and whatever goes on in it.
    pub fn end(&self, id: &str) {
        if let Some(session) = self.sessions().remove(&blake3::hash(id.as_bytes())) {
            session.end();
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 244 random bits.
fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests_support::{Keys, record};
    use crate::keys::{secret, token};
    use journal::KeyStore;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_session_ends_by_itself_at_the_wish_of_its_owner_and_with_its_key() {
        let secret_key = Secret::hidden("0123456789abcdef0123456789abcdef".to_owned());
        let (keyring, store) = (Keyring::new(Some(secret_key.clone())), Keys::default());
        store.add(&record("a", "admin", None)).await.expect("added");
        keyring.fill(&store).await.expect("filled");
        let key = keyring.by_token(&token("a", &secret(&secret_key, "a", 0))).expect("a key");

        let (sessions, now) = (Sessions::default(), Instant::now());
        let [by_token, by_key, other] =
            [Opened::Token, Opened::Key(key), Opened::Token].map(|with| sessions.open(with, now));
        let find = |new: &New| sessions.find(&new.id, &keyring, now).expect("a session");
        assert!(find(&by_token).key().is_none() && find(&by_token).csrf() == by_token.csrf);
        assert!(find(&by_key).key().is_some());
        assert!(sessions.find("", &keyring, now).is_none() && sessions.find(&by_token.csrf, &keyring, now).is_none());
        assert_ne!(by_key.csrf, by_token.csrf);

        let ends = async |new: &New| timeout(Duration::ZERO, find(new).until_ended(&keyring)).await.is_ok();
        assert!(!ends(&by_token).await && !ends(&by_key).await);
        let (others, keys) = (find(&other), find(&by_key));
        sessions.end(&other.id);
        others.until_ended(&keyring).await;
        assert!(sessions.find(&other.id, &keyring, now).is_none());
        store.rotate("a").await.expect("rotated");
        keyring.fill(&store).await.expect("filled");
        keys.until_ended(&keyring).await;
        assert!(sessions.find(&by_key.id, &keyring, now).is_none(), "its key has another secret");
        assert!(sessions.find(&by_token.id, &keyring, now + LIFETIME).is_none());
        assert!(sessions.sessions().is_empty());
    }

    #[test]
    fn there_are_as_many_as_may_be_and_the_oldest_end() {
        let (sessions, keyring) = (Sessions::default(), Keyring::new(None));
        let now = Instant::now();
        let first = sessions.open(Opened::Token, now);
        let oldest = sessions.find(&first.id, &keyring, now).expect("a session");
        let later = now + Duration::from_secs(1);
        let others: Vec<New> = (0..MOST).map(|_| sessions.open(Opened::Token, later)).collect();
        assert!(sessions.find(&first.id, &keyring, now).is_none() && *oldest.ended.borrow());
        assert!(others.iter().all(|new| sessions.find(&new.id, &keyring, now).is_some()));
    }
}
