//! What Redis must be for "acknowledged" to mean "on disk": asked at every start, before the first command is taken.

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

/// Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The address is none.
    #[error("REDIS_URL is no address of a Redis: {0}; one looks like redis://127.0.0.1:6379/0")]
    Url(String),
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
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

/// Makes sure that Redis keeps what it acknowledges; what is wrong is an error, or with `allow_unsafe` a warning.
pub async fn check_durability(url: &str, allow_unsafe: bool) -> Result<(), RedisError> {
    let link = Link::new(url, ANSWER_WITHIN).map_err(RedisError::url)?;
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
