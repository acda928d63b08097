//! `pricetime openapi`: the schema of the HTTP interface.

use std::io;

use super::say;
use crate::exit::End;
use crate::http;

/// Prints the schema as JSON or YAML.
pub fn openapi(yaml: bool) -> Result<(), End> {
    let schema = http::openapi(false);
    let text = if yaml {
        schema.to_yaml().map_err(io::Error::other)
    } else {
        schema.to_pretty_json().map_err(io::Error::from)
    };
    say(text.map_err(End::Output)?)
}
