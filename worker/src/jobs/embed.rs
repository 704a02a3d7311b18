//! Makes pages searchable: Markdown to chunks, chunks to vectors, and both published page by page.
//!
//! Only what is new is embedded: a chunk whose input has a stored vector keeps it. Without a model, chunks have no vectors and
//! are found by their words. The job can be interrupted between groups of pages; what is published is not done again.
use domain::{
    Error, Result, error,
    pages::index::{self, NewChunk, Pending},
};
use embedding::{Embedder, Kind};
use extract::chunk::{self, Limit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

use crate::job::Job;

/// Texts embedded together: enough to put texts of like length into the model's batches.
const TOGETHER: usize = 64;
/// Tokens kept free for the model's marks and for counting that is not exactly additive.
const MARGIN: usize = 8;
/// Longest input, whatever more a model takes: longer chunks are found worse and cited worse.
const MAX_TOKENS: usize = 256;
/// What long sections are cut into.
const TARGET_TOKENS: usize = 200;
/// What small sections are merged up to: a section of some sentences is found best by its own heading.
const MERGE_TOKENS: usize = 50;

type Model = (Arc<dyn Embedder>, Uuid);

/// The job's progress, and at the end its result.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Tally {
    done: usize,
    total: usize,
    pages: usize,
    chunks: usize,
    chunks_embedded: usize,
    tokens_saved: i64,
}

/// A page with its chunks.
struct Draft {
    page: Pending,
    chunks: Vec<NewChunk>,
    /// Inputs of the chunks without a stored vector, by position.
    missing: Vec<(usize, String)>,
    tokens_saved: i64,
}

/// Indexes `pages`; with `force`, unchanged ones and unchanged chunks as well.
pub(super) async fn run(job: &Job, pages: &[Uuid], force: bool) -> Result<Value> {
    let model: Option<Model> = job.ctx.searcher.model().map(|(embedder, id)| (embedder.clone(), id));
    let mut tally: Tally = serde_json::from_value(job.row.progress.clone()).unwrap_or_default();
    tally.total = pages.len();
    let mut rest = pages.get(tally.done..).unwrap_or_default().iter();
    while rest.len() > 0 {
        let mut group = job.signal.until(gather(job, &mut rest, model.as_ref(), force)).await?;
        if let Some((embedder, _)) = &model {
            job.signal.until(embed(embedder, &mut group)).await?;
        }
        for draft in group {
            publish(job, model.as_ref(), draft, force, &mut tally).await?;
        }
        tally.done = pages.len() - rest.len();
        job.progress(&tally).await?;
    }
    Ok(json!({
        "pages": tally.pages, "chunks": tally.chunks, "chunks_embedded": tally.chunks_embedded, "tokens_saved": tally.tokens_saved,
    }))
}

/// Takes pages until there is enough to embed together.
async fn gather(
    job: &Job,
    rest: &mut std::slice::Iter<'_, Uuid>,
    model: Option<&Model>,
    force: bool,
) -> Result<Vec<Draft>> {
    let (mut group, mut texts) = (Vec::new(), 0);
    while texts < TOGETHER
        && let Some(id) = rest.next()
    {
        let tx = job.read().await?;
        let page = index::pending(&tx, *id, force).await?;
        let stored = match model {
            Some((_, model)) if !force => index::embedded(&tx, *id, *model).await?,
            _ => HashSet::new(),
        };
        tx.commit().await?;
        let Some(page) = page else { continue };
        let embedder = model.map(|(embedder, _)| embedder.clone());
        let drafting = tokio::task::spawn_blocking(move || draft(page, embedder.as_deref(), &stored));
        let draft = drafting.await.map_err(|e| Error::internal("chunking", e))?;
        texts += draft.missing.len();
        group.push(draft);
    }
    Ok(group)
}

/// Cuts a page into chunks and finds out which of them have no vector yet.
fn draft(page: Pending, embedder: Option<&dyn Embedder>, stored: &HashSet<Vec<u8>>) -> Draft {
    let marks = embedder.map_or(0, |e| e.count_tokens(""));
    let count = |text: &str| match embedder {
        Some(embedder) => embedder.count_tokens(text).saturating_sub(marks),
        None => rough_tokens(text),
    };
    let model_max = embedder.map_or(MAX_TOKENS, |e| e.model().max_tokens);
    let limit = Limit {
        max_tokens: model_max.min(MAX_TOKENS).saturating_sub(marks + MARGIN),
        target_tokens: TARGET_TOKENS,
        merge_tokens: MERGE_TOKENS,
    };
    let mut draft = Draft {
        chunks: Vec::new(),
        missing: Vec::new(),
        tokens_saved: 0,
        page,
    };
    for piece in chunk::chunks(&draft.page.markdown, &draft.page.title, limit, &count) {
        let input = piece.embedding_input();
        let hash = index::input_hash(&input);
        if stored.contains(&hash) {
            draft.tokens_saved += piece.tokens as i64;
        } else {
            draft.missing.push((draft.chunks.len(), input));
        }
        draft.chunks.push(NewChunk {
            heading_path: piece.heading_path,
            text: piece.text,
            tokens: piece.tokens as i32,
            hash,
            embedding: None,
        });
    }
    draft
}

/// Tokens where no model counts them: four letters each, as English text has on average.
fn rough_tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

/// Fills in the missing vectors, many texts at a time.
async fn embed(embedder: &Arc<dyn Embedder>, group: &mut [Draft]) -> Result<()> {
    let places = group.iter().enumerate();
    let places: Vec<(usize, usize, String)> = places
        .flat_map(|(at, draft)| {
            draft
                .missing
                .iter()
                .map(move |(chunk, text)| (at, *chunk, text.clone()))
        })
        .collect();
    for slice in places.chunks(TOGETHER) {
        let texts: Vec<String> = slice.iter().map(|(_, _, text)| text.clone()).collect();
        let vectors = embedder.embed(Kind::Passage, &texts).await.map_err(failure)?;
        for ((at, chunk, _), vector) in slice.iter().zip(vectors) {
            group[*at].chunks[*chunk].embedding = Some(vector);
        }
    }
    Ok(())
}

fn failure(error: embedding::Error) -> Error {
    if let Some(retry_after) = error.retry_after() {
        Error::new(
            error::Kind::TooMany { retry_after },
            "embedding_busy",
            error.to_string(),
        )
    } else if error.is_retryable() {
        Error::unavailable("embedding_unavailable", "the embedding model does not answer", error)
    } else {
        tracing::warn!(%error, "embedding failed for good");
        Error::conflict("embedding_failed", error.to_string())
    }
}

/// Shows a page's new chunks, unless the page has changed again or gone meanwhile.
async fn publish(job: &Job, model: Option<&Model>, draft: Draft, force: bool, tally: &mut Tally) -> Result<()> {
    let embedded = if model.is_some() { draft.missing.len() } else { 0 };
    let tx = job.write().await?;
    let now = index::pending(&tx, draft.page.id, force).await?;
    if now.is_none_or(|now| now.version != draft.page.version) {
        return Ok(());
    }
    index::publish(&tx, &draft.page, model.map(|(_, id)| *id), &draft.chunks).await?;
    index::bump_version(&tx).await?;
    index::count_usage(&tx, 1, embedded as i64).await?;
    tally.pages += 1;
    tally.chunks += draft.chunks.len();
    tally.chunks_embedded += embedded;
    tally.tokens_saved += draft.tokens_saved;
    // `done` stays at the group's beginning: what a killed worker has published of it is passed over, not counted again.
    job.progress_within(&tx, tally).await?;
    tx.commit().await?;
    if let Some((embedder, _)) = model {
        let name = embedder.model().name.clone();
        metrics::counter!("omniops_embedding_chunks_total", "model" => name).increment(embedded as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(markdown: &str) -> Pending {
        Pending {
            id: Uuid::nil(),
            title: "Title".into(),
            language: None,
            markdown: markdown.into(),
            version: 1,
        }
    }

    #[test]
    fn a_chunk_with_a_stored_vector_is_not_embedded_again() {
        let markdown = "# Title\n\n## What is A?\n\nOne answer.\n\n## What is B?\n\nAnother answer.";
        let all = draft(page(markdown), None, &HashSet::new());
        assert_eq!((all.chunks.len(), all.missing.len(), all.tokens_saved), (2, 2, 0));
        let stored = HashSet::from([all.chunks[0].hash.clone()]);
        let rest = draft(page(markdown), None, &stored);
        assert_eq!(rest.missing.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1]);
        assert_eq!(rest.tokens_saved, i64::from(all.chunks[0].tokens));
    }
}
