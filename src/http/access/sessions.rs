//! Who has logged in with a browser. A session is in memory only: after a restart, or a take-over by a standby, one logs in
//! again. It holds no longer than the credential that it was opened with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Caller;
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

struct Session {
    opened: Opened,
    csrf: String,
    ends: Instant,
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
pub struct Sessions(Mutex<HashMap<blake3::Hash, Session>>);

impl Sessions {
    /// Opens a session.
    pub fn open(&self, opened: Opened, now: Instant) -> New {
        let new = New { id: random(), csrf: random() };
        let session = Session { opened, csrf: new.csrf.clone(), ends: now + LIFETIME };
        let mut sessions = self.sessions();
        if sessions.len() >= MOST {
            sessions.retain(|_, session| session.ends > now);
        }
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(id, _)| *id);
            oldest.map(|id| sessions.remove(&id));
        }
        sessions.insert(blake3::hash(new.id.as_bytes()), session);
        new
    }

    /// Who has the session of this id, and its CSRF token.
    pub fn find(&self, id: &str, keyring: &Keyring, now: Instant) -> Option<(Caller, String)> {
        let mut sessions = self.sessions();
        let hash = blake3::hash(id.as_bytes());
        let session = sessions.get(&hash)?;
        let holds = match &session.opened {
            Opened::Token => true,
            Opened::Key(key) => keyring.still_holds(key),
        };
        if !holds || session.ends <= now {
            sessions.remove(&hash);
            return None;
        }
        let caller = match &session.opened {
            Opened::Token => Caller::Administrator,
            Opened::Key(key) => Caller::Key(Arc::clone(key)),
        };
        Some((caller, session.csrf.clone()))
    }

    /// Ends the session of this id.
    pub fn end(&self, id: &str) {
        self.sessions().remove(&blake3::hash(id.as_bytes()));
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Session>> {
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
    use crate::config::Secret;
    use crate::keys::tests_support::{Keys, record};
    use crate::keys::{secret, token};
    use journal::KeyStore;

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
        assert!(
            matches!(sessions.find(&by_token.id, &keyring, now), Some((Caller::Administrator, csrf)) if csrf == by_token.csrf)
        );
        assert!(matches!(sessions.find(&by_key.id, &keyring, now), Some((Caller::Key(_), _))));
        assert!(sessions.find("", &keyring, now).is_none() && sessions.find(&by_token.csrf, &keyring, now).is_none());
        assert_ne!(by_key.csrf, by_token.csrf);

        sessions.end(&other.id);
        assert!(sessions.find(&other.id, &keyring, now).is_none());
        store.rotate("a").await.expect("rotated");
        keyring.fill(&store).await.expect("filled");
        assert!(sessions.find(&by_key.id, &keyring, now).is_none(), "its key has another secret");
        assert!(sessions.find(&by_token.id, &keyring, now + LIFETIME).is_none());
        assert!(sessions.sessions().is_empty());
    }

    #[test]
    fn there_are_as_many_as_may_be_and_the_oldest_end() {
        let (sessions, keyring) = (Sessions::default(), Keyring::new(None));
        let now = Instant::now();
        let first = sessions.open(Opened::Token, now);
        let later = now + Duration::from_secs(1);
        let others: Vec<New> = (0..MOST).map(|_| sessions.open(Opened::Token, later)).collect();
        assert!(sessions.find(&first.id, &keyring, now).is_none());
        assert!(others.iter().all(|new| sessions.find(&new.id, &keyring, now).is_some()));
    }
}
