//! Why a crawl did what it did: its decision rows, one for each URL, filtered and counted.
//!
//! Read only. Every filter is a value of the statement, never a part of it; what people type to search by is taken literally.
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::sitemaps::{self, Sitemaps};
use crate::{
    Error, Result, jobs,
    tenancy::{TenantTx, sql},
};

/// The words of decisions.
pub const DECISIONS: [&str; 10] = [
    "new",
    "changed",
    "same_hash",
    "not_modified",
    "redirected",
    "blocked",
    "skipped",
    "failed",
    "gone",
    "duplicate",
];

/// Which of a crawl's URLs are wanted; all of the conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// One of [`DECISIONS`].
    pub decision: Option<String>,
    /// How it was fetched, or what led to it: `loop`, `spider`, `browser`, `start`, `sitemap`.
    pub via: Option<String>,
    /// HTTP status.
    pub status: Option<i32>,
    /// How the reason begins.
    pub reason: Option<String>,
    /// A part of the URL.
    pub text: Option<String>,
    /// Fetches that took at least this many milliseconds.
    pub min_ms: Option<i32>,
}

/// What a crawl decided about one URL, and what it became.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Explained {
    /// Grows in the order of deciding.
    pub seq: i64,
    /// The URL.
    pub url: String,
    /// One of [`DECISIONS`].
    pub decision: String,
    /// Which rule, or where to.
    pub reason: Option<String>,
    /// HTTP status, if there was an answer.
    pub status: Option<i32>,
    /// Time of the fetch.
    pub ms: Option<i32>,
    /// How long it waited for its host's turn before.
    pub wait_ms: Option<i32>,
    /// Bytes of the body.
    pub bytes: Option<i64>,
    /// Links from the start page.
    pub depth: i32,
    /// The page that led to it.
    pub found_from: Option<String>,
    /// See [`Wanted::via`].
    pub via: String,
    /// The page as it is stored now, if it is.
    pub page_id: Option<Uuid>,
    /// Chunks of it that can be searched now.
    pub chunks: Option<i64>,
    /// When it was decided.
    pub at: OffsetDateTime,
}

/// What a crawl decided about each URL, in the order of deciding, after `after`.
pub async fn urls(tx: &TenantTx, job: Uuid, wanted: &Wanted, after: Option<i64>, limit: u64) -> Result<Vec<Explained>> {
    const FIND: &str = "
        SELECT u.seq, u.url, u.decision, u.reason, u.status, u.ms, u.wait_ms, u.bytes, u.depth, u.found_from, u.via, u.at, p.id AS page_id,
          CASE WHEN p.id IS NOT NULL THEN
            (SELECT count(*) FROM page_embeddings e WHERE e.customer_id = p.customer_id AND e.page_id = p.id AND e.published) END AS chunks
        FROM (SELECT * FROM job_urls WHERE job_id = $1 AND customer_id = $2 AND seq > $3
            AND ($4::text IS NULL OR decision = $4) AND ($5::text IS NULL OR via = $5) AND ($6::integer IS NULL OR status = $6)
            AND ($7::text IS NULL OR starts_with(reason, $7)) AND ($8::text IS NULL OR strpos(url, $8) > 0)
            AND ($9::integer IS NULL OR ms >= $9)
          ORDER BY seq LIMIT $10) u
        LEFT JOIN scraped_pages p ON p.customer_id = u.customer_id AND p.url_hash = u.url_hash
        ORDER BY u.seq";
    jobs::get(tx, job).await?;
    check(wanted)?;
    let values = [
        job.into(),
        tx.customer().into(),
        after.unwrap_or_default().into(),
        wanted.decision.clone().into(),
        wanted.via.clone().into(),
        wanted.status.into(),
        wanted.reason.clone().into(),
        wanted.text.clone().into(),
        wanted.min_ms.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    Ok(Explained::find_by_statement(sql(FIND, values)).all(&**tx).await?)
}

fn check(wanted: &Wanted) -> Result<()> {
    if let Some(decision) = &wanted.decision
        && !DECISIONS.contains(&decision.as_str())
    {
        return Err(Error::invalid(
            "decision",
            format!("must be one of {}", DECISIONS.join(", ")),
        ));
    }
    if wanted.status.is_some_and(|status| !(100..=999).contains(&status)) {
        return Err(Error::invalid("status", "must be an HTTP status"));
    }
    if wanted.min_ms.is_some_and(|ms| ms < 0) {
        return Err(Error::invalid("min_ms", "must not be negative"));
    }
    let texts = [("via", &wanted.via), ("reason", &wanted.reason), ("q", &wanted.text)];
    for (field, text) in texts {
        // Postgres has no NUL in texts.
        if text
            .as_ref()
            .is_some_and(|text| text.is_empty() || text.len() > 500 || text.contains('\0'))
        {
            return Err(Error::invalid(field, "must have 1 to 500 characters, and no NUL"));
        }
    }
    Ok(())
}

/// A decision, and the rule behind it if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// One of [`DECISIONS`].
    pub decision: String,
    /// The reason as far as it is the same for many URLs; none for those that have none of their own, such as targets of redirects.
    pub rule: Option<String>,
    /// How many URLs.
    pub urls: i64,
}

/// How values are spread, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Half of them are at most this.
    pub p50: i32,
    /// Nine of ten.
    pub p90: i32,
    /// All but one in a hundred.
    pub p99: i32,
    /// All.
    pub max: i32,
}

/// A crawl's decisions, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// URLs with a decision.
    pub urls: i64,
    /// By decision and rule, the most frequent first.
    pub rules: Vec<Rule>,
    /// By how they were fetched, or what led to them.
    pub via: BTreeMap<String, i64>,
    /// Bytes of all bodies.
    pub bytes: i64,
    /// Times of the fetches; none without any.
    pub fetch_ms: Option<Spread>,
    /// Waits for the host's turn before them.
    pub wait_ms: Option<Spread>,
    /// What became of the site's sitemaps; none before they have been read.
    pub sitemaps: Option<Sitemaps>,
}

impl Summary {
    /// How many URLs were decided like this.
    pub fn decision(&self, decision: &str) -> i64 {
        self.count(|rule| rule.decision == decision)
    }

    /// How many URLs were decided like this by this rule.
    pub fn rule(&self, decision: &str, rule: &str) -> i64 {
        self.count(|r| r.decision == decision && r.rule.as_deref() == Some(rule))
    }

    /// The rules of a decision with their counts.
    pub fn rules_of(&self, decision: &str) -> BTreeMap<&str, i64> {
        let of = self.rules.iter().filter(|rule| rule.decision == decision);
        of.filter_map(|rule| Some((rule.rule.as_deref()?, rule.urls))).collect()
    }

    /// How many URLs were fetched or found this way.
    pub fn via(&self, via: &str) -> i64 {
        self.via.get(via).copied().unwrap_or_default()
    }

    fn count(&self, of: impl Fn(&Rule) -> bool) -> i64 {
        self.rules.iter().filter(|rule| of(rule)).map(|rule| rule.urls).sum()
    }
}

/// Counts a crawl's decisions, from the rows, so that a resumed crawl counts right.
pub async fn summary(tx: &TenantTx, job: Uuid) -> Result<Summary> {
    // A reason is a rule up to its colon: `trap: …`, `budget: …`, `http_status: …`.
    const RULES: &str = "
        SELECT decision, CASE WHEN decision NOT IN ('redirected', 'duplicate') THEN nullif(split_part(reason, ':', 1), '') END AS rule,
          via, count(*) AS urls, coalesce(sum(bytes), 0)::bigint AS bytes
        FROM job_urls WHERE job_id = $1 AND customer_id = $2 GROUP BY 1, 2, 3";
    const TIMES: &str = "
        SELECT percentile_disc(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY ms) AS fetch,
          percentile_disc(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY wait_ms) FILTER (WHERE wait_ms IS NOT NULL) AS wait
        FROM job_urls WHERE job_id = $1 AND customer_id = $2 AND ms IS NOT NULL";
    jobs::get(tx, job).await?;
    let mut rules: BTreeMap<(String, Option<String>), i64> = BTreeMap::new();
    let mut summary = Summary {
        sitemaps: sitemaps::of(tx, job).await?,
        ..Summary::default()
    };
    for row in tx.query_all_raw(sql(RULES, [job.into(), tx.customer().into()])).await? {
        let urls: i64 = row.try_get("", "urls")?;
        *rules
            .entry((row.try_get("", "decision")?, row.try_get("", "rule")?))
            .or_default() += urls;
        *summary.via.entry(row.try_get("", "via")?).or_default() += urls;
        summary.urls += urls;
        summary.bytes += row.try_get::<i64>("", "bytes")?;
    }
    let rule = |((decision, rule), urls)| Rule { decision, rule, urls };
    summary.rules = rules.into_iter().map(rule).collect();
    summary.rules.sort_by_key(|rule| -rule.urls);
    let times = tx.query_one_raw(sql(TIMES, [job.into(), tx.customer().into()])).await?;
    if let Some(row) = times {
        (summary.fetch_ms, summary.wait_ms) = (spread(&row, "fetch")?, spread(&row, "wait")?);
    }
    Ok(summary)
}

/// Tokens of the published vectors of pages that a crawl found unchanged: what embedding them anew would have cost.
pub async fn tokens_kept(tx: &TenantTx, job: Uuid) -> Result<i64> {
    const KEPT: &str = "
        SELECT coalesce(sum(c.tokens), 0)::bigint AS tokens FROM job_urls u
        JOIN scraped_pages p ON p.customer_id = u.customer_id AND p.url_hash = u.url_hash
        JOIN page_embeddings c ON c.customer_id = p.customer_id AND c.page_id = p.id AND c.published AND c.model_id IS NOT NULL
        WHERE u.job_id = $1 AND u.customer_id = $2 AND u.decision IN ('same_hash', 'not_modified')";
    let row = tx.query_one_raw(sql(KEPT, [job.into(), tx.customer().into()])).await?;
    Ok(row
        .map(|row| row.try_get("", "tokens"))
        .transpose()?
        .unwrap_or_default())
}

fn spread(row: &QueryResult, name: &str) -> Result<Option<Spread>> {
    let values: Option<Vec<i32>> = row.try_get("", name)?;
    let of = |values: Vec<i32>| match values[..] {
        [p50, p90, p99, max] => Some(Spread { p50, p90, p99, max }),
        _ => None,
    };
    Ok(values.and_then(of))
}
