//! What earlier crawls knew of a site. A crawl begins with it: an unchanged page tells no links (its answer is a 304), so what
//! only such pages lead to would be lost, and a page that nothing links to any more may be gone.
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// A URL that an earlier crawl knew.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Earlier {
    /// The URL.
    pub url: String,
    /// How far from the start page the last crawl of the same start page found it; 1 if it did not.
    pub depth: i32,
}

/// What of it a crawl asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What a budget left out, and live pages, the longest unasked first.
    Pages,
    /// Those, and whatever else was decided about.
    All,
}

/// For a crawl, `job`: what a budget left out the last time, then live pages whose URLs begin with one of `origins`, those first that have not been asked for
/// the longest, so that crawls of a site with more pages than they may ask for come to all of them in turn, whatever the answers were. Then whatever else the last
/// crawls of the site decided about, in the same order, also those that began elsewhere or did not end: what failed, was excluded or led elsewhere may be a
/// page now. The last word of each counts: what was gone is not asked for again and again; what the site asks not to follow, and files, only links lead to.
pub async fn earlier(
    tx: &TenantTx,
    job: Uuid,
    start_url: &str,
    origins: &[String],
    wanted: Wanted,
    limit: i64,
) -> Result<Vec<Earlier>> {
    const FIND: &str = "
        WITH last AS MATERIALIZED (SELECT u.url, u.url_hash, u.depth FROM job_urls u WHERE u.job_id = (SELECT s.job_id
          FROM scrape_jobs s JOIN jobs j ON j.id = s.job_id WHERE s.customer_id = $4 AND s.start_url = $1 AND j.state = 'done'
          ORDER BY j.created_at DESC LIMIT 1)),
        met AS MATERIALIZED (SELECT u.url, u.url_hash, min(u.depth) AS depth,
            (array_agg(u.decision = 'skipped' AND u.reason IN ('budget: pages', 'budget: bytes', 'budget: minutes') ORDER BY u.job_id DESC))[1] AS cut,
            max(u.at) FILTER (WHERE u.ms IS NOT NULL OR u.decision = 'not_modified') AS asked_at,
            (array_agg(u.decision = 'gone' OR u.decision = 'skipped'
              AND (coalesce(u.reason, '') = 'nofollow' OR starts_with(coalesce(u.reason, ''), 'file: ')) ORDER BY u.job_id DESC))[1] AS over
          FROM job_urls u WHERE u.job_id IN (SELECT s.job_id
          FROM scrape_jobs s WHERE s.customer_id = $4 AND EXISTS (SELECT 1 FROM unnest($2::text[]) o WHERE starts_with(coalesce(s.moved_to, s.start_url), o))
          AND s.job_id <> $6 ORDER BY s.job_id DESC LIMIT 5) GROUP BY 1, 2),
        seen AS MATERIALIZED (SELECT * FROM met WHERE NOT over AND ($5 OR cut)),
        live AS MATERIALIZED (SELECT p.url, p.url_hash, p.fetched_at FROM scraped_pages p WHERE p.customer_id = $4 AND p.tombstoned_at IS NULL
          AND EXISTS (SELECT 1 FROM unnest($2::text[]) o WHERE starts_with(p.url, o)))
        SELECT url, depth FROM (
          SELECT p.url, coalesce(u.depth, 1) AS depth, 1 AS rank, greatest(p.fetched_at, m.asked_at) AS asked_at
            FROM live p LEFT JOIN last u ON u.url_hash = p.url_hash LEFT JOIN met m ON m.url_hash = p.url_hash
          UNION ALL SELECT u.url, u.depth, CASE WHEN u.cut THEN 0 ELSE 2 END, u.asked_at FROM seen u
            WHERE NOT EXISTS (SELECT 1 FROM live p WHERE p.url_hash = u.url_hash)) known
        ORDER BY rank, asked_at NULLS FIRST, depth, url LIMIT $3";
    let values = [
        start_url.into(),
        origins.to_vec().into(),
        limit.into(),
        tx.customer().into(),
        (wanted == Wanted::All).into(),
        job.into(),
    ];
    Ok(Earlier::find_by_statement(sql(FIND, values)).all(&**tx).await?)
}
