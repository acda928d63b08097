//! `chaos prove`, `chaos run` and `chaos takeover`: what `make prove` and `make chaos` call.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use chaos::campaign::{self, Campaign};
use chaos::{Fault, prove, takeover};
use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Attacks on the service as it really runs.
#[derive(Parser)]
struct Arguments {
    /// The service's program.
    #[arg(long)]
    binary: PathBuf,
    /// What decides requests and faults; a new one each time unless given.
    #[arg(long)]
    seed: Option<u64>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A minute of load and faults, and the verdict.
    Prove {
        /// A bug to plant in the program, which must have the switch; or `everysec`.
        #[arg(long)]
        plant: Option<String>,
    },
    /// Faults at random, counted in the ledger.
    Run {
        /// For so many minutes.
        #[arg(long)]
        minutes: Option<f64>,
        /// For so many faults.
        #[arg(long)]
        cycles: Option<u64>,
        /// Faults of these kinds alone.
        #[arg(long, value_delimiter = ',', value_parser = Fault::KINDS)]
        kinds: Vec<String>,
        /// The ledger.
        #[arg(long, default_value = "docs/campaigns.jsonl")]
        ledger: PathBuf,
        /// Where an unfinished run is kept.
        #[arg(long, default_value = "data/chaos.json")]
        progress: PathBuf,
    },
    /// The time that a standby needs to take over.
    Takeover {
        /// How often each case is measured.
        #[arg(long, default_value_t = 7)]
        times: usize,
    },
}

fn main() -> ExitCode {
    let Arguments { binary, seed, command } = Arguments::parse();
    let seed = seed.unwrap_or_else(any_seed);
    let ended = match command {
        Command::Prove { plant } => prove::prove(&binary, plant.as_deref(), seed),
        Command::Run { minutes, cycles, kinds, ledger, progress } => {
            let stop = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&stop)) {
                    eprintln!("chaos: could not listen for signal {signal}: {error}");
                    return ExitCode::from(2);
                }
            }
            let time = minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
            campaign::run(&Campaign { binary, kinds, seed, time, cycles, ledger, progress }, &stop)
        }
        Command::Takeover { times } => takeover::measure(&binary, times).map(|took| {
            let [killed, paused] = [took.killed, took.paused].map(|took| took.as_secs_f64());
            println!("median of {times}: {killed:.2} s after kill -9, {paused:.2} s after SIGSTOP");
            true
        }),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(2)
        }
    }
}

fn any_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
