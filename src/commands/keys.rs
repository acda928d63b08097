//! `pricetime keys`: makes, lists and revokes API keys, beside a running service or before its first start.

use journal::KeyRecord;
use matching::{Account, Micros};
use serde::Serialize;

use super::{say, say_json};
use crate::config::{Secret, Settings};
use crate::exit::End;
use crate::keys::{self, Scope, Scopes};
use crate::storage;
use crate::views::utc;

const DAY_MICROS: u64 = 24 * 60 * 60 * 1_000_000;
/// A name is for lists; longer ones are a mistake.
const MAX_NAME: usize = 64;

/// A key that is wanted.
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The only account that it may act for.
    pub account: Option<Account>,
    /// How many days it holds.
    pub days: Option<u64>,
}

#[derive(Serialize)]
struct Made<'a> {
    id: &'a str,
    token: &'a str,
}

#[derive(Serialize)]
struct Listed {
    id: String,
    name: String,
    scopes: String,
    account: Option<Account>,
    generation: u32,
    created_at: Micros,
    expires_at: Option<Micros>,
    revoked_at: Option<Micros>,
    state: &'static str,
}

/// Makes a key and prints its token.
pub async fn make(settings: &Settings, wanted: NewKey, json: bool) -> Result<(), End> {
    let secret_key = secret_key(settings)?;
    let NewKey { name, scopes, account, days } = wanted;
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(End::Usage(format!("a key's name has 1 to {MAX_NAME} bytes and no control characters")));
    }
    if account.is_some() && scopes.allow(Scope::Admin) {
        let text = "a key with the scope admin cannot be bound to an account: leave --account or admin out";
        return Err(End::Usage(text.to_owned()));
    }
    let now = keys::now();
    let record = KeyRecord {
        id: keys::new_id(),
        generation: 0,
        name,
        scopes: scopes.to_string(),
        account,
        created_at: now,
        expires_at: days.and_then(|days| Micros::new(now.get().saturating_add(days.saturating_mul(DAY_MICROS)))),
        revoked_at: None,
    };
    storage::keys(settings).await?.add(&record).await?;
    show(secret_key, &record.id, record.generation, json)
}

/// Gives a key another secret and prints its token.
pub async fn rotate(settings: &Settings, id: &str, json: bool) -> Result<(), End> {
    let secret_key = secret_key(settings)?;
    match storage::keys(settings).await?.rotate(id).await? {
        Some(generation) => show(secret_key, id, generation, json),
        None => Err(unknown(id)),
    }
}

/// Ends a key.
pub async fn revoke(settings: &Settings, id: &str) -> Result<(), End> {
    if storage::keys(settings).await?.revoke(id, keys::now()).await? {
        say(format!("the key {id} is revoked; a running service refuses it within two seconds"))
    } else {
        Err(unknown(id))
    }
}

/// Lists all keys.
pub async fn list(settings: &Settings, json: bool) -> Result<(), End> {
    let records = storage::keys(settings).await?.all().await?;
    if records.is_empty() && !json {
        return say("there is no key yet; `pricetime keys make <name> --scopes trade,read` makes one");
    }
    let now = keys::now();
    for record in records {
        let listed = Listed::of(record, now);
        if json {
            say_json(&listed)?;
        } else {
            let Listed { id, name, scopes, account, created_at, state, .. } = listed;
            let account = account.map(|account| format!("  account {account}")).unwrap_or_default();
            say(format!("{id}  {state:<7}  {scopes:<16}  made {}  {name}{account}", utc(created_at)))?;
        }
    }
    Ok(())
}

impl Listed {
    fn of(record: KeyRecord, now: Micros) -> Listed {
        let KeyRecord { id, generation, name, scopes, account, created_at, expires_at, revoked_at } = record;
        let state = match (revoked_at, expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            _ => "active",
        };
        Listed { id, name, scopes, account, generation, created_at, expires_at, revoked_at, state }
    }
}

/// Without a proper SECRET_KEY the token would be worth nothing.
fn secret_key(settings: &Settings) -> Result<&Secret, End> {
    match (settings.secret_key_problem(), &settings.secret_key) {
        (None, Some(secret_key)) => Ok(secret_key),
        (problem, _) => Err(End::Configuration(problem.into_iter().collect())),
    }
}

fn show(secret_key: &Secret, id: &str, generation: u32, json: bool) -> Result<(), End> {
    let token = keys::token(id, &keys::secret(secret_key, id, generation));
    if json {
        return say_json(&Made { id, token: &token });
    }
    say(format!("key {id}; its token is shown this once:"))?;
    say(token)
}

fn unknown(id: &str) -> End {
    End::Usage(format!("there is no key {id:?} in force; `pricetime keys list` shows all"))
}
