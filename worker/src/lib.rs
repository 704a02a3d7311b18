//! The worker: takes jobs of the ledger off the queues and does them.
//!
//! ```text
//! runtime (apalis) ─ errand ─▶ run ─ claim ─▶ jobs::scrape ─▶ crawl::pass ─▶ crawl::{plain, spider} ─▶ crawl::fetcher
//!                              │              jobs::embed                       (who visits when)       (what is done)
//! scheduler ─ dispatcher       └ renew, settle
//! health
//! ```
//!
//! What must stay true: apalis is named only in `runtime`; every write of a job's work goes through
//! [`job::Job::write`], which is fenced by the job's lease; every task is started by the lifecycle.
mod context;
mod crawl;
mod health;
mod job;
mod jobs;
mod run;
mod runtime;
mod scheduler;

pub use context::{Context, CrawlerKind, MetricsText};
pub use run::Worker;
