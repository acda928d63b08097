//! What Redis must be: new enough, and set up so that "acknowledged" means "on disk". Asked at every start, before the first
//! command is taken.

use std::collections::HashMap;
use std::time::Duration;

use redis::{FromRedisValue, cmd};

use super::link::{Link, LinkError};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Settings that the promise rests on: name, value, and what is lost without it.
const REQUIRED: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "acknowledged commands would be lost when Redis stops"),
    ("appendfsync", "always", "acknowledged commands of up to a second would be lost in a power cut"),
    (
        "no-appendfsync-on-rewrite",
        "no",
        "acknowledged commands would be lost in a power cut while Redis rewrites its file",
    ),
    ("maxmemory-policy", "noeviction", "Redis would delete commands or orders when memory is short"),
];

/// The oldest release that is good enough: it counts what was ever added to a stream, by which a lost one is noticed, and has
/// the form in which orders are written.
const OLDEST: u64 = 7;

/// Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The address is none.
    #[error("REDIS_URL is no address of a Redis: {0}; one looks like redis://127.0.0.1:6379/0")]
    Url(String),
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It lacks what the service builds upon.
    #[error("Redis at {address} is release {found}, and {OLDEST}.0 or a later one is needed; update it")]
    TooOld {
        /// Which server.
        address: String,
        /// Its release.
        found: String,
    },
    /// It would not keep what it acknowledges.
    #[error(
        "Redis at {address} would not keep the promise that an acknowledged order is on disk: {}. \
         To run without that promise, set ALLOW_UNSAFE_DURABILITY=true",
        problems.join("; ")
    )]
    Unsafe {
        /// Which server.
        address: String,
        /// What is wrong and how to mend it, one text each.
        problems: Vec<String>,
    },
}

impl RedisError {
    pub(super) fn url(error: redis::RedisError) -> RedisError {
        RedisError::Url(error.to_string())
    }

    pub(super) fn unreachable(error: LinkError) -> RedisError {
        RedisError::Unreachable(error.to_string())
    }
}

/// Makes sure that Redis is new enough and keeps what it acknowledges. What it would lose is an error, or with `allow_unsafe` a
/// warning.
pub async fn check_durability(url: &str, allow_unsafe: bool) -> Result<(), RedisError> {
    let link = Link::new(url, ANSWER_WITHIN).map_err(RedisError::url)?;
    let server: String = ask(&link, cmd("INFO").arg("server")).await?.unwrap_or_default();
    if let Some(found) = too_old(&server) {
        return Err(RedisError::TooOld { address: link.address().to_owned(), found: found.to_owned() });
    }
    let problems = problems(&link).await?;
    if problems.is_empty() {
        return Ok(());
    }
    if allow_unsafe {
        for problem in &problems {
            tracing::warn!(address = link.address(), "unsafe Redis, allowed by ALLOW_UNSAFE_DURABILITY: {problem}");
        }
        return Ok(());
    }
    Err(RedisError::Unsafe { address: link.address().to_owned(), problems })
}

/// The release that `INFO server` tells, if it is too old. A server that tells none is tried.
fn too_old(server: &str) -> Option<&str> {
    let release = server.lines().find_map(|line| line.strip_prefix("redis_version:"))?.trim();
    let major: u64 = release.split('.').next()?.parse().ok()?;
    (major < OLDEST).then_some(release)
}

async fn problems(link: &Link) -> Result<Vec<String>, RedisError> {
    let mut problems = Vec::new();
    let replication: String = ask(link, cmd("INFO").arg("replication")).await?.unwrap_or_default();
    if !replication.lines().any(|line| line.trim() == "role:master") {
        problems.push(
            "it is a replica, and what a replica is sent may be lost at fail-over; use the address of its master"
                .to_owned(),
        );
    }
    for (name, required, loss) in REQUIRED {
        let found: Option<HashMap<String, String>> = ask(link, cmd("CONFIG").arg("GET").arg(name)).await?;
        match found.as_ref().and_then(|found| found.get(name)) {
            Some(value) if value == required => {}
            Some(value) => problems.push(format!(
                "its {name} is {value} and must be {required} ({loss}): redis-cli CONFIG SET {name} {required}, then \
                 CONFIG REWRITE"
            )),
            None => problems.push(format!(
                "it does not tell its {name}, which must be {required}; allow this user the command CONFIG GET"
            )),
        }
    }
    Ok(problems)
}

/// An answer; none when Redis refuses the question.
async fn ask<T: FromRedisValue>(link: &Link, question: &redis::Cmd) -> Result<Option<T>, RedisError> {
    match link.send(question).await {
        Ok(answer) => Ok(Some(answer)),
        Err(LinkError::Refused(_)) => Ok(None),
        Err(error) => Err(RedisError::unreachable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_before_7_are_too_old() {
        let told = |release: &str| format!("# Server\r\nredis_version:{release}\r\nredis_mode:standalone\r\n");
        assert_eq!(too_old(&told("6.2.14")), Some("6.2.14"));
        assert_eq!(too_old(&told("7.0.15")), None);
        assert_eq!(too_old(&told("10.1")), None);
        assert_eq!(too_old("# Server\r\n"), None);
    }
}
