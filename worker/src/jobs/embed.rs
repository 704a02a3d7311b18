//! Makes pages searchable: Markdown to chunks, chunks to vectors, and both published page by page.
//!
//! Only what is new is embedded: a chunk whose input has a stored vector keeps it. Without a model, chunks have no vectors and
//! are found by their words. The job can be interrupted between groups of pages; what is published is not done again. For a crawl that
//! stages ([`staging`]), the chunks are put beside the index instead.
use domain::{
    Error, Result, error,
    pages::{
        index::{self, Edition, NewChunk, Pending},
        model_change, repeats, staging, statements,
    },
};
use embedding::{Embedder, Kind};
use extract::chunk::{self, Limit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

use super::{learn, suggest};
use crate::job::Job;

/// Texts embedded together: enough to put texts of like length into the model's batches.
const TOGETHER: usize = 64;
/// Pages published together at most.
const PAGES: usize = 16;
/// Tokens kept free for the model's marks and for counting that is not exactly additive.
const MARGIN: usize = 8;
/// Longest input, whatever more a model takes: longer chunks are found worse and cited worse.
const MAX_TOKENS: usize = 256;
/// What long sections are cut into.
const TARGET_TOKENS: usize = 200;
/// What small sections are merged up to: a section of some sentences is found best by its own heading.
const MERGE_TOKENS: usize = 50;

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

/// A page with its chunks.
struct Draft {
    edition: Edition,
    /// What the vectors are computed from, chunk by chunk.
    inputs: Vec<String>,
    /// Chunks without a stored vector, by position.
    missing: Vec<usize>,
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
        embedded?;
        tally.done += group.taken;
        publish(job, &work, group.drafts, &mut tally).await?;
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
    Ok(Some(draft(edition, inputs, &stored)))
}

/// Cuts a page into chunks, with the inputs of their vectors. What the site repeats, and pages that say nothing, have none.
fn cut(page: Pending, embedder: Option<&dyn Embedder>) -> (Edition, Vec<String>) {
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
    let text = if page.navigational {
        String::new()
    } else {
        repeats::without(&page.markdown, &page.title, &page.repeated)
    };
    let pieces = if text.trim().is_empty() {
        Vec::new()
    } else {
        chunk::chunks(&text, &page.title, limit, &count)
    };
    let content: Vec<(&str, &str)> = pieces
        .iter()
        .map(|piece| (piece.heading_path.as_str(), piece.text.as_str()))
        .collect();
    let extracted = statements::without(&page.extracted, &page.repeated);
    let said = match text.trim() {
        "" => Vec::new(),
        _ => statements::statements(&page.title, &extracted, &content),
    };
    let extra = said.into_iter().map(|said| (said.kind, said.heading_path, said.text));
    let pieces = pieces.into_iter().map(|piece| {
        let kind = statements::kind_of(&extracted, &piece.heading_path, &piece.text);
        (kind, piece.heading_path, piece.text)
    });
    let (chunks, inputs) = pieces
        .chain(extra)
        .map(|(kind, heading_path, text)| {
            let input = chunk::embedding_input(&heading_path, &text);
            let new = NewChunk {
                kind,
                tokens: count(&input) as i32,
                hash: index::input_hash(&input),
                heading_path,
                text,
                embedding: None,
            };
            (new, input)
        })
        .unzip();
    (Edition { page, chunks }, inputs)
}

/// Finds out which chunks have no vector yet.
fn draft(edition: Edition, inputs: Vec<String>, stored: &HashSet<Vec<u8>>) -> Draft {
    let has = |at: &usize| stored.contains(&edition.chunks[*at].hash);
    let tokens_saved = (0..inputs.len())
        .filter(has)
        .map(|at| i64::from(edition.chunks[at].tokens));
    Draft {
        tokens_saved: tokens_saved.sum(),
        missing: (0..inputs.len()).filter(|at| !has(at)).collect(),
        edition,
        inputs,
    }
}

/// Tokens where no model counts them: four letters each, as English text has on average.
fn rough_tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

/// Fills in the missing vectors. The same text on several pages is embedded once: the first place counts, the others have it saved.
async fn embed(model: Option<&Model>, drafts: &mut [Draft]) -> Result<()> {
    let Some((embedder, _)) = model else { return Ok(()) };
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
    let vectors = embedder.embed(Kind::Passage, &texts).await.map_err(failure)?;
    for (places, vector) in places.into_iter().zip(vectors) {
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
    Ok(())
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
async fn publish(job: &Job, work: &Work, drafts: Vec<Draft>, tally: &mut Tally) -> Result<()> {
    let model = work.model.as_ref();
    let id = model.map(|(_, id)| *id);
    let mut drafts = drafts;
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
            job.signal.until(embed(model, &mut drafts)).await?;
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
        index::count_usage(&tx, drafts.len() as i64, embedded as i64).await?;
        // Progress and pages are there together or not at all.
        job.progress_within(&tx, &now).await?;
        tx.commit().await?;
        *tally = now;
        if let Some((embedder, _)) = model {
            let name = embedder.model().name.clone();
            metrics::counter!("omniops_embedding_chunks_total", "model" => name).increment(embedded as u64);
        }
        return Ok(());
    }
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
            navigational: false,
            repeats: vec![],
            repeated: vec![],
            extracted: Value::Null,
        }
    }

    fn texts(page: Pending) -> Vec<String> {
        cut(page, None).0.chunks.into_iter().map(|chunk| chunk.text).collect()
    }

    #[test]
    fn a_chunk_with_a_stored_vector_is_not_embedded_again() {
        let markdown = "# Title\n\n## What is A?\n\nOne answer.\n\n## What is B?\n\nAnother answer.";
        let (edition, inputs) = cut(page(markdown), None);
        let all = draft(edition.clone(), inputs.clone(), &HashSet::new());
        assert_eq!(
            (all.edition.chunks.len(), all.missing.len(), all.tokens_saved),
            (2, 2, 0)
        );
        let stored = HashSet::from([edition.chunks[0].hash.clone()]);
        let rest = draft(edition, inputs, &stored);
        assert_eq!(rest.missing, [1]);
        assert_eq!(rest.tokens_saved, i64::from(rest.edition.chunks[0].tokens));
    }

    #[test]
    fn a_moved_section_is_the_same_and_one_under_another_title_is_not() {
        let hashes = |title: &str, markdown: &str| {
            let page = Pending {
                title: title.into(),
                ..page(markdown)
            };
            let (edition, _) = cut(page, None);
            edition
                .chunks
                .into_iter()
                .map(|chunk| chunk.hash)
                .collect::<HashSet<_>>()
        };
        let (a, b) = ("## Why?\n\nBecause of A.", "## How?\n\nWith the help of B.");
        let forth = hashes("T", &format!("{a}\n\n{b}"));
        assert_eq!(forth, hashes("T", &format!("{b}\n\n{a}")));
        assert!(forth.is_disjoint(&hashes("Other", &format!("{a}\n\n{b}"))));
    }

    #[test]
    fn questions_of_the_structured_data_are_chunks_of_their_own() {
        let pair = |q: &str, a: &str| json!({ "question": q, "answer": a });
        let pairs = [
            pair("What is A?", "One answer."),
            pair("What is C?", "Hidden in a panel."),
        ];
        let page = Pending {
            extracted: json!([{ "kind": "faq", "data": { "questions": pairs } }]),
            ..page("# Title\n\n## What is A?\n\nOne answer.\n\n## What is B?\n\nAnother answer.")
        };
        let (edition, inputs) = cut(page, None);
        let chunks: Vec<_> = edition.chunks.iter().map(|c| (c.kind, c.text.as_str())).collect();
        let (faq, content) = (index::Kind::Faq, index::Kind::Content);
        assert_eq!(
            chunks,
            [
                (faq, "One answer."),
                (content, "Another answer."),
                (faq, "Hidden in a panel.")
            ]
        );
        assert_eq!(inputs[2], "Title > What is C?\nHidden in a panel.");
    }

    #[test]
    fn what_the_site_repeats_and_pages_that_say_nothing_have_no_chunks() {
        let markdown = "The mug holds half a litre.\n\nWe use cookies.";
        let repeating = Pending {
            repeated: vec!["We use cookies.".into()],
            ..page(markdown)
        };
        assert_eq!(texts(repeating), ["The mug holds half a litre."]);
        let index = Pending {
            navigational: true,
            ..page(markdown)
        };
        assert!(texts(index).is_empty());
    }
}
