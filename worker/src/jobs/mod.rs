//! The handlers, one file for each kind of job.
mod embed;
mod maintenance;
mod scrape;

use async_trait::async_trait;
use domain::{
    Error, Result,
    jobs::{Kind, Payload},
};
use serde_json::Value;

use crate::job::Job;

/// What is done for a job. The product's own are [`Product`]; drills and benchmarks bring others.
#[async_trait]
pub trait Handlers: Send + Sync + 'static {
    /// Does a job; returns its result. An error after the job's signal was given is no failure: the signal has the reason.
    async fn run(&self, job: &Job) -> Result<Value>;
}

/// The product's handlers.
pub struct Product;

#[async_trait]
impl Handlers for Product {
    async fn run(&self, job: &Job) -> Result<Value> {
        match payload(job)? {
            Payload::Scrape {} => scrape::run(job).await,
            Payload::Embed { page_ids, force } => embed::run(job, &page_ids, force).await,
            Payload::Maintenance { task } => maintenance::run(job, task).await,
        }
    }
}

/// What a job was told. One that this build can't read may be from a later one, whose workers can.
fn payload(job: &Job) -> Result<Payload> {
    let read = job
        .row
        .kind
        .parse::<Kind>()
        .and_then(|kind| Payload::read(kind, &job.row.payload));
    read.map_err(|error| {
        let message = format!(
            "the payload (version {}) can't be read: {error}",
            job.row.payload_version
        );
        Error::conflict("payload_unreadable", message)
    })
}
