//! API keys: what they may do, and how the service knows that somebody has one.
//!
//! Invariant: no secret is kept anywhere. A key's secret is made of SECRET_KEY, its id and its generation whenever it is
//! needed, so whoever reads the database learns no secret, and a new SECRET_KEY ends all keys.

mod keyring;
pub mod replay;
pub mod signature;
#[cfg(test)]
pub mod tests_support;

pub use keyring::{Key, Keyring, now};

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Secret;

/// HMAC-SHA256: of secrets and of requests.
pub type HmacSha256 = Hmac<Sha256>;

/// What a bearer token begins with, so that programs that look for leaked secrets know it.
const TOKEN_PREFIX: &str = "pt_";
/// The length of a key's id.
const ID_LENGTH: usize = 12;

/// What a credential allows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Place, cancel and amend orders.
    Trade,
    /// Look at orders, markets and events.
    Read,
    /// Everything.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 3] = [Scope::Trade, Scope::Read, Scope::Admin];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Trade => "trade",
            Scope::Read => "read",
            Scope::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Scope, UnknownScope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope; the scopes are trade, read and admin")]
pub struct UnknownScope(String);

/// Some scopes.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether they allow what needs this one: `admin` allows everything.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Scopes, UnknownScope> {
        text.split(',').map(str::trim).map(str::parse).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = Scope::ALL.into_iter().filter(|scope| self.0 & scope.bit() != 0);
        f.write_str(&held.map(Scope::as_str).collect::<Vec<_>>().join(","))
    }
}

/// An id for a new key: 48 random bits.
pub fn new_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(ID_LENGTH);
    id
}

/// The secret of a key, in hexadecimal.
pub fn secret(secret_key: &Secret, id: &str, generation: u32) -> String {
    let mut mac = hmac(secret_key.expose().as_bytes());
    mac.update(format!("pricetime api key\n{id}\n{generation}").as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// What a client sends as its bearer token: the key's id and its secret.
pub fn token(id: &str, secret: &str) -> String {
    format!("{TOKEN_PREFIX}{id}_{secret}")
}

/// The id and the secret that a token is made of.
fn parts(token: &str) -> Option<(&str, &str)> {
    token.strip_prefix(TOKEN_PREFIX)?.split_once('_')
}

/// Whether two secrets are the same, in a time that does not tell how they differ: what is compared are hashes, and
/// their comparison takes the same time wherever they differ.
pub fn same(sent: &[u8], expected: &[u8]) -> bool {
    blake3::hash(sent) == blake3::hash(expected)
}

/// # Panics
/// Never: HMAC takes keys of any length.
fn hmac(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).unwrap_or_else(|error| panic!("HMAC takes any key: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Secret {
        Secret::hidden("0123456789abcdef0123456789abcdef".to_owned())
    }

    #[test]
    fn a_secret_depends_on_all_that_it_is_made_of() {
        let other = Secret::hidden("another".to_owned());
        let secrets = [
            secret(&key(), "a", 0),
            secret(&key(), "a", 1),
            secret(&key(), "b", 0),
            secret(&key(), "a\n0", 0),
            secret(&other, "a", 0),
        ];
        for (index, one) in secrets.iter().enumerate() {
            assert_eq!(one.len(), 64);
            assert!(!secrets[..index].contains(one));
        }
        assert_eq!(secret(&key(), "a", 0), secrets[0]);
        // Keys that are in use must stay what they are: printf 'pricetime api key\na\n0' | openssl dgst -sha256 -hmac …
        assert_eq!(secrets[0], "a7a48cb243425bbb27bde1298489923eaf6504ce3d3efe60b72bbdb0a1ae9f77");
    }

    #[test]
    fn a_token_has_its_parts() {
        let id = new_id();
        assert_eq!(id.len(), ID_LENGTH);
        assert_ne!(id, new_id());
        assert_eq!(parts(&token(&id, "5ec")), Some((id.as_str(), "5ec")));
        for wrong in ["", "pt_", "pt_abc", "abc_def", "PT_a_b"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn scopes_are_read_shown_and_asked() {
        let scopes: Scopes = "read, trade".parse().expect("scopes");
        assert_eq!(scopes.to_string(), "trade,read");
        assert!(scopes.allow(Scope::Read) && scopes.allow(Scope::Trade) && !scopes.allow(Scope::Admin));
        let admin: Scopes = "admin".parse().expect("scopes");
        assert!(Scope::ALL.into_iter().all(|scope| admin.allow(scope)));
        assert!("read,write".parse::<Scopes>().is_err() && "".parse::<Scopes>().is_err());
        assert!(!Scopes::from_iter([]).allow(Scope::Read));
    }
}
