//! What a crawl has brought: the counts of its decision rows and of its embed jobs.
use domain::{Result, jobs, pages::explain};
use serde_json::{Value, json};

use super::progress::sum;
use crate::job::Job;

/// The job's result. `pages`, `gone`, `failed`, `blocked`, `redirected`, `skipped` and `duplicate` add up to `urls`; `rungs` says by what
/// the unchanged pages were known, `sitemaps` what became of the site's sitemaps and feeds.
pub(super) async fn of(job: &Job) -> Result<Value> {
    let tx = job.read().await?;
    let summary = explain::summary(&tx, job.id()).await?;
    let (_, embed_jobs_failed) = jobs::live_children(&*tx, job.id()).await?;
    let tokens_kept = explain::tokens_kept(&tx, job.id()).await?;
    let indexed = jobs::child_results(&*tx, job.id()).await?;
    tx.commit().await?;
    let of = |word: &str| summary.decision(word);
    let lastmod = summary.rule("not_modified", "lastmod");
    let unchanged = of("same_hash") + of("not_modified");
    let began = job.row.started_at.unwrap_or(job.row.created_at);
    let took = job.ctx.clock.now() - began;
    metrics::histogram!("omniops_scrape_duration_seconds").record(took.as_seconds_f64());
    Ok(json!({
        "urls": summary.urls,
        "pages": of("new") + of("changed") + unchanged,
        "new": of("new"), "changed": of("changed"), "unchanged": unchanged,
        "not_modified": of("not_modified"), "same_hash": of("same_hash"),
        "gone": of("gone"), "failed": of("failed"), "blocked": of("blocked"), "redirected": of("redirected"),
        "skipped": of("skipped"), "duplicate": of("duplicate"),
        "rungs": { "lastmod": lastmod, "not_modified": of("not_modified") - lastmod, "same_hash": of("same_hash") },
        "blocked_by": summary.rules_of("blocked"), "skipped_by": summary.rules_of("skipped"), "failed_by": summary.rules_of("failed"),
        "budget": summary.rule("skipped", "budget"), "renders": summary.via("browser"),
        "chunks": sum(&indexed, "chunks"), "chunks_embedded": sum(&indexed, "chunks_embedded"),
        "tokens_saved": tokens_kept + sum(&indexed, "tokens_saved"), "embed_jobs_failed": embed_jobs_failed,
        "sitemaps": summary.sitemaps, "bytes": summary.bytes, "ms": took.whole_milliseconds() as i64,
        "fetch_ms": summary.fetch_ms, "wait_ms": summary.wait_ms,
    }))
}
