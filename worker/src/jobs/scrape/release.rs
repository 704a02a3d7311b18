//! The end of a crawl that stages: what it brought is embedded beside the index, the golden questions are asked of the index as it is
//! and as it would be, and then everything is shown at once, or a person has to say so.
//!
//! Run again, by another worker or after a confirmation, it comes to the same: what is staged is staged, what waits is staged now, and
//! the questions are asked again, since the site's other crawls may have changed what there is.
use domain::{
    Result,
    learning::{self, Cause, Comparison},
    pages::{frontier, losses::Losses, staging},
    people,
    retrieval::Version,
};
use serde_json::{Value, json};

use super::{index_all, result};
use crate::{
    job::Job,
    jobs::{Ending, indexing, learn, suggest},
};

/// Ends a crawl whose pages have all been visited.
pub(super) async fn run(job: &Job) -> Result<Ending> {
    let losses = job.signal.until(indexing::prepare(job)).await?;
    loop {
        if let Some(wait) = job.signal.until(index_all(job, false, 0)).await? {
            return Ok(Ending::Later(wait.time));
        }
        let examiner = learn::examiner(job)?;
        let compared = job
            .signal
            .until(examiner.compare(job.customer()?, Version::Staged(job.id())))
            .await?;
        if job.row.confirmed_at.is_none()
            && let Some(why) = doubt(job, &losses, &compared)?
        {
            return hold(job, why, &compared).await;
        }
        if let Some(retired) = job.signal.until(indexing::show(job, &compared)).await? {
            suggest::after_build(job).await;
            learn::after_index(job).await;
            let mut result = told(job, &compared).await?;
            result["retired"] = retired.into();
            return Ok(Ending::Done(result));
        }
    }
}

/// Why a person has to look at it first, if one has: what would be lost of the site's pages, and of its golden questions.
fn doubt(job: &Job, losses: &Losses, compared: &Comparison) -> Result<Option<Value>> {
    let falls = compared.doubt(learning::tolerance(job.customer()?));
    let mut why = match (losses.is_suspicious(), falls.is_some()) {
        (false, false) => return Ok(None),
        (true, _) => indexing::told(losses),
        (false, true) => json!({}),
    };
    if let Some(reason) = falls {
        let all: Vec<&str> = why["reason"].as_str().into_iter().chain([reason.as_str()]).collect();
        why["reason"] = all.join("; ").into();
        why["golden"] = compared.named();
    }
    Ok(Some(why))
}

async fn hold(job: &Job, why: Value, compared: &Comparison) -> Result<Ending> {
    let mut result = told(job, compared).await?;
    let tx = job.write().await?;
    let (pages, chunks) = staging::count(&tx, job.id()).await?;
    indexing::keep_run(&tx, job, Cause::Crawl, compared, false).await?;
    people::crawl_held(&tx, job.id(), why["reason"].as_str()).await?;
    tx.commit().await?;
    tracing::warn!(job.id = %job.id(), event = "crawl_held", reason = why["reason"].as_str(), pages, chunks);
    result["retired"] = 0.into();
    result["staged"] = json!({ "pages": pages, "chunks": chunks });
    result["held"] = why;
    Ok(Ending::Hold(result))
}

/// The crawl's result, with what its golden questions said; its worklist is not needed any more.
async fn told(job: &Job, compared: &Comparison) -> Result<Value> {
    let mut result = result::of(job).await?;
    result["golden"] = json!({
        "before": compared.before.told(), "after": compared.after.told(), "lost": compared.named(),
    });
    let tx = job.write().await?;
    frontier::clear(&**tx, job.id()).await?;
    tx.commit().await?;
    Ok(result)
}
