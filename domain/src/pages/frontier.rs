//! The worklist of a crawl. It lives in Postgres, so that a killed crawl goes on where it was, and it is the crawl's set of
//! seen URLs: a URL enters once. Deleted when the crawl ends.
//!
//! A URL is `open`, `fetching` from the moment a visit begins, then `done`, or `later` when another pass is to try it once more,
//! or `waiting` while it is not known whether the page that it names as its canonical one is a page.
//!
//! Everything here takes sets, and leaves the budget to the caller: only the lease's holder admits, so it can count.
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    record::instant,
    store::{KNOWN, Known},
};
use crate::{Result, tenancy::sql};

/// A fetch that took its worker down this often is given up.
const MAX_ATTEMPTS: i32 = 3;
/// Most pages with other paths that may name one page as their canonical one, before they are a mass that looks like a mistake.
const MASS: i64 = 20;

/// A URL that waits to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Open {
    /// Normalised and absolute.
    pub url: String,
    /// Links from the start page.
    pub depth: i32,
    /// Redirects in a row that led here.
    pub hops: i16,
    /// How often a fetch of it began, this one included.
    pub attempts: i32,
    /// What the sitemap says about its last change.
    pub lastmod: Option<OffsetDateTime>,
    /// It is a page of its own, whatever it names as its canonical one.
    pub own: bool,
    /// The page that led to it.
    pub found_from: Option<String>,
}

/// A URL whose visit begins, and what is stored of it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The URL.
    pub open: Open,
    /// What is stored.
    pub known: Option<Known>,
    /// Its place in the frontier's order.
    pub place: i64,
}

impl Taken {
    fn read(row: &QueryResult) -> Result<Self> {
        Ok(Self {
            open: Open::from_query_result(row, "")?,
            known: Known::from_query_result_optional(row, "known_")?,
            place: row.try_get("", "seq")?,
        })
    }
}

/// A URL that might be visited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// Normalised and absolute.
    pub url: String,
    /// Links from the start page.
    pub depth: i32,
    /// Redirects in a row that lead to it.
    pub hops: i16,
    /// Where it was found.
    pub from: Option<String>,
    /// What the sitemap says about its last change.
    pub lastmod: Option<OffsetDateTime>,
}

impl Lead {
    /// A URL that nothing else is known of.
    pub fn new(url: impl Into<String>, depth: i32) -> Self {
        Self {
            url: url.into(),
            depth,
            ..Self::default()
        }
    }
}

/// What becomes of a visited URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has its decision.
    Done,
    /// Another pass tries it once more.
    Later,
    /// Its decision stands if this URL, its canonical one, turns out to be a page.
    Waits(String),
}

/// How far a crawl is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Counts {
    /// URLs seen and admitted.
    pub total: i64,
    /// URLs with a decision that stands.
    pub done: i64,
    /// URLs whose decision stands if their canonical page is one.
    pub waiting: i64,
}

impl Counts {
    /// URLs that have been visited. A few of those that wait are visited once more, if their canonical page turns out to be none.
    pub fn visited(&self) -> i64 {
        self.done + self.waiting
    }
}

/// Sets a transaction up for the statements of visits, which run by the thousand. Their plans are made once for a connection, and when
/// tables are still small, and must suit large ones: rows are looked up by their keys, and read in the order of the index that gives
/// it. Sorted, the next URLs would cost reading all that are open.
///
/// The commit does not wait for the disk. What a crash of Postgres takes back are the last visits, whole and in their order: their URLs
/// are open then, and visited again.
pub async fn work_by_keys(tx: &impl ConnectionTrait) -> Result<()> {
    const HABITS: &str =
        "SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
        set_config('enable_bitmapscan', 'off', true), set_config('enable_hashjoin', 'off', true),
        set_config('enable_mergejoin', 'off', true), set_config('synchronous_commit', 'off', true)";
    tx.execute_raw(sql(HABITS, [])).await?;
    Ok(())
}

/// Admits URLs that are new to the crawl, at most `room` of them, and returns those that it admitted.
pub async fn admit(
    tx: &impl ConnectionTrait,
    customer: Uuid,
    job: Uuid,
    leads: &[Lead],
    room: i64,
) -> Result<Vec<String>> {
    // Each URL is looked up by itself: as a join, which the planner may choose when it thinks the table small, the whole frontier
    // would be read, and the hash computed, for each of them. In the order of its hash: see `take_those`.
    const ADMIT: &str = "
        WITH u AS MATERIALIZED (SELECT u.*, hash_url(u.url) AS url_hash
          FROM unnest($3::text[], $4::int[], $5::int[], $6::text[], $7::text[]) WITH ORDINALITY
            AS u (url, depth, hops, found_from, lastmod, position))
        INSERT INTO crawl_frontier (job_id, customer_id, url, depth, hops, found_from, lastmod)
        SELECT $1, $2, u.url, u.depth, u.hops, nullif(u.found_from, ''), nullif(u.lastmod, '')::timestamptz
        FROM u WHERE (SELECT f.depth FROM crawl_frontier f WHERE f.job_id = $1 AND f.url_hash BETWEEN u.url_hash AND u.url_hash
          ORDER BY f.url_hash LIMIT 1) IS NULL
        ORDER BY position LIMIT $8
        ON CONFLICT (job_id, url_hash) DO NOTHING RETURNING url";
    if leads.is_empty() || room <= 0 {
        return Ok(Vec::new());
    }
    let values = [
        job.into(),
        customer.into(),
        leads.iter().map(|lead| lead.url.clone()).collect::<Vec<_>>().into(),
        leads.iter().map(|lead| lead.depth).collect::<Vec<_>>().into(),
        leads.iter().map(|lead| i32::from(lead.hops)).collect::<Vec<_>>().into(),
        leads
            .iter()
            .map(|lead| lead.from.clone().unwrap_or_default())
            .collect::<Vec<_>>()
            .into(),
        leads
            .iter()
            .map(|lead| instant(lead.lastmod))
            .collect::<Vec<_>>()
            .into(),
        room.into(),
    ];
    let rows = tx.query_all_raw(sql(ADMIT, values)).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "url"))
        .collect::<Result<_, _>>()?)
}

/// Notes what a sitemap says about the last changes of URLs that the crawl knows.
pub async fn date(tx: &impl ConnectionTrait, job: Uuid, leads: &[Lead]) -> Result<()> {
    const DATE: &str = "
        WITH u AS MATERIALIZED (SELECT u.lastmod, hash_url(u.url) AS url_hash FROM unnest($2::text[], $3::text[]) AS u (url, lastmod))
        UPDATE crawl_frontier f SET lastmod = u.lastmod::timestamptz
        FROM u CROSS JOIN LATERAL (SELECT k.ctid FROM crawl_frontier k WHERE k.job_id = $1
            AND k.url_hash BETWEEN u.url_hash AND u.url_hash ORDER BY k.url_hash LIMIT 1) k
        WHERE f.ctid = k.ctid AND f.lastmod IS NULL";
    let dated = || leads.iter().filter(|lead| lead.lastmod.is_some());
    if dated().next().is_none() {
        return Ok(());
    }
    let values = [
        job.into(),
        dated().map(|lead| lead.url.clone()).collect::<Vec<_>>().into(),
        dated().map(|lead| instant(lead.lastmod)).collect::<Vec<_>>().into(),
    ];
    tx.execute_raw(sql(DATE, values)).await?;
    Ok(())
}

/// Takes up to `limit` open URLs beyond the place `after`, oldest first. A pass that goes on from the last place that it took finds
/// all that is open, since what is admitted lies beyond, and reads nothing twice; a new pass begins at 0.
pub async fn take(tx: &impl ConnectionTrait, job: Uuid, after: i64, limit: i64) -> Result<Vec<Taken>> {
    let next =
        "SELECT ctid FROM crawl_frontier WHERE job_id = $1 AND seq > $3 AND state = 'open' ORDER BY seq LIMIT $2";
    take_those(tx, next, [job.into(), limit.into(), after.into()]).await
}

/// Takes those of `urls` that are open.
pub async fn take_named(tx: &impl ConnectionTrait, job: Uuid, urls: &[String]) -> Result<Vec<Taken>> {
    let next = "SELECT k.ctid FROM (SELECT DISTINCT hash_url(u) AS url_hash FROM unnest($2::text[]) u) named
        CROSS JOIN LATERAL (SELECT f.ctid, f.state FROM crawl_frontier f WHERE f.job_id = $1
          AND f.url_hash BETWEEN named.url_hash AND named.url_hash ORDER BY f.url_hash LIMIT 1) k WHERE k.state = 'open'";
    take_those(tx, next, [job.into(), urls.to_vec().into()]).await
}

async fn take_those<const N: usize>(
    tx: &impl ConnectionTrait,
    next: &'static str,
    values: [sea_orm::Value; N],
) -> Result<Vec<Taken>> {
    // Rows of the frontier are changed where they were found, and a page is asked for in the order of its hash, so that it is looked up by
    // the one index that has it. For an equal hash, planned while tables are small, either may be looked for among all URLs of the job.
    let take = format!(
        "WITH next AS MATERIALIZED ({next}),
        taken AS (UPDATE crawl_frontier f SET state = 'fetching', attempts = attempts + 1 FROM next WHERE f.ctid = next.ctid
          RETURNING f.url, f.url_hash, f.customer_id, f.depth, f.hops, f.attempts, f.lastmod, f.own, f.found_from, f.seq)
        SELECT t.url, t.depth, t.hops, t.attempts, t.lastmod, t.own, t.found_from, t.seq, {KNOWN}
        FROM taken t LEFT JOIN LATERAL (SELECT * FROM scraped_pages p WHERE p.customer_id = t.customer_id
          AND p.url_hash BETWEEN t.url_hash AND t.url_hash AND p.tombstoned_at IS NULL ORDER BY p.url_hash LIMIT 1) p ON true
        ORDER BY t.seq"
    );
    let rows = tx.query_all_raw(sql(&take, values)).await?;
    rows.iter().map(Taken::read).collect()
}

/// URLs that are open, oldest first, without taking them.
pub async fn open(tx: &impl ConnectionTrait, job: Uuid) -> Result<Vec<String>> {
    let find = "SELECT url FROM crawl_frontier WHERE job_id = $1 AND state = 'open' ORDER BY seq";
    let rows = tx.query_all_raw(sql(find, [job.into()])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "url"))
        .collect::<Result<_, _>>()?)
}

/// All URLs, in the order of their admission.
pub async fn urls(tx: &impl ConnectionTrait, job: Uuid) -> Result<Vec<String>> {
    let find = "SELECT url FROM crawl_frontier WHERE job_id = $1 ORDER BY seq";
    let rows = tx.query_all_raw(sql(find, [job.into()])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "url"))
        .collect::<Result<_, _>>()?)
}

/// Notes what became of visited URLs.
pub async fn finish(tx: &impl ConnectionTrait, job: Uuid, visited: &[(&str, &Next)]) -> Result<()> {
    const FINISH: &str = "
        WITH v AS MATERIALIZED (SELECT v.state, v.canonical, hash_url(v.url) AS url_hash
          FROM unnest($2::text[], $3::text[], $4::text[]) AS v (url, state, canonical))
        UPDATE crawl_frontier f SET state = v.state, canonical = nullif(v.canonical, '')
        FROM v CROSS JOIN LATERAL (SELECT k.ctid FROM crawl_frontier k WHERE k.job_id = $1
            AND k.url_hash BETWEEN v.url_hash AND v.url_hash ORDER BY k.url_hash LIMIT 1) k
        WHERE f.ctid = k.ctid";
    if visited.is_empty() {
        return Ok(());
    }
    let (mut states, mut canonicals) = (Vec::new(), Vec::new());
    for (_, next) in visited {
        let (state, canonical) = match next {
            Next::Done => ("done", ""),
            Next::Later => ("later", ""),
            Next::Waits(canonical) => ("waiting", canonical.as_str()),
        };
        states.push(state.to_owned());
        canonicals.push(canonical.to_owned());
    }
    let urls: Vec<String> = visited.iter().map(|(url, _)| (*url).to_owned()).collect();
    tx.execute_raw(sql(FINISH, [job.into(), urls.into(), states.into(), canonicals.into()]))
        .await?;
    Ok(())
}

/// Opens what was being fetched when its worker was asked to stop, which is not counted as a try.
pub async fn release(tx: &impl ConnectionTrait, job: Uuid) -> Result<()> {
    let open =
        "UPDATE crawl_frontier SET state = 'open', attempts = attempts - 1 WHERE job_id = $1 AND state = 'fetching'";
    tx.execute_raw(sql(open, [job.into()])).await?;
    Ok(())
}

/// Opens again what a killed worker was fetching, and returns the URLs that have been tried too often.
pub async fn reopen(tx: &impl ConnectionTrait, job: Uuid) -> Result<Vec<Open>> {
    const GIVE_UP: &str =
        "UPDATE crawl_frontier SET state = 'done' WHERE job_id = $1 AND state = 'fetching' AND attempts >= $2
        RETURNING url, depth, hops, attempts, lastmod, own, found_from";
    let lost = Open::find_by_statement(sql(GIVE_UP, [job.into(), MAX_ATTEMPTS.into()]))
        .all(tx)
        .await?;
    let again = "UPDATE crawl_frontier SET state = 'open' WHERE job_id = $1 AND state IN ('fetching', 'later')";
    tx.execute_raw(sql(again, [job.into()])).await?;
    Ok(lost)
}

/// Settles the pages that wait for their canonical ones, when nothing else is left to visit; their decisions say `duplicate` so far.
///
/// A canonical page is believed if it is a live page that names no other one itself. A mass of pages with other paths than their
/// common canonical page is a mistake of the site's template, such as a whole site that names its home page. Whoever is not
/// believed loses its decision, and is opened again as a page of its own.
pub async fn settle_waiting(tx: &impl ConnectionTrait, job: Uuid) -> Result<()> {
    const SETTLE: &str = "
        WITH waits AS MATERIALIZED (
          SELECT url_hash, customer_id, hash_url(canonical) AS canonical_hash,
            split_part(url, '?', 1) <> split_part(canonical, '?', 1) AS elsewhere
          FROM crawl_frontier WHERE job_id = $1 AND state = 'waiting'),
        masses AS (SELECT canonical_hash FROM waits WHERE elsewhere GROUP BY 1 HAVING count(*) > $2
          AND count(*) * 4 > (SELECT count(*) FROM crawl_frontier WHERE job_id = $1)),
        judged AS MATERIALIZED (
          SELECT w.*, EXISTS (SELECT 1 FROM scraped_pages p WHERE p.customer_id = w.customer_id AND p.url_hash = w.canonical_hash
              AND p.tombstoned_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM waits t WHERE t.url_hash = w.canonical_hash)
            AND NOT EXISTS (SELECT 1 FROM job_urls u WHERE u.job_id = $1 AND u.url_hash = w.canonical_hash
              AND u.decision NOT IN ('new', 'changed', 'same_hash', 'not_modified')
              AND NOT starts_with(coalesce(u.reason, ''), 'budget: '))
            AND NOT (w.elsewhere AND w.canonical_hash IN (SELECT canonical_hash FROM masses)) AS believed
          FROM waits w),
        undecided AS (DELETE FROM job_urls u USING judged j WHERE u.job_id = $1 AND u.url_hash = j.url_hash AND NOT j.believed)
        UPDATE crawl_frontier f SET state = CASE WHEN j.believed THEN 'done' ELSE 'open' END, own = NOT j.believed
        FROM judged j WHERE f.job_id = $1 AND f.url_hash = j.url_hash";
    tx.execute_raw(sql(SETTLE, [job.into(), MASS.into()])).await?;
    Ok(())
}

/// Ends a crawl whose budget is used up: what is left gets this decision's reason. Returns how many URLs that were.
pub async fn abandon(tx: &impl ConnectionTrait, job: Uuid, reason: &str) -> Result<u64> {
    const ABANDON: &str = "
        WITH rest AS (UPDATE crawl_frontier SET state = 'done' WHERE job_id = $1 AND state IN ('open', 'later')
          RETURNING customer_id, url, depth, found_from)
        INSERT INTO job_urls (job_id, customer_id, url, decision, reason, depth, via, found_from)
        SELECT $1, customer_id, url, 'skipped', $2, depth, 'loop', found_from FROM rest
        ON CONFLICT (job_id, url_hash) DO NOTHING";
    let done = tx.execute_raw(sql(ABANDON, [job.into(), reason.into()])).await?;
    Ok(done.rows_affected())
}

/// How far the crawl is.
pub async fn counts(tx: &impl ConnectionTrait, job: Uuid) -> Result<Counts> {
    let count = "SELECT count(*) AS total, count(*) FILTER (WHERE state = 'done') AS done,
        count(*) FILTER (WHERE state = 'waiting') AS waiting FROM crawl_frontier WHERE job_id = $1";
    Ok(Counts::find_by_statement(sql(count, [job.into()]))
        .one(tx)
        .await?
        .unwrap_or_default())
}

/// URLs that a pass would visit.
pub async fn open_count(tx: &impl ConnectionTrait, job: Uuid) -> Result<i64> {
    let count =
        "SELECT count(*) AS open FROM crawl_frontier WHERE job_id = $1 AND state IN ('open', 'fetching', 'later')";
    let row = tx.query_one_raw(sql(count, [job.into()])).await?;
    Ok(row.map(|row| row.try_get("", "open")).transpose()?.unwrap_or_default())
}

/// Notes how long the crawl has visited pages in all, in milliseconds.
pub async fn spend(tx: &impl ConnectionTrait, job: Uuid, spent_ms: i64) -> Result<()> {
    let spend = "UPDATE scrape_jobs SET spent_ms = $2 WHERE job_id = $1";
    tx.execute_raw(sql(spend, [job.into(), spent_ms.into()])).await?;
    Ok(())
}

/// Forgets the worklist of a crawl that has ended.
pub async fn clear(tx: &impl ConnectionTrait, job: Uuid) -> Result<()> {
    tx.execute_raw(sql("DELETE FROM crawl_frontier WHERE job_id = $1", [job.into()]))
        .await?;
    Ok(())
}
