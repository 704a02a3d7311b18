//! The handlers, one file for each kind of job, and what several of them share.
mod change_model;
mod draft;
mod embed;
mod indexing;
mod learn;
mod maintenance;
mod people;
mod privacy;
mod scrape;
mod suggest;
mod sync;

use async_trait::async_trait;
use domain::{
    Error, Result,
    jobs::{Kind, Payload},
};
use serde_json::Value;
use std::time::Duration;

use crate::job::Job;

/// How a run ended that met no error.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The job is done; this is its result.
    Done(Value),
    /// A person must confirm before it goes on: until then it waits as `needs_confirmation`, without a worker, with this as its
    /// result for people to judge by. The run after the confirmation finds `row.confirmed_at` set and this in `row.result`.
    Hold(Value),
    /// It gives way: it runs again after this time, zero for as soon as whoever waits had a turn. Its progress is kept, and the
    /// run counts neither as an attempt nor as a start.
    Later(Duration),
}

/// What is done for a job. The product's own are [`Product`]; drills and benchmarks bring others.
#[async_trait]
pub trait Handlers: Send + Sync + 'static {
    /// Does a job; returns how that ended. An error after the job's signal was given is no failure: the signal has the reason.
    async fn run(&self, job: &Job) -> Result<Ending>;
}

/// The product's handlers.
pub struct Product;

#[async_trait]
impl Handlers for Product {
    async fn run(&self, job: &Job) -> Result<Ending> {
        let ended = match payload(job)? {
            Payload::Scrape {} => Box::pin(scrape::run(job)).await,
            Payload::Embed { page_ids, force } => embed::run(job, &page_ids, force).await.map(Ending::Done),
            Payload::ChangeModel { model } => change_model::run(job, model).await,
            Payload::Sync { connection, what } => Box::pin(sync::run(job, connection, &what)).await,
            Payload::Maintenance { task } => maintenance::run(job, task).await,
        };
        settle(job).await;
        ended
    }
}

/// Counts what questions that the job has asked of an index have cost.
async fn settle(job: &Job) {
    let Ok(customer) = job.customer() else { return };
    if let Err(error) = job.ctx.searcher.models().settle(customer).await {
        tracing::warn!(error = error.story(), "what vectors cost is counted later");
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
