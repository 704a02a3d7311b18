//! Pages and the decision row of every URL, written together in one transaction by the crawl that holds the job's lease.
use entity::{page, scrape_job};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::record;
use crate::{
    Error, Result,
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
    /// Whether it was read as it would be now: see [`READER`]. Else it has no validators.
    pub current: bool,
}

/// [`READER`] where statements are put together.
macro_rules! reader {
    () => {
        1
    };
}

/// The edition of what reads pages. Raise it with each change by which a page's text, title or structured data comes out otherwise: what
/// an older edition has read is asked for and read again, though its server says that nothing has changed.
pub const READER: i16 = reader!();

/// The columns of [`Known`] in a query that calls `scraped_pages` `p`.
pub(super) const KNOWN: &str = concat!(
    "p.id AS known_id, CASE WHEN p.reader = ",
    reader!(),
    " THEN p.etag END AS known_etag, CASE WHEN p.reader = ",
    reader!(),
    " THEN p.last_modified END AS known_last_modified,
    p.sitemap_lastmod AS known_sitemap_lastmod, p.fetched_at AS known_fetched_at, p.reader = ",
    reader!(),
    " AS known_current"
);

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
    /// The page that led to it.
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

/// [`record::save_all`] for one page that no sitemap names.
pub async fn save(tx: &TenantTx, page: &FetchedPage) -> Result<Stored> {
    let page = &page.clone().into();
    let new = record::NewPage { page, lastmod: None };
    let stored = record::save_all(tx, &[new]).await?;
    stored
        .first()
        .copied()
        .ok_or_else(|| Error::internal("storing a page", "no row"))
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

/// How many URLs of a run were decided without asking for them.
pub async fn refused(tx: &TenantTx, job: Uuid) -> Result<usize> {
    const COUNT: &str = "SELECT count(*) AS n FROM job_urls WHERE job_id = $1 AND ms IS NULL";
    let row = tx.query_one_raw(sql(COUNT, [job.into()])).await?;
    let refused: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    Ok(usize::try_from(refused).unwrap_or_default())
}

/// The settings of a scrape job.
pub async fn scrape_settings(tx: &TenantTx, job: Uuid) -> Result<scrape_job::Model> {
    scrape_job::Entity::find_by_id(job)
        .one(&**tx)
        .await?
        .ok_or_else(|| Error::not_found("scrape job"))
}

/// Has the crawl begin at `url`, on another host of the customer, to which its start page leads.
pub async fn move_start(tx: &TenantTx, job: Uuid, url: &str) -> Result<()> {
    const MOVE: &str = "UPDATE scrape_jobs SET moved_to = $3 WHERE job_id = $1 AND customer_id = $2";
    tx.execute_raw(sql(MOVE, [job.into(), tx.customer().into(), url.into()]))
        .await?;
    Ok(())
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
