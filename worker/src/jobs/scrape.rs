//! Crawls a site and has what is new indexed while it crawls.
//!
//! Everything that the crawl must remember is in rows, so any worker can go on with it: the phase in the job's progress, the
//! worklist in the frontier, what was decided in `job_urls`. Which pages still need an embed job is derived from rows as
//! well ([`index::uncovered`]) instead of being noted: a page and its need for one are then the same row, and there is no moment
//! in between at which a crash could lose it.
use domain::{
    Result,
    jobs::{self, NewJob, Payload},
    pages::{frontier, index, request::EMBED_BATCH, store},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

use crate::{
    crawl::{Fetcher, Site, passes, seed},
    job::{Interrupt, Job},
    jobs::Ending,
};

/// Progress is saved, and embed jobs are made, at most this often.
const REPORT: Duration = Duration::from_secs(1);
/// How often the embed jobs are looked at while the crawl waits for them.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The start page and the sitemaps are being read.
    #[default]
    Starting,
    /// Pages are being visited.
    Crawling,
    /// All pages have been visited; their chunks are being embedded.
    Indexing,
}

/// What people see while the crawl runs, and what another worker goes on from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    phase: Phase,
    /// URLs with a decision.
    done: i64,
    /// URLs seen and admitted.
    total: i64,
    new: i64,
    changed: i64,
    unchanged: i64,
    failed: i64,
    /// Embed jobs that have not ended.
    embed_jobs: i64,
    chunks: i64,
    chunks_embedded: i64,
}

/// Runs or goes on with a crawl.
pub(super) async fn run(job: &Job) -> Result<Ending> {
    let before: Progress = serde_json::from_value(job.row.progress.clone()).unwrap_or_default();
    if before.phase != Phase::Indexing {
        let crawled = job.signal.until(crawl(job, before.phase)).await;
        if let Err(error) = crawled {
            release(job).await;
            return Err(error);
        }
    }
    job.signal.until(index_all(job)).await?;
    let result = result(job).await?;
    let tx = job.write().await?;
    frontier::clear(&**tx, job.id()).await?;
    tx.commit().await?;
    Ok(Ending::Done(result))
}

async fn crawl(job: &Job, phase: Phase) -> Result<()> {
    let tx = job.read().await?;
    let settings = store::scrape_settings(&tx, job.id()).await?;
    tx.commit().await?;
    let site = Site::open(job, &settings).await?;
    let fetcher = Arc::new(Fetcher::new(job.clone(), settings, site)?);
    if phase == Phase::Starting {
        seed(&fetcher).await?;
        job.progress(&progress(job, Phase::Crawling).await?).await?;
    }
    tokio::select! {
        ended = passes(&fetcher) => ended?,
        failed = report(job, &fetcher) => failed?,
    }
    job.progress(&progress(job, Phase::Indexing).await?).await
}

/// Tells how the crawl goes on and hands out what can be indexed, until an error or for ever.
async fn report(job: &Job, fetcher: &Fetcher) -> Result<()> {
    let mut seen = 0;
    loop {
        tokio::time::sleep(REPORT).await;
        let recorded = fetcher.recorded();
        if recorded != seen {
            seen = recorded;
            hand_out(job, EMBED_BATCH).await?;
            job.progress(&progress(job, Phase::Crawling).await?).await?;
        }
    }
}

/// Makes embed jobs for the pages that wait for one, in batches of at least `least`.
async fn hand_out(job: &Job, least: usize) -> Result<()> {
    let tx = job.write().await?;
    let waiting = index::uncovered(&tx, job.id()).await?;
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
    let batches = waiting.chunks(EMBED_BATCH).filter(|batch| batch.len() >= least);
    let new: Vec<NewJob> = batches.map(embed).collect();
    let made = jobs::submit_all(&**tx, &new).await?;
    tx.commit().await?;
    if !made.is_empty() {
        job.ctx.dispatcher.dispatch(&made).await;
    }
    Ok(())
}

/// Waits until all that the crawl found has been indexed.
async fn index_all(job: &Job) -> Result<()> {
    hand_out(job, 1).await?;
    let mut told = Progress::default();
    loop {
        let now = progress(job, Phase::Indexing).await?;
        let through = now.embed_jobs == 0;
        if now != told {
            job.progress(&now).await?;
            told = now;
        }
        if through {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How far the crawl is, counted from the rows.
async fn progress(job: &Job, phase: Phase) -> Result<Progress> {
    let tx = job.read().await?;
    let counts = frontier::counts(&*tx, job.id()).await?;
    let (decisions, _) = store::tally(&tx, job.id()).await?;
    let (embed_jobs, _) = jobs::live_children(&*tx, job.id()).await?;
    let indexed = jobs::child_results(&*tx, job.id()).await?;
    tx.commit().await?;
    let of = |word: &str| decisions.get(word).copied().unwrap_or_default();
    Ok(Progress {
        phase,
        done: counts.done,
        total: counts.total,
        new: of("new"),
        changed: of("changed"),
        unchanged: of("same_hash") + of("not_modified"),
        failed: of("failed"),
        embed_jobs,
        chunks: sum(&indexed, "chunks"),
        chunks_embedded: sum(&indexed, "chunks_embedded"),
    })
}

async fn result(job: &Job) -> Result<Value> {
    let tx = job.read().await?;
    let (decisions, bytes) = store::tally(&tx, job.id()).await?;
    let (_, embed_jobs_failed) = jobs::live_children(&*tx, job.id()).await?;
    let indexed = jobs::child_results(&*tx, job.id()).await?;
    tx.commit().await?;
    let of = |word: &str| decisions.get(word).copied().unwrap_or_default();
    let unchanged = of("same_hash") + of("not_modified");
    let began = job.row.started_at.unwrap_or(job.row.created_at);
    let took = job.ctx.clock.now() - began;
    metrics::histogram!("omniops_scrape_duration_seconds").record(took.as_seconds_f64());
    Ok(json!({
        "pages": of("new") + of("changed") + unchanged,
        "new": of("new"), "changed": of("changed"), "unchanged": unchanged,
        "not_modified": of("not_modified"), "same_hash": of("same_hash"),
        "gone": of("gone"), "failed": of("failed"), "blocked": of("blocked"), "redirected": of("redirected"),
        "skipped": of("skipped"), "duplicate": of("duplicate"),
        "chunks": sum(&indexed, "chunks"), "chunks_embedded": sum(&indexed, "chunks_embedded"),
        "tokens_saved": sum(&indexed, "tokens_saved"), "embed_jobs_failed": embed_jobs_failed,
        "bytes": bytes, "ms": took.whole_milliseconds() as i64,
    }))
}

fn sum(results: &[Value], field: &str) -> i64 {
    results.iter().filter_map(|result| result[field].as_i64()).sum()
}

/// Opens again what was under way; if that fails, the next run does it.
async fn release(job: &Job) {
    if matches!(job.signal.why(), None | Some(Interrupt::Lost)) {
        return;
    }
    let released = async {
        let tx = job.write().await?;
        frontier::release(&**tx, job.id()).await?;
        tx.commit().await
    };
    if let Err(error) = released.await {
        tracing::warn!(job.id = %job.id(), error = error.story(), "what was under way is opened again later");
    }
}
