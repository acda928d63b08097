//! The command line of pricetime.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use matching::{Account, Symbol};
use mimalloc::MiMalloc;
use pricetime::commands::{self, keys::NewKey, log::Wanted};
use pricetime::keys::Scopes;
use pricetime::startup;

/// Matching allocates little and often, from several threads at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An order-matching engine as a service.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Settings come from the environment and .env: `pricetime config check` shows them all.\n\n\
                  Exit codes: 0 fine, 2 configuration, 3 a dependency cannot be reached, 4 state does not agree or a\n\
                  writer is alive, 5 another writer has taken over, 6 the log is damaged or went back in time.\n\n\
                  Examples:\n  pricetime serve\n  pricetime verify && echo all is well"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service until SIGTERM or SIGINT.
    #[command(after_help = "Examples:\n  pricetime serve\n  PORT=9000 DATA_DIR=/var/lib/pricetime pricetime serve\n  \
                            REDIS_URL=redis://127.0.0.1:6379/0 DATABASE_URL=postgres://me@127.0.0.1/prices pricetime serve\n  \
                            pricetime serve --demo\n  pricetime serve --forget-stops")]
    Serve {
        /// Trade in three markets of its own, BTC_USD, ETH_USD and SOL_USD, so that there is something to look at; on an
        /// empty log, with an hour of it written first.
        #[arg(long)]
        demo: bool,
        /// Start although the service has stopped itself three times at the same row: what was wrong is mended.
        #[arg(long)]
        forget_stops: bool,
    },
    /// Prove that the log is whole, that its commands give its events, and that readers are shown what they give.
    #[command(
        after_help = "Works beside a running service.\n\nExamples:\n  pricetime verify\n  pricetime verify --full --json"
    )]
    Verify {
        /// Start from the first row instead of the newest snapshot, and compare every snapshot on the way.
        #[arg(long)]
        full: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Rebuild the projection in Redis from PostgreSQL, while no service runs.
    #[command(after_help = "A service that starts does this by itself where it is needed.\n\n\
                            Examples:\n  pricetime recover --dry-run\n  pricetime recover")]
    Recover {
        /// Say what would be replaced, and replace nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the books as they were after a row of the log.
    #[command(after_help = "Reads only.\n\nExamples:\n  pricetime replay --to-seq 1000\n  \
                            pricetime replay --to-seq 1000 --symbol BTC_USDT --json")]
    Replay {
        /// The row.
        #[arg(long, value_name = "SEQ")]
        to_seq: u64,
        /// Only this symbol's book.
        #[arg(long)]
        symbol: Option<Symbol>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take or list snapshots, beside a running service or without one.
    #[command(after_help = "Examples:\n  pricetime snapshot take\n  pricetime snapshot list --json")]
    Snapshot {
        #[command(subcommand)]
        command: SnapshotCommand,
    },
    /// Read the event log.
    #[command(after_help = "Examples:\n  pricetime log --symbol BTC_USDT --limit 20\n  pricetime log --order 7\n  \
                            pricetime log --request 4bf92f3577b34da6a3ce929d0e0e4736\n  \
                            pricetime log --from 1000 --follow --json")]
    Log(Wanted),
    /// Print the event log as JSON Lines, with everything that its chain is made of; docs/log-format.md describes it.
    #[command(after_help = "Works beside a running service, which it reads in short pages.\n\n\
                            Examples:\n  pricetime export > log.jsonl\n  pricetime export --from 1000 --to 2000")]
    Export {
        /// The first row.
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
        /// The last row; without it, the last of the log.
        #[arg(long, value_name = "SEQ")]
        to: Option<u64>,
    },
    /// Make, list and revoke API keys, beside a running service or without one.
    #[command(after_help = "A running service knows of it within two seconds.\n\n\
                            Examples:\n  pricetime keys make desk --scopes trade,read --account desk-1\n  pricetime keys list")]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Copy everything that has to outlive the stores into a new folder, and prove the copy. Works beside a running service.
    #[command(after_help = "Examples:\n  pricetime backup --to /var/backups/pricetime-monday")]
    Backup {
        /// The folder, which must not exist yet, or be empty.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Fill empty stores from a backup. What was acknowledged after it is not in it; ids and terms go on far behind it.
    #[command(after_help = "Examples:\n  pricetime restore --from /var/backups/pricetime-monday")]
    Restore {
        /// The folder of the backup.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Take old rows of the event log out of its store into ARCHIVE_DIR, where everything that reads the log reads them too.
    #[command(
        after_help = "Takes whole partitions in PostgreSQL, any rows in embedded mode; all before the second newest \
                            snapshot.\n\nExamples:\n  pricetime archive --dry-run\n  pricetime archive --up-to 5000000"
    )]
    Archive {
        /// No row behind this one.
        #[arg(long, value_name = "SEQ")]
        up_to: Option<u64>,
        /// Say what would be archived, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write what somebody who is to help needs to see first into one file: settings, positions, health. No secret, no order.
    #[command(after_help = "Examples:\n  pricetime doctor\n  pricetime doctor --to /tmp/pricetime.json")]
    Doctor {
        /// The file.
        #[arg(long, value_name = "FILE", default_value = "pricetime-doctor.json")]
        to: PathBuf,
    },
    /// One screen: mode, writer, positions, lags, the last snapshot.
    #[command(after_help = "Examples:\n  pricetime status\n  pricetime status --json | jq .projection_lag")]
    Status {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Look at the settings.
    #[command(after_help = "Examples:\n  pricetime config check\n  pricetime config check --json")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the OpenAPI schema of the HTTP interface.
    #[command(after_help = "Examples:\n  pricetime openapi > openapi.json\n  pricetime openapi --yaml")]
    Openapi {
        /// YAML instead of JSON.
        #[arg(long)]
        yaml: bool,
    },
    /// Ask the service on HOST and PORT whether it lives: 0 if so, 3 if not. For containers.
    #[command(after_help = "Examples:\n  pricetime healthcheck\n  pricetime healthcheck --ready")]
    Healthcheck {
        /// Whether it serves, not only whether it lives.
        #[arg(long)]
        ready: bool,
    },
    /// Print completions for a shell.
    #[command(after_help = "Examples:\n  pricetime completions bash > /etc/bash_completion.d/pricetime\n  \
                            pricetime completions zsh > \"${fpath[1]}/_pricetime\"")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Subcommand)]
enum SnapshotCommand {
    /// Take a snapshot at the end of the log, unless nothing is new.
    #[command(after_help = "Examples:\n  pricetime snapshot take")]
    Take,
    /// List the snapshots, newest first.
    #[command(after_help = "Examples:\n  pricetime snapshot list\n  pricetime snapshot list --json")]
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Make a key, and print its token: the only time that it is shown.
    #[command(after_help = "Scopes: trade places, cancels and amends orders; read looks; admin is everything.\n\n\
                            Examples:\n  pricetime keys make desk --scopes trade,read --account desk-1\n  \
                            pricetime keys make auditor --scopes read --days 90 --json")]
    Make {
        /// What people call it.
        name: String,
        /// What it may do: trade, read, admin, comma separated.
        #[arg(long, value_parser = clap::value_parser!(Scopes))]
        scopes: Scopes,
        /// The only account that it may act for and look at; without it, all.
        #[arg(long)]
        account: Option<Account>,
        /// How many days it holds; without it, until it is revoked.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500))]
        days: Option<u64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List the keys, oldest first; never their secrets.
    #[command(after_help = "Examples:\n  pricetime keys list\n  pricetime keys list --json")]
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// End a key.
    #[command(after_help = "Examples:\n  pricetime keys revoke 5f1d7a8e90b3")]
    Revoke {
        /// The key's id.
        id: String,
    },
    /// Give a key another secret, and print its new token; the old one ends.
    #[command(
        after_help = "Examples:\n  pricetime keys rotate 5f1d7a8e90b3\n  pricetime keys rotate 5f1d7a8e90b3 --json"
    )]
    Rotate {
        /// The key's id.
        id: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Report every problem at once; without any, print every setting, where it is from, and no secret.
    #[command(after_help = "Examples:\n  pricetime config check\n  pricetime config check --json")]
    Check {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { demo, forget_stops } => startup::serve(demo, forget_stops),
        Command::Verify { full, json } => {
            commands::run(async |settings| commands::verify::verify(settings, full, json).await)
        }
        Command::Recover { dry_run } => {
            commands::run(async |settings| commands::recover::recover(settings, dry_run).await)
        }
        Command::Replay { to_seq, symbol, json } => {
            commands::run(async |settings| commands::replay::replay(settings, to_seq, symbol, json).await)
        }
        Command::Snapshot { command: SnapshotCommand::Take } => commands::run(commands::snapshot::take),
        Command::Snapshot { command: SnapshotCommand::List { json } } => {
            commands::run(async |settings| commands::snapshot::list(settings, json).await)
        }
        Command::Log(wanted) => commands::run(async |settings| commands::log::log(settings, &wanted).await),
        Command::Export { from, to } => {
            commands::run(async |settings| commands::export::export(settings, from, to).await)
        }
        Command::Keys { command } => match command {
            KeysCommand::Make { name, scopes, account, days, json } => {
                let wanted = NewKey { name, scopes, account, days };
                commands::run(async |settings| commands::keys::make(settings, wanted, json).await)
            }
            KeysCommand::List { json } => commands::run(async |settings| commands::keys::list(settings, json).await),
            KeysCommand::Revoke { id } => commands::run(async |settings| commands::keys::revoke(settings, &id).await),
            KeysCommand::Rotate { id, json } => {
                commands::run(async |settings| commands::keys::rotate(settings, &id, json).await)
            }
        },
        Command::Backup { to } => commands::run(async |settings| commands::backup::backup(settings, &to).await),
        Command::Restore { from } => commands::run(async |settings| commands::restore::restore(settings, &from).await),
        Command::Archive { up_to, dry_run } => {
            commands::run(async |settings| commands::archive::archive(settings, up_to, dry_run).await)
        }
        Command::Doctor { to } => commands::run(async |settings| commands::doctor::doctor(settings, &to).await),
        Command::Status { json } => commands::run(async |settings| commands::status::status(settings, json).await),
        Command::Config { command: ConfigCommand::Check { json } } => {
            commands::end(commands::config_check::check(json))
        }
        Command::Openapi { yaml } => commands::end(commands::openapi::openapi(yaml)),
        Command::Healthcheck { ready } => {
            commands::run(async |settings| commands::healthcheck::healthcheck(settings, ready).await)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "pricetime", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command's help ends with examples that the command line takes.
    #[test]
    fn every_help_has_examples_that_parse() {
        let mut checked = 0;
        check(&Arguments::command(), &mut checked);
        assert!(checked > 20, "only {checked} examples");
    }

    fn check(command: &clap::Command, checked: &mut usize) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples =
            help.split_once("Examples:\n").unwrap_or_else(|| panic!("{} has no examples", command.get_name())).1;
        for example in examples.lines() {
            let words = example.split_whitespace().skip_while(|word| *word != "pricetime");
            let words = words.take_while(|word| !["|", ">", "&&"].contains(word));
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{example}: {error}");
            }
            *checked += 1;
        }
        command
            .get_subcommands()
            .filter(|command| command.get_name() != "help")
            .for_each(|command| check(command, checked));
    }
}
