//! The statements of a search, all of one snapshot: what there is to know of the customer's index and how its languages read the
//! question ([`look`]), a scan of each language ([`super::scan`]), and the chunks that the legs chose ([`fetch`]). Customers with very
//! many chunks have the nearest from the vector index.
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, Statement, Value};
use std::{collections::BTreeMap, sync::Arc};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    bm25,
    legs::{self, LEG, Place, Read},
    resident::Resident,
    scan,
    words::Language,
};
use crate::{
    Result,
    pages::{
        index::{CONFIGS, vector_text},
        model_change, staging,
    },
    tenancy::{TenantTx, sql},
};

/// Tenants with fewer chunks are scanned exactly, which is fast enough and finds everything; bigger ones use the index.
pub const EXACT_LIMIT: i64 = 50_000;

/// What is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What answers are made from.
    #[default]
    Published,
    /// What they will be made from when this crawl's staged pages are shown ([`crate::pages::staging`]).
    Staged(Uuid),
    /// What is published, with the vectors of the model that the index is to change to ([`crate::pages::model_change`]).
    Next(Uuid),
}

/// A chunk that a leg found.
#[derive(Clone, Debug, Default)]
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
    /// Of how many chunks it was found; none if not all were read.
    pub of: Option<i64>,
    /// Whether the question is a sentence in the chunk's language, not keywords.
    pub sentence: bool,
}

impl Candidate {
    /// A row of [`fetch`], by the places of its columns: a hundred are read for a question.
    fn read(row: &QueryResult) -> std::result::Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get_by_index(0)?,
            page_id: row.try_get_by_index(1)?,
            page_version: row.try_get_by_index(2)?,
            url: row.try_get_by_index(3)?,
            title: row.try_get_by_index(4)?,
            changed_at: row.try_get_by_index(5)?,
            kind: row.try_get_by_index(6)?,
            ordinal: row.try_get_by_index(7)?,
            heading_path: row.try_get_by_index(8)?,
            section: row.try_get_by_index(9)?,
            text: row.try_get_by_index(10)?,
            config: row.try_get_by_index(11)?,
            cosine: row.try_get_by_index(12)?,
            ..Self::default()
        })
    }
}

/// A question's vector with the model that made it.
pub struct Vector {
    /// The model.
    pub model: Uuid,
    /// The numbers.
    pub values: Arc<[f32]>,
}

impl Vector {
    /// pgvector's text form.
    pub fn text(&self) -> String {
        vector_text(&self.values)
    }
}

/// What a search has to know of the customer's chunks before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What of it.
    pub version: Version,
    /// The model of its vectors; none if it has none, or no chunks.
    pub model: Option<Uuid>,
    /// The languages of its chunks, with the question as each reads it.
    pub languages: Vec<Language>,
    /// What says whether its chunks are those of another snapshot ([`super::resident`]).
    pub changes: Vec<Uuid>,
}

/// What was asked, as a row for each language of the customer's chunks.
#[derive(FromQueryResult)]
struct Look {
    config: String,
    lexemes: Vec<String>,
    numbers: Vec<i32>,
    spoken: i32,
    model: Option<Uuid>,
    changes: Vec<Uuid>,
}

/// Looks at the customer's chunks by their index, and has the question read.
pub async fn look(tx: &TenantTx, version: Version, question: &str) -> Result<Index> {
    const LOOK: &str = "
        WITH spoken AS (SELECT cardinality(tsvector_to_array(to_tsvector('simple', $2))) AS words)
        SELECT l.config, w.lexemes, ARRAY(SELECT word_number(w.lexemes[n]) FROM generate_subscripts(w.lexemes, 1) n ORDER BY n) AS numbers,
          (SELECT words FROM spoken) AS spoken, (SELECT embedding_model_id FROM customer_configs WHERE id = $1) AS model,
          ARRAY(SELECT id FROM chunk_changes WHERE customer_id = $1 ORDER BY id) AS changes
        FROM unnest($3::text[]) AS l (config)
        CROSS JOIN LATERAL (SELECT FROM page_embeddings c WHERE c.customer_id = $1 AND c.config = l.config LIMIT 1) written
        CROSS JOIN LATERAL (SELECT tsvector_to_array(to_tsvector(l.config::regconfig, paired($2))) AS lexemes OFFSET 0) w";
    let known: Vec<String> = CONFIGS.iter().map(|&config| config.to_owned()).collect();
    let values = vec![tx.customer().into(), question.into(), known.into()];
    let rows = Look::find_by_statement(of_version(LOOK, values, version))
        .all(&**tx)
        .await?;
    Ok(Index {
        version,
        model: match version {
            Version::Next(model) => Some(model),
            Version::Published | Version::Staged(_) => rows.first().and_then(|row| row.model),
        },
        changes: rows.first().map(|row| row.changes.clone()).unwrap_or_default(),
        languages: rows
            .into_iter()
            .map(|row| Language::new(row.config, row.lexemes, row.numbers, row.spoken))
            .collect(),
    })
}

/// Who chooses.
#[derive(Clone, Copy, Debug)]
pub struct Legs {
    /// The words, too, not only the vectors.
    pub lexical: bool,
    /// The vector index finds the nearest, not a scan, unless it finds too few. For what is staged nobody waits, and it is in no
    /// vector index.
    pub by_index: bool,
}

/// What the legs chose.
#[derive(Debug, Default)]
pub struct Found {
    /// It.
    pub candidates: Vec<Candidate>,
    /// Of how many chunks; none if not all were read.
    pub of: Option<i64>,
}

/// Candidates of both legs. Without `vector` the search is lexical. Of chunks that are in memory none is scanned in the database.
pub(super) async fn candidates(
    tx: &TenantTx,
    index: &Index,
    vector: Option<&Vector>,
    by: Legs,
    resident: Option<&Resident>,
) -> Result<Found> {
    let by_index = vector.filter(|_| by.by_index && resident.is_none() && index.version == Version::Published);
    let nearest = match by_index {
        // A customer of so many chunks has more: of many neighbours the index looks at so many only, and then gives up.
        Some(vector) => Some(nearest(tx, vector).await?).filter(|nearest| nearest.len() >= LEG),
        None => None,
    };
    let measured = vector.filter(|_| nearest.is_none());
    let mut read = Vec::with_capacity(index.languages.len());
    for language in &index.languages {
        if language.words.is_empty() && measured.is_none() {
            continue;
        }
        let scan = match resident {
            Some(resident) => resident.scan(language, measured),
            None => scan::scan(tx, index.version, language, measured).await?,
        };
        let ranks = bm25::rank(language, &scan, vector.is_some());
        read.push(Read { language, scan, ranks });
    }
    let all = read.len() == index.languages.len();
    let of = all.then(|| read.iter().map(|read| read.scan.ids.len() as i64).sum());
    let mut found: BTreeMap<Uuid, Option<Place>> = BTreeMap::new();
    if by.lexical {
        found.extend(legs::by_words(&read));
    }
    if measured.is_some() {
        found.extend(legs::by_distance(&read));
    } else if let Some(nearest) = nearest {
        found.extend(legs::places(&read, &nearest));
    }
    // What a scan has measured need not be measured again.
    let ids = found.keys().copied().collect();
    let mut candidates = fetch(tx, index.version, ids, vector.filter(|_| measured.is_none())).await?;
    candidates.sort_by_key(|candidate| candidate.id);
    for candidate in &mut candidates {
        if let Some(Some(place)) = found.get(&candidate.id) {
            read[place.language].tell(place.row, candidate, by.lexical);
        }
    }
    Ok(Found { candidates, of })
}

/// The nearest chunks by the vector index, which goes on looking until it has enough of the customer's, or has seen
/// `hnsw.max_scan_tuples` of all customers'.
async fn nearest(tx: &TenantTx, vector: &Vector) -> Result<Vec<Uuid>> {
    let settings =
        "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '200', true)";
    tx.execute_raw(sql(settings, [])).await?;
    // The index is partial by model and cast to the model's dimension, so both stand in the statement as literals.
    let (n, model) = (vector.values.len(), vector.model);
    let near = format!(
        "SELECT c.id FROM page_embeddings c WHERE c.customer_id = $1 AND c.published AND c.model_id = '{model}'
         ORDER BY c.embedding::halfvec({n}) <=> $2::halfvec({n}) LIMIT $3"
    );
    let values = [tx.customer().into(), vector.text().into(), (LEG as i64).into()];
    let rows = tx.query_all_raw(sql(&near, values)).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect::<std::result::Result<_, _>>()?)
}

/// The chunks with their pages and the sizes of their sections; with `vector`, their cosines.
async fn fetch(tx: &TenantTx, version: Version, found: Vec<Uuid>, vector: Option<&Vector>) -> Result<Vec<Candidate>> {
    const FETCH: &str = "
        WITH found AS MATERIALIZED (
          SELECT c.id, c.page_id, c.kind, c.ordinal, c.heading_path, c.text, c.config, c.section AS counted, {cosine} AS cosine
          FROM page_embeddings c WHERE c.customer_id = $1 AND c.published AND c.id = ANY($2))
        SELECT f.id, f.page_id, p.indexed_version, p.url, coalesce(p.shown_title, p.title), coalesce(p.modified_at, p.sitemap_lastmod, p.published_at),
          f.kind, f.ordinal, f.heading_path,
          coalesce(f.counted, (SELECT count(*)::integer FROM page_embeddings c WHERE c.customer_id = $1 AND c.published
             AND c.page_id = f.page_id AND c.kind = f.kind AND c.heading_path = f.heading_path)),
          f.text, f.config, f.cosine
        FROM found f JOIN scraped_pages p ON p.id = f.page_id AND p.tombstoned_at IS NULL";
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: Vec<Value> = vec![tx.customer().into(), found.into()];
    let mut cosine = "NULL::float8";
    if let Some(vector) = vector {
        values.extend([vector.model.into(), vector.text().into()]);
        cosine = "CASE WHEN c.model_id = $3 THEN 1 - (c.embedding <=> (SELECT $4::halfvec)) END";
    }
    let statement = of_version(&FETCH.replace("{cosine}", cosine), values, version);
    let rows = tx.query_all_raw(statement).await?;
    Ok(rows
        .iter()
        .map(Candidate::read)
        .collect::<std::result::Result<_, _>>()?)
}

/// A statement that begins with `WITH`, made to read a version of the index.
pub(super) fn of_version(text: &str, mut values: Vec<Value>, version: Version) -> Statement {
    let text = match version {
        Version::Published => text.to_owned(),
        Version::Staged(job) => {
            values.push(job.into());
            staging::seen_by(text, values.len())
        }
        Version::Next(model) => {
            values.push(model.into());
            model_change::seen_after(text, values.len())
        }
    };
    Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, text, values)
}
