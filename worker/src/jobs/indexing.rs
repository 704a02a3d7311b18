//! What a crawl gives to the indexer: the embed jobs that it makes while it runs, and, once the whole site has been seen, what
//! it takes out of answers, which pages say the same, and which text the site repeats.
//!
//! Everything is derived from rows in the transaction that acts on it, so that a crash in between is nothing: the next run
//! comes to the same.
use domain::{
    Result,
    jobs::{self, NewJob, Payload},
    pages::{
        index::{self, Wanted},
        losses,
        repeats::{self, When},
        request::EMBED_BATCH,
        twins,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::job::{Fenced, Job};

/// When a running crawl counts its site's repeated text again: each time that it has found twice as many pages.
#[derive(Debug, Default)]
pub(super) struct Pace {
    handed: usize,
    counted: usize,
}

/// What came of a crawl's end.
#[derive(Debug)]
pub(super) struct Closed {
    /// Why a person has to confirm before any page is retired.
    pub held: Option<Value>,
    /// How many pages were retired.
    pub retired: u64,
}

/// Makes embed jobs for full batches of the pages that the run has brought and that wait for one.
pub(super) async fn hand_out(job: &Job, pace: &mut Pace) -> Result<()> {
    let tx = job.write().await?;
    let masses = losses::masses(&tx, job.id()).await?;
    let waiting = index::uncovered(&tx, job.id(), &Wanted::OfRun(&masses)).await?;
    if waiting.len() < EMBED_BATCH {
        return Ok(());
    }
    index::rearrange(&tx).await?;
    twins::join(&tx, &masses).await?;
    if pace.handed >= 2 * pace.counted {
        repeats::count(&tx, job.id(), When::Running).await?;
        pace.counted = pace.handed.max(EMBED_BATCH);
    }
    let waiting = index::uncovered(&tx, job.id(), &Wanted::OfRun(&masses)).await?;
    let full = waiting.len() / EMBED_BATCH * EMBED_BATCH;
    pace.handed += full;
    make(job, tx, &waiting[..full]).await
}

/// Makes embed jobs for all that still waits on the crawled sites; whether there was anything.
pub(super) async fn hand_out_rest(job: &Job, held: bool) -> Result<bool> {
    let tx = job.write().await?;
    let masses = if held {
        losses::masses(&tx, job.id()).await?
    } else {
        Vec::new()
    };
    let waiting = index::uncovered(&tx, job.id(), &Wanted::OfSites(&masses)).await?;
    make(job, tx, &waiting).await?;
    Ok(!waiting.is_empty())
}

async fn make(job: &Job, tx: Fenced, pages: &[Uuid]) -> Result<()> {
    let embed = |batch: &[Uuid]| NewJob {
        parent: Some(job.id()),
        priority: job.row.priority,
        ..NewJob::new(
            tx.customer(),
            Payload::Embed {
                page_ids: batch.to_vec(),
                force: false,
            },
        )
    };
    let new: Vec<NewJob> = pages.chunks(EMBED_BATCH).map(embed).collect();
    let made = jobs::submit_all(&**tx, &new).await?;
    tx.commit().await?;
    if !made.is_empty() {
        job.ctx.dispatcher.dispatch(&made).await;
    }
    Ok(())
}

/// Retires what the run found gone, unless that is so much that a person has to confirm it first, and puts the site's pages in
/// order. Everything new and changed is indexed in either case.
pub(super) async fn close(job: &Job) -> Result<Closed> {
    let tx = job.write().await?;
    index::rearrange(&tx).await?;
    let losses = losses::weigh(&tx, job.id()).await?;
    let held = losses.is_suspicious() && job.row.confirmed_at.is_none();
    let (masses, retired) = if held {
        (losses::masses(&tx, job.id()).await?, 0)
    } else {
        (Vec::new(), losses::retire(&tx, job.id()).await?)
    };
    twins::settle(&tx).await?;
    twins::join(&tx, &masses).await?;
    repeats::count(&tx, job.id(), When::AtEnd).await?;
    tx.commit().await?;
    let why = || {
        json!({
            "reason": format!("{} of {} pages would leave the answers", losses.lost, losses.live),
            "lost": losses.lost, "live": losses.live, "share": losses.share(), "by_cause": losses.by_cause, "examples": losses.examples,
        })
    };
    Ok(Closed {
        held: held.then(why),
        retired,
    })
}
