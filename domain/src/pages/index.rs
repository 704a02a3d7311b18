//! Chunks with their embeddings and words. A page's new chunks replace its old ones in one transaction; a chunk
//! whose input any page of the customer has a vector for takes that vector.
//!
//! A page waits for its chunks when it is live, no twin of another ([`super::twins`]), and changed since its chunks were made, or
//! when its site's repeated text did ([`super::repeats`]). What a crawl has made and not shown yet ([`super::staging`]) it does not
//! make again.
use embedding::{Calibration, Spent};
use entity::packed::PackedText;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

use super::{blocks, staging::UP_TO_DATE};
use crate::{
    Result, ids, secrets, telemetry,
    tenancy::{TenantTx, sql},
};

/// The local default model's row.
pub const LOCAL_MODEL: Uuid = Uuid::from_u128(0x019a_a000_0000_7000_8000_0000_0000_0001);

/// What a chunk was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A piece of the page's content.
    #[default]
    Content,
    /// A question with its answer, which the last heading and the text are, whole.
    Faq,
    /// What is known of a product apart from its price and stock, which are never read from text.
    Product,
}

impl Kind {
    /// Its word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Faq => "faq",
            Self::Product => "product",
        }
    }

    /// The kind of a word that the database has.
    pub fn of_word(word: &str) -> Self {
        match word {
            "faq" => Self::Faq,
            "product" => Self::Product,
            _ => Self::Content,
        }
    }
}

/// A chunk to be stored.
#[derive(Clone, Debug, Default)]
pub struct NewChunk {
    /// What it was made of.
    pub kind: Kind,
    /// `Title > Section > …`.
    pub heading_path: String,
    /// The text without its headings.
    pub text: String,
    /// Tokens of the model's input.
    pub tokens: i32,
    /// Hash of the model's input: see [`input_hash`].
    pub hash: Vec<u8>,
    /// The vector, unless a stored chunk of the customer has it.
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
    pub markdown: PackedText,
    /// The version that the chunks will show.
    pub version: i64,
    /// It says nothing itself: it has no chunks.
    pub navigational: bool,
    /// The hashes of its blocks that its site repeats.
    pub repeats: Vec<i64>,
    /// These blocks as they stand in the Markdown.
    #[sea_orm(skip)]
    pub repeated: Vec<String>,
    /// Its structured data that is indexed beside it ([`super::statements`]), as a list of `{kind, data}`.
    pub extracted: Value,
}

/// Identifies what a vector was computed from.
pub fn input_hash(input: &str) -> Vec<u8> {
    secrets::sha256(input.as_bytes())
}

/// All that [`text_search`] gives.
pub const CONFIGS: [&str; 16] = [
    "english",
    "german",
    "french",
    "spanish",
    "italian",
    "portuguese",
    "dutch",
    "swedish",
    "danish",
    "norwegian",
    "finnish",
    "russian",
    "hungarian",
    "romanian",
    "turkish",
    "simple",
];

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

/// The page's content, if it has chunks to make, whatever has been made of it with `force`.
pub async fn pending(tx: &TenantTx, page: Uuid, force: bool) -> Result<Option<Pending>> {
    const FIND: &str = "
        SELECT p.id, p.title, p.language, p.markdown, p.version, p.navigational, r.repeats,
          (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', e.kind, 'data', e.data) ORDER BY e.kind, e.id), '[]') FROM structured_extractions e
            WHERE e.customer_id = p.customer_id AND e.page_id = p.id AND e.kind IN ('faq', 'product') AND e.latest) AS extracted
        FROM scraped_pages p CROSS JOIN LATERAL (SELECT ARRAY(SELECT b FROM unnest(p.blocks) AS b JOIN site_blocks s
          ON s.customer_id = p.customer_id AND s.origin = p.origin AND s.block = b AND s.owner IS DISTINCT FROM p.id ORDER BY b) AS repeats) r
        WHERE p.id = $1 AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND (p.indexed_version < p.version OR p.reindex OR $2)";
    let find = Pending::find_by_statement(sql(FIND, [page.into(), force.into()]));
    let page = find.one(&**tx).await?;
    Ok(page.map(|page| Pending {
        repeated: repeated(&page.markdown, &page.repeats),
        ..page
    }))
}

/// The blocks of a text that have one of these numbers, each once.
fn repeated(markdown: &str, numbers: &[i64]) -> Vec<String> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let found = blocks::blocks(markdown).filter(|(number, _)| numbers.contains(number));
    let found: BTreeSet<&str> = found.map(|(_, block)| block.trim_matches('\n')).collect();
    found.into_iter().map(str::to_owned).collect()
}

/// Locks pages until the transaction ends, in the order in which everybody locks them, once nobody rearranges the customer's pages
/// ([`change`]); returns those that still wait for the chunks made of them.
pub async fn lock(tx: &TenantTx, pages: &[&Pending], force: bool) -> Result<HashSet<Uuid>> {
    const LOCK: &str = "
        SELECT p.id FROM scraped_pages p JOIN unnest($1::uuid[], $2::bigint[]) AS n (id, version) ON n.id = p.id AND n.version = p.version
        WHERE p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND (p.indexed_version < p.version OR p.reindex OR $3)
        ORDER BY p.url_hash FOR UPDATE OF p";
    let ids: Vec<Uuid> = pages.iter().map(|page| page.id).collect();
    let versions: Vec<i64> = pages.iter().map(|page| page.version).collect();
    change(tx).await?;
    let rows = tx
        .query_all_raw(sql(LOCK, [ids.into(), versions.into(), force.into()]))
        .await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Those of `hashes` that a stored chunk of the customer has a vector of `model` for.
pub async fn embedded(tx: &TenantTx, hashes: &[Vec<u8>], model: Uuid) -> Result<HashSet<Vec<u8>>> {
    const FIND: &str =
        "SELECT text_hash FROM page_embeddings WHERE customer_id = $1 AND text_hash = ANY($2) AND model_id = $3
        UNION SELECT text_hash FROM staged_chunks WHERE customer_id = $1 AND text_hash = ANY($2) AND model_id = $3";
    let values = [tx.customer().into(), hashes.to_vec().into(), model.into()];
    let rows = tx.query_all_raw(sql(FIND, values)).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "text_hash"))
        .collect::<Result<_, _>>()?)
}

/// A page's chunks as they will be.
#[derive(Clone, Debug)]
pub struct Edition {
    /// What they were made of.
    pub page: Pending,
    /// In their order.
    pub chunks: Vec<NewChunk>,
}

/// The parts of the statements that store editions: `new` has their chunks, from the values of [`arrays`], each with the number of chunks
/// of its section.
pub(super) const NEW: &str = "
  new AS MATERIALIZED (
    SELECT *, count(*) OVER (PARTITION BY page_id, kind, heading_path)::integer AS section FROM unnest($3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::bytea[], $9::int[], $10::text[], $11::text[], $13::text[])
      AS n (id, page_id, ordinal, heading_path, text, hash, tokens, config, vector, kind))";

/// The vector of a new chunk `n`: its own, else that of a stored chunk with the same input.
pub(super) const VECTOR: &str = "
  SELECT coalesce(nullif(n.vector, '')::halfvec,
    (SELECT o.embedding FROM page_embeddings o WHERE o.customer_id = $1 AND o.text_hash = n.hash AND o.model_id = $2 LIMIT 1),
    (SELECT o.embedding FROM staged_chunks o WHERE o.customer_id = $1 AND o.text_hash = n.hash AND o.model_id = $2 LIMIT 1)) AS embedding";

/// The values of [`NEW`]: $1 is the customer, $2 the model, $12 the pages.
pub(super) fn arrays(customer: Uuid, model: Option<Uuid>, editions: &[&Edition]) -> [sea_orm::Value; 13] {
    let chunks = || {
        let numbered = |edition: &&'_ Edition| (0..edition.chunks.len()).map(|at| at as i32).collect::<Vec<_>>();
        editions.iter().flat_map(move |edition| {
            numbered(edition)
                .into_iter()
                .zip(&edition.chunks)
                .map(move |(n, chunk)| (&edition.page, n, chunk))
        })
    };
    // An absent vector travels as an empty text, which an array of texts can hold.
    [
        customer.into(),
        model.into(),
        chunks().map(|_| ids::new_id()).collect::<Vec<_>>().into(),
        chunks().map(|(page, ..)| page.id).collect::<Vec<_>>().into(),
        chunks().map(|(_, ordinal, _)| ordinal).collect::<Vec<_>>().into(),
        chunks()
            .map(|(.., c)| c.heading_path.clone())
            .collect::<Vec<_>>()
            .into(),
        chunks().map(|(.., c)| c.text.clone()).collect::<Vec<_>>().into(),
        chunks().map(|(.., c)| c.hash.clone()).collect::<Vec<_>>().into(),
        chunks().map(|(.., c)| c.tokens).collect::<Vec<_>>().into(),
        chunks()
            .map(|(page, ..)| text_search(page.language.as_deref()).to_owned())
            .collect::<Vec<_>>()
            .into(),
        chunks()
            .map(|(.., c)| c.embedding.as_deref().map(vector_text).unwrap_or_default())
            .collect::<Vec<_>>()
            .into(),
        editions
            .iter()
            .map(|edition| edition.page.id)
            .collect::<Vec<_>>()
            .into(),
        chunks()
            .map(|(.., c)| c.kind.as_str().to_owned())
            .collect::<Vec<_>>()
            .into(),
    ]
}

/// Replaces the chunks of pages, and those of their twins, which they now speak for. A chunk without a vector takes the stored one
/// of the same input; with `model` none, chunks have no vectors and search is lexical. Stored chunks that are the same stay as they
/// are. Returns how many chunks are without a vector though there is a model: their vectors were stored when they were looked for
/// ([`embedded`]) and are no more. Call [`lock`] before.
pub async fn publish_all(tx: &TenantTx, model: Option<Uuid>, editions: &[&Edition]) -> Result<usize> {
    const DONE: &str = "
        WITH shown AS (SELECT id FROM jsonb_to_recordset($1) AS n (id uuid)),
        unstaged AS (DELETE FROM staged_pages s USING shown WHERE s.page_id = shown.id),
        outdated AS (DELETE FROM structured_extractions e USING shown WHERE e.page_id = shown.id AND NOT e.latest),
        current AS (UPDATE structured_extractions e SET shown = true FROM shown WHERE e.page_id = shown.id AND NOT e.shown)
        UPDATE scraped_pages p SET indexed_version = greatest(p.indexed_version, n.version), repeats = made.without, shown_title = NULL, shown_by = NULL,
          reindex = made.without <> ARRAY(SELECT b FROM unnest(p.blocks) AS b JOIN site_blocks s
            ON s.customer_id = p.customer_id AND s.origin = p.origin AND s.block = b AND s.owner IS DISTINCT FROM p.id ORDER BY b)
        FROM jsonb_to_recordset($1) AS n (id uuid, version bigint, repeats jsonb)
        CROSS JOIN LATERAL (SELECT ARRAY(SELECT b::bigint FROM jsonb_array_elements_text(n.repeats) AS b) AS without) made
        WHERE p.id = n.id";
    // All parts see the rows as they were before; `ready` makes the old ones go before the first new one comes.
    let replace = format!(
        "WITH {NEW},
        kept AS MATERIALIZED (
          SELECT o.id, o.page_id, o.ordinal FROM page_embeddings o JOIN new n USING (page_id, ordinal)
          WHERE o.text_hash = n.hash AND o.heading_path = n.heading_path AND o.published AND o.config = n.config AND o.kind = n.kind AND n.vector = '' AND o.model_id IS NOT DISTINCT FROM $2
            AND coalesce(o.section, n.section) = n.section),
        gone AS (
          DELETE FROM page_embeddings o WHERE (o.page_id = ANY($12) OR o.page_id IN (SELECT id FROM scraped_pages WHERE duplicate_of = ANY($12)))
            AND o.id NOT IN (SELECT id FROM kept) RETURNING 1),
        ready AS MATERIALIZED (SELECT count(*) FROM gone)
        INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding, config, kind, section)
        SELECT n.id, $1, n.page_id, n.ordinal, n.heading_path, n.text, n.hash, n.tokens,
          CASE WHEN v.embedding IS NOT NULL THEN $2::uuid END, v.embedding, n.config, n.kind, n.section
        FROM ready CROSS JOIN new n CROSS JOIN LATERAL ({VECTOR}) v
        WHERE NOT EXISTS (SELECT FROM kept k WHERE k.page_id = n.page_id AND k.ordinal = n.ordinal)
        RETURNING embedding IS NULL AS bare"
    );
    let mut bare = 0;
    for row in tx
        .query_all_raw(sql(&replace, arrays(tx.customer(), model, editions)))
        .await?
    {
        bare += usize::from(model.is_some() && row.try_get("", "bare")?);
    }
    let done = editions.iter().map(
        |edition| json!({ "id": edition.page.id, "version": edition.page.version, "repeats": edition.page.repeats }),
    );
    let done: Value = done.collect();
    tx.execute_raw(sql(DONE, [done.into()])).await?;
    Ok(bare)
}

/// [`publish_all`] for one page.
pub async fn publish(tx: &TenantTx, page: &Pending, model: Option<Uuid>, chunks: &[NewChunk]) -> Result<()> {
    let edition = Edition {
        page: page.clone(),
        chunks: chunks.to_vec(),
    };
    publish_all(tx, model, &[&edition]).await.map(drop)
}

/// Moves the customer's index version on, which ends its cached answers.
pub async fn bump_version(tx: &TenantTx) -> Result<()> {
    let bump = "UPDATE customer_configs SET index_version = index_version + 1 WHERE id = $1";
    tx.execute_raw(sql(bump, [tx.customer().into()])).await?;
    Ok(())
}

/// Lets the transaction change pages of the customer beside others that do, while none rearranges them ([`rearrange`]). Take it before any
/// page, and then lock all pages at once, in the order of their URLs' hashes: so no two of these wait for each other.
pub async fn change(tx: &TenantTx) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock_shared(hashtextextended('pages of ' || $1::text, 0))";
    tx.execute_raw(sql(lock, [tx.customer().into()])).await?;
    Ok(())
}

/// Lets one transaction of a customer at a time rearrange its pages: find twins, retire, delete, restore. One step finds which pages the next
/// one needs, so that they are not locked in one order; nobody else changes pages meanwhile ([`change`]). Take it before any page, and after
/// [`super::model_change::hold`].
pub async fn rearrange(tx: &TenantTx) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('pages of ' || $1::text, 0))";
    tx.execute_raw(sql(lock, [tx.customer().into()])).await?;
    Ok(())
}

/// Which waiting pages are wanted.
#[derive(Clone, Debug)]
pub enum Wanted<'a> {
    /// What the run has brought so far, but for pages with these contents (by hash): see [`super::losses::masses`].
    OfRun(&'a [Vec<u8>]),
    /// All of the sites that the run visited, with the same exception.
    OfSites(&'a [Vec<u8>]),
}

/// The pages that wait for their chunks and that no embed job of the run's own covers, in the order of their decisions.
///
/// Derived from the rows, so that no crash loses a page between its storing and the embed job that covers it. A cancelled
/// embed job covers nothing: whoever runs the crawl again wants its pages. Nor does one that is done: what waits after it has
/// changed since. A crawl whose chunks are staged does not wait for pages that it, or another one that is under way, has staged as
/// they are now; those of a crawl that is held it takes over.
pub async fn uncovered(tx: &TenantTx, job: Uuid, wanted: &Wanted<'_>) -> Result<Vec<Uuid>> {
    let find = format!(
        "SELECT p.id FROM scraped_pages p LEFT JOIN job_urls u ON u.job_id = $1 AND u.url_hash = p.url_hash
        WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND (p.indexed_version < p.version OR p.reindex)
          AND p.content_hash <> ALL($3)
          AND (u.job_id IS NOT NULL OR $4 AND p.origin IN (SELECT DISTINCT url_origin(v.url) FROM job_urls v WHERE v.job_id = $1))
          AND p.id::text NOT IN (SELECT jsonb_array_elements_text(c.payload -> 'page_ids') FROM jobs c
            WHERE c.parent_id = $1 AND c.kind = 'embed' AND c.state NOT IN ('cancelled', 'done'))
          AND NOT (EXISTS (SELECT FROM scrape_jobs m WHERE m.job_id = $1 AND m.staged) AND EXISTS (
            SELECT FROM staged_pages s WHERE s.page_id = p.id AND {UP_TO_DATE} AND (s.job_id = $1 OR EXISTS (
              SELECT FROM jobs o WHERE o.id = s.job_id AND o.state IN ('scheduled', 'queued', 'running')))))
        ORDER BY u.seq, p.id"
    );
    let (but, all) = match wanted {
        Wanted::OfRun(but) => (but.to_vec(), false),
        Wanted::OfSites(but) => (but.to_vec(), true),
    };
    let values = [job.into(), tx.customer().into(), but.into(), all.into()];
    let rows = tx.query_all_raw(sql(&find, values)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Counts indexed pages and computed vectors into the customer's day.
pub async fn count_usage(tx: &TenantTx, pages: i64, embeddings: i64, spent: Spent) -> Result<()> {
    const COUNT: &str = "INSERT INTO usage_daily AS u (customer_id, day, pages, embeddings, tokens_in, cost_usd) VALUES ($1, current_date, $2, $3, $4, $5)
        ON CONFLICT (customer_id, day) DO UPDATE SET pages = u.pages + excluded.pages, embeddings = u.embeddings + excluded.embeddings,
          tokens_in = u.tokens_in + excluded.tokens_in, cost_usd = u.cost_usd + excluded.cost_usd";
    let tokens = spent.tokens as i64;
    let values = [
        tx.customer().into(),
        pages.into(),
        embeddings.into(),
        tokens.into(),
        spent.usd.into(),
    ];
    tx.execute_raw(sql(COUNT, values)).await?;
    if spent.usd > 0.0 {
        // Names that anybody may claim are no labels.
        const LABEL: &str = "SELECT CASE WHEN EXISTS (SELECT FROM customer_domains d WHERE d.customer_id = c.id AND d.host = c.domain
            AND d.verified_at IS NOT NULL) THEN c.domain ELSE 'unverified' END AS label FROM customer_configs c WHERE c.id = $1";
        if let Some(row) = tx.query_one_raw(sql(LABEL, [tx.customer().into()])).await? {
            telemetry::paid(row.try_get("", "label")?, spent.usd);
        }
    }
    Ok(())
}

/// How the model's cosines are to be read, if that was measured.
pub async fn scale_of(db: &crate::tenancy::Db, model: Uuid) -> Result<Option<Calibration>> {
    const READ: &str = "SELECT cosine_zero, cosine_one FROM embedding_models WHERE id = $1 AND cosine_zero IS NOT NULL";
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(READ, [model.into()])).await?;
    row.map(|row| {
        Ok(Calibration {
            zero: row.try_get("", "cosine_zero")?,
            one: row.try_get("", "cosine_one")?,
        })
    })
    .transpose()
}

/// The same of the model with this name.
pub async fn scale_named(db: &crate::tenancy::Db, name: &str) -> Result<Option<Calibration>> {
    const FIND: &str = "SELECT id FROM embedding_models WHERE name = $1";
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(FIND, [name.into()])).await?;
    drop(tx);
    match row {
        Some(row) => scale_of(db, row.try_get("", "id")?).await,
        None => Ok(None),
    }
}

/// Keeps what was measured; what another process has kept before is as good, and holds for both.
pub async fn keep_scale(db: &crate::tenancy::Db, model: Uuid, measured: Calibration) -> Result<Calibration> {
    const KEEP: &str =
        "UPDATE embedding_models SET cosine_zero = $2, cosine_one = $3 WHERE id = $1 AND cosine_zero IS NULL";
    let tx = db.system().await?;
    let values = [model.into(), measured.zero.into(), measured.one.into()];
    tx.execute_raw(sql(KEEP, values)).await?;
    tx.commit().await?;
    Ok(scale_of(db, model).await?.unwrap_or(measured))
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

/// The model of the customer's index; none before anything was indexed.
pub async fn model_of(tx: &TenantTx) -> Result<Option<Uuid>> {
    const FIND: &str = "SELECT embedding_model_id FROM customer_configs WHERE id = $1";
    let row = tx.query_one_raw(sql(FIND, [tx.customer().into()])).await?;
    Ok(row
        .map(|row| row.try_get("", "embedding_model_id"))
        .transpose()?
        .flatten())
}

/// pgvector's text form.
pub(crate) fn vector_text(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}
