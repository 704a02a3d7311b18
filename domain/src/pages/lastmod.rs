//! What a sitemap's dates are worth. A page whose `lastmod` has not moved since it was fetched need not be asked for, if the site's
//! dates tell the truth; whether they do is learned from the pages that are asked for all the same.
//!
//! Dates are believed after some have proved right, and no more once one has proved wrong. Then they must prove right again,
//! after a long time. Every page is asked for once in [`ROUNDS`] runs and once in [`ASK_DAYS`] days at least, so that a lie is found.
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::store::READER;
use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// Unmoved dates of unchanged pages that must have been seen before dates are believed.
const PROOFS: i64 = 5;
/// Runs within which each page is asked for.
pub const ROUNDS: i32 = 10;
/// Days after which a page is asked for, whatever its date says.
pub const ASK_DAYS: i32 = 7;
/// Days for which a site that lied is not believed.
const DISTRUST_DAYS: i32 = 90;

/// What the visits of a group teach about a site's dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// Pages that were unchanged as their date said.
    pub right: i64,
    /// Pages that had changed although their date had not.
    pub wrong: i64,
}

/// Decides about the open URLs of a crawl whose dates say that they are unchanged: they are `not_modified` without a request.
/// Returns how many those are.
pub async fn skip_unchanged(tx: &TenantTx, job: Uuid, site: &str) -> Result<u64> {
    const ROUND: &str = "INSERT INTO crawl_sites AS s (customer_id, site, runs) VALUES ($1, $2, 1)
        ON CONFLICT (customer_id, site) DO UPDATE SET runs = s.runs + 1
        RETURNING runs, lastmod_confirmed >= $3
          AND (lastmod_lied_at IS NULL OR lastmod_lied_at < now() - make_interval(days => $4)) AS trusted";
    const SKIP: &str = "
        WITH same AS (
          UPDATE crawl_frontier f SET state = 'done' FROM scraped_pages p
          WHERE f.job_id = $1 AND f.state = 'open' AND p.customer_id = $2 AND p.url_hash = f.url_hash AND p.tombstoned_at IS NULL
            AND p.sitemap_lastmod = f.lastmod AND p.fetched_at > f.lastmod AND p.reader = $6
            AND p.fetched_at > now() - make_interval(days => $3) AND get_byte(f.url_hash, 0) % $4 <> $5
          RETURNING f.url, f.depth, f.found_from)
        INSERT INTO job_urls (job_id, customer_id, url, decision, reason, depth, via, found_from)
        SELECT $1, $2, url, 'not_modified', 'lastmod', depth, 'sitemap', found_from FROM same
        ON CONFLICT (job_id, url_hash) DO NOTHING";
    let customer = tx.customer();
    let values = [customer.into(), site.into(), PROOFS.into(), DISTRUST_DAYS.into()];
    let Some(row) = tx.query_one_raw(sql(ROUND, values)).await? else {
        return Ok(0);
    };
    if !row.try_get("", "trusted")? {
        return Ok(0);
    }
    let round = row.try_get::<i64>("", "runs")? % i64::from(ROUNDS);
    let values = [
        job.into(),
        customer.into(),
        ASK_DAYS.into(),
        ROUNDS.into(),
        (round as i32).into(),
        READER.into(),
    ];
    Ok(tx.execute_raw(sql(SKIP, values)).await?.rows_affected())
}

/// Notes what visits have taught.
pub async fn learn(tx: &TenantTx, site: &str, lesson: Lesson) -> Result<()> {
    const LEARN: &str =
        "UPDATE crawl_sites SET lastmod_confirmed = CASE WHEN $4 > 0 THEN 0 ELSE lastmod_confirmed + $3 END,
          lastmod_lied_at = CASE WHEN $4 > 0 THEN now() ELSE lastmod_lied_at END
        WHERE customer_id = $1 AND site = $2";
    if lesson == Lesson::default() {
        return Ok(());
    }
    let values = [
        tx.customer().into(),
        site.into(),
        lesson.right.into(),
        lesson.wrong.into(),
    ];
    tx.execute_raw(sql(LEARN, values)).await?;
    Ok(())
}
