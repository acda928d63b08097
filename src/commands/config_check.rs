//! `pricetime config check`: every problem of the settings at once, or what holds.

use serde::Serialize;

use super::{say, say_json};
use crate::config::Settings;
use crate::exit::End;

#[derive(Serialize)]
struct Checked<'a> {
    settings: Vec<Shown<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'static str,
    value: &'a str,
    origin: String,
}

/// Prints every setting with its value and where it is from; secrets are redacted. What only keeps the service from starting,
/// and no tool from running, is a problem here too.
pub fn check(json: bool) -> Result<(), End> {
    let (settings, warnings) = Settings::load().map_err(End::Configuration)?;
    let openings = settings.openings();
    if !openings.is_empty() {
        return Err(End::Configuration(openings));
    }
    if json {
        let shown = |line: &'_ crate::config::Effective| (line.name, line.value.clone(), line.origin.to_string());
        let lines: Vec<_> = settings.effective.iter().map(shown).collect();
        return say_json(&Checked {
            settings: lines.iter().map(|(name, value, origin)| Shown { name, value, origin: origin.clone() }).collect(),
            warnings: warnings.iter().map(ToString::to_string).collect(),
        });
    }
    for line in &settings.effective {
        say(line.to_string())?;
    }
    for warning in warnings {
        say(format!("warning: {warning}"))?;
    }
    say("the configuration is good")
}
