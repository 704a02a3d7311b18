//! Changing the embedding model of a customer's index, while it goes on answering with the old one.
//!
//! ```text
//! plan ─▶ job ─▶ [ missing ─▶ (embed) ─▶ store ]* ─▶ switch
//! ```
//!
//! A job fills `next_embeddings` beside the index, chunk by chunk in an order that it can go on with; crawls go on meanwhile and
//! publish with the old model. When no chunk lacks its next vector, the golden questions are asked of the new ones ([`seen_after`]), and
//! where they lose too much a person has to say that it goes on. Then [`switch`] puts the vectors into the chunks, names the
//! model and moves the index version on, in one transaction: until then nothing of the change is seen, and ending the job
//! anywhere loses only what was not stored yet.
//!
//! What must stay true: whoever publishes chunks takes [`hold`] first, and whoever changes the model takes it for itself alone,
//! so that no chunk gets into the index with a vector of the model that it had before.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use uuid::Uuid;

use super::index::{self, vector_text};
use crate::{
    Error, Result,
    jobs::{self, NewJob, Payload, Submitted},
    tenancy::{self, Db, TenantTx, sql},
};

/// Names the one change that a customer's jobs may make at a time.
const DEDUPE: &str = "embedding model";

/// A chunk that lacks its next vector.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Bare {
    /// The chunk.
    pub id: Uuid,
    /// Its page.
    pub page_id: Uuid,
    /// `Title > Section > …`.
    pub heading_path: String,
    /// The text.
    pub text: String,
}

impl Bare {
    /// What its vector is computed from, as `extract` puts it together: [`index::input_hash`] of it is the chunk's.
    pub fn input(&self) -> String {
        match &*self.heading_path {
            "" => self.text.clone(),
            path => format!("{path}\n{}", self.text),
        }
    }
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    /// The index has the new model.
    Yes,
    /// So many chunks have come since that lack a vector.
    Missing(i64),
}

/// Keeps the model of the customer's index as it is until the transaction ends, and says which it is. Take it before any row.
pub async fn hold(tx: &TenantTx) -> Result<Option<Uuid>> {
    const SHARED: &str = "SELECT pg_advisory_xact_lock_shared(hashtextextended('model of ' || $1::text, 0))";
    tx.execute_raw(sql(SHARED, [tx.customer().into()])).await?;
    index::model_of(tx).await
}

async fn hold_alone(tx: &TenantTx) -> Result<()> {
    const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('model of ' || $1::text, 0))";
    tx.execute_raw(sql(ALONE, [tx.customer().into()])).await?;
    Ok(())
}

/// Gives an index that has no model yet this one.
pub async fn adopt(tx: &TenantTx, model: Uuid) -> Result<()> {
    const ADOPT: &str =
        "UPDATE customer_configs SET embedding_model_id = $2 WHERE id = $1 AND embedding_model_id IS NULL";
    tx.execute_raw(sql(ADOPT, [tx.customer().into(), model.into()])).await?;
    Ok(())
}

/// Submits a change to `model` for every customer whose index has another one, or has chunks without a vector, and ends changes
/// to other models. What was never indexed needs none.
pub async fn plan(db: &Db, model: Uuid) -> Result<Vec<Submitted>> {
    const FORGET: &str = "UPDATE customer_configs c SET embedding_model_id = NULL
        WHERE c.embedding_model_id <> $1 AND NOT EXISTS (SELECT FROM page_embeddings e WHERE e.customer_id = c.id)";
    const OUTDATED: &str = "SELECT j.id, j.customer_id FROM jobs j WHERE j.kind = 'embed' AND j.dedupe_key = $2 AND j.payload ->> 'model' <> $1
        AND j.state IN ('scheduled', 'queued', 'running', 'needs_confirmation')";
    const OTHERS: &str = "SELECT c.id FROM customer_configs c WHERE c.embedding_model_id <> $1
        OR EXISTS (SELECT FROM page_embeddings e WHERE e.customer_id = c.id AND e.model_id IS NULL) ORDER BY c.id";
    // A change that waits for a person goes on waiting.
    const HELD: &str =
        "SELECT customer_id FROM jobs WHERE kind = 'embed' AND dedupe_key = $2 AND payload ->> 'model' = $1
        AND state = 'needs_confirmation'";
    let tx = db.system().await?;
    tx.execute_raw(sql(FORGET, [model.into()])).await?;
    let outdated = tx
        .query_all_raw(sql(OUTDATED, [model.to_string().into(), DEDUPE.into()]))
        .await?;
    tx.commit().await?;
    for row in outdated {
        end(db, row.try_get("", "customer_id")?, row.try_get("", "id")?).await?;
    }
    let tx = db.system().await?;
    let mut new = Vec::new();
    let held = tx
        .query_all_raw(sql(HELD, [model.to_string().into(), DEDUPE.into()]))
        .await?;
    let held: Vec<Uuid> = held
        .iter()
        .map(|row| row.try_get("", "customer_id"))
        .collect::<std::result::Result<_, _>>()?;
    for row in tx.query_all_raw(sql(OTHERS, [model.into()])).await? {
        let customer = row.try_get("", "id")?;
        if !held.contains(&customer) {
            new.push(change_to(customer, model));
        }
    }
    let made = jobs::submit_all(&*tx, &new).await?;
    tx.commit().await?;
    Ok(made)
}

/// Cancels a change that nobody wants any more; it may have come to its end by itself.
async fn end(db: &Db, customer: Uuid, job: Uuid) -> Result<()> {
    let tx = db.tenant(&tenancy::get(db, customer).await?).await?;
    match jobs::cancel(&tx, job).await {
        Err(error) if error.code() != "job_ended" => Err(error),
        _ => tx.commit().await,
    }
}

/// The job that changes a customer's index to `model`.
pub fn change_to(customer: Uuid, model: Uuid) -> NewJob {
    NewJob {
        dedupe_key: Some(DEDUPE.to_owned()),
        ..NewJob::new(customer, Payload::ChangeModel { model })
    }
}

/// Chunks without a vector of `model`, after the page and chunk `after`.
pub async fn missing(tx: &TenantTx, model: Uuid, after: (Uuid, Uuid), limit: u64) -> Result<Vec<Bare>> {
    const FIND: &str = "
        SELECT c.id, c.page_id, c.heading_path, c.text FROM page_embeddings c
        WHERE c.customer_id = $1 AND (c.page_id, c.id) > ($3, $4) AND c.model_id IS DISTINCT FROM $2
          AND NOT EXISTS (SELECT FROM next_embeddings n WHERE n.chunk_id = c.id AND n.model_id = $2)
        ORDER BY c.page_id, c.id LIMIT $5";
    let values = [
        tx.customer().into(),
        model.into(),
        after.0.into(),
        after.1.into(),
        limit.into(),
    ];
    Ok(Bare::find_by_statement(sql(FIND, values)).all(&**tx).await?)
}

/// How many chunks the index has, and how many of these have their vector of `model`.
pub async fn progress(tx: &TenantTx, model: Uuid) -> Result<(i64, i64)> {
    const COUNT: &str = "
        SELECT count(*) AS total, count(*) FILTER (WHERE c.model_id IS NOT DISTINCT FROM $2 OR n.chunk_id IS NOT NULL) AS done
        FROM page_embeddings c LEFT JOIN next_embeddings n ON n.chunk_id = c.id AND n.model_id = $2 WHERE c.customer_id = $1";
    let row = tx
        .query_one_raw(sql(COUNT, [tx.customer().into(), model.into()]))
        .await?;
    let row = row.ok_or_else(|| Error::internal("counting vectors", "no row"))?;
    Ok((row.try_get("", "total")?, row.try_get("", "done")?))
}

/// Keeps vectors of chunks; of those that have gone meanwhile, or that somebody is taking away, none.
pub async fn store(tx: &TenantTx, model: Uuid, vectors: &[(Uuid, Vec<f32>)]) -> Result<()> {
    const KEEP: &str = "
        WITH new AS (SELECT * FROM jsonb_to_recordset($3) AS n (id uuid, vector text)),
        there AS (SELECT c.id FROM page_embeddings c WHERE c.id IN (SELECT id FROM new) AND c.customer_id = $1
          ORDER BY c.id FOR KEY SHARE SKIP LOCKED)
        INSERT INTO next_embeddings (chunk_id, customer_id, model_id, embedding)
        SELECT n.id, $1, $2, n.vector::halfvec FROM new n JOIN there USING (id)
        ON CONFLICT (chunk_id) DO UPDATE SET model_id = excluded.model_id, embedding = excluded.embedding";
    let rows = vectors
        .iter()
        .map(|(id, vector)| json!({ "id": id, "vector": vector_text(vector) }));
    let rows = serde_json::Value::Array(rows.collect());
    tx.execute_raw(sql(KEEP, [tx.customer().into(), model.into(), rows.into()]))
        .await?;
    Ok(())
}

/// A search's statement, made to see the index as it will be when it has changed to the model `${parameter}`.
pub(crate) fn seen_after(search: &str, parameter: usize) -> String {
    let seen = format!(
        "WITH seen AS NOT MATERIALIZED (
           SELECT e.id, e.customer_id, e.page_id, e.ordinal, e.heading_path, e.text, e.config, e.kind, e.words, e.word_total, e.section,
             e.published, coalesce(n.model_id, e.model_id) AS model_id, coalesce(n.embedding, e.embedding) AS embedding
           FROM page_embeddings e LEFT JOIN next_embeddings n ON n.chunk_id = e.id AND n.model_id = ${parameter}
           WHERE e.customer_id = $1 AND e.published),"
    );
    search.replace("page_embeddings c", "seen c").replacen("WITH", &seen, 1)
}

/// Changes the index to `model`, if every chunk has its vector of it.
pub async fn switch(tx: &TenantTx, model: Uuid) -> Result<Switched> {
    const PUT: &str =
        "UPDATE page_embeddings c SET embedding = n.embedding, model_id = n.model_id FROM next_embeddings n
        WHERE n.chunk_id = c.id AND n.model_id = $2 AND c.customer_id = $1 AND c.model_id IS DISTINCT FROM $2";
    const CLEAR: &str = "DELETE FROM next_embeddings WHERE customer_id = $1";
    const NAME: &str = "UPDATE customer_configs SET embedding_model_id = $2 WHERE id = $1";
    hold_alone(tx).await?;
    let (total, done) = progress(tx, model).await?;
    if done < total {
        return Ok(Switched::Missing(total - done));
    }
    tx.execute_raw(sql(PUT, [tx.customer().into(), model.into()])).await?;
    tx.execute_raw(sql(CLEAR, [tx.customer().into()])).await?;
    tx.execute_raw(sql(NAME, [tx.customer().into(), model.into()])).await?;
    index::bump_version(tx).await?;
    Ok(Switched::Yes)
}
