//! The id that a client gave its request goes with the commands of the request: through the stream, into the log, and out
//! to whoever follows the log. It stands behind a command's own fields, `…,"request_id":"<id>"}`, and decides nothing: the
//! core never sees it, so states, hashes and texts without one are what they were.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What stands between a command's own fields and the id. An id needs no escapes, and in the words of clients quotes are
/// escaped: nothing else looks like this.
const FIELD: &str = r#","request_id":""#;
/// As many characters as the usual ids of tracing have, with room.
const LONGEST: usize = 64;

/// The id that a client gave its request: 1 to 64 letters, digits, and any of `._:-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Box<str>);

/// It is no id of a request.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a request's id is 1 to {LONGEST} letters, digits, and any of ._:-")]
pub struct ParseRequestIdError;

impl FromStr for RequestId {
    type Err = ParseRequestIdError;

    fn from_str(text: &str) -> Result<RequestId, ParseRequestIdError> {
        let fits = (1..=LONGEST).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if fits && text.bytes().all(plain) { Ok(RequestId(text.into())) } else { Err(ParseRequestIdError) }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts an id behind the fields of a command's text.
pub(crate) fn add(text: &mut String, id: Option<&RequestId>) {
    let Some(id) = id else { return };
    let end = text.pop();
    assert!(end == Some('}'), "a command is a JSON object");
    text.push_str(FIELD);
    text.push_str(&id.0);
    text.push_str("\"}");
}

/// Whether an id may stand in a text.
pub(crate) fn may_be_in(text: &str) -> bool {
    text.contains(FIELD)
}

/// A command's own text, and the id that stands behind it, if one does.
pub(crate) fn split(text: &str) -> (Cow<'_, str>, Option<RequestId>) {
    let found = text.trim_end().strip_suffix("\"}").and_then(|text| text.rsplit_once(FIELD));
    match found.and_then(|(fields, id)| Some((fields, id.parse().ok()?))) {
        Some((fields, id)) => (Cow::Owned(format!("{fields}}}")), Some(id)),
        None => (Cow::Borrowed(text), None),
    }
}

/// The id behind the text of a row's command.
pub fn request_id(command: &str) -> Option<RequestId> {
    split(command).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_plain_and_not_long() {
        for good in ["a", "0", "4bf92f3577b34da6a3ce929d0e0e4736", "A.b_c:d-e", &"x".repeat(64)] {
            assert_eq!(good.parse::<RequestId>().map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a\"b", "a\\", "ä", "a\n", "{}", &"x".repeat(65)] {
            assert_eq!(bad.parse::<RequestId>(), Err(ParseRequestIdError), "{bad:?}");
        }
    }

    #[test]
    fn what_was_put_behind_a_command_is_taken_off_again() {
        let id: RequestId = "r-1".parse().expect("an id");
        for command in [r#"{"type":"AdvanceTime"}"#, r#"{"a":"\",\"request_id\":\"x\"}"}"#] {
            let mut text = command.to_owned();
            add(&mut text, None);
            assert_eq!((text.as_str(), split(&text).1), (command, None));
            add(&mut text, Some(&id));
            assert!(may_be_in(&text));
            assert_eq!(split(&text), (Cow::Borrowed(command), Some(id.clone())));
        }
        for foreign in [r#"{"a":1,"request_id":"b c"}"#, r#"{"a":1,"request_id":"b","c":2}"#, r#"{"request_id":"b"}"#] {
            assert_eq!(split(foreign), (Cow::Borrowed(foreign), None));
        }
    }
}
