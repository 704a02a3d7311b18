//! Pages and the decision row of every URL, written together in one transaction by the crawl that holds the job's lease.
use entity::{page, scrape_job};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Result, ids, secrets,
    tenancy::{TenantTx, sql},
};

/// What a fetch brought.
#[derive(Clone, Debug)]
pub struct FetchedPage {
    /// Where it was asked for; normalised.
    pub url: String,
    /// Where its author says it lives.
    pub canonical: Option<String>,
    /// Its title.
    pub title: String,
    /// ISO 639 code.
    pub language: Option<String>,
    /// Main content.
    pub markdown: String,
    /// HTTP status.
    pub status: i32,
    /// Validators for the next conditional request.
    pub etag: Option<String>,
    /// See `etag`.
    pub last_modified: Option<String>,
    /// Structured data as (kind, source, data).
    pub structured: Vec<(String, String, Value)>,
    /// It leads to other pages and says nothing itself: kept, and not made into chunks.
    pub navigational: bool,
}

/// What storing a page changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not known.
    New,
    /// Its content differs.
    Changed,
    /// Its content is the same.
    Same,
    /// The customer deleted it: it is left as it is.
    KeptOut,
}

/// A stored page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// What storing it changed.
    pub change: Change,
}

/// What is known of a page before it is fetched again.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Known {
    /// Its id.
    pub id: Uuid,
    /// `ETag` of its last answer.
    pub etag: Option<String>,
    /// `Last-Modified` of its last answer.
    pub last_modified: Option<String>,
    /// What the sitemap said of it then.
    pub sitemap_lastmod: Option<OffsetDateTime>,
    /// When it was asked for last.
    pub fetched_at: OffsetDateTime,
}

/// The columns of [`Known`] in a query that calls `scraped_pages` `p`.
pub(super) const KNOWN: &str = "p.id AS known_id, p.etag AS known_etag, p.last_modified AS known_last_modified,
    p.sitemap_lastmod AS known_sitemap_lastmod, p.fetched_at AS known_fetched_at";

/// What the crawl decided about one URL.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The URL.
    pub url: String,
    /// `new`, `changed`, `same_hash`, `not_modified`, `redirected`, `blocked`, `skipped`, `failed`, `gone`, `duplicate`.
    pub decision: &'static str,
    /// Which rule, or where to.
    pub reason: Option<String>,
    /// HTTP status, if there was an answer.
    pub status: Option<i32>,
    /// Time of the fetch.
    pub ms: Option<i32>,
    /// Bytes of the body.
    pub bytes: Option<i64>,
    /// Links from the start page.
    pub depth: i32,
    /// `spider`, `loop`, `sitemap`.
    pub via: &'static str,
    /// How long it waited for its host's turn, in milliseconds.
    pub wait_ms: Option<i32>,
    /// The page that led to it; if none is said, the one that the frontier knows.
    pub found_from: Option<String>,
}

/// What is known of `url`, if its content is there to stay with.
pub async fn known(tx: &TenantTx, url: &str) -> Result<Option<Known>> {
    let find = format!(
        "SELECT {KNOWN} FROM scraped_pages p WHERE customer_id = $1 AND url_hash = hash_url($2) AND tombstoned_at IS NULL"
    );
    let row = tx.query_one_raw(sql(&find, [tx.customer().into(), url.into()])).await?;
    Ok(row.map(|row| Known::from_query_result(&row, "known_")).transpose()?)
}

/// Stores a fetched page; its version grows when its content changed. What a crawl retired comes back; what the customer deleted
/// does not.
pub async fn save(tx: &TenantTx, page: &FetchedPage) -> Result<Stored> {
    const UPSERT: &str = "
        WITH before AS (SELECT id, content_hash, tombstoned_at, tombstone FROM scraped_pages
          WHERE customer_id = $2 AND url_hash = hash_url($3)),
        saved AS (
          INSERT INTO scraped_pages AS p (id, customer_id, url, canonical, title, language, markdown, content_hash, etag,
            last_modified, status, fetched_at, navigational)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now(), $12)
          ON CONFLICT (customer_id, url_hash) DO UPDATE SET canonical = excluded.canonical, title = excluded.title,
            language = excluded.language, markdown = excluded.markdown, etag = excluded.etag,
            last_modified = excluded.last_modified, status = excluded.status, fetched_at = now(), gone_count = 0,
            version = p.version + CASE WHEN p.content_hash = excluded.content_hash AND p.tombstoned_at IS NULL THEN 0 ELSE 1 END,
            duplicate_of = CASE WHEN p.content_hash = excluded.content_hash THEN p.duplicate_of END,
            reindex = p.reindex OR p.navigational <> excluded.navigational, navigational = excluded.navigational,
            tombstoned_at = NULL, tombstone = NULL, retired_by = NULL, content_hash = excluded.content_hash
          WHERE p.tombstone IS DISTINCT FROM 'customer'
          RETURNING p.id)
        SELECT coalesce(s.id, b.id) AS id, b.tombstone IS NOT DISTINCT FROM 'customer' AS kept_out,
          b.content_hash = $8 AND b.tombstoned_at IS NULL AS same
        FROM (SELECT 1) one LEFT JOIN saved s ON true LEFT JOIN before b ON true";
    let hash = secrets::sha256(format!("{}\n{}", page.title, page.markdown).as_bytes());
    let values = [
        ids::new_id().into(),
        tx.customer().into(),
        page.url.clone().into(),
        page.canonical.clone().into(),
        page.title.clone().into(),
        page.language.clone().into(),
        page.markdown.clone().into(),
        hash.into(),
        page.etag.clone().into(),
        page.last_modified.clone().into(),
        page.status.into(),
        page.navigational.into(),
    ];
    let row = tx.query_one_raw(sql(UPSERT, values)).await?;
    let row = row.ok_or_else(|| Error::internal("storing a page", "no row"))?;
    let id: Uuid = row.try_get("", "id")?;
    let same: Option<bool> = row.try_get("", "same")?;
    let change = match (row.try_get("", "kept_out")?, same) {
        (true, _) => Change::KeptOut,
        (false, None) => Change::New,
        (false, Some(false)) => Change::Changed,
        (false, Some(true)) => Change::Same,
    };
    if matches!(change, Change::New | Change::Changed) {
        replace_extractions(tx, id, &page.structured).await?;
    }
    Ok(Stored { id, change })
}

async fn replace_extractions(tx: &TenantTx, page: Uuid, found: &[(String, String, Value)]) -> Result<()> {
    const INSERT: &str = "INSERT INTO structured_extractions (id, customer_id, page_id, kind, source, data) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute_raw(sql(
        "DELETE FROM structured_extractions WHERE page_id = $1",
        [page.into()],
    ))
    .await?;
    for (kind, source, data) in found {
        let values = [
            ids::new_id().into(),
            tx.customer().into(),
            page.into(),
            kind.clone().into(),
            source.clone().into(),
            data.clone().into(),
        ];
        tx.execute_raw(sql(INSERT, values)).await?;
    }
    Ok(())
}

/// Notes that a page was confirmed unchanged.
pub async fn touch(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute_raw(sql(
        "UPDATE scraped_pages SET fetched_at = now(), gone_count = 0 WHERE id = $1",
        [id.into()],
    ))
    .await?;
    Ok(())
}

/// Writes the decision about one URL; the first one stands.
pub async fn decide(tx: &TenantTx, job: Uuid, d: &Decision) -> Result<()> {
    const INSERT: &str = "
        INSERT INTO job_urls (job_id, customer_id, url, decision, reason, status, ms, bytes, depth, via, wait_ms, found_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
          coalesce($12, (SELECT f.found_from FROM crawl_frontier f WHERE f.job_id = $1 AND f.url_hash = hash_url($3))))
        ON CONFLICT (job_id, url_hash) DO NOTHING";
    let values = [
        job.into(),
        tx.customer().into(),
        d.url.clone().into(),
        d.decision.into(),
        d.reason.clone().into(),
        d.status.into(),
        d.ms.into(),
        d.bytes.into(),
        d.depth.into(),
        d.via.into(),
        d.wait_ms.into(),
        d.found_from.clone().into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok(())
}

/// Decisions of a crawl, counted, and the bytes it fetched. Counted from the rows, so that a resumed crawl counts right.
pub async fn tally(tx: &TenantTx, job: Uuid) -> Result<(BTreeMap<String, i64>, i64)> {
    let count = "SELECT decision, count(*) AS n, coalesce(sum(bytes), 0)::bigint AS bytes FROM job_urls WHERE job_id = $1 GROUP BY 1";
    let mut counts = BTreeMap::new();
    let mut bytes = 0;
    for row in tx.query_all_raw(sql(count, [job.into()])).await? {
        counts.insert(row.try_get("", "decision")?, row.try_get("", "n")?);
        bytes += row.try_get::<i64>("", "bytes")?;
    }
    Ok((counts, bytes))
}

/// The settings of a scrape job.
pub async fn scrape_settings(tx: &TenantTx, job: Uuid) -> Result<scrape_job::Model> {
    scrape_job::Entity::find_by_id(job)
        .one(&**tx)
        .await?
        .ok_or_else(|| Error::not_found("scrape job"))
}

/// Pages of the customer in the order of their ids, after `after`; `query` looks in title and URL.
pub async fn list(tx: &TenantTx, query: Option<&str>, after: Option<Uuid>, limit: u64) -> Result<Vec<page::Model>> {
    let mut select = page::Entity::find().filter(page::Column::CustomerId.eq(tx.customer()));
    if let Some(text) = query {
        select = select.filter(page::Column::Title.contains(text).or(page::Column::Url.contains(text)));
    }
    if let Some(after) = after {
        select = select.filter(page::Column::Id.gt(after));
    }
    Ok(select.order_by_asc(page::Column::Id).limit(limit).all(&**tx).await?)
}

/// One page of the customer.
pub async fn get(tx: &TenantTx, id: Uuid) -> Result<page::Model> {
    page::of_customer(tx.customer(), id)
        .one(&**tx)
        .await?
        .ok_or_else(|| Error::not_found("page"))
}
