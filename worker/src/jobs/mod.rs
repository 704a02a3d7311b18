//! The handlers, one file for each kind of job.
mod embed;
mod scrape;

use domain::{Result, jobs::Payload};
use serde_json::Value;

use crate::job::Job;

/// Does a job; returns its result. An error after the job's signal was given is no failure: the signal has the reason.
pub(crate) async fn run(job: &Job, payload: Payload) -> Result<Value> {
    match payload {
        Payload::Scrape {} => scrape::run(job).await,
        Payload::Embed { page_ids, force } => embed::run(job, &page_ids, force).await,
    }
}
