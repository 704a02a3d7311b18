//! The `omniops` executable: parses, dispatches, and turns an error into a message and an exit code.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's output and errors are for its user's terminal"
)]
mod commands;
mod process;
mod table;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Answers and jobs make and free thousands of small things on every thread: see ADR 0067.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// AI-powered customer service that you host yourself.
#[derive(Parser)]
#[command(name = "omniops", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine: Postgres, Valkey, the API, a worker and a demo page.
    Up(commands::up::Args),
    /// Serve the HTTP API.
    Api,
    /// Run jobs: crawl, chunk and embed.
    Worker,
    /// Bring the database schema up to date.
    Migrate,
    /// Check a deployment and say what to mend.
    Doctor(commands::doctor::Args),
    /// Look at the queues and change what runs.
    #[command(subcommand)]
    Queue(commands::queue::Command),
    /// Look after answers that are kept for others.
    #[command(subcommand)]
    Cache(commands::cache::Command),
    /// Look after the keys that secrets are kept under.
    #[command(subcommand)]
    Keys(commands::keys::Command),
    /// Look into the audit log.
    #[command(subcommand)]
    Audit(commands::audit::Command),
    /// Prove erasures, and do them again after a restore.
    #[command(subcommand)]
    Erasures(commands::erasures::Command),
    /// Write the whole database to a file.
    Backup(commands::copies::backup::Args),
    /// Put a file of `backup` in the database's place, and forget again who was forgotten since.
    Restore(commands::copies::restore::Args),
    /// Look after the accounts of people who administer.
    #[command(subcommand)]
    Users(commands::users::Command),
    /// Print the configuration with secrets masked.
    Config,
    /// Print the OpenAPI document.
    Openapi,
    /// Measure retrieval or extraction on a labelled set.
    #[command(subcommand)]
    Eval(commands::eval::Command),
}

/// What sysexits.h calls a configuration error.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    process::forbid_core_dumps();
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Up(args) => process::run(commands::up::run(args)),
        Command::Api => process::run(commands::serve::api()),
        Command::Worker => process::run(commands::serve::worker()),
        Command::Migrate => process::run(commands::migrate::run()),
        Command::Doctor(args) => process::run(commands::doctor::run(args)),
        Command::Queue(command) => process::run(commands::queue::run(command)),
        Command::Cache(command) => process::run(commands::cache::run(command)),
        Command::Keys(command) => process::run(commands::keys::run(command)),
        Command::Audit(command) => process::run(commands::audit::run(command)),
        Command::Erasures(command) => process::run(commands::erasures::run(command)),
        Command::Backup(args) => process::run(commands::copies::backup::run(args)),
        Command::Restore(args) => process::run(commands::copies::restore::run(args)),
        Command::Users(command) => process::run(commands::users::run(command)),
        Command::Config => commands::config::run(),
        Command::Openapi => {
            use std::io::Write;
            std::io::stdout()
                .write_all(api::openapi_yaml().as_bytes())
                .map_err(Into::into)
        }
        Command::Eval(command) => process::run(commands::eval::run(command)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let config = error.downcast_ref::<domain::config::ConfigErrors>().is_some();
            if config {
                ExitCode::from(EX_CONFIG)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
