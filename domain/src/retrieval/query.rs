//! The one SQL statement of a search, in three shapes.
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use crate::{
    Result,
    pages::index::vector_text,
    tenancy::{TenantTx, sql},
};

/// Tenants with fewer chunks are scanned exactly, which is fast enough and finds everything; bigger ones use the index.
pub const EXACT_LIMIT: i64 = 50_000;
/// Candidates of each leg.
const LEG: i64 = 60;

/// A chunk that a leg found.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Candidate {
    /// The chunk.
    pub id: Uuid,
    /// Its page.
    pub page_id: Uuid,
    /// The page's version as indexed.
    pub page_version: i64,
    /// The page's address.
    pub url: String,
    /// The page's title.
    pub title: String,
    /// Position on the page.
    pub ordinal: i32,
    /// `Title > Section > …`.
    pub heading_path: String,
    /// The text.
    pub text: String,
    /// Cosine similarity to the question; none without vectors.
    pub cosine: Option<f64>,
    /// `ts_rank` of the question's words; none if none occurs.
    pub rank: Option<f64>,
    /// The different words of the question that occur in the chunk, as lexemes.
    pub words: Vec<String>,
    /// How many different words the question has, stop words left out.
    pub question_words: i32,
}

/// A question's vector with the model that made it.
pub struct Vector<'a> {
    /// The model.
    pub model: Uuid,
    /// Its dimension is the vector's length.
    pub values: &'a [f32],
}

/// Words of the question in every language that the customer's pages are in, joined by OR: a question is a bag of hints, and
/// asking for all of them finds nothing.
const QUESTION: &str = "
  question AS MATERIALIZED (
    SELECT array_agg(DISTINCT word) AS words, string_agg(DISTINCT quote_literal(word), ' | ')::tsquery AS query
    FROM (SELECT unnest(tsvector_to_array(to_tsvector(config::regconfig, $2))) AS word
          FROM (SELECT DISTINCT config FROM unnest($3::text[]) config) configs) w)";

const LEXICAL: &str = "
  lexical AS MATERIALIZED (
    SELECT c.id, ts_rank(c.lexical, q.query)::float8 AS rank FROM page_embeddings c, question q
    WHERE c.customer_id = $1 AND c.published AND c.lexical @@ q.query ORDER BY rank DESC, c.id LIMIT $4)";

/// The question's vector, read once: in a generic plan a parameter's text would be parsed again for every row.
const VECTOR: &str = "vector AS MATERIALIZED (SELECT $5::halfvec AS q)";

/// The materialised list keeps the planner from walking the vector index and filtering afterwards.
const DENSE_EXACT: &str = "
  near AS MATERIALIZED (SELECT c.id, c.embedding <=> v.q AS distance FROM page_embeddings c, vector v
    WHERE c.customer_id = $1 AND c.published AND c.model_id = $6),
  dense AS (SELECT id FROM near ORDER BY distance, id LIMIT $4)";

const FINAL: &str = "
  SELECT c.id, c.page_id, p.indexed_version AS page_version, p.url, p.title, c.ordinal, c.heading_path, c.text,
    {cosine} AS cosine, l.rank,
    ARRAY(SELECT w FROM unnest(q.words) w WHERE w = ANY(tsvector_to_array(c.lexical))) AS words,
    coalesce(cardinality(q.words), 0) AS question_words
  FROM ({found}) found JOIN page_embeddings c USING (id) JOIN scraped_pages p ON p.id = c.page_id AND p.tombstoned_at IS NULL
  CROSS JOIN question q {vector} LEFT JOIN lexical l ON l.id = c.id";

/// Candidates of both legs. Without `vector` the search is lexical; with `lexical` off only the vectors choose.
pub async fn candidates(
    tx: &TenantTx,
    question: &str,
    configs: &[String],
    vector: Option<&Vector<'_>>,
    lexical: bool,
) -> Result<Vec<Candidate>> {
    let mut values: Vec<Value> = vec![
        tx.customer().into(),
        question.into(),
        configs.to_vec().into(),
        (if lexical { LEG } else { 0 }).into(),
    ];
    let mut parts = vec![QUESTION.to_owned(), LEXICAL.to_owned()];
    let mut last = FINAL
        .replace("{cosine}", "NULL::float8")
        .replace("{vector}", "")
        .replace("{found}", "SELECT id FROM lexical");
    if let Some(vector) = vector {
        values.push(vector_text(vector.values).into());
        values.push(vector.model.into());
        parts.push(VECTOR.to_owned());
        parts.push(dense(tx, vector).await?);
        last = FINAL
            .replace(
                "{cosine}",
                "CASE WHEN c.model_id = $6 THEN 1 - (c.embedding <=> v.q) END",
            )
            .replace("{vector}", "CROSS JOIN vector v")
            .replace("{found}", "SELECT id FROM dense UNION SELECT id FROM lexical");
        parts
            .iter_mut()
            .skip(2)
            .for_each(|part| *part = part.replace("$4", &LEG.to_string()));
    }
    let text = format!("WITH {} {last}", parts.join(","));
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, text, values);
    Ok(Candidate::find_by_statement(statement).all(&**tx).await?)
}

/// The dense leg by the tenant's size.
async fn dense(tx: &TenantTx, vector: &Vector<'_>) -> Result<String> {
    const SIZE: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM page_embeddings WHERE customer_id = $1 LIMIT $2) few";
    let row = tx
        .query_one_raw(sql(SIZE, [tx.customer().into(), EXACT_LIMIT.into()]))
        .await?;
    let size: i64 = row.map(|r| r.try_get("", "n")).transpose()?.unwrap_or(0);
    if size < EXACT_LIMIT {
        return Ok(DENSE_EXACT.to_owned());
    }
    let settings =
        "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '200', true)";
    tx.execute_raw(sql(settings, [])).await?;
    // The index is partial by model and cast to the model's dimension, so both stand in the statement as literals.
    let (n, model) = (vector.values.len(), vector.model);
    Ok(format!(
        "dense AS (SELECT c.id FROM page_embeddings c WHERE c.customer_id = $1 AND c.published AND c.model_id = $6
           AND c.model_id = '{model}' ORDER BY c.embedding::halfvec({n}) <=> $5::halfvec({n}) LIMIT $4)"
    ))
}

/// The text search configurations of the customer's pages, most frequent first.
pub async fn configs(tx: &TenantTx) -> Result<Vec<String>> {
    const LANGUAGES: &str = "SELECT language FROM scraped_pages WHERE customer_id = $1 AND tombstoned_at IS NULL
                             GROUP BY language ORDER BY count(*) DESC LIMIT 4";
    let rows = tx.query_all_raw(sql(LANGUAGES, [tx.customer().into()])).await?;
    let mut configs = Vec::new();
    for row in rows {
        let language: Option<String> = row.try_get("", "language")?;
        let config = crate::pages::index::text_search(language.as_deref()).to_owned();
        if !configs.contains(&config) {
            configs.push(config);
        }
    }
    if configs.is_empty() {
        configs.push("english".to_owned());
    }
    Ok(configs)
}
