//! The worker: takes jobs of the ledger off the queues and does them.
//!
//! ```text
//! runtime (apalis) ─ errand ─▶ run ─ claim ─▶ jobs::scrape ─▶ crawl::pass ─▶ crawl::{plain, spider} ─▶ crawl::fetcher
//!                              │              jobs::embed                       (who visits when)       (what is done)
//! scheduler ─ dispatcher       └ settle       jobs::maintenance
//! heart ─ signs of life, cancels
//! notary ─ audit::chain
//! health ─ vitals
//! ```
//!
//! What must stay true: apalis is named only in `runtime`; every write of a job's work goes through
//! [`Job::write`], which is fenced by the job's lease; every task is started by the lifecycle.
mod batch;
mod context;
mod crawl;
mod desk;
mod health;
mod heart;
mod job;
mod jobs;
mod notary;
mod refusals;
mod run;
mod runtime;
mod scheduler;
mod seats;
mod vitals;

pub use context::{Context, CrawlerKind, MetricsText};
pub use job::{Fenced, Interrupt, Job, Signal};
pub use jobs::{Ending, Handlers, Product};
pub use run::Worker;
