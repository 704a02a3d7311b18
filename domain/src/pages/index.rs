//! Chunks with their embeddings and lexical vectors. A page's new chunks replace its old ones in one transaction; an unchanged
//! chunk keeps the embedding that it has.
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashSet;
use uuid::Uuid;

use crate::{
    Result, ids, secrets,
    tenancy::{TenantTx, sql},
};

/// The local default model's row.
pub const LOCAL_MODEL: Uuid = Uuid::from_u128(0x019a_a000_0000_7000_8000_0000_0000_0001);

/// A chunk to be stored.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// `Title > Section > …`.
    pub heading_path: String,
    /// The text without its headings.
    pub text: String,
    /// Tokens of the model's input.
    pub tokens: i32,
    /// Hash of the model's input: see [`input_hash`].
    pub hash: Vec<u8>,
    /// The vector, unless a stored chunk of the page has it.
    pub embedding: Option<Vec<f32>>,
}

/// A page that waits for its chunks.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Pending {
    /// Its id.
    pub id: Uuid,
    /// Its title.
    pub title: String,
    /// ISO 639 code.
    pub language: Option<String>,
    /// Main content.
    pub markdown: String,
    /// The version that the chunks will show.
    pub version: i64,
}

/// Identifies what a vector was computed from.
pub fn input_hash(input: &str) -> Vec<u8> {
    secrets::sha256(input.as_bytes())
}

/// The Postgres text search configuration of a language.
pub fn text_search(language: Option<&str>) -> &'static str {
    match language.map(|l| l.get(..2).unwrap_or(l)) {
        Some("en") | None => "english",
        Some("de") => "german",
        Some("fr") => "french",
        Some("es") => "spanish",
        Some("it") => "italian",
        Some("pt") => "portuguese",
        Some("nl") => "dutch",
        Some("sv") => "swedish",
        Some("da") => "danish",
        Some("no" | "nb" | "nn") => "norwegian",
        Some("fi") => "finnish",
        Some("ru") => "russian",
        Some("hu") => "hungarian",
        Some("ro") => "romanian",
        Some("tr") => "turkish",
        Some(_) => "simple",
    }
}

/// The page's content, if it has chunks to make: it is live, and not indexed at its present version unless `force`.
pub async fn pending(tx: &TenantTx, page: Uuid, force: bool) -> Result<Option<Pending>> {
    let find = "SELECT id, title, language, markdown, version FROM scraped_pages
                WHERE id = $1 AND tombstoned_at IS NULL AND (indexed_version < version OR $2)";
    Ok(Pending::find_by_statement(sql(find, [page.into(), force.into()]))
        .one(&**tx)
        .await?)
}

/// The hashes among the page's stored chunks whose vectors are of `model`.
pub async fn embedded(tx: &TenantTx, page: Uuid, model: Uuid) -> Result<HashSet<Vec<u8>>> {
    let find = "SELECT text_hash FROM page_embeddings WHERE page_id = $1 AND model_id = $2";
    let rows = tx.query_all_raw(sql(find, [page.into(), model.into()])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "text_hash"))
        .collect::<Result<_, _>>()?)
}

/// Replaces the page's chunks. A chunk without a vector takes the stored one of the same input; with `model` none, chunks
/// have no vectors and search is lexical.
pub async fn publish(tx: &TenantTx, page: &Pending, model: Option<Uuid>, chunks: &[NewChunk]) -> Result<()> {
    // The old rows step aside under negative ordinals until the new ones have taken over their vectors.
    const ASIDE: &str = "UPDATE page_embeddings SET ordinal = -1 - ordinal WHERE page_id = $1 AND ordinal >= 0";
    const INSERT: &str = "
        INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding, lexical)
        SELECT n.id, $1, $2, n.ordinal, n.heading_path, n.text, n.hash, n.tokens,
          CASE WHEN v.embedding IS NOT NULL THEN $3::uuid END, v.embedding,
          to_tsvector($4::regconfig, n.heading_path || E'\\n' || n.text)
        FROM unnest($5::uuid[], $6::int[], $7::text[], $8::text[], $9::bytea[], $10::int[], $11::text[])
          AS n (id, ordinal, heading_path, text, hash, tokens, vector)
        CROSS JOIN LATERAL (SELECT coalesce(nullif(n.vector, '')::halfvec, (SELECT o.embedding FROM page_embeddings o
          WHERE o.page_id = $2 AND o.ordinal < 0 AND o.text_hash = n.hash AND o.model_id = $3 LIMIT 1)) AS embedding) v";
    tx.execute_raw(sql(ASIDE, [page.id.into()])).await?;
    let column = |f: &dyn Fn(&NewChunk) -> String| chunks.iter().map(f).collect::<Vec<_>>();
    let values = [
        tx.customer().into(),
        page.id.into(),
        model.into(),
        text_search(page.language.as_deref()).into(),
        chunks.iter().map(|_| ids::new_id()).collect::<Vec<_>>().into(),
        (0..chunks.len() as i32).collect::<Vec<_>>().into(),
        column(&|c| c.heading_path.clone()).into(),
        column(&|c| c.text.clone()).into(),
        chunks.iter().map(|c| c.hash.clone()).collect::<Vec<_>>().into(),
        chunks.iter().map(|c| c.tokens).collect::<Vec<_>>().into(),
        column(&|c| c.embedding.as_deref().map(vector_text).unwrap_or_default()).into(),
    ];
    // An absent vector travels as an empty text, which an array of texts can hold.
    tx.execute_raw(sql(INSERT, values)).await?;
    tx.execute_raw(sql(
        "DELETE FROM page_embeddings WHERE page_id = $1 AND ordinal < 0",
        [page.id.into()],
    ))
    .await?;
    let done = "UPDATE scraped_pages SET indexed_version = greatest(indexed_version, $2) WHERE id = $1";
    tx.execute_raw(sql(done, [page.id.into(), page.version.into()])).await?;
    Ok(())
}

/// Moves the customer's index version on, which ends its cached answers.
pub async fn bump_version(tx: &TenantTx) -> Result<()> {
    let bump = "UPDATE customer_configs SET index_version = index_version + 1 WHERE id = $1";
    tx.execute_raw(sql(bump, [tx.customer().into()])).await?;
    Ok(())
}

/// The job's pages that wait for their chunks and that no embed job of its own covers, in the order of their decisions.
///
/// Derived from the rows, so that no crash loses a page between its storing and the embed job that covers it. A cancelled
/// embed job covers nothing: whoever runs the crawl again wants its pages.
pub async fn uncovered(tx: &TenantTx, job: Uuid) -> Result<Vec<Uuid>> {
    const FIND: &str = "
        SELECT p.id FROM job_urls u JOIN scraped_pages p ON p.customer_id = u.customer_id AND p.url_hash = u.url_hash
        WHERE u.job_id = $1 AND p.indexed_version < p.version AND p.tombstoned_at IS NULL
          AND p.id::text NOT IN (SELECT jsonb_array_elements_text(c.payload -> 'page_ids') FROM jobs c
            WHERE c.parent_id = $1 AND c.kind = 'embed' AND c.state <> 'cancelled')
        ORDER BY u.seq";
    let rows = tx.query_all_raw(sql(FIND, [job.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Counts indexed pages and computed vectors into the customer's day.
pub async fn count_usage(tx: &TenantTx, pages: i64, embeddings: i64) -> Result<()> {
    const COUNT: &str = "INSERT INTO usage_daily AS u (customer_id, day, pages, embeddings) VALUES ($1, current_date, $2, $3)
        ON CONFLICT (customer_id, day) DO UPDATE SET pages = u.pages + excluded.pages, embeddings = u.embeddings + excluded.embeddings";
    let values = [tx.customer().into(), pages.into(), embeddings.into()];
    tx.execute_raw(sql(COUNT, values)).await?;
    Ok(())
}

/// The id of a model by name, made when it is new.
pub async fn model_id(db: &crate::tenancy::Db, name: &str, dimension: i32) -> Result<Uuid> {
    const UPSERT: &str = "INSERT INTO embedding_models (id, name, dimension) VALUES ($1, $2, $3)
                          ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, dimension";
    let tx = db.system().await?;
    let row = tx
        .query_one_raw(sql(UPSERT, [ids::new_id().into(), name.into(), dimension.into()]))
        .await?;
    tx.commit().await?;
    let row = row.ok_or_else(|| crate::Error::internal("naming a model", "no row"))?;
    let stored: i32 = row.try_get("", "dimension")?;
    if stored != dimension {
        let message = format!("the model {name} is known with dimension {stored}, not {dimension}");
        return Err(crate::Error::conflict("model_dimension", message));
    }
    Ok(row.try_get("", "id")?)
}

/// pgvector's text form.
pub(crate) fn vector_text(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}
