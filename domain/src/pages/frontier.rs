//! The worklist of a crawl. It lives in Postgres, so that a killed crawl goes on where it was, and it is the crawl's set of
//! seen URLs: a URL enters once. Deleted when the crawl ends.
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::{Result, tenancy::sql};

/// A fetch that took its worker down this often is given up.
const MAX_ATTEMPTS: i32 = 3;

/// A URL that waits to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Open {
    /// Normalised and absolute.
    pub url: String,
    /// Links from the start page.
    pub depth: i32,
}

/// How far a crawl is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Counts {
    /// URLs seen and admitted.
    pub total: i64,
    /// URLs with a decision.
    pub done: i64,
}

/// Admits URLs that are new to the crawl, up to `budget` in all, and returns those that it admitted, in their order.
pub async fn admit(
    tx: &impl ConnectionTrait,
    customer: Uuid,
    job: Uuid,
    urls: &[String],
    depth: i32,
    found_from: Option<&str>,
    budget: i32,
) -> Result<Vec<String>> {
    const ADMIT: &str = "
        INSERT INTO crawl_frontier (job_id, customer_id, url, depth, found_from)
        SELECT $1, $2, u.url, $4, $5 FROM unnest($3::text[]) WITH ORDINALITY AS u (url, position)
        WHERE NOT EXISTS (SELECT 1 FROM crawl_frontier f WHERE f.job_id = $1 AND f.url_hash = hash_url(u.url))
        ORDER BY position
        LIMIT greatest(0, $6 - (SELECT count(*) FROM crawl_frontier WHERE job_id = $1))
        ON CONFLICT (job_id, url_hash) DO NOTHING RETURNING url";
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    let values = [
        job.into(),
        customer.into(),
        urls.to_vec().into(),
        depth.into(),
        found_from.map(str::to_owned).into(),
        i64::from(budget).into(),
    ];
    let rows = tx.query_all_raw(sql(ADMIT, values)).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "url"))
        .collect::<Result<_, _>>()?)
}

/// Takes up to `limit` open URLs, oldest first.
pub async fn take(tx: &impl ConnectionTrait, job: Uuid, limit: i64) -> Result<Vec<Open>> {
    const TAKE: &str = "
        WITH next AS (SELECT url_hash FROM crawl_frontier WHERE job_id = $1 AND state = 'open' ORDER BY seq LIMIT $2
          FOR UPDATE SKIP LOCKED),
        taken AS (UPDATE crawl_frontier f SET state = 'fetching', attempts = attempts + 1 FROM next
          WHERE f.job_id = $1 AND f.url_hash = next.url_hash RETURNING f.url, f.depth, f.seq)
        SELECT url, depth FROM taken ORDER BY seq";
    Ok(Open::find_by_statement(sql(TAKE, [job.into(), limit.into()]))
        .all(tx)
        .await?)
}

/// Takes one URL, if it is open.
pub async fn take_one(tx: &impl ConnectionTrait, job: Uuid, url: &str) -> Result<Option<Open>> {
    const TAKE: &str = "UPDATE crawl_frontier SET state = 'fetching', attempts = attempts + 1
        WHERE job_id = $1 AND url_hash = hash_url($2) AND state = 'open' RETURNING url, depth";
    Ok(Open::find_by_statement(sql(TAKE, [job.into(), url.into()]))
        .one(tx)
        .await?)
}

/// Open URLs, oldest first, without taking them.
pub async fn open(tx: &impl ConnectionTrait, job: Uuid) -> Result<Vec<Open>> {
    let find = "SELECT url, depth FROM crawl_frontier WHERE job_id = $1 AND state = 'open' ORDER BY seq";
    Ok(Open::find_by_statement(sql(find, [job.into()])).all(tx).await?)
}

/// Leaves a taken URL to a later pass, unless this was its second try; returns whether there will be one.
pub async fn postpone(tx: &impl ConnectionTrait, job: Uuid, url: &str) -> Result<bool> {
    let later = "UPDATE crawl_frontier SET state = 'later'
                 WHERE job_id = $1 AND url_hash = hash_url($2) AND attempts < 2";
    let done = tx.execute_raw(sql(later, [job.into(), url.into()])).await?;
    Ok(done.rows_affected() > 0)
}

/// Opens what was being fetched when its worker was asked to stop, which is not counted as a try.
pub async fn release(tx: &impl ConnectionTrait, job: Uuid) -> Result<()> {
    let open =
        "UPDATE crawl_frontier SET state = 'open', attempts = attempts - 1 WHERE job_id = $1 AND state = 'fetching'";
    tx.execute_raw(sql(open, [job.into()])).await?;
    Ok(())
}

/// Notes that a URL has its decision.
pub async fn finish(tx: &impl ConnectionTrait, job: Uuid, url: &str) -> Result<()> {
    let done = "UPDATE crawl_frontier SET state = 'done' WHERE job_id = $1 AND url_hash = hash_url($2)";
    tx.execute_raw(sql(done, [job.into(), url.into()])).await?;
    Ok(())
}

/// Opens again what a killed worker was fetching, and returns the URLs that have been tried too often.
pub async fn reopen(tx: &impl ConnectionTrait, job: Uuid) -> Result<Vec<Open>> {
    const GIVE_UP: &str =
        "UPDATE crawl_frontier SET state = 'done' WHERE job_id = $1 AND state = 'fetching' AND attempts >= $2
                           RETURNING url, depth";
    let lost = Open::find_by_statement(sql(GIVE_UP, [job.into(), MAX_ATTEMPTS.into()]))
        .all(tx)
        .await?;
    let again = "UPDATE crawl_frontier SET state = 'open' WHERE job_id = $1 AND state IN ('fetching', 'later')";
    tx.execute_raw(sql(again, [job.into()])).await?;
    Ok(lost)
}

/// How far the crawl is.
pub async fn counts(tx: &impl ConnectionTrait, job: Uuid) -> Result<Counts> {
    let count = "SELECT count(*) AS total, count(*) FILTER (WHERE state = 'done') AS done FROM crawl_frontier WHERE job_id = $1";
    Ok(Counts::find_by_statement(sql(count, [job.into()]))
        .one(tx)
        .await?
        .unwrap_or_default())
}

/// Forgets the worklist of a crawl that has ended.
pub async fn clear(tx: &impl ConnectionTrait, job: Uuid) -> Result<()> {
    tx.execute_raw(sql("DELETE FROM crawl_frontier WHERE job_id = $1", [job.into()]))
        .await?;
    Ok(())
}
