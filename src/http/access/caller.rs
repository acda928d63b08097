//! Who makes a request, as far as the service knows, and what that allows.

use std::fmt;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use matching::Account;

use super::authorize::unauthorized;
use super::limits::Counted;
use super::sessions::Session;
use crate::http::problem::{Code, Problem};
use crate::keys::{Key, Keyring, Scope};

/// Bits of an IPv6 address that one customer of a network has.
const CUSTOMER: u128 = !0 << 64;

/// Who makes a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// With DEBUG nobody is asked; and open routes ask nobody.
    Anyone {
        /// Where the request comes from.
        address: Option<IpAddr>,
        /// Whether that is with DEBUG.
        debug: bool,
    },
    /// Whoever has the ADMIN_TOKEN.
    Administrator,
    /// Whoever has an API key.
    Key(Arc<Key>),
    /// Whoever has logged in.
    Session(Arc<Session>),
}

impl Caller {
    /// Whether the caller may do what needs this scope.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Caller::Anyone { debug, .. } => *debug,
            _ => self.key().is_none_or(|key| key.allows(scope)),
        }
    }

    /// The key that was shown, now or when the session was opened.
    fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Caller::Key(key) => Some(key),
            Caller::Session(session) => session.key(),
            Caller::Anyone { .. } | Caller::Administrator => None,
        }
    }

    /// Whether nobody knows who it is, and without DEBUG somebody asks.
    pub fn is_stranger(&self) -> bool {
        matches!(self, Caller::Anyone { debug: false, .. })
    }

    /// The only account that the caller may act for and look at; none: all.
    pub fn account(&self) -> Option<&Account> {
        self.key().and_then(|key| key.account())
    }

    /// The account that a request is about, of which it names this one: another one than the caller's is refused, and
    /// without any it is the caller's own.
    pub fn acts_for(&self, named: Option<Account>) -> Result<Option<Account>, Problem> {
        match (self.account(), named) {
            (Some(own), Some(named)) if *own != named => {
                let detail = format!("the key is bound to the account {own} and cannot act for {named}");
                Err(Problem::new(Code::WrongAccount, detail).field("account"))
            }
            (Some(own), _) => Ok(Some(own.clone())),
            (None, named) => Ok(named),
        }
    }

    /// Whether the caller may look at what belongs to this account.
    pub fn sees(&self, account: Option<&Account>) -> bool {
        self.account().is_none_or(|own| Some(own) == account)
    }

    /// Refuses a caller who is bound to an account what is about all of them.
    pub fn sees_all(&self) -> Result<(), Problem> {
        match self.account() {
            None => Ok(()),
            Some(own) => {
                let detail = format!("the key is bound to the account {own}, and this is about all accounts");
                Err(Problem::new(Code::WrongAccount, detail))
            }
        }
    }

    /// Returns once the caller's credential does not hold any more.
    pub async fn until_ended(&self, keyring: &Keyring) {
        match self {
            Caller::Key(key) => keyring.until_ended(key).await,
            Caller::Session(session) => session.until_ended(keyring).await,
            Caller::Anyone { .. } | Caller::Administrator => std::future::pending().await,
        }
    }

    /// Whose requests this one is counted with.
    pub fn counted(&self) -> Counted {
        match self {
            Caller::Anyone { address: Some(IpAddr::V6(address)), .. } => {
                Counted::Address(Ipv6Addr::from_bits(address.to_bits() & CUSTOMER).into())
            }
            Caller::Anyone { address, .. } => Counted::Address(address.unwrap_or(Ipv6Addr::UNSPECIFIED.into())),
            _ => self.key().map_or(Counted::Administrator, |key| Counted::Key(key.id())),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.key()) {
            (Caller::Anyone { .. }, _) => f.write_str("anyone"),
            (_, None) => f.write_str("ADMIN_TOKEN"),
            (_, Some(key)) => write!(f, "key {}", key.id()),
        }
    }
}

/// Handlers ask for the caller, whom the way to them has found. A handler on another way gets none.
impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Caller, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Caller>().cloned().ok_or_else(unauthorized))
    }
}
