//! `omniops eval`: the product's own path over labelled sets, for scorers to judge.
mod answers;
mod extraction;
mod retrieval;

use anyhow::Result;
use domain::tenancy::HostName;
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Index a set's chunks in a scratch installation and run its queries.
    Retrieval {
        /// Folder with chunks.jsonl ({unit, text}) and queries.jsonl ({id, text}).
        set: PathBuf,
        /// Where the run goes: one {id, units, hits} a line; hits have the scores that weights are tuned on.
        #[arg(long)]
        out: PathBuf,
        /// hybrid, vector or lexical.
        #[arg(long, default_value = "hybrid")]
        mode: domain::retrieval::Mode,
    },
    /// Ask a set's questions of an installation's index (`DATABASE_URL`) and judge the answers.
    Answers {
        /// Questions with the pages and phrases that answer them (repeatable); cli/evals/README.md has the format.
        #[arg(long, required = true, value_name = "FILE")]
        set: Vec<PathBuf>,
        /// A domain of the customer whose site it is.
        #[arg(long, value_name = "NAME")]
        domain: HostName,
        /// Where the answers go: one a line, with what was expected.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Extract the main content of a folder's pages.
    Extraction {
        /// Folder with html/ID.html.gz, and truth/ID.json for the pages' URLs.
        dir: PathBuf,
        /// Where the predictions go: one {id, text} a line.
        #[arg(long)]
        out: PathBuf,
    },
}

/// Runs one measurement.
pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Retrieval { set, out, mode } => retrieval::run(&set, &out, mode).await,
        Command::Answers { set, domain, out } => answers::run(&set, &domain, out.as_deref()).await,
        Command::Extraction { dir, out } => extraction::run(&dir, &out),
    }
}
