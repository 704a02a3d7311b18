//! What a crawl gives to the indexer: the embed jobs that it makes while it runs, and, once the whole site has been seen, what
//! it takes out of answers, which pages say the same, and which text the site repeats.
//!
//! A crawl that stages what it brings ([`staging`]) changes nothing that answers read before [`show`].
//!
//! Everything is derived from rows in the transaction that acts on it, so that a crash in between is nothing: the next run
//! comes to the same.
use domain::{
    Result,
    jobs::{NewJob, Payload},
    learning::{self, Cause, Circumstances, Comparison},
    pages::{
        index::{self, Wanted},
        losses::{self, Losses},
        model_change,
        repeats::{self, When},
        request::EMBED_BATCH,
        staging::{self, Shown},
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
    // Looking takes a while, and whoever writes holds up those who record visits.
    let look = job.read().await?;
    let masses = losses::masses(&look, job.id()).await?;
    let waiting = index::uncovered(&look, job.id(), &Wanted::OfRun(&masses)).await?;
    look.commit().await?;
    if waiting.len() < EMBED_BATCH {
        return Ok(());
    }
    let tx = job.write().await?;
    let masses = losses::masses(&tx, job.id()).await?;
    index::rearrange(&tx).await?;
    if !staging::is_staged(&tx, job.id()).await? {
        twins::join(&tx, &masses).await?;
    }
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
        ..NewJob::new(
            tx.customer(),
            Payload::Embed {
                page_ids: batch.to_vec(),
                force: false,
            },
        )
    };
    let new: Vec<NewJob> = pages.chunks(EMBED_BATCH).map(embed).collect();
    job.hand_out(tx, &new).await
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
    Ok(Closed {
        held: held.then(|| told(&losses)),
        retired,
    })
}

/// The losses, for whoever has to confirm them.
pub(super) fn told(losses: &Losses) -> Value {
    json!({
        "reason": format!("{} of {} pages would leave the answers", losses.lost, losses.live),
        "lost": losses.lost, "live": losses.live, "share": losses.share(), "by_cause": losses.by_cause, "examples": losses.examples,
    })
}

/// Puts the site's pages in order for a crawl that stages, as far as that changes no answer, and weighs what would be lost.
pub(super) async fn prepare(job: &Job) -> Result<Losses> {
    let tx = job.write().await?;
    index::rearrange(&tx).await?;
    let losses = losses::weigh(&tx, job.id()).await?;
    twins::free(&tx).await?;
    repeats::count(&tx, job.id(), When::AtEnd).await?;
    tx.commit().await?;
    Ok(losses)
}

/// Shows what the crawl staged, retires what it found gone and joins twins, all at once, and keeps the golden run that spoke for it.
/// Returns how many pages were retired; none if the index has changed its model, and some pages have to be staged again.
pub(super) async fn show(job: &Job, compared: &Comparison) -> Result<Option<u64>> {
    loop {
        let tx = job.write().await?;
        let model = model_change::hold(&tx).await?;
        index::rearrange(&tx).await?;
        if staging::forget_other_models(&tx, job.id(), model).await? > 0 {
            tx.commit().await?;
            return Ok(None);
        }
        if staging::show(&tx, job.id(), staging::TOGETHER).await? == Shown::Some {
            tx.commit().await?;
            continue;
        }
        let retired = losses::retire(&tx, job.id()).await?;
        twins::settle(&tx).await?;
        twins::rejoin(&tx).await?;
        keep_run(&tx, job, Cause::Crawl, compared, true).await?;
        tx.commit().await?;
        return Ok(Some(retired));
    }
}

/// Keeps what the golden questions said of what is to be shown.
pub(super) async fn keep_run(
    tx: &Fenced,
    job: &Job,
    cause: Cause,
    compared: &Comparison,
    published: bool,
) -> Result<()> {
    let circumstances = Circumstances {
        cause,
        job: job.id(),
        staged: true,
        published,
        lost: &compared.named(),
    };
    learning::keep(tx, &compared.after, circumstances).await.map(drop)
}
