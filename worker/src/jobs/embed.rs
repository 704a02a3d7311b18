//! Makes pages searchable: Markdown to chunks, chunks to vectors, and both published page by page.
//!
//! Only what is new is embedded: a chunk whose input has a stored vector keeps it. Without a model, chunks have no vectors and
//! are found by their words. The job can be interrupted between groups of pages; what is published is not done again. For a crawl that
//! stages ([`staging`]), the chunks are put beside the index instead.
use domain::{
    Error, Result, error,
    pages::{
        index::{self, Edition, Pending},
        model_change, staging,
    },
    telemetry,
};
use embedding::{Embedder, Kind, Spent};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

use super::{
    draft::{Draft, cut},
    learn, suggest,
};
use crate::job::Job;

/// Texts embedded together: enough to put texts of like length into the model's batches.
const TOGETHER: usize = 64;
/// Pages published together at most.
const PAGES: usize = 16;
type Model = (Arc<dyn Embedder>, Uuid);

/// How pages are indexed.
struct Work {
    model: Option<Model>,
    /// The crawl whose chunks wait to be shown, if they do.
    crawl: Option<Uuid>,
    /// Unchanged pages and chunks as well.
    force: bool,
}

/// The job's progress, and at the end its result.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Tally {
    done: usize,
    total: usize,
    pages: usize,
    chunks: usize,
    chunks_embedded: usize,
    tokens_saved: i64,
}

/// Indexes `pages`; with `force`, unchanged ones and unchanged chunks as well.
///
/// While one group of pages is being embedded, the next one is cut.
pub(super) async fn run(job: &Job, pages: &[Uuid], force: bool) -> Result<Value> {
    let tx = job.read().await?;
    let crawl = staging::crawl_of(&tx, job.row.parent_id).await?;
    tx.commit().await?;
    let crawl = match crawl {
        // Nobody would show it.
        Some((_, false)) => return Ok(json!({ "pages": 0, "chunks": 0, "chunks_embedded": 0, "tokens_saved": 0 })),
        Some((crawl, true)) => Some(crawl),
        None => None,
    };
    let work = Work {
        model: model_of(job).await?,
        crawl,
        force,
    };
    let mut tally: Tally = serde_json::from_value(job.row.progress.clone()).unwrap_or_default();
    tally.total = pages.len();
    let rest = pages.get(tally.done..).unwrap_or_default();
    let mut next = job.signal.until(gather(job, rest, &work)).await?;
    while let Some(mut group) = next {
        let rest = pages.get(tally.done + group.taken..).unwrap_or_default();
        let (embedded, following) = tokio::join!(
            job.signal.until(embed(work.model.as_ref(), &mut group.drafts)),
            job.signal.until(gather(job, rest, &work)),
        );
        let spent = embedded?;
        tally.done += group.taken;
        publish(job, &work, group.drafts, spent, &mut tally).await?;
        next = following?;
    }
    if work.crawl.is_none() {
        suggest::after_build(job).await;
        learn::after_index(job).await;
    }
    Ok(json!({
        "pages": tally.pages, "chunks": tally.chunks, "chunks_embedded": tally.chunks_embedded, "tokens_saved": tally.tokens_saved,
    }))
}

/// The model of the customer's index, which is the configured one if nothing was indexed yet; none if it can't be had.
async fn model_of(job: &Job) -> Result<Option<Model>> {
    let tx = job.read().await?;
    let id = index::model_of(&tx).await?;
    tx.commit().await?;
    let Some(model) = job.ctx.searcher.models().numbered(id).await? else {
        return Ok(None);
    };
    if id.is_none() {
        let tx = job.write().await?;
        model_change::adopt(&tx, model.id).await?;
        tx.commit().await?;
    }
    Ok(Some((model.embedder, model.id)))
}

/// Pages that are embedded and published together.
struct Group {
    drafts: Vec<Draft>,
    /// How many pages were looked at; some had nothing to do.
    taken: usize,
}

/// Takes pages until there is enough to embed together; none when there are no more.
async fn gather(job: &Job, rest: &[Uuid], work: &Work) -> Result<Option<Group>> {
    let (mut drafts, mut taken, mut texts) = (Vec::new(), 0, 0);
    while texts < TOGETHER && drafts.len() < PAGES && taken < rest.len() {
        if let Some(draft) = look(job, rest[taken], work).await? {
            texts += draft.missing.len();
            drafts.push(draft);
        }
        taken += 1;
    }
    Ok((taken > 0).then_some(Group { drafts, taken }))
}

/// A page's chunks, if it waits for them.
async fn look(job: &Job, page: Uuid, work: &Work) -> Result<Option<Draft>> {
    let tx = job.read().await?;
    let Some(page) = index::pending(&tx, page, work.force).await? else {
        return Ok(None);
    };
    if let Some(crawl) = work.crawl
        && staging::has(&tx, crawl, page.id).await?
    {
        return Ok(None);
    }
    tx.commit().await?;
    let embedder = work.model.as_ref().map(|(embedder, _)| embedder.clone());
    let cutting = tokio::task::spawn_blocking(move || cut(page, embedder.as_deref()));
    let (edition, inputs) = cutting.await.map_err(|e| Error::internal("chunking", e))?;
    let stored = match &work.model {
        Some((_, model)) if !work.force && !inputs.is_empty() => {
            let hashes: Vec<Vec<u8>> = edition.chunks.iter().map(|chunk| chunk.hash.clone()).collect();
            let tx = job.read().await?;
            let stored = index::embedded(&tx, &hashes, *model).await?;
            tx.commit().await?;
            stored
        }
        _ => HashSet::new(),
    };
    Ok(Some(Draft::new(edition, inputs, &stored)))
}

/// Fills in the missing vectors, and says what they cost. The same text on several pages is embedded once: the first place counts, the others have it saved.
async fn embed(model: Option<&Model>, drafts: &mut [Draft]) -> Result<Spent> {
    let Some((embedder, _)) = model else {
        return Ok(Spent::default());
    };
    let mut places: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        for chunk in &draft.missing {
            places
                .entry(draft.inputs[*chunk].clone())
                .or_default()
                .push((at, *chunk));
        }
    }
    let (texts, places): (Vec<String>, Vec<Vec<_>>) = places.into_iter().unzip();
    let made = embedder.embed_counted(Kind::Passage, &texts).await.map_err(failure)?;
    for (places, vector) in places.into_iter().zip(made.vectors) {
        for (nth, (at, chunk)) in places.into_iter().enumerate() {
            let draft = &mut drafts[at];
            let new = &mut draft.edition.chunks[chunk];
            new.embedding = Some(vector.clone());
            if nth > 0 {
                draft.missing.retain(|missing| *missing != chunk);
                draft.tokens_saved += i64::from(new.tokens);
            }
        }
    }
    Ok(made.spent)
}

pub(super) fn failure(error: embedding::Error) -> Error {
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

/// Shows or stages the new chunks of pages, but for those that have changed again or gone meanwhile.
async fn publish(job: &Job, work: &Work, drafts: Vec<Draft>, spent: Spent, tally: &mut Tally) -> Result<()> {
    let model = work.model.as_ref();
    let id = model.map(|(_, id)| *id);
    let (mut drafts, mut spent) = (drafts, spent);
    if drafts.is_empty() {
        return job.progress(tally).await;
    }
    loop {
        let tx = job.write().await?;
        let held = model_change::hold(&tx).await?;
        if id.is_some() && held != id {
            let message = "the index has changed to another embedding model";
            return Err(Error::unavailable(
                "embedding_model_changed",
                message,
                "published with the old model",
            ));
        }
        let pages: Vec<&Pending> = drafts.iter().map(|draft| &draft.edition.page).collect();
        let waiting = index::lock(&tx, &pages, work.force).await?;
        drafts.retain(|draft| waiting.contains(&draft.edition.page.id));
        let editions: Vec<&Edition> = drafts.iter().map(|draft| &draft.edition).collect();
        let bare = match work.crawl {
            Some(crawl) => staging::stage(&tx, crawl, id, &editions).await?,
            None => index::publish_all(&tx, id, &editions).await?,
        };
        if bare > 0 {
            // Stored vectors that were counted on have gone since. Then they are computed.
            drop(tx);
            for draft in &mut drafts {
                draft.tokens_saved = 0;
                draft.missing = (0..draft.inputs.len()).collect();
            }
            spent = spent + job.signal.until(embed(model, &mut drafts)).await?;
            continue;
        }
        let mut now = tally.clone();
        let mut embedded = 0;
        for draft in &drafts {
            let missing = if model.is_some() { draft.missing.len() } else { 0 };
            now.pages += 1;
            now.chunks += draft.edition.chunks.len();
            now.tokens_saved += draft.tokens_saved;
            embedded += missing;
        }
        now.chunks_embedded += embedded;
        if work.crawl.is_none() {
            index::bump_version(&tx).await?;
        }
        index::count_usage(&tx, drafts.len() as i64, embedded as i64, spent).await?;
        // Progress and pages are there together or not at all.
        job.progress_within(&tx, &now).await?;
        tx.commit().await?;
        *tally = now;
        if let Some((embedder, _)) = model {
            let name = embedder.model().name.clone();
            telemetry::embedded(&name, spent);
            metrics::counter!("omniops_embedding_chunks_total", "model" => name).increment(embedded as u64);
        }
        return Ok(());
    }
}
