//! Which model a question is embedded with: that of the customer's index, which during a change of model
//! ([`crate::pages::model_change`]) is not the configured one yet. And the vectors of questions, kept for a while.
//!
//! What must stay true: a search never compares vectors of two models. Which model an index has is only known for sure in the
//! snapshot of a search, so a search reads it there ([`Models::confirm`]) and is repeated when it went by an old answer.
use embedding::{Calibration, Embedder, Kind};
use futures::future::BoxFuture;
use sea_orm::ConnectionTrait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

use super::vectors::Vectors;
use crate::{
    Error, Result,
    pages::index,
    tenancy::{Customer, Db, sql},
};

/// Gets a model by the name that goes with stored vectors; none when it can't be had.
pub type Loader = Arc<dyn Fn(String) -> BoxFuture<'static, Option<Arc<dyn Embedder>>> + Send + Sync>;

/// How long a model of older indexes is kept without being used, and how long one that can't be had is not asked for again.
const IDLE: Duration = Duration::from_mins(5);
/// Vectors of questions, and of texts of pages that questions are compared with, that are kept.
const QUESTIONS: usize = 1000;
const TEXTS: usize = 4000;
/// Customers whose model is remembered.
const REMEMBERED: usize = 10_000;

/// A model with its row's id.
#[derive(Clone)]
pub struct IndexModel {
    /// The row.
    pub id: Uuid,
    /// What makes its vectors.
    pub embedder: Arc<dyn Embedder>,
}

impl IndexModel {
    /// How its cosines are to be read.
    pub fn calibration(&self) -> Calibration {
        self.embedder.model().calibration
    }
}

/// The models of a process. Cloning shares them.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

struct Inner {
    db: Db,
    configured: Option<IndexModel>,
    loader: Option<Loader>,
    /// Models of indexes that have another one than the configured one.
    others: tokio::sync::Mutex<HashMap<Uuid, Other>>,
    /// What is known of customers' indexes.
    of_customers: Mutex<HashMap<Uuid, Option<Uuid>>>,
    questions: Vectors,
    texts: Vectors,
}

struct Other {
    model: Option<IndexModel>,
    used: Instant,
}

impl Models {
    /// With `embedder` none there are no vectors at all; without a `loader`, none of other models.
    pub(super) async fn new(db: Db, embedder: Option<Arc<dyn Embedder>>, loader: Option<Loader>) -> Result<Self> {
        let configured = match embedder {
            None => None,
            Some(embedder) => {
                let id = index::model_id(&db, &embedder.model().name, embedder.model().dimension as i32).await?;
                Some(IndexModel { id, embedder })
            }
        };
        Ok(Self(Arc::new(Inner {
            db,
            configured,
            loader,
            others: tokio::sync::Mutex::default(),
            of_customers: Mutex::default(),
            questions: Vectors::new("question_vector", QUESTIONS),
            texts: Vectors::new("text_vector", TEXTS),
        })))
    }

    /// The configured model: what indexes have or change to.
    pub fn configured(&self) -> Option<&IndexModel> {
        self.0.configured.as_ref()
    }

    /// The model of the customer's index, as far as this process knows; none if there is none or it can't be had.
    pub async fn of(&self, customer: &Customer) -> Result<Option<IndexModel>> {
        if self.0.configured.is_none() {
            return Ok(None);
        }
        let known = self
            .0
            .of_customers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&customer.id)
            .copied();
        let id = if let Some(id) = known {
            id
        } else {
            let id = index::model_of(&self.0.db.tenant_read(customer).await?).await?;
            self.learn(customer.id, id);
            id
        };
        self.numbered(id).await
    }

    /// Whether the customer's index, which has the model `index`, is what its question was embedded for; if not, [`Models::of`] knows
    /// better now.
    pub(super) fn confirm(&self, customer: Uuid, index: Option<Uuid>, used: Uuid) -> bool {
        self.learn(customer, index);
        index.or(self.0.configured.as_ref().map(|model| model.id)) == Some(used)
    }

    fn learn(&self, customer: Uuid, model: Option<Uuid>) {
        let mut of_customers = self.0.of_customers.lock().unwrap_or_else(PoisonError::into_inner);
        if of_customers.len() >= REMEMBERED {
            of_customers.clear();
        }
        of_customers.insert(customer, model);
    }

    /// The model with this id; the configured one for an index that has none yet.
    pub async fn numbered(&self, id: Option<Uuid>) -> Result<Option<IndexModel>> {
        let Some(id) = id.filter(|id| self.0.configured.as_ref().is_none_or(|model| model.id != *id)) else {
            // When all indexes have changed, nobody asks for the old model any more: then it goes here.
            if let Ok(mut others) = self.0.others.try_lock() {
                others.retain(|_, other| other.used.elapsed() < IDLE);
            }
            return Ok(self.0.configured.clone());
        };
        let mut others = self.0.others.lock().await;
        others.retain(|_, other| other.used.elapsed() < IDLE);
        if let Some(other) = others.get_mut(&id) {
            if other.model.is_some() {
                other.used = Instant::now();
            }
            return Ok(other.model.clone());
        }
        let model = self.load(id).await?;
        others.insert(
            id,
            Other {
                model: model.clone(),
                used: Instant::now(),
            },
        );
        Ok(model)
    }

    async fn load(&self, id: Uuid) -> Result<Option<IndexModel>> {
        const NAME: &str = "SELECT name FROM embedding_models WHERE id = $1";
        let Some(loader) = &self.0.loader else { return Ok(None) };
        let tx = self.0.db.system().await?;
        let row = tx.query_one_raw(sql(NAME, [id.into()])).await?;
        drop(tx);
        let Some(row) = row else { return Ok(None) };
        let name: String = row.try_get("", "name")?;
        tracing::info!(model = name, "loading the model of an older index");
        let embedder = loader(name).await;
        Ok(embedder.map(|embedder| IndexModel { id, embedder }))
    }

    /// The vector of a question, kept from the last time it was asked.
    pub async fn question(&self, model: &IndexModel, text: &str) -> Result<Arc<[f32]>> {
        let mut vectors = self.0.questions.of(model, &[text.to_owned()]).await?;
        vectors.pop().ok_or_else(|| Error::internal("embedding", "no vector"))
    }

    /// The vectors of texts of pages that are compared with a question, kept from the last time that they were.
    pub(super) async fn texts(&self, model: &IndexModel, texts: &[String]) -> Result<Vec<Arc<[f32]>>> {
        self.0.texts.of(model, texts).await
    }
}

/// Vectors of texts that are compared with a question, not stored.
pub(super) async fn embed(model: &IndexModel, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    let vectors = model.embedder.embed(Kind::Query, texts).await;
    vectors.map_err(|e| Error::unavailable("embedding_unavailable", "the embedding model does not answer", e))
}
