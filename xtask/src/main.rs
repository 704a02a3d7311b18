//! The project's own chores: `cargo xtask test | openapi [--check] | ci | bench queue|crawl|extract`.
//!
//! A chore is a list of steps that a person could type as well; each step is printed before it runs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore's output is for its user's terminal"
)]
mod bench;
mod ci;
#[cfg(test)]
mod comparisons;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod links;
mod openapi;
mod package;
#[cfg(test)]
mod secret_types;
#[cfg(test)]
mod secrets_scan;
mod shell;
mod test;
#[cfg(test)]
mod threats;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", about = "The project's own chores", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run all tests, with everything that they need
    Test {
        /// Handed on to the test runner, such as a part of a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Write openapi.yaml from the code
    Openapi {
        /// Only compare, and fail on a difference
        #[arg(long)]
        check: bool,
    },
    /// What gates a change: format, lints, contract, tests
    Ci,
    /// Measure beside peers, and write docs/benchmarks
    Bench {
        /// What to measure
        what: bench::What,
        /// Handed on to the benchmark, whose --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Test { rest } => test::run(&rest),
        Chore::Openapi { check } => openapi::run(check),
        Chore::Ci => ci::run(),
        Chore::Bench { what, rest } => bench::run(what, &rest),
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
