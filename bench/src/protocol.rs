//! What the driver tells a contender (one JSON object on its command line) and what it answers (one JSON object a line).
//!
//! `peers/protocol.mjs` is the same for the peers from npm.
use serde::{Deserialize, Serialize};
use std::{
    io::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

/// What a contender's process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Puts jobs into the queue and ends.
    Publish,
    /// Does jobs until its standard input ends.
    Work,
}

impl Role {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Work => "work",
        }
    }
}

/// How jobs are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The queue is set up and stays empty.
    #[default]
    None,
    /// One at a time, each awaited.
    Single,
    /// One at a time by each of `width` lanes.
    Concurrent,
    /// `batch` at a time, each batch awaited.
    Bulk,
    /// One after each of `gaps`, with a [`Line::Sent`] for each.
    Paced,
}

/// Everything that a contender may need to know. Fields without meaning for it are ignored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Order {
    /// Valkey's socket.
    pub redis_socket: String,
    /// The same, as a URL.
    pub redis_url: String,
    /// The folder of Postgres' socket.
    pub postgres_host: String,
    /// The database.
    pub database: String,
    /// The same as a URL for the ordinary user that the ledger works as.
    pub database_url: String,
    /// The same for the user who owns its tables.
    pub owner_url: String,
    /// Name of the queue.
    pub queue: String,
    /// pg-boss: `work` or `fetch`.
    pub api: String,
    /// pg-boss: loops that fetch.
    pub lanes: usize,
    /// `BullMQ`: whether ended jobs stay.
    pub keep: bool,
    /// How long a job stays with a worker that shows no sign of life, in ms.
    pub lease_ms: u64,
    /// Publisher: how.
    pub how: How,
    /// Jobs to publish, or after how many started jobs a worker says [`Line::Handled`].
    pub jobs: usize,
    /// Publisher: jobs of one bulk call.
    pub batch: usize,
    /// Publisher: when the jobs are due, in µs since 1970; at once if 0.
    #[serde(default)]
    pub due: f64,
    /// Publisher: lanes of [`How::Concurrent`].
    pub width: usize,
    /// Publisher: pauses before each job, in ms.
    pub gaps: Vec<u64>,
    /// Worker: jobs at once.
    pub concurrency: usize,
    /// Worker: after how many started jobs it says [`Line::Marked`].
    pub mark: usize,
    /// Worker: whether it says [`Line::Start`] for each job.
    pub trace: bool,
    /// Worker: how long a job takes, in ms.
    pub hold_ms: u64,
    /// Crawler: the start page.
    pub site: String,
    /// Crawler: `static` or `browser`.
    pub mode: String,
    /// Crawler: start pages of sites that are crawled at the same time, and not waited for.
    #[serde(default)]
    pub beside: Vec<String>,
}

/// An answer. Times are µs since 1970 by the machine's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// The store took this job.
    Sent {
        /// The job.
        id: String,
        /// When publishing it began.
        at: f64,
    },
    /// The publisher is through.
    Published {
        /// Jobs.
        jobs: usize,
        /// How long it took.
        seconds: f64,
    },
    /// The worker is about to take jobs.
    Ready,
    /// A job started.
    Start {
        /// The job.
        id: String,
        /// When.
        at: f64,
    },
    /// The `mark`th job started.
    Marked {
        /// When.
        at: f64,
    },
    /// The last job started.
    Handled {
        /// When.
        at: f64,
    },
}

/// What a crawler says when it is through; it then waits for the end of its standard input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crawled {
    /// Pages with content.
    pub pages: u64,
    /// Words of their main content.
    pub words: u64,
    /// When, in µs since 1970.
    pub at: f64,
}

/// What an extractor says of one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    /// The page.
    pub id: String,
    /// Its main content.
    pub text: String,
    /// Processor time, in ms.
    pub ms: f64,
}

/// What an embedder says of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// The model and what computes it.
    pub name: String,
    /// Passages a second.
    pub texts_a_second: f64,
    /// Processor time of a passage.
    pub cpu_ms_a_text: f64,
    /// Time of each question, sorted.
    pub query_ms: Vec<f64>,
    /// Memory once a question was embedded; 0 if unknown.
    #[serde(default)]
    pub idle_mib: f64,
    /// Memory once passages were embedded.
    pub loaded_mib: f64,
    /// The most memory.
    pub peak_mib: f64,
    /// nDCG@10 by cosines alone.
    pub ndcg: f64,
}

/// What a chunker says of one text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Chunks.
    pub chunks: usize,
    /// Processor time, in ms.
    pub ms: f64,
}

/// Writes an answer to standard output, as a line.
pub fn say(answer: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(answer) {
        let mut out = std::io::stdout().lock();
        // A driver that is gone needs no answer.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

impl Line {
    /// Writes it to standard output.
    pub fn emit(&self) {
        say(self);
    }
}

/// Now, in µs since 1970.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1e6)
}
