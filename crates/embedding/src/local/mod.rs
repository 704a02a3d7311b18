//! all-MiniLM-L6-v2 (Reimers and Gurevych, 2019; 384 dimensions, English) on this machine's processor.
//!
//! `files` gets library and weights and decides between int8 and fp32; `encoder` runs one session over one batch. This
//! module makes batches and keeps the async world apart from the computing one: all computing happens on tokio's blocking
//! threads, one batch at a time.
//!
//! Queries have a session of their own, because a batch of passages takes a fifth of a second and a visitor waits for a
//! query.

mod encoder;
mod files;
mod pins;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::encoder::{Encoder, Memory, Tokens, Vocabulary};
pub use self::files::{Files, Precision};
use crate::{Embedder, Error, Kind, Model};

/// Texts run together. Larger batches are no faster on a few cores and take several times the memory.
const BATCH: usize = 8;

/// What the model reads of a text, start and end marks included (its training length).
const MAX_TOKENS: usize = 256;

/// Length of its vectors.
const DIMENSION: usize = 384;

/// The local model, loaded. Clones share it.
#[derive(Clone)]
pub struct Local {
    model: Arc<Model>,
    vocabulary: Arc<Vocabulary>,
    passages: Arc<Mutex<Encoder>>,
    queries: Arc<Mutex<Encoder>>,
}

impl Local {
    /// Loads the model, in some 100 ms; `threads` work on one batch. Blocks.
    ///
    /// Vectors made with different precisions differ by less than the distance between neighbours, so both go by one
    /// name.
    pub fn load(files: &Files, threads: usize) -> Result<Self, Error> {
        let model = Model {
            name: "all-MiniLM-L6-v2".to_owned(),
            dimension: DIMENSION,
            max_tokens: MAX_TOKENS,
        };
        let open = || {
            Encoder::open(&files.library, &files.model, threads)
                .map(Mutex::new)
                .map(Arc::new)
        };
        Ok(Self {
            model: Arc::new(model),
            vocabulary: Arc::new(Vocabulary::open(&files.tokenizer)?),
            passages: open()?,
            queries: open()?,
        })
    }
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &Model {
        &self.model
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        let (vocabulary, owned) = (self.vocabulary.clone(), texts.to_vec());
        let tokens = blocking(move || vocabulary.tokens_of(&owned, MAX_TOKENS)).await?;
        let encoder = match kind {
            Kind::Passage => &self.passages,
            Kind::Query => &self.queries,
        };
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut batches = batches(tokens).into_iter().peekable();
        while let Some((places, batch)) = batches.next() {
            let encoder = encoder.clone();
            // Queries take little and come often; passages come in floods with days between them.
            let memory = match (kind, batches.peek()) {
                (Kind::Passage, None) => Memory::Release,
                _ => Memory::Keep,
            };
            // A panic elsewhere leaves the session as it was before its run: usable.
            let found = blocking(move || {
                encoder
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .run(&batch, memory)
            })
            .await?;
            for (place, vector) in places.into_iter().zip(found) {
                vectors[place] = vector;
            }
        }
        Ok(vectors)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.vocabulary.count(text)
    }
}

/// Batches of texts of like length, since a batch costs as much as its longest text times their number; each with the
/// places of its texts.
fn batches(tokens: Vec<Tokens>) -> Vec<(Vec<usize>, Vec<Tokens>)> {
    let mut numbered: Vec<_> = tokens.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, tokens)| tokens.len());
    let mut batches = Vec::with_capacity(numbered.len().div_ceil(BATCH));
    let mut rest = numbered.into_iter().peekable();
    while rest.peek().is_some() {
        batches.push(rest.by_ref().take(BATCH).unzip());
    }
    batches
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => Err(Error::Inference(format!("the computing thread stopped: {stopped}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_texts_of_like_length_and_know_their_places() {
        let tokens: Vec<Tokens> = (0..20).map(|i| vec![7; (i * 7) % 20 + 1]).collect();
        let batches = batches(tokens.clone());
        let sizes: Vec<_> = batches.iter().map(|(places, _)| places.len()).collect();
        assert_eq!(sizes, [8, 8, 4]);
        let lengths: Vec<_> = batches
            .iter()
            .flat_map(|(_, batch)| batch.iter().map(Vec::len))
            .collect();
        assert!(lengths.is_sorted());
        for (places, batch) in batches {
            for (place, text) in places.into_iter().zip(batch) {
                assert_eq!(tokens[place], text);
            }
        }
    }
}
