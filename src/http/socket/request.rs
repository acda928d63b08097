//! What a client sends over a socket.

use std::str::FromStr;

use actors::feed::Channel;
use matching::Seq;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::problem::{Code, Problem};

/// The channels of one subscription.
pub const MAX_CHANNELS: usize = 200;

/// A request. `id` comes back with its reply. It may hold a credential, so it is shown nowhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    pub op: Op,
    /// The client's own number for it.
    #[serde(default)]
    pub id: Option<u64>,
    /// Of subscribe and unsubscribe.
    #[serde(default)]
    pub channels: Vec<Wanted>,
    /// Of auth: the token of an API key, or the ADMIN_TOKEN.
    #[serde(default)]
    pub token: Option<String>,
    /// Of batch: what the HTTP request has as its items.
    #[serde(default)]
    pub items: Option<Box<RawValue>>,
    /// Of batch: `queued` or `committed`.
    #[serde(default)]
    pub ack: Option<String>,
    /// Of batch: how long to wait for the commit.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Of batch: what the HTTP request has as its `X-Request-Id`.
    #[serde(default)]
    pub request_id: Option<String>,
}

/// What a request asks for.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Show a credential.
    Auth,
    /// Subscribe to channels.
    Subscribe,
    /// End subscriptions.
    Unsubscribe,
    /// Place, cancel and amend orders.
    Batch,
    /// Ask for a sign of life.
    Ping,
}

/// A channel that is wanted: its name, or its name and a cursor.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Wanted {
    /// From its present state on.
    Name(String),
    /// From a cursor on.
    After(WantedAfter),
}

/// A channel from a cursor on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedAfter {
    channel: String,
    #[serde(default)]
    after: Option<u64>,
}

/// Something to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A channel of the feed.
    Channel(Channel),
    /// The event log.
    Events,
}

impl FromStr for Source {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Source, Problem> {
        if text == "events" {
            return Ok(Source::Events);
        }
        let wrong = |error: actors::feed::ParseChannelError| {
            let detail = format!("{:?} is no channel: {error}", crate::http::fields::shortened(text));
            Problem::new(Code::InvalidParameter, detail).field("channels")
        };
        text.parse().map(Source::Channel).map_err(wrong)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Channel(channel) => channel.fmt(f),
            Source::Events => f.write_str("events"),
        }
    }
}

impl Wanted {
    /// The channel and the cursor.
    pub fn read(&self) -> Result<(Source, Option<Seq>), Problem> {
        let (name, after) = match self {
            Wanted::Name(name) => (name, None),
            Wanted::After(wanted) => (&wanted.channel, wanted.after),
        };
        let too_large = || Problem::new(Code::InvalidParameter, "no row has so large a number").field("after");
        let after = after.map(|after| Seq::new(after).ok_or_else(too_large)).transpose()?;
        Ok((name.parse()?, after))
    }
}

/// Reads a request.
pub fn read(text: &str) -> Result<Request, Problem> {
    let request: Request = serde_json::from_str(text).map_err(|error| {
        let code = if error.is_data() { Code::InvalidType } else { Code::MalformedJson };
        Problem::new(code, format!("the message is no request: {error}"))
    })?;
    if request.channels.len() > MAX_CHANNELS {
        return Err(Problem::new(Code::InvalidParameter, format!("send at most {MAX_CHANNELS} channels at a time")));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_or_refused_with_a_reason() {
        let check = |text: &str, expected: Result<&str, Code>| {
            let read = read(text).and_then(|request| {
                let wanted: Result<Vec<_>, Problem> = request.channels.iter().map(Wanted::read).collect();
                let shown = wanted?.into_iter().map(|(source, after)| format!("{source}@{after:?}"));
                Ok(format!("{:?} {}", request.op, shown.collect::<Vec<_>>().join(" ")))
            });
            assert_eq!(read.as_deref().map_err(Problem::code), expected, "{text}");
        };
        check(r#"{"op":"ping"}"#, Ok("Ping "));
        check(
            r#"{"op":"subscribe","channels":["book:BTC_USDT",{"channel":"events","after":7}]}"#,
            Ok("Subscribe book:BTC_USDT@None events@Some(Seq(7))"),
        );
        check(r#"{"op":"subscribe","channels":["book:btc"]}"#, Err(Code::InvalidParameter));
        check(r#"{"op":"subscribe","channels":["candles:2m:BTC_USDT"]}"#, Err(Code::InvalidParameter));
        check(r#"{"op":"jump"}"#, Err(Code::InvalidType));
        check(r#"{"op":"ping","pong":1}"#, Err(Code::InvalidType));
        check(r#"{"op":"#, Err(Code::MalformedJson));
    }
}
