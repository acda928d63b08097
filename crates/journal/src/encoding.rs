//! The one canonical encoding of commands and events: JSON with keys in the order of the types' fields, decimals as
//! strings, no spaces. What is hashed is this text, and the text is what is stored.

use matching::{Command, Event};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::encode;
use crate::trace::{self, RequestId};

/// How a stream entry is written.
pub const STREAM_FORMAT: i16 = 1;
/// How a row of the log is written.
pub const LOG_FORMAT: i16 = 1;
/// The most commands that one stream entry holds.
pub const MAX_COMMANDS_PER_ENTRY: usize = 500;

/// A stored text could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of the expected shape.
    #[error("it is not what format {format} says: {source}")]
    Malformed {
        /// The format that was expected.
        format: i16,
        /// What the parser found.
        #[source]
        source: serde_json::Error,
    },
    /// Written by a release that this one does not know.
    #[error(
        "its format is {found}, and this release reads up to {known}: use the release that wrote it or a newer one"
    )]
    UnknownFormat {
        /// What it says.
        found: i16,
        /// The newest that is read here.
        known: i16,
    },
    /// An entry without a command, or with too many.
    #[error("an entry holds 1 to {MAX_COMMANDS_PER_ENTRY} commands, and this one holds {0}")]
    Count(usize),
}

/// A command, and the id of the request that it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The command.
    pub command: Command,
    /// The id that the client gave its request.
    pub request_id: Option<RequestId>,
}

/// A command's canonical text, with the id of its request behind its own fields.
pub fn encode_traced(command: &Command, request_id: Option<&RequestId>) -> String {
    let mut text = encode(command);
    trace::add(&mut text, request_id);
    text
}

/// The text of a stream entry of many commands of one request: a JSON array.
pub fn encode_all_traced(commands: &[Command], request_id: Option<&RequestId>) -> String {
    if request_id.is_none() {
        return encode_commands(commands);
    }
    let texts: Vec<String> = commands.iter().map(|command| encode_traced(command, request_id)).collect();
    format!("[{}]", texts.join(","))
}

/// A command's canonical text.
pub fn encode_command(command: &Command) -> String {
    encode(command)
}

/// The text of a stream entry of many commands: a JSON array of their canonical texts.
pub fn encode_commands(commands: &[Command]) -> String {
    encode(commands)
}

/// The canonical text of a command's events: a JSON array.
pub fn encode_events(events: &[Event]) -> String {
    encode(events)
}

/// Reads the commands of a stream entry: one, or an array.
pub fn decode_entry(format: i16, payload: &str) -> Result<Vec<Command>, DecodeError> {
    let traced = decode_traced(format, payload)?;
    Ok(traced.into_iter().map(|traced| traced.command).collect())
}

/// The same, with the ids of their requests.
pub fn decode_traced(format: i16, payload: &str) -> Result<Vec<Traced>, DecodeError> {
    check_format(format, STREAM_FORMAT)?;
    let is_array = payload.trim_start().starts_with('[');
    let commands = match (is_array, trace::may_be_in(payload)) {
        (true, false) => {
            let commands = decode::<Vec<Command>>(format, payload)?;
            commands.into_iter().map(|command| Traced { command, request_id: None }).collect()
        }
        (true, true) => {
            let texts = decode::<Vec<&RawValue>>(format, payload)?;
            texts.into_iter().map(|text| decode_one(format, text.get())).collect::<Result<_, _>>()?
        }
        (false, _) => vec![decode_one(format, payload)?],
    };
    if (1..=MAX_COMMANDS_PER_ENTRY).contains(&commands.len()) {
        Ok(commands)
    } else {
        Err(DecodeError::Count(commands.len()))
    }
}

/// Reads a command of the log.
pub fn decode_command(format: i16, text: &str) -> Result<Command, DecodeError> {
    check_format(format, LOG_FORMAT)?;
    decode_one(format, text).map(|traced| traced.command)
}

/// Reads the events of a row of the log.
pub fn decode_events(format: i16, text: &str) -> Result<Vec<Event>, DecodeError> {
    check_format(format, LOG_FORMAT)?;
    decode(format, text)
}

fn check_format(found: i16, known: i16) -> Result<(), DecodeError> {
    if found == known { Ok(()) } else { Err(DecodeError::UnknownFormat { found, known }) }
}

fn decode_one(format: i16, text: &str) -> Result<Traced, DecodeError> {
    let (text, request_id) = trace::split(text);
    Ok(Traced { command: decode(format, &text)?, request_id })
}

fn decode<'a, T: Deserialize<'a>>(format: i16, text: &'a str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|source| DecodeError::Malformed { format, source })
}
