//! What a crawl takes out of answers, decided once, at its end, from its decision rows.
//!
//! A page goes when two runs in a row found it gone (404 or 410, or sent on to such an address), to be no page any more, to be left out of
//! an index, moved for good, or the copy of another that its author names: a site may say each of that by mistake for an hour. What moved
//! with the very text that is known goes at once. Everything else (errors of the server, 403, 429, time-outs, walls against bots) says
//! nothing about the page. Until the end of the run a page stays in answers whatever was met, so a run that is
//! killed, cancelled or held has changed nothing, and one that is tried again or goes on is still one run: its job.
//!
//! A run that would lose much of a site is no evidence but a suspicion, of a broken deployment or a wrong address, and waits
//! for a person ([`Losses::is_suspicious`]). A page whose content goes on under another address is not lost, unless many
//! pages claim the same address, as they do when a site sends every unknown path to its start page. Pages that all turned
//! into one and the same text are counted with the lost: that is how a site answers that is down and says 200.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::{index, twins};
use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// The share of a site's live pages that a run may lose.
const SHARE: f64 = 0.1;
/// Pages that a run may lose whatever their share, unless they are most of the site: on a small site a single page is over
/// the share already.
const ALWAYS: i64 = 1;
/// So many pages that went to one address, or turned into one text, did not move but vanish.
pub(super) const MASS: i64 = 5;
/// Examples that are shown to whoever has to confirm.
const EXAMPLES: i64 = 10;

/// What a run would lose, and of how much.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Losses {
    /// Pages that would leave the answers without another taking over.
    pub lost: i64,
    /// Live pages of the crawled sites before the run.
    pub live: i64,
    /// Pages that would be retired, moved ones among them, and pages that turned into one text; by cause.
    pub by_cause: BTreeMap<String, i64>,
    /// Some of the lost ones.
    pub examples: Vec<Example>,
}

/// A page that would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct Example {
    /// Its URL.
    pub url: String,
    /// Why.
    pub cause: String,
}

impl Losses {
    /// Whether a person has to look at it: more than a tenth of the pages and more than one, or most of a tiny site.
    pub fn is_suspicious(&self) -> bool {
        let (lost, live) = (self.lost as f64, self.live as f64);
        lost > live * SHARE && (self.lost > ALWAYS || lost > live / 2.0)
    }

    /// Lost pages of all live ones, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.live == 0 {
            0.0
        } else {
            self.lost as f64 / self.live as f64
        }
    }
}

/// Where redirects and canonical links of the run end, after at most six hops: what was met there, whether it is a page that lives and
/// stays, what that says, and whether all of the way is for good.
const ENDS: &str = "
  steps AS (
    SELECT u.url_hash, u.decision, substring(u.reason from 'https?://[^[:space:]]+$') AS target,
      u.decision = 'duplicate' OR u.status IN (200, 301, 308) AS lasts FROM job_urls u
    WHERE u.job_id = $1 AND u.decision IN ('duplicate', 'redirected')),
  hops AS (
    SELECT s.url_hash AS start, s.decision AS first, s.target, s.lasts, 1 AS n FROM steps s WHERE EXISTS (
      SELECT FROM scraped_pages p WHERE p.customer_id = $2 AND p.url_hash = s.url_hash AND p.tombstoned_at IS NULL)
    UNION ALL
    SELECT h.start, h.first, s.target, h.lasts AND s.lasts, h.n + 1
    FROM hops h JOIN steps s ON s.url_hash = hash_url(h.target) WHERE h.n < 6),
  ends AS (
    SELECT DISTINCT ON (h.start) h.start, h.first, h.target, h.lasts, u.decision AS met, u.reason, p.content_hash AS says,
      p.id IS NOT NULL AND coalesce(u.decision, '') NOT IN ('redirected', 'duplicate', 'gone') AND coalesce(u.reason, '') NOT LIKE 'noindex%' AS lives
    FROM hops h LEFT JOIN job_urls u ON u.job_id = $1 AND u.url_hash = hash_url(h.target)
      LEFT JOIN scraped_pages p ON p.customer_id = $2 AND p.url_hash = hash_url(h.target) AND p.tombstoned_at IS NULL
    ORDER BY h.start, h.n DESC)";

/// What speaks against each page, by the decisions of the run, and whether that is enough. What the run, or another one, has seen alive
/// since is not among them.
///
/// A page that moved is retired if its new address is stored, is on another site, or is none to be stored; a new address that
/// could not be had this time may be had the next. One that leads to nothing, for good or for now, is gone like one that answers 404, and
/// so is one that turned into a file or lost all of its text, unless a browser made that text.
const CAUSES: &str = "
  found AS (
    SELECT u.url_hash, p.id, p.gone_count >= 1 AND p.gone_job IS DISTINCT FROM $1 AS is_second, e.lives AND e.says = p.content_hash AS goes_on, CASE
      WHEN u.decision = 'gone' OR e.first = 'redirected' AND e.met = 'gone' THEN 'gone'
      WHEN u.decision = 'skipped' AND (u.reason = 'not_html' OR u.reason = 'empty' AND NOT EXISTS (SELECT FROM page_renders r
        WHERE r.customer_id = $2 AND r.url_hash = u.url_hash AND r.outcome = 'page')) THEN 'gone'
      WHEN u.decision = 'blocked' AND u.reason LIKE 'noindex%' THEN 'noindex'
      WHEN e.first = 'redirected' AND e.lasts AND (e.lives OR e.met IN ('skipped', 'blocked') AND coalesce(e.reason, '') NOT LIKE 'budget%'
        OR e.met IS NULL AND url_origin(e.target) <> url_origin(u.url)) THEN 'moved'
      WHEN e.first = 'duplicate' AND e.lives THEN 'duplicate' END AS cause
    FROM job_urls u JOIN scraped_pages p ON p.customer_id = $2 AND p.url_hash = u.url_hash
      AND p.tombstoned_at IS NULL AND p.fetched_at < u.at
    LEFT JOIN ends e ON e.start = u.url_hash
    WHERE u.job_id = $1 AND (u.decision IN ('gone', 'redirected', 'duplicate', 'blocked')
      OR u.decision = 'skipped' AND u.reason IN ('not_html', 'empty'))),
  causes AS (SELECT url_hash, id, cause, is_second OR goes_on AS is_enough FROM found WHERE cause IS NOT NULL)";

/// Notes that the pages of a host whose start page leads to another one for good have moved with it, as far as the other host has pages of
/// their paths: no crawl comes to the first host again to see it. A host has moved where its root leads away, or a page to the same path; what
/// leads elsewhere by another path, such as a section to a host of its own, says nothing of the others.
async fn follow_the_start(tx: &TenantTx, job: Uuid) -> Result<()> {
    const FOLLOW: &str = "
        WITH steps AS (SELECT status, url_origin(url) AS origin, url_origin(reason) AS target, substr(url, length(url_origin(url)) + 1) AS path,
            substr(reason, length(url_origin(reason)) + 1) AS target_path
          FROM job_urls WHERE job_id = $1 AND via = 'start' AND decision = 'redirected'),
        hosts AS (SELECT origin FROM steps GROUP BY 1
          HAVING bool_and(status IN (301, 308)) AND bool_or(target <> origin AND path IN ('/', target_path)))
        INSERT INTO job_urls (job_id, customer_id, url, decision, reason, status, depth, via)
        SELECT $1, $2, o.url, 'redirected', n.url, 301, 0, 'start'
        FROM scrape_jobs s JOIN hosts h ON h.origin <> url_origin(s.moved_to)
          JOIN scraped_pages o ON o.customer_id = $2 AND o.origin = h.origin AND o.tombstoned_at IS NULL
          JOIN scraped_pages n ON n.customer_id = $2 AND n.tombstoned_at IS NULL
            AND n.url_hash = hash_url(url_origin(s.moved_to) || substr(o.url, length(o.origin) + 1))
        WHERE s.job_id = $1 AND s.customer_id = $2
        ORDER BY o.url_hash ON CONFLICT (job_id, url_hash) DO NOTHING";
    tx.execute_raw(sql(FOLLOW, [job.into(), tx.customer().into()])).await?;
    Ok(())
}

/// Marks the decisions of the run that retire a page.
async fn mark(tx: &TenantTx, job: Uuid) -> Result<()> {
    let mark = format!(
        "WITH RECURSIVE {ENDS}, {CAUSES}
         UPDATE job_urls u SET retires = c.cause FROM (SELECT u.url_hash, c.cause FROM job_urls u LEFT JOIN causes c ON c.url_hash = u.url_hash AND c.is_enough
           LEFT JOIN scraped_pages r ON r.customer_id = $2 AND r.url_hash = u.url_hash AND r.retired_by = $1
           WHERE u.job_id = $1 AND u.retires IS DISTINCT FROM c.cause AND r.id IS NULL) c
         WHERE u.job_id = $1 AND u.url_hash = c.url_hash"
    );
    tx.execute_raw(sql(&mark, [job.into(), tx.customer().into()])).await?;
    Ok(())
}

/// Marks what the run would retire, and weighs it.
pub async fn weigh(tx: &TenantTx, job: Uuid) -> Result<Losses> {
    // A page of one cause is lost unless its content goes on at an address that few others claim.
    let lost = format!(
        "WITH RECURSIVE {ENDS},
         leaving AS (
           SELECT u.seq, u.url, u.retires AS cause, u.retires IN ('gone', 'noindex') OR NOT coalesce(e.lives, false)
             OR count(*) OVER (PARTITION BY e.target) >= $3 AS lost
           FROM job_urls u JOIN scraped_pages p ON p.customer_id = $2 AND p.url_hash = u.url_hash AND p.tombstoned_at IS NULL
           LEFT JOIN ends e ON e.start = u.url_hash WHERE u.job_id = $1 AND u.retires IS NOT NULL
           UNION ALL
           SELECT u.seq, u.url, 'same_text', true FROM job_urls u
           JOIN scraped_pages p ON p.customer_id = $2 AND p.url_hash = u.url_hash AND p.content_hash = ANY($4)
           WHERE u.job_id = $1 AND u.decision = 'changed')"
    );
    follow_the_start(tx, job).await?;
    mark(tx, job).await?;
    let masses = masses(tx, job).await?;
    let values = || [job.into(), tx.customer().into(), MASS.into(), masses.clone().into()];
    let count =
        format!("{lost} SELECT cause, count(*) AS n, count(*) FILTER (WHERE lost) AS lost FROM leaving GROUP BY 1");
    let mut losses = Losses {
        live: live(tx, job).await?,
        ..Losses::default()
    };
    for row in tx.query_all_raw(sql(&count, values())).await? {
        losses.by_cause.insert(row.try_get("", "cause")?, row.try_get("", "n")?);
        losses.lost += row.try_get::<i64>("", "lost")?;
    }
    let some = format!("{lost} SELECT url, cause FROM leaving WHERE lost ORDER BY seq LIMIT {EXAMPLES}");
    losses.examples = Example::find_by_statement(sql(&some, values())).all(&**tx).await?;
    Ok(losses)
}

/// Live pages of the sites that the run visited, without those that it found first, and without those of a host that only led to another.
async fn live(tx: &TenantTx, job: Uuid) -> Result<i64> {
    const COUNT: &str = "
        SELECT count(*) AS n FROM scraped_pages p LEFT JOIN job_urls u ON u.job_id = $1 AND u.url_hash = p.url_hash
        WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND u.decision IS DISTINCT FROM 'new'
          AND p.origin IN (SELECT DISTINCT url_origin(v.url) FROM job_urls v WHERE v.job_id = $1
            AND NOT (v.via = 'start' AND v.decision = 'redirected'))";
    let row = tx.query_one_raw(sql(COUNT, [job.into(), tx.customer().into()])).await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default())
}

/// Content that many pages turned into during the run and that is not indexed yet, as hashes.
pub async fn masses(tx: &TenantTx, job: Uuid) -> Result<Vec<Vec<u8>>> {
    const FIND: &str = "
        SELECT p.content_hash FROM scraped_pages p JOIN job_urls u ON u.job_id = $1 AND u.url_hash = p.url_hash AND u.decision = 'changed'
        WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND p.indexed_version > 0
          AND p.indexed_version < p.version
        GROUP BY 1 HAVING count(*) >= $3";
    let values = [job.into(), tx.customer().into(), MASS.into()];
    let rows = tx.query_all_raw(sql(FIND, values)).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "content_hash"))
        .collect::<Result<_, _>>()?)
}

/// Retires the pages that [`weigh`] marked, all at once, and notes those against which something speaks for the first time. A retired page's twin takes its place. Doing it twice changes nothing more. Returns how many pages went.
pub async fn retire(tx: &TenantTx, job: Uuid) -> Result<u64> {
    // In the order of their URLs, as everybody locks pages.
    const LOCK: &str = "
        SELECT FROM scraped_pages p JOIN job_urls u ON u.job_id = $1 AND u.url_hash = p.url_hash
        WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND (u.retires IS NOT NULL
          OR u.decision IN ('gone', 'redirected', 'duplicate', 'blocked') OR u.decision = 'skipped' AND u.reason IN ('not_html', 'empty'))
        ORDER BY p.url_hash FOR UPDATE OF p";
    const TOMBSTONE: &str = "
        WITH retired AS (
          UPDATE scraped_pages p SET tombstoned_at = now(), tombstone = u.retires, retired_by = $1, duplicate_of = NULL
          FROM job_urls u WHERE u.job_id = $1 AND u.retires IS NOT NULL AND p.customer_id = $2 AND p.url_hash = u.url_hash
            AND p.tombstoned_at IS NULL AND p.fetched_at < u.at RETURNING p.id)
        UPDATE page_embeddings c SET published = false FROM retired r WHERE c.page_id = r.id";
    const COUNT: &str = "SELECT count(*) AS n FROM scraped_pages WHERE customer_id = $2 AND retired_by = $1 AND tombstoned_at IS NOT NULL";
    let note = format!(
        "WITH RECURSIVE {ENDS}, {CAUSES}
         UPDATE scraped_pages p SET gone_count = p.gone_count + 1, gone_job = $1, status = coalesce(u.status, p.status)
         FROM causes c JOIN job_urls u ON u.job_id = $1 AND u.url_hash = c.url_hash
         WHERE p.id = c.id AND p.customer_id = $2 AND p.gone_job IS DISTINCT FROM $1"
    );
    let values = || [job.into(), tx.customer().into()];
    for statement in [LOCK, &note, TOMBSTONE] {
        tx.execute_raw(sql(statement, values())).await?;
    }
    twins::settle(tx).await?;
    let row = tx.query_one_raw(sql(COUNT, values())).await?;
    let retired: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    if retired > 0 {
        index::bump_version(tx).await?;
    }
    Ok(retired as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicious(lost: i64, live: i64) -> bool {
        Losses {
            lost,
            live,
            ..Losses::default()
        }
        .is_suspicious()
    }

    #[test]
    fn a_tenth_is_too_much_but_a_small_site_may_lose_a_page() {
        assert!(suspicious(11, 100) && !suspicious(10, 100));
        assert!(!suspicious(1, 8) && suspicious(2, 8) && suspicious(2, 19) && !suspicious(2, 20));
        assert!(suspicious(1, 1) && suspicious(2, 3) && !suspicious(1, 2));
        assert!(!suspicious(0, 0) && !suspicious(0, 50));
    }
}
