//! Changes a customer's index to another embedding model, chunk by chunk beside what is searched ([`model_change`]).
//!
//! The vectors are computed between transactions, and what is stored is not computed again: the job can be ended anywhere.
use domain::{
    Error, Result,
    pages::{
        index,
        model_change::{self, Switched},
    },
    retrieval::IndexModel,
};
use embedding::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::embed::failure;
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
pub(super) async fn run(job: &Job, model: Uuid) -> Result<Value> {
    let mut tally: Tally = serde_json::from_value(job.row.progress.clone()).unwrap_or_default();
    let model = job.ctx.searcher.models().numbered(Some(model)).await?.ok_or_else(|| {
        let message = "this worker can't load the model that the index is to change to";
        Error::unavailable("embedding_unavailable", message, "no such model here")
    })?;
    loop {
        fill(job, &model, &mut tally).await?;
        let tx = job.write().await?;
        if model_change::switch(&tx, model.id).await? == Switched::Yes {
            tx.commit().await?;
            let name = &model.embedder.model().name;
            tracing::info!(job.id = %job.id(), event = "embedding_model_changed", model = name, chunks = tally.total);
            return Ok(json!({ "model": name, "chunks": tally.total, "chunks_embedded": tally.chunks_embedded }));
        }
    }
}

/// Gives every chunk that lacks one its vector.
async fn fill(job: &Job, model: &IndexModel, tally: &mut Tally) -> Result<()> {
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let tx = job.read().await?;
        let bare = model_change::missing(&tx, model.id, after, TOGETHER).await?;
        (tally.total, tally.done) = model_change::progress(&tx, model.id).await?;
        tx.commit().await?;
        let Some(last) = bare.last() else {
            return job.progress(tally).await;
        };
        after = (last.page_id, last.id);
        let inputs: Vec<String> = bare.iter().map(model_change::Bare::input).collect();
        let embedding = async { model.embedder.embed(Kind::Passage, &inputs).await.map_err(failure) };
        let vectors = job.signal.until(embedding).await?;
        let embedded = vectors.len() as i64;
        let new: Vec<_> = bare.iter().map(|bare| bare.id).zip(vectors).collect();
        let tx = job.write().await?;
        model_change::store(&tx, model.id, &new).await?;
        index::count_usage(&tx, 0, embedded).await?;
        tally.done += embedded;
        tally.chunks_embedded += embedded;
        job.progress_within(&tx, tally).await?;
        tx.commit().await?;
        let name = model.embedder.model().name.clone();
        metrics::counter!("omniops_embedding_chunks_total", "model" => name).increment(embedded as u64);
    }
}
