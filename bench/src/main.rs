//! Benchmarks beside peers: `bench queue` measures, `bench contender` is a publisher or worker of ours that it starts.
//!
//! ```text
//! cargo xtask bench queue ─▶ bench queue (driver) ─┬─▶ bench contender NAME ROLE JSON   ours, and Rust peers
//!                              │                   └─▶ node peers/NAME.mjs ROLE JSON    peers from npm
//!                              └── owns Valkey and Postgres, reads the clock, counts commands and statements
//! ```
//!
//! What must stay true: every contender runs in processes of its own and speaks the same `protocol`; figures come from the
//! driver's clock or from one clock that all processes share; nothing here passes or fails.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's output is for its user's terminal"
)]
mod chat_bench;
mod contender;
mod cpu;
mod crawl_bench;
mod embedding_bench;
mod extract_bench;
mod limits_bench;
mod machine;
mod process;
mod protocol;
mod queue_bench;
mod retrieval_bench;
mod rls_bench;
mod stats;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

use protocol::{Order, Role};

/// The product's, since its parts are measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "bench", about = "Benchmarks beside peers", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Job queues: delivery alone, and whole jobs with their record
    Queue(QueueArgs),
    /// Crawlers: a whole site, static and made by scripts
    Crawl(CrawlArgs),
    /// Main content and chunks of labelled pages
    Extract(ExtractArgs),
    /// Vectors of a labelled set
    Embedding(EmbeddingArgs),
    /// Answers beside a stub model asked directly
    Chat(ChatArgs),
    /// Searches with row-level security and without, beside bm25s
    Retrieval(RetrievalArgs),
    /// Calls held against limits, and not
    Limits(limits_bench::LimitsArgs),
    /// Reads and vector searches with row-level security and without
    Rls(RlsArgs),
    /// A crawler, started by the driver
    Crawler {
        /// Which one
        name: OwnCrawler,
        /// The order, as JSON
        order: String,
    },
    /// A local model over a labelled set, started by the driver
    Embedder {
        /// Which one
        model: String,
        /// The set
        data: PathBuf,
        /// Threads of a batch
        threads: usize,
    },
    /// Our extraction of files named on standard input, started by the driver
    Extractor,
    /// Our chunks of files named on standard input, started by the driver
    Chunker,
    /// A publisher or worker, started by the driver
    Contender {
        /// Which one
        name: contender::Name,
        /// What it does
        role: Role,
        /// The order, as JSON
        order: String,
    },
}

/// A crawler of this executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OwnCrawler {
    /// The product's worker.
    Worker,
    /// A loop over the same modules.
    Plain,
}

#[derive(clap::Args)]
struct CrawlArgs {
    /// The installed peers
    #[arg(long)]
    peers: PathBuf,
    /// Where servers keep their data while it runs
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// Rounds; in each, every crawler crawls once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Static pages
    #[arg(long, default_value_t = 5000)]
    pages: usize,
    /// Pages made by scripts
    #[arg(long, default_value_t = 100)]
    browser_pages: usize,
    /// Pages of the site that has hostile neighbours
    #[arg(long, default_value_t = 400)]
    distant_pages: usize,
    /// Static pages of the site that shows whether memory grows
    #[arg(long, default_value_t = 20_000)]
    large_pages: usize,
    /// A folder of HTML, whose pages must all be found: FOLDER=/START.html
    #[arg(long)]
    docs: Vec<crawl_bench::Docs>,
    /// Only one kind of site
    #[arg(long)]
    only: Option<crawl_bench::Part>,
    /// Only these crawlers
    #[arg(long)]
    crawler: Vec<crawl_bench::Crawler>,
}

#[derive(clap::Args)]
struct ChatArgs {
    /// The product
    #[arg(long)]
    omniops: PathBuf,
    /// Where servers keep their data while it runs
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// Rounds; in each, everything is asked once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=5))]
    rounds: u32,
    /// Answers of each kind in a round
    #[arg(long, default_value_t = 40)]
    answers: usize,
}

#[derive(clap::Args)]
struct EmbeddingArgs {
    /// The installed peers
    #[arg(long)]
    peers: PathBuf,
    /// Unused: nothing is kept
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// The labelled set: chunks.jsonl ({unit, text}) and queries.jsonl ({text, relevant})
    #[arg(long)]
    data: PathBuf,
    /// Rounds; in each, every model embeds the set once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    rounds: u32,
}

#[derive(clap::Args)]
struct ExtractArgs {
    /// The installed peers
    #[arg(long)]
    peers: PathBuf,
    /// Where pages are unpacked
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// The labelled pages: html/ID.html.gz and truth/ID.json
    #[arg(long)]
    data: PathBuf,
}

#[derive(clap::Args)]
struct RetrievalArgs {
    /// The installed peer
    #[arg(long)]
    peers: PathBuf,
    /// Where servers keep their data while it runs
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// The labelled set: chunks.jsonl and queries.jsonl
    #[arg(long)]
    data: PathBuf,
    /// Customers
    #[arg(long, default_value_t = 100)]
    customers: usize,
    /// Chunks of each
    #[arg(long, default_value_t = 5000)]
    chunks: usize,
    /// Chunks of the large customer
    #[arg(long, default_value_t = 60_000)]
    large: usize,
    /// Clients that search at once
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

#[derive(clap::Args)]
struct RlsArgs {
    /// Where servers keep their data while it runs
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// Customers
    #[arg(long, default_value_t = 100)]
    customers: usize,
    /// Chunks of each
    #[arg(long, default_value_t = 5000)]
    chunks: usize,
    /// Rounds, after one that fills caches
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=20))]
    rounds: u64,
    /// Reads of each kind in a round
    #[arg(long, default_value_t = 2000)]
    reads: usize,
    /// Searches of each kind in a round
    #[arg(long, default_value_t = 300)]
    searches: usize,
}

#[derive(clap::Args)]
struct QueueArgs {
    /// The installed peers
    #[arg(long)]
    peers: PathBuf,
    /// Where servers keep their data while it runs
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// Rounds; in each, every contender does everything once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One round with a fifth of the jobs
    #[arg(long)]
    quick: bool,
    /// Also print each drain's statements
    #[arg(long)]
    verbose: bool,
    /// Only one part
    #[arg(long)]
    only: Option<queue_bench::Part>,
}

#[tokio::main]
async fn run(what: What) -> Result<()> {
    match what {
        What::Queue(args) => queue_bench::run(args).await,
        What::Crawl(args) => crawl_bench::run(args).await,
        What::Extract(args) => extract_bench::run(&args),
        What::Embedding(args) => embedding_bench::run(&args),
        What::Embedder { model, data, threads } => contender::embedder::embed(&model, &data, threads).await,
        What::Retrieval(args) => retrieval_bench::run(args).await,
        What::Limits(args) => Box::pin(limits_bench::run(args)).await,
        What::Rls(args) => rls_bench::run(args).await,
        What::Chat(args) => chat_bench::run(args).await,
        What::Crawler { name, order } => {
            let order = serde_json::from_str::<Order>(&order)?;
            contender::end_with_stdin();
            match name {
                OwnCrawler::Worker => contender::crawler::work(&order).await,
                OwnCrawler::Plain => contender::plain::work(&order).await,
            }
        }
        What::Extractor => contender::pages::extract(),
        What::Chunker => contender::pages::split(),
        What::Contender { name, role, order } => {
            contender::run(name, role, &serde_json::from_str::<Order>(&order)?).await
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
