//! Which model a question is embedded with: that of the customer's index, which during a change of model
//! ([`crate::pages::model_change`]) is not the configured one yet. And the vectors of questions, kept for a while.
//!
//! What must stay true: a search never compares vectors of two models. Which model an index has is only known for sure in the
//! snapshot of a search, so a search reads it there ([`Models::confirm`]) and is repeated when it went by an old answer.
use embedding::{Calibration, Embedded, Embedder, Kind, Spent};
use futures::future::BoxFuture;
use sea_orm::ConnectionTrait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

use super::{Version, scale::Scale, vectors::Vectors};
use crate::{
    Error, Result,
    pages::index,
    telemetry,
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
    scale: Arc<Scale>,
}

impl IndexModel {
    /// How its cosines are to be read.
    pub fn calibration(&self) -> Calibration {
        self.scale.known().unwrap_or(self.embedder.model().calibration)
    }

    pub(super) fn new(id: Uuid, embedder: Arc<dyn Embedder>) -> Self {
        Self {
            id,
            embedder,
            scale: Arc::default(),
        }
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
    /// What customers' questions have cost that is not counted yet.
    owed: Mutex<HashMap<Uuid, Spent>>,
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
                Some(IndexModel::new(id, embedder))
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
            owed: Mutex::default(),
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

    /// The model of a version of the customer's index.
    pub async fn of_version(&self, customer: &Customer, version: Version) -> Result<Option<IndexModel>> {
        match version {
            Version::Next(model) => self.numbered(Some(model)).await,
            Version::Published | Version::Staged(_) => self.of(customer).await,
        }
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
        Ok(embedder.map(|embedder| IndexModel::new(id, embedder)))
    }

    /// The vector of a customer's question, kept from the last time it was asked.
    pub async fn question(&self, model: &IndexModel, customer: &Customer, text: &str) -> Result<Arc<[f32]>> {
        let texts = [text.to_owned()];
        let (mut vectors, spent) = self.0.questions.of(self.learned(model).await, &texts).await?;
        self.owe(customer, model, spent);
        vectors.pop().ok_or_else(|| Error::internal("embedding", "no vector"))
    }

    /// The vectors of texts of pages that are compared with a question, kept from the last time that they were.
    pub(super) async fn texts(
        &self,
        model: &IndexModel,
        customer: &Customer,
        texts: &[String],
    ) -> Result<Vec<Arc<[f32]>>> {
        let (vectors, spent) = self.0.texts.of(self.learned(model).await, texts).await?;
        self.owe(customer, model, spent);
        Ok(vectors)
    }

    /// The model, once it is known how its cosines are to be read, or that this can't be known now.
    pub(super) async fn learned<'a>(&self, model: &'a IndexModel) -> &'a IndexModel {
        if model.embedder.scale_is_unknown() {
            model.scale.learn(&self.0.db, model.id, &*model.embedder).await;
        }
        model
    }

    /// Notes what a customer's texts have cost, until it is counted ([`Models::settle`]): nobody's answer waits for the day's row.
    pub(super) fn owe(&self, customer: &Customer, model: &IndexModel, spent: Spent) {
        if spent.tokens > 0 {
            telemetry::embedded(&model.embedder.model().name, spent);
            let mut owed = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = owed.entry(customer.id).or_default();
            *sum = *sum + spent;
        }
    }

    /// Counts what the customer's questions have cost since the last time. What is not counted stays owed.
    pub async fn settle(&self, customer: &Customer) -> Result<()> {
        let owed = self
            .0
            .owed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&customer.id);
        let Some(spent) = owed else { return Ok(()) };
        let counted = self.count(customer, spent).await;
        if counted.is_err() {
            let mut owed = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = owed.entry(customer.id).or_default();
            *sum = *sum + spent;
        }
        counted
    }

    async fn count(&self, customer: &Customer, spent: Spent) -> Result<()> {
        let tx = self.0.db.tenant_relaxed(customer).await?;
        index::count_usage(&tx, 0, 0, spent).await?;
        tx.commit().await
    }
}

/// Vectors of texts that are compared with each other, not stored.
pub(super) async fn embed(model: &IndexModel, texts: &[String]) -> Result<Embedded> {
    let vectors = model.embedder.embed_counted(Kind::Query, texts).await;
    vectors.map_err(|e| Error::unavailable("embedding_unavailable", "the embedding model does not answer", e))
}
