//! The command line of pricetime.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use pricetime::startup;

/// Matching allocates little and often, from several threads at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An order-matching engine as a service.
#[derive(Parser)]
#[command(version, about, after_help = "Settings come from the environment and .env; see the README.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service until SIGTERM or SIGINT.
    ///
    /// Exit codes: 0 stopped as asked, 2 configuration, 3 a dependency cannot be reached, 4 state does not agree,
    /// 5 another writer has taken over, 6 the log is damaged or went back in time.
    Serve,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve => startup::serve(),
    }
}
