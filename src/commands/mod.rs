//! The commands beside `serve`: each looks at the stores as they are, most of them beside a running service.

pub mod archive;
pub mod ask;
pub mod backup;
mod compare;
pub mod config_check;
pub mod doctor;
pub mod export;
pub mod healthcheck;
pub mod keys;
pub mod log;
pub mod openapi;
pub mod recover;
pub mod replay;
pub mod restore;
pub mod snapshot;
pub mod status;
pub mod verify;

pub use compare::Difference;

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::config::Settings;
use crate::exit::End;

/// Runs a command to its end: what it says goes to standard output, why it failed to standard error.
pub fn run(command: impl AsyncFnOnce(&Settings) -> Result<(), End>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(async {
            #[cfg(feature = "planted")]
            crate::planted::plant_from_environment().map_err(|problem| End::Configuration(vec![problem]))?;
            let (settings, _) = Settings::load().map_err(End::Configuration)?;
            command(&settings).await
        }),
        Err(error) => Err(End::Output(error)),
    };
    end(ended)
}

/// The exit code of a command.
pub fn end(ended: Result<(), End>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has enough.
        Err(End::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(end) => {
            eprintln!("pricetime: {}", end.last_words());
            ExitCode::from(end.code())
        }
    }
}

/// Writes a line to standard output.
fn say(line: impl AsRef<str>) -> Result<(), End> {
    writeln!(io::stdout(), "{}", line.as_ref()).map_err(End::Output)
}

/// Writes a value as one line of JSON.
fn say_json(value: &impl Serialize) -> Result<(), End> {
    let text = serde_json::to_string(value).map_err(|error| End::Output(error.into()))?;
    say(text)
}
