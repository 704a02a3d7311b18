//! A search as the chat and `GET /api/search` run it.
use embedding::{Embedder, Kind};
use sea_orm::ConnectionTrait;
use std::{str::FromStr, sync::Arc};
use uuid::Uuid;

use super::{Passage, fuse, known, query};
use crate::{
    Error, Result,
    pages::index,
    tenancy::{Customer, Db, sql},
};

/// Chunks of a section that are read for an answer.
const SECTION_CHUNKS: i64 = 6;

/// Which legs choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Both.
    #[default]
    Hybrid,
    /// Vectors only.
    Vector,
    /// Words only.
    Lexical,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "hybrid" => Ok(Self::Hybrid),
            "vector" => Ok(Self::Vector),
            "lexical" => Ok(Self::Lexical),
            _ => Err(Error::invalid("mode", "must be hybrid, vector or lexical")),
        }
    }
}

/// What was found, and how.
#[derive(Clone, Debug)]
pub struct Search {
    /// Best first.
    pub passages: Vec<Passage>,
    /// The share of the question's words that any candidate has, 0 to 1.
    pub known: f64,
    /// What was really used: without an embedding model everything is lexical.
    pub mode: &'static str,
}

/// Searches customers' indexes. Cloning shares the model.
#[derive(Clone)]
pub struct Searcher {
    db: Db,
    model: Option<(Arc<dyn Embedder>, Uuid)>,
}

impl Searcher {
    /// With `embedder` none, search is lexical and says so.
    pub async fn new(db: Db, embedder: Option<Arc<dyn Embedder>>) -> Result<Self> {
        let model = match embedder {
            None => None,
            Some(embedder) => {
                let id = index::model_id(&db, &embedder.model().name, embedder.model().dimension as i32).await?;
                Some((embedder, id))
            }
        };
        Ok(Self { db, model })
    }

    /// The model of the index, if there is one.
    pub fn model(&self) -> Option<(&Arc<dyn Embedder>, Uuid)> {
        self.model.as_ref().map(|(embedder, id)| (embedder, *id))
    }

    /// Vectors of texts that are compared with a question, not stored.
    pub async fn embed_query(&self, texts: &[String]) -> Result<Option<Vec<Vec<f32>>>> {
        let Some((embedder, _)) = &self.model else {
            return Ok(None);
        };
        let vectors = embedder.embed(Kind::Query, texts).await;
        vectors
            .map(Some)
            .map_err(|e| Error::unavailable("embedding_unavailable", "the embedding model does not answer", e))
    }

    /// The best passages for `question`. If the model fails, the words still answer.
    pub async fn search(&self, customer: &Customer, question: &str, mode: Mode, limit: usize) -> Result<Search> {
        let vector = match mode {
            Mode::Lexical => None,
            Mode::Hybrid | Mode::Vector => self.question_vector(question).await,
        };
        let vector = vector
            .as_ref()
            .map(|(model, values)| query::Vector { model: *model, values });
        let lexical = mode != Mode::Vector || vector.is_none();
        let tx = self.db.tenant(customer).await?;
        let configs = query::configs(&tx).await?;
        let found = query::candidates(&tx, question, &configs, vector.as_ref(), lexical).await?;
        let mode = match (vector.is_some(), lexical) {
            (true, true) => "hybrid",
            (true, false) => "vector",
            (false, _) => "lexical",
        };
        Ok(Search {
            known: known(&found),
            passages: fuse(question, found, limit),
            mode,
        })
    }

    /// The texts of the section that a passage belongs to, in order; a long section's first, if the passage is among them.
    pub async fn section(&self, customer: &Customer, passage: &Passage) -> Result<Vec<String>> {
        const TEXTS: &str = "SELECT ordinal, text FROM page_embeddings
            WHERE customer_id = $1 AND page_id = $2 AND heading_path = $3 AND published ORDER BY ordinal LIMIT $4";
        let values = [
            customer.id.into(),
            passage.page.into(),
            passage.heading_path.clone().into(),
            SECTION_CHUNKS.into(),
        ];
        let tx = self.db.tenant(customer).await?;
        let rows = tx.query_all_raw(sql(TEXTS, values)).await?;
        let (mut texts, mut complete) = (Vec::new(), false);
        for row in rows {
            complete |= row.try_get::<i32>("", "ordinal")? == passage.ordinal;
            texts.push(row.try_get("", "text")?);
        }
        // Further down, or published anew since the search: then the passage speaks for itself.
        Ok(if complete { texts } else { vec![passage.text.clone()] })
    }

    async fn question_vector(&self, question: &str) -> Option<(Uuid, Vec<f32>)> {
        let (_, id) = self.model.as_ref()?;
        match self.embed_query(&[question.to_owned()]).await {
            Ok(Some(mut vectors)) => vectors.pop().map(|v| (*id, v)),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(error = error.story(), "searching by words alone");
                None
            }
        }
    }
}
