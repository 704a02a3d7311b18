//! The one SQL statement of a search, in three shapes: both legs over all chunks of the customer, the words alone, and, for large
//! customers, the vector index beside the words. Neighbour: [`super::words`] has the parts that count words.
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::words;
use crate::{
    Result,
    pages::{
        index::{CONFIGS, vector_text},
        staging,
    },
    tenancy::{TenantTx, sql},
};

/// Tenants with fewer chunks are scanned exactly, which is fast enough and finds everything; bigger ones use the index.
pub const EXACT_LIMIT: i64 = 50_000;
/// Candidates of each leg.
const LEG: i64 = 60;

/// What is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What answers are made from.
    #[default]
    Published,
    /// What they will be made from when this crawl's staged pages are shown ([`crate::pages::staging`]).
    Staged(Uuid),
}

/// A chunk that a leg found.
#[derive(Clone, Debug, Default, FromQueryResult)]
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
    /// When its site's map says that the page changed last.
    pub changed_at: Option<OffsetDateTime>,
    /// What it was made of.
    pub kind: String,
    /// Position on the page.
    pub ordinal: i32,
    /// `Title > Section > …`.
    pub heading_path: String,
    /// Chunks of its section, found or not: of this kind, under this heading of the page.
    pub section: i32,
    /// The text.
    pub text: String,
    /// The text search configuration of its language.
    pub config: String,
    /// Cosine similarity to the question; none without vectors.
    pub cosine: Option<f64>,
    /// BM25 of the question's words, as a share of what the question could reach; none if none occurs.
    pub reach: Option<f64>,
    /// The different words of the question that occur in the chunk, as lexemes.
    pub words: Vec<String>,
    /// All different words of the question in the chunk's language, as lexemes, little words left out.
    pub asked: Vec<String>,
    /// How rare each of them is: the logarithm of chunks to chunks with it.
    pub rarity: Vec<f64>,
    /// How many different words the question has in the chunk's language, little words left out.
    pub question_words: i32,
    /// Whether the question is a sentence in the chunk's language, not keywords.
    pub sentence: bool,
}

/// A question's vector with the model that made it.
pub struct Vector<'a> {
    /// The model.
    pub model: Uuid,
    /// Its dimension is the vector's length.
    pub values: &'a [f32],
}

/// The question's vector, read once: in a generic plan a parameter's text would be parsed again for every row.
const VECTOR: &str = "vector AS MATERIALIZED (SELECT $5::halfvec AS q)";

/// Without the vector index: [`words::SCAN`] has all distances, in a list that keeps the planner from walking that index.
const DENSE_EXACT: &str = "dense AS (SELECT id FROM scan WHERE distance IS NOT NULL ORDER BY distance, id LIMIT $4)";

const LEXICAL: &str = "lexical AS (SELECT id FROM ranked ORDER BY reach DESC, id LIMIT $4)";

/// What the legs found, with what the words of each count for. Planners think that [`words::ranked`] has a row or two, and would join it
/// row by row; an `IN` within an expression is looked up in a hash table whatever they think.
const FOUND: &str = "
  found AS MATERIALIZED ({found}),
  counted AS MATERIALIZED (SELECT id, reach, mask FROM ranked WHERE (id IN (SELECT id FROM found)) IS TRUE)";

const FINAL: &str = "
  passages AS MATERIALIZED (
    SELECT c.id, c.page_id, c.kind, c.ordinal, c.heading_path, c.text, c.config, {cosine} AS cosine
    FROM found JOIN page_embeddings c USING (id) {vector}),
  sections AS MATERIALIZED (
    SELECT c.page_id, c.kind, c.heading_path, count(*)::int AS chunks FROM page_embeddings c
    WHERE c.customer_id = $1 AND c.published AND c.page_id IN (SELECT page_id FROM passages) GROUP BY 1, 2, 3)
  SELECT f.id, f.page_id, p.indexed_version AS page_version, p.url, coalesce(p.shown_title, p.title) AS title, p.sitemap_lastmod AS changed_at,
    f.kind, f.ordinal, f.heading_path, s.chunks AS section, f.text, f.config, f.cosine, {reach} AS reach,
    ARRAY(SELECT t.lexeme FROM terms t WHERE t.config = f.config AND r.mask >> t.at & 1 = 1) AS words,
    ARRAY(SELECT t.lexeme FROM terms t JOIN weights w USING (config, at) WHERE t.config = f.config ORDER BY t.at) AS asked,
    ARRAY(SELECT w.idf FROM weights w WHERE w.config = f.config ORDER BY w.at) AS rarity,
    coalesce(q.words, 0) AS question_words, coalesce(q.sentence, false) AS sentence
  FROM passages f JOIN scraped_pages p ON p.id = f.page_id AND p.tombstoned_at IS NULL
  JOIN sections s ON s.page_id = f.page_id AND s.kind = f.kind AND s.heading_path = f.heading_path
  LEFT JOIN question q ON q.config = f.config LEFT JOIN counted r ON r.id = f.id";

/// Candidates of both legs. Without `vector` the search is lexical; with `lexical` off only the vectors choose.
pub async fn candidates(
    tx: &TenantTx,
    question: &str,
    index: &Index,
    vector: Option<&Vector<'_>>,
    lexical: bool,
) -> Result<Vec<Candidate>> {
    let mut values: Vec<Value> = vec![
        tx.customer().into(),
        question.into(),
        index.configs.clone().into(),
        LEG.into(),
    ];
    let mut legs = Vec::new();
    if lexical {
        legs.push("SELECT id FROM lexical");
    }
    let (mut parts, mut cosine, mut join) = (vec![words::terms()], "NULL::float8", "");
    if let Some(vector) = vector {
        values.push(vector_text(vector.values).into());
        values.push(vector.model.into());
        parts.push(VECTOR.to_owned());
        cosine = "CASE WHEN c.model_id = $6 THEN 1 - (c.embedding <=> v.q) END";
        join = "CROSS JOIN vector v";
        legs.push("SELECT id FROM dense");
    }
    parts.push(match vector {
        Some(_) if !index.large => words::scan("CASE WHEN c.model_id = $6 THEN c.embedding <=> v.q END", join),
        _ => words::scan("NULL::float8", ""),
    });
    match vector {
        Some(vector) if index.large => parts.push(by_index(tx, vector).await?),
        Some(_) => parts.push(DENSE_EXACT.to_owned()),
        None => {}
    }
    parts.extend([words::ranked(vector.is_some()), LEXICAL.to_owned()]);
    parts.push(FOUND.replace("{found}", &legs.join(" UNION ")));
    let last = FINAL
        .replace("{cosine}", cosine)
        .replace("{vector}", join)
        .replace("{reach}", if lexical { "r.reach" } else { "NULL::float8" });
    parts.push(last);
    let mut text = format!("WITH {}", parts.join(","));
    if let Version::Staged(job) = index.version {
        values.push(job.into());
        text = staging::seen_by(&text, values.len());
    }
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, text, values);
    Ok(Candidate::find_by_statement(statement).all(&**tx).await?)
}

/// The dense leg by the vector index, which goes on looking until it has enough of the customer's chunks.
async fn by_index(tx: &TenantTx, vector: &Vector<'_>) -> Result<String> {
    let settings =
        "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '200', true)";
    tx.execute_raw(sql(settings, [])).await?;
    // The index is partial by model and cast to the model's dimension, so both stand in the statement as literals.
    let (n, model) = (vector.values.len(), vector.model);
    Ok(format!(
        "dense AS MATERIALIZED (SELECT c.id FROM page_embeddings c WHERE c.customer_id = $1 AND c.published AND c.model_id = $6
           AND c.model_id = '{model}' ORDER BY c.embedding::halfvec({n}) <=> $5::halfvec({n}) LIMIT $4)"
    ))
}

/// What a search has to know of the customer's chunks before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What of it.
    pub version: Version,
    /// The text search configurations of its languages.
    pub configs: Vec<String>,
    /// At least [`EXACT_LIMIT`] chunks: the vector index finds the nearest.
    pub large: bool,
}

/// Looks at the customer's chunks by their index.
pub async fn index(tx: &TenantTx, version: Version) -> Result<Index> {
    const STAGED: &str = "SELECT DISTINCT config FROM staged_chunks WHERE customer_id = $1 AND job_id = $2";
    const LOOK: &str = "
        SELECT ARRAY(SELECT config FROM unnest($2::text[]) config
            WHERE EXISTS (SELECT FROM page_embeddings c WHERE c.customer_id = $1 AND c.config = config.config)) AS configs,
          EXISTS (SELECT FROM page_embeddings c WHERE c.customer_id = $1 OFFSET $3) AS large";
    let known: Vec<String> = CONFIGS.iter().map(|&config| config.to_owned()).collect();
    let row = tx
        .query_one_raw(sql(
            LOOK,
            [tx.customer().into(), known.into(), (EXACT_LIMIT - 1).into()],
        ))
        .await?;
    let row = row.ok_or_else(|| crate::Error::internal("looking at an index", "no row"))?;
    let mut index = Index {
        version,
        configs: row.try_get("", "configs")?,
        large: row.try_get("", "large")?,
    };
    if let Version::Staged(job) = version {
        // Nobody waits for it, and what is staged is in no vector index.
        index.large = false;
        for row in tx
            .query_all_raw(sql(STAGED, [tx.customer().into(), job.into()]))
            .await?
        {
            let config = row.try_get("", "config")?;
            if !index.configs.contains(&config) {
                index.configs.push(config);
            }
        }
    }
    Ok(index)
}
