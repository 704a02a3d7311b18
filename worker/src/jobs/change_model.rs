//! Changes a customer's index to another embedding model, chunk by chunk beside what is searched ([`model_change`]). Before it is switched,
//! the golden questions are asked of both, as at the end of a crawl: where too many would be lost, a person has to confirm it.
//!
//! The vectors are computed between transactions, and what is stored is not computed again: the job can be ended anywhere. So it gives way
//! to whatever else waits to be embedded, as soon as a few chunks have their vectors: an index has hours of them.
use domain::{
    Error, Result,
    learning::{self, Cause, Comparison},
    pages::{
        index,
        model_change::{self, Switched},
    },
    people,
    retrieval::{IndexModel, Version},
    telemetry,
};
use embedding::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

use super::{Ending, embed::failure, indexing, learn};
use crate::job::Job;

/// Chunks embedded and stored together.
const TOGETHER: u64 = 64;

/// The job's progress: chunks of the index, and those that have their new vector.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Tally {
    done: i64,
    total: i64,
    chunks_embedded: i64,
}

/// Embeds until nothing is missing, then switches. Crawls that go on meanwhile bring more to do, and each round less.
pub(super) async fn run(job: &Job, model: Uuid) -> Result<Ending> {
    let mut tally: Tally = serde_json::from_value(job.row.progress.clone()).unwrap_or_default();
    let model = job.ctx.searcher.models().numbered(Some(model)).await?.ok_or_else(|| {
        let message = "this worker can't load the model that the index is to change to";
        Error::unavailable("embedding_unavailable", message, "no such model here")
    })?;
    loop {
        if !fill(job, &model, &mut tally).await? {
            return Ok(Ending::Later(Duration::ZERO));
        }
        let examiner = learn::examiner(job)?;
        let asking = examiner.compare(job.customer()?, Version::Next(model.id));
        let compared = job.signal.until(asking).await?;
        if job.row.confirmed_at.is_none()
            && let Some(reason) = compared.doubt(learning::tolerance(job.customer()?))
        {
            return hold(job, &model, &reason, &compared).await;
        }
        let tx = job.write().await?;
        if model_change::switch(&tx, model.id).await? == Switched::Yes {
            indexing::keep_run(&tx, job, Cause::Change, &compared, true).await?;
            tx.commit().await?;
            learn::after_index(job).await;
            let name = &model.embedder.model().name;
            tracing::info!(job.id = %job.id(), event = "embedding_model_changed", model = name, chunks = tally.total);
            let mut result = told(&model, &compared);
            result["chunks"] = tally.total.into();
            result["chunks_embedded"] = tally.chunks_embedded.into();
            return Ok(Ending::Done(result));
        }
    }
}

/// The vectors wait beside the index, and answers are made from the old ones, until a person says that it goes on.
async fn hold(job: &Job, model: &IndexModel, reason: &str, compared: &Comparison) -> Result<Ending> {
    let tx = job.write().await?;
    indexing::keep_run(&tx, job, Cause::Change, compared, false).await?;
    people::crawl_held(&tx, job.id(), Some(reason)).await?;
    tx.commit().await?;
    let name = &model.embedder.model().name;
    tracing::warn!(job.id = %job.id(), event = "model_change_held", reason, model = name);
    let mut result = told(model, compared);
    result["held"] = json!({ "reason": reason, "golden": compared.named() });
    Ok(Ending::Hold(result))
}

fn told(model: &IndexModel, compared: &Comparison) -> Value {
    json!({
        "model": model.embedder.model().name,
        "golden": { "before": compared.before.told(), "after": compared.after.told(), "lost": compared.named() },
    })
}

/// Gives every chunk that lacks one its vector; false if others wait before all have theirs.
async fn fill(job: &Job, model: &IndexModel, tally: &mut Tally) -> Result<bool> {
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let tx = job.read().await?;
        let bare = model_change::missing(&tx, model.id, after, TOGETHER).await?;
        (tally.total, tally.done) = model_change::progress(&tx, model.id).await?;
        tx.commit().await?;
        let Some(last) = bare.last() else {
            job.progress(tally).await?;
            return Ok(true);
        };
        after = (last.page_id, last.id);
        let inputs: Vec<String> = bare.iter().map(model_change::Bare::input).collect();
        let embedding = async {
            model
                .embedder
                .embed_counted(Kind::Passage, &inputs)
                .await
                .map_err(failure)
        };
        let made = job.signal.until(embedding).await?;
        let embedded = made.vectors.len() as i64;
        let new: Vec<_> = bare.iter().map(|bare| bare.id).zip(made.vectors).collect();
        let tx = job.write().await?;
        model_change::store(&tx, model.id, &new).await?;
        index::count_usage(&tx, 0, embedded, made.spent).await?;
        tally.done += embedded;
        tally.chunks_embedded += embedded;
        job.progress_within(&tx, tally).await?;
        tx.commit().await?;
        let name = model.embedder.model().name.clone();
        telemetry::embedded(&name, made.spent);
        metrics::counter!("omniops_embedding_chunks_total", "model" => name).increment(embedded as u64);
        if job.is_awaited().await? {
            return Ok(false);
        }
    }
}
