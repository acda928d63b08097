//! Logging: lines for people, or JSON for machines, on standard output.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, Settings};

/// Sends the process's log lines to standard output as the settings say. Once per process.
pub fn init(settings: &Settings) -> Result<(), TryInitError> {
    // The settings were checked with the same parser; if it should refuse now, logging everything is the safe side.
    let filter = EnvFilter::try_new(&settings.log_filter).unwrap_or_default();
    let colours = std::io::stdout().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(true).with_ansi(colours);
    match settings.log_format {
        LogFormat::Pretty => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
}
