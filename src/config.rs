//! The settings of the service, from the environment and `.env`.
//!
//! All problems are found and reported at once; each says which setting, what is wrong and what to do. Secrets are never
//! shown. What settings there are stands in [`table::SETTINGS`] and nowhere else.

mod files;
mod hosts;
mod openings;
mod secret;
mod sources;
pub mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use actors::Reopening;
use matching::Symbol;
use matching::router::MAX_SYMBOLS;

pub use hosts::AllowedHosts;
pub use secret::Secret;
use sources::Reader;
pub use sources::{Effective, Origin};

/// What to do about ALLOWED_HOSTS.
const LIST_HOSTS: &str = "list the names that clients use, without ports, such as localhost,127.0.0.1,api.example.com";
/// The shortest admin token: 32 characters of hexadecimal are 128 bits.
const ADMIN_TOKEN_LENGTH: usize = 32;
/// In seconds: a market has moved by then, and a restart is over.
const DEFAULT_MAX_QUEUE_AGE: u64 = 5;
/// A second, of one key: a busy program's, and a small part of what the service does.
const DEFAULT_RATE_LIMIT_ORDERS: u32 = 1_000;
/// Twice as many, so that whoever placed orders can also cancel them.
const DEFAULT_RATE_LIMIT_CANCELS: u32 = 2_000;
/// As many as orders: a program that looks after each of them.
const DEFAULT_RATE_LIMIT_READS: u32 = 1_000;
/// The smallest body limit that every valid order and cancel fits in, with room.
const SMALLEST_BODY_LIMIT: usize = 1_024;

/// The settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What the service stands on.
    pub storage: Storage,
    /// Where archived rows of the log are.
    pub archive_dir: PathBuf,
    /// Whether the debug routes are open to everyone.
    pub debug: bool,
    /// Host names that requests may ask for.
    pub allowed_hosts: AllowedHosts,
    /// The administrator's credential.
    pub admin_token: Option<Secret>,
    /// What the secrets of API keys are made of.
    pub secret_key: Option<Secret>,
    /// Listed on the very first start.
    pub symbols: Vec<Symbol>,
    /// Whether an order for an unlisted symbol lists it.
    pub auto_list_symbols: bool,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Time between two snapshots.
    pub snapshot_interval: Duration,
    /// Snapshots that are kept.
    pub retain_snapshots: usize,
    /// Closed orders that are kept in the ledger.
    pub retain_closed_orders: u64,
    /// Executed stream entries that are kept.
    pub queue_retention_entries: u64,
    /// An order that waited for longer is refused as stale; none: it may wait for ever.
    pub max_queue_age: Option<Duration>,
    /// How markets open again after a start that follows no clean stop; none with DEBUG: at once.
    pub reopening: Option<Reopening>,
    /// Orders that may wait for their commit.
    pub max_lag_orders: usize,
    /// Cancels that may wait for their commit.
    pub max_lag_cancels: usize,
    /// How long the oldest command may have waited for an order to be taken, while the log commits.
    pub max_lag: Duration,
    /// How many clients may be connected at once.
    pub max_connections: usize,
    /// How many WebSockets may be open at once.
    pub max_sockets: usize,
    /// Orders and amends a second of one key; none: any number.
    pub rate_limit_orders: Option<NonZero<u32>>,
    /// Cancels a second of one key; none: any number.
    pub rate_limit_cancels: Option<NonZero<u32>>,
    /// Questions a second of one key; none: any number.
    pub rate_limit_reads: Option<NonZero<u32>>,
    /// Whether to start on servers that may lose what they acknowledge.
    pub allow_unsafe_durability: bool,
    /// Replicas of Redis that must have a command before it is acknowledged.
    pub queue_replicas_ack: u32,
    /// Time from the beginning of one proof of the log to the next.
    pub audit_period: Duration,
    /// How long the service waits before it ends because it is fenced or the log is damaged.
    pub final_exit_delay: Duration,
    /// What is logged.
    pub log_filter: String,
    /// How it is written.
    pub log_format: LogFormat,
    /// Whether the demonstration runs: only `serve --demo` sets it.
    pub demo: bool,
    /// Every setting with what holds and where it is from; secrets are redacted.
    pub effective: Vec<Effective>,
}

/// What the service stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// One local file; no server.
    Embedded {
        /// The folder that it is in.
        data_dir: PathBuf,
    },
    /// Redis and PostgreSQL.
    Full {
        /// Where Redis is.
        redis_url: Secret,
        /// Where PostgreSQL is.
        database_url: Secret,
    },
}

/// How log lines are written.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// A setting that keeps the service from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {wrong}; {remedy}")]
pub struct Problem {
    /// Which setting.
    pub name: String,
    /// What is wrong with it.
    pub wrong: String,
    /// What to do.
    pub remedy: String,
}

/// Something about the settings that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Settings {
    /// Reads the process's environment and `.env` of the working directory.
    pub fn load() -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
        let (dotenv, mut unreadable) = sources::read_dotenv(".env".as_ref());
        match Settings::from_sources(sources::environment(), dotenv) {
            Ok(settings) if unreadable.is_empty() => Ok(settings),
            Ok(_) => Err(unreadable),
            Err(problems) => {
                unreadable.extend(problems);
                Err(unreadable)
            }
        }
    }

    /// The settings that these variables give. The environment wins over `.env`, and in the two together the prefix over
    /// the bare name, the bare name over an alias. An empty value is as good as none.
    pub fn from_sources(
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
        let mut reader = Reader::new(environment, dotenv);
        let host = reader.read("HOST", address);
        let port = reader.read("PORT", |text| number::<u16>(text, 0, u16::MAX));
        let storage = storage(&mut reader);
        let archive_dir = archive_dir(&mut reader);
        let local = host.is_some_and(|host| host.is_loopback());
        if local && matches!(storage, Some(Storage::Embedded { .. })) {
            reader.set_default("DEBUG", "true");
        }
        let debug = reader.read("DEBUG", boolean);
        let allowed_hosts = reader.read("ALLOWED_HOSTS", allowed_hosts);
        let admin_token = reader.read_optional("ADMIN_TOKEN", admin_token);
        let secret_key = reader.read_optional("SECRET_KEY", |text| Ok(Secret::hidden(text.to_owned())));
        let symbols = reader.read("SYMBOLS", symbols);
        let auto_list_symbols = reader.read("AUTO_LIST_SYMBOLS", boolean);
        let max_body_bytes = reader.read("MAX_BODY_BYTES", |text| number(text, SMALLEST_BODY_LIMIT, 16 << 20));
        let snapshot_interval = reader.read("SNAPSHOT_INTERVAL", |text| number::<u64>(text, 1, 7 * 24 * 3600));
        let retain_snapshots = reader.read("RETAIN_SNAPSHOTS", |text| number(text, 1, 10_000));
        let retain_closed_orders = reader.read("RETAIN_CLOSED_ORDERS", |text| number(text, 0, 1_000_000_000));
        let queue_retention_entries = reader.read("QUEUE_RETENTION_ENTRIES", |text| number(text, 0, 1_000_000_000));
        let max_queue_age = max_queue_age(&mut reader, debug == Some(true));
        let cancel_only = reader.read("REOPEN_CANCEL_ONLY", reopening_seconds);
        let post_only = reader.read("REOPEN_POST_ONLY", reopening_seconds);
        let max_lag_orders = reader.read("MAX_LAG_ORDERS", |text| number(text, 1, 10_000_000));
        let max_lag_cancels = reader.read("MAX_LAG_CANCELS", |text| number(text, 1, 10_000_000));
        let max_lag = reader.read("MAX_LAG_MS", |text| number::<u64>(text, 1, 3_600_000));
        let max_connections = reader.read("MAX_CONNECTIONS", |text| number(text, 1, 1_000_000));
        let max_sockets = reader.read("MAX_SOCKETS", |text| number(text, 0, 1_000_000));
        let rate_limit_orders = rate_limit(&mut reader, "RATE_LIMIT_ORDERS", DEFAULT_RATE_LIMIT_ORDERS, debug);
        let rate_limit_cancels = rate_limit(&mut reader, "RATE_LIMIT_CANCELS", DEFAULT_RATE_LIMIT_CANCELS, debug);
        let rate_limit_reads = rate_limit(&mut reader, "RATE_LIMIT_READS", DEFAULT_RATE_LIMIT_READS, debug);
        let allow_unsafe_durability = reader.read("ALLOW_UNSAFE_DURABILITY", boolean);
        let queue_replicas_ack = reader.read("QUEUE_REPLICAS_ACK", |text| number::<u32>(text, 0, 100));
        let audit_period = reader.read("AUDIT_PERIOD", |text| number::<u64>(text, 1, 7 * 24 * 3600));
        let final_exit_delay = reader.read("FINAL_EXIT_DELAY", |text| number::<u64>(text, 0, 3600));
        let log_filter = reader.read("RUST_LOG", log_filter);
        let log_format = reader.read("LOG_FORMAT", log_format);
        let (effective, warnings, problems) = reader.finish();
        // A setting that could not be read has left a problem behind.
        let settings = move || {
            Some(Settings {
                listen: SocketAddr::new(host?, port?),
                storage: storage?,
                archive_dir: archive_dir?,
                debug: debug?,
                allowed_hosts: allowed_hosts?,
                admin_token,
                secret_key,
                symbols: symbols?,
                auto_list_symbols: auto_list_symbols?,
                max_body_bytes: max_body_bytes?,
                snapshot_interval: Duration::from_secs(snapshot_interval?),
                retain_snapshots: retain_snapshots?,
                retain_closed_orders: retain_closed_orders?,
                queue_retention_entries: queue_retention_entries?,
                max_queue_age: max_queue_age?,
                reopening: {
                    let reopening = Reopening { cancel_only: cancel_only?, post_only: post_only? };
                    (debug == Some(false)).then_some(reopening)
                },
                max_lag_orders: max_lag_orders?,
                max_lag_cancels: max_lag_cancels?,
                max_lag: Duration::from_millis(max_lag?),
                max_connections: max_connections?,
                max_sockets: max_sockets?,
                rate_limit_orders: rate_limit_orders?,
                rate_limit_cancels: rate_limit_cancels?,
                rate_limit_reads: rate_limit_reads?,
                allow_unsafe_durability: allow_unsafe_durability?,
                queue_replicas_ack: queue_replicas_ack?,
                audit_period: Duration::from_secs(audit_period?),
                final_exit_delay: Duration::from_secs(final_exit_delay?),
                log_filter: log_filter?,
                log_format: log_format?,
                demo: false,
                effective,
            })
        };
        match settings() {
            Some(settings) if problems.is_empty() => Ok((settings, warnings)),
            _ => Err(problems),
        }
    }
}

/// Why a text is no value of a setting: what is wrong, and what to do.
type Invalid = (String, String);

fn storage(reader: &mut Reader) -> Option<Storage> {
    let redis_given = reader.is_given("REDIS_URL");
    let database_given = reader.is_given("DATABASE_URL");
    let parts = ["POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_HOST", "POSTGRES_PORT"];
    let parts_given = parts.iter().any(|name| reader.is_given(name));
    let redis_url = reader.read_optional("REDIS_URL", redis_url);
    let database_url = reader.read_optional("DATABASE_URL", database_url);
    let composed = if database_given { None } else { parts_given.then(|| composed_url(reader)).flatten() };
    match (redis_given, database_given || parts_given) {
        (true, true) => {}
        (true, false) => reader.problem(
            "DATABASE_URL",
            "is not set although REDIS_URL is",
            "give both: DATABASE_URL=postgres://user:password@host:5432/name, or POSTGRES_DB and POSTGRES_USER",
        ),
        (false, true) => {
            reader.problem("REDIS_URL", "is not set although PostgreSQL is", "give both: REDIS_URL=redis://host:6379/0")
        }
        (false, false) => {
            let data_dir = reader.read("DATA_DIR", |text| Ok(PathBuf::from(text)))?;
            return Some(Storage::Embedded { data_dir });
        }
    }
    Some(Storage::Full { redis_url: redis_url?, database_url: database_url.or(composed)? })
}

fn archive_dir(reader: &mut Reader) -> Option<PathBuf> {
    let path = |text: &str| Ok(PathBuf::from(text));
    let given = reader.read_optional("ARCHIVE_DIR", path);
    given.or_else(|| reader.read("DATA_DIR", path).map(|folder| folder.join("archive")))
}

/// The database's address put together from its parts, as the original has them.
fn composed_url(reader: &mut Reader) -> Option<Secret> {
    let name = reader.require("POSTGRES_DB", "set it to the database's name, or give DATABASE_URL");
    let user = reader.require("POSTGRES_USER", "set it to the database's user, or give DATABASE_URL");
    let password = reader.read_optional("POSTGRES_PASSWORD", |text| Ok(Secret::hidden(text.to_owned())));
    let host = reader.read("POSTGRES_HOST", |text| Ok(text.to_owned()));
    let port = reader.read("POSTGRES_PORT", |text| number::<u16>(text, 1, u16::MAX));
    let password = password.map(|password| format!(":{}", percent_encoded(password.expose()))).unwrap_or_default();
    let (user, name) = (percent_encoded(&user?), percent_encoded(&name?));
    let url = format!("postgres://{user}{password}@{}:{}/{name}", host?, port?);
    match database_url(&url) {
        Ok(url) => Some(url),
        Err((wrong, _)) => {
            reader.problem(
                "POSTGRES_HOST",
                &format!("with the other POSTGRES_ names {wrong}"),
                "give a host name or an address",
            );
            None
        }
    }
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// The parsers' own words may repeat the address, and with it the password: they are not passed on.
fn redis_url(text: &str) -> Result<Secret, Invalid> {
    match redis::Client::open(text) {
        Ok(_) => Ok(Secret::url(text.to_owned())),
        Err(_) => Err(("is no address of a Redis".into(), "write it as redis://user:password@host:6379/0".into())),
    }
}

fn database_url(text: &str) -> Result<Secret, Invalid> {
    let scheme = text.starts_with("postgres://") || text.starts_with("postgresql://");
    match sqlx::postgres::PgConnectOptions::from_str(text) {
        Ok(_) if scheme => Ok(Secret::url(text.to_owned())),
        _ => Err((
            "is no address of a PostgreSQL database".into(),
            "write it as postgres://user:password@host:5432/name, other characters than letters and digits as %XX"
                .into(),
        )),
    }
}

/// The age at which a waiting order is stale; none inside when it never is.
fn max_queue_age(reader: &mut Reader, debug: bool) -> Option<Option<Duration>> {
    let seconds = match reader.read_optional("MAX_QUEUE_AGE", |text| number::<u64>(text, 0, 24 * 3600)) {
        Some(seconds) => seconds,
        None if reader.is_given("MAX_QUEUE_AGE") => return None,
        None if debug => 0,
        None => DEFAULT_MAX_QUEUE_AGE,
    };
    Some((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// A limit of a rate, a second; none inside where there is none.
fn rate_limit(reader: &mut Reader, name: &str, default: u32, debug: Option<bool>) -> Option<Option<NonZero<u32>>> {
    let rate = match reader.read_optional(name, |text| number::<u32>(text, 0, 1_000_000)) {
        Some(rate) => rate,
        None if reader.is_given(name) => return None,
        None if debug == Some(true) => 0,
        None => default,
    };
    Some(NonZero::new(rate))
}

/// How long a phase of a reopening lasts: at most a day, for whoever comes back then decides by hand.
fn reopening_seconds(text: &str) -> Result<Duration, Invalid> {
    number::<u64>(text, 0, 24 * 3600).map(Duration::from_secs)
}

fn address(text: &str) -> Result<IpAddr, Invalid> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let remedy = "give an IP address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them";
    text.parse().map_err(|_| (format!("is {text:?}, which is no IP address"), remedy.to_owned()))
}

fn number<T: FromStr + PartialOrd + fmt::Display>(text: &str, least: T, most: T) -> Result<T, Invalid> {
    match text.parse::<T>() {
        Ok(number) if least <= number && number <= most => Ok(number),
        _ => Err((format!("is {text:?}"), format!("give a whole number from {least} to {most}"))),
    }
}

fn boolean(text: &str) -> Result<bool, Invalid> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err((format!("is {text:?}"), "give true or false".to_owned())),
    }
}

fn allowed_hosts(text: &str) -> Result<AllowedHosts, Invalid> {
    AllowedHosts::parse(text).map_err(|wrong| (wrong, LIST_HOSTS.to_owned()))
}

fn admin_token(text: &str) -> Result<Secret, Invalid> {
    let length = text.chars().count();
    if length >= ADMIN_TOKEN_LENGTH && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(Secret::hidden(text.to_owned()));
    }
    let wrong = if length < ADMIN_TOKEN_LENGTH {
        format!("has {length} characters")
    } else {
        "holds characters that do not fit a header".to_owned()
    };
    Err((
        wrong,
        format!("give {ADMIN_TOKEN_LENGTH} or more letters and digits, for example from `openssl rand -hex 32`"),
    ))
}

fn symbols(text: &str) -> Result<Vec<Symbol>, Invalid> {
    let remedy = || format!("list at most {MAX_SYMBOLS} symbols such as BTC_USDT, each once, comma separated");
    let mut symbols: Vec<Symbol> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let symbol: Symbol = name.parse().map_err(|error| (format!("holds {name:?}: {error}"), remedy()))?;
        if symbols.contains(&symbol) {
            return Err((format!("holds {symbol} twice"), remedy()));
        }
        symbols.push(symbol);
    }
    if symbols.len() > MAX_SYMBOLS { Err((format!("holds {} symbols", symbols.len()), remedy())) } else { Ok(symbols) }
}

fn log_filter(text: &str) -> Result<String, Invalid> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err((format!("is {text:?}: {error}"), "write it as info or info,pricetime=debug".to_owned())),
    }
}

fn log_format(text: &str) -> Result<LogFormat, Invalid> {
    match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err((format!("is {text:?}"), "give pretty or json".to_owned())),
    }
}
