//! `testbed stack -- <pricetime binary>`: the service on private Redis and PostgreSQL, until Ctrl-C.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [subcommand, dashes, binary] = arguments.as_slice() else { return usage() };
    if subcommand != "stack" || dashes != "--" {
        return usage();
    }
    let asked_to_stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&asked_to_stop)) {
            eprintln!("testbed: could not listen for signal {signal}: {error}");
            return ExitCode::FAILURE;
        }
    }
    match testbed::stack::run(Path::new(binary), &asked_to_stop) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: testbed stack -- <pricetime binary>");
    ExitCode::from(2)
}
