//! A search as the chat and `GET /api/search` run it.
use embedding::Embedder;
use sea_orm::ConnectionTrait;
use std::{str::FromStr, sync::Arc};
use uuid::Uuid;

use super::{
    Candidate, IndexModel, Kind, Loader, Models, Passage, Version, fuse, known, models, query,
    resident::{Edition, Resident, Residents},
    sizes::Sizes,
};
use crate::{
    Error, Result,
    tenancy::{Customer, Db, TenantTx, sql},
};

/// Bytes of chunks that are kept in memory, unless somebody says otherwise.
const MEMORY: usize = 64 << 20;
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
    models: Models,
    sizes: Arc<Sizes>,
    residents: Residents,
}

impl Searcher {
    /// With `embedder` none, search is lexical and says so.
    pub async fn new(db: Db, embedder: Option<Arc<dyn Embedder>>) -> Result<Self> {
        Self::with_loader(db, embedder, None).await
    }

    /// The same, with `loader` for the models of indexes that have not changed to this one yet.
    pub async fn with_loader(db: Db, embedder: Option<Arc<dyn Embedder>>, loader: Option<Loader>) -> Result<Self> {
        let db = db.awaited();
        let models = Models::new(db.clone(), embedder, loader).await?;
        Ok(Self {
            db,
            models,
            sizes: Arc::default(),
            residents: Residents::new(MEMORY),
        })
    }

    /// The same, with at most so many bytes of customers' chunks in memory; with 0, each search reads them in the database.
    #[must_use]
    pub fn with_memory(self, bytes: usize) -> Self {
        Self {
            residents: Residents::new(bytes),
            ..self
        }
    }

    /// Bytes of customers' chunks that are in memory now.
    pub fn in_memory(&self) -> usize {
        self.residents.bytes()
    }

    /// The configured model, if there is one: what indexes have or change to.
    pub fn model(&self) -> Option<(&Arc<dyn Embedder>, Uuid)> {
        self.models.configured().map(|model| (&model.embedder, model.id))
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// The models of customers' indexes.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Vectors of texts that are compared with each other, not stored; a customer's are counted as its cost.
    pub async fn embed_query(&self, customer: Option<&Customer>, texts: &[String]) -> Result<Option<Vec<Vec<f32>>>> {
        let Some(model) = self.models.configured() else {
            return Ok(None);
        };
        let made = models::embed(self.models.learned(model).await, texts).await?;
        if let Some(customer) = customer {
            self.models.owe(customer, model, made.spent);
        }
        Ok(Some(made.vectors))
    }

    /// How near each text is to the question, on the scale that all models share ([`embedding::Calibration`]); none without a model.
    pub async fn nearness(&self, customer: &Customer, question: &str, texts: &[String]) -> Result<Option<Vec<f32>>> {
        let Some(model) = self.models.configured() else {
            return Ok(None);
        };
        let (asked, vectors) = (
            self.models.question(model, customer, question).await?,
            self.models.texts(model, customer, texts).await?,
        );
        let near = |v: &Arc<[f32]>| {
            let cosine: f32 = v.iter().zip(asked.iter()).map(|(a, b)| a * b).sum();
            model.calibration().relevance(f64::from(cosine)) as f32
        };
        Ok(Some(vectors.iter().map(near).collect()))
    }

    /// The question's vector by the model of the customer's index; none if there is no model. The same question is embedded once.
    pub async fn question(&self, customer: &Customer, text: &str) -> Result<Option<(IndexModel, Arc<[f32]>)>> {
        self.question_of(customer, Version::Published, text).await
    }

    async fn question_of(
        &self,
        customer: &Customer,
        version: Version,
        text: &str,
    ) -> Result<Option<(IndexModel, Arc<[f32]>)>> {
        let Some(model) = self.models.of_version(customer, version).await? else {
            return Ok(None);
        };
        let vector = self.models.question(&model, customer, text).await?;
        Ok(Some((model, vector)))
    }

    /// The best passages for `question`. If the model fails, the words still answer.
    pub async fn search(&self, customer: &Customer, question: &str, mode: Mode, limit: usize) -> Result<Search> {
        self.search_in(customer, Version::Published, question, mode, limit)
            .await
    }

    /// The same in a version of the index.
    pub async fn search_in(
        &self,
        customer: &Customer,
        version: Version,
        question: &str,
        mode: Mode,
        limit: usize,
    ) -> Result<Search> {
        let mut vector = match mode {
            Mode::Lexical => None,
            Mode::Hybrid | Mode::Vector => self.question_vector(customer, version, question).await,
        };
        let lexical = mode != Mode::Vector || vector.is_none();
        let mut found = self
            .candidates(customer, version, question, vector.as_ref(), lexical)
            .await?;
        if found.is_none() {
            // The index has changed to another model between the question's vector and the search.
            vector = self.question_vector(customer, version, question).await;
            found = self
                .candidates(customer, version, question, vector.as_ref(), lexical)
                .await?;
        }
        let found = if let Some(found) = found {
            found
        } else {
            vector = None;
            self.candidates(customer, version, question, None, true)
                .await?
                .unwrap_or_default()
        };
        let mode = match (vector.is_some(), lexical) {
            (true, true) => "hybrid",
            (true, false) => "vector",
            (false, _) => "lexical",
        };
        let english_only = vector.is_some_and(|(model, _)| !model.embedder.model().multilingual);
        Ok(Search {
            known: known(&found),
            passages: fuse(question, found, english_only, limit),
            mode,
        })
    }

    /// Candidates with their cosines on the common scale; none if the index has another model than the vector.
    async fn candidates(
        &self,
        customer: &Customer,
        version: Version,
        question: &str,
        vector: Option<&(IndexModel, Arc<[f32]>)>,
        lexical: bool,
    ) -> Result<Option<Vec<Candidate>>> {
        let tx = self.db.tenant_read(customer).await?;
        let index = query::look(&tx, version, question).await?;
        if let Some((model, _)) = vector
            && !matches!(version, Version::Next(_))
            && !self.models.confirm(customer.id, index.model, model.id)
        {
            return Ok(None);
        }
        let resident = self.resident(&tx, &index).await?;
        let asked = vector.map(|(model, values)| query::Vector {
            model: model.id,
            values: values.clone(),
        });
        let by = query::Legs {
            lexical,
            by_index: self.sizes.is_large(customer.id),
        };
        let mut found = query::candidates(&tx, &index, asked.as_ref(), by, resident.as_deref()).await?;
        if let (Some(chunks), Version::Published) = (found.of, version) {
            self.sizes.learn(customer.id, chunks);
        }
        for candidate in &mut found.candidates {
            candidate.of = found.of;
        }
        if let Some((model, _)) = vector {
            let calibration = model.calibration();
            for candidate in &mut found.candidates {
                candidate.cosine = candidate.cosine.map(|cosine| calibration.relevance(cosine));
            }
        }
        Ok(Some(found.candidates))
    }

    /// The customer's chunks in memory, if they are there and are those that the search sees.
    async fn resident(&self, tx: &TenantTx, index: &query::Index) -> Result<Option<Arc<Resident>>> {
        if index.version != Version::Published {
            return Ok(None);
        }
        let configured = self.models.configured().map(|model| model.id);
        let edition = Edition {
            changes: index.changes.clone(),
            model: configured.map(|id| index.model.unwrap_or(id)),
        };
        self.residents.of(tx, edition).await
    }

    /// The texts of the section that a passage belongs to, in order; a long section's first, if the passage is among them.
    pub async fn section(&self, customer: &Customer, passage: &Passage) -> Result<Vec<String>> {
        const TEXTS: &str = "SELECT ordinal, text FROM page_embeddings
            WHERE customer_id = $1 AND page_id = $2 AND heading_path = $3 AND kind = 'content' AND published ORDER BY ordinal LIMIT $4";
        if passage.kind != Kind::Content {
            return Ok(vec![passage.text.clone()]);
        }
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

    async fn question_vector(
        &self,
        customer: &Customer,
        version: Version,
        question: &str,
    ) -> Option<(IndexModel, Arc<[f32]>)> {
        match self.question_of(customer, version, question).await {
            Ok(vector) => vector,
            Err(error) => {
                tracing::warn!(error = error.story(), "searching by words alone");
                None
            }
        }
    }
}
