//! Why a crawl did what it did: the decision about each URL, and the decisions counted.
use domain::pages::{
    explain::{self, Explained, Wanted},
    sitemaps,
};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Jobs, List, Paging},
    openapi::Tag,
};

/// What a crawl decided about one URL.
#[derive(Debug, Object)]
struct JobUrl {
    url: String,
    /// `new`, `changed`, `same_hash`, `not_modified`, `redirected`, `blocked`, `skipped`, `failed`, `gone` or `duplicate`.
    decision: String,
    /// Which rule, or where to.
    #[oai(nullable)]
    reason: Option<String>,
    #[oai(nullable)]
    status: Option<i32>,
    /// Time of the fetch in milliseconds.
    #[oai(nullable)]
    ms: Option<i32>,
    /// How long it waited for its host's turn before, in milliseconds.
    #[oai(nullable)]
    wait_ms: Option<i32>,
    #[oai(nullable)]
    bytes: Option<i64>,
    /// Links from the start page.
    depth: i32,
    /// The page that led to it.
    #[oai(nullable)]
    found_from: Option<String>,
    /// How it was fetched, or what led to it.
    via: String,
    /// The page as it is stored now.
    #[oai(nullable)]
    page_id: Option<Uuid>,
    /// Chunks of it that can be searched now.
    #[oai(nullable)]
    chunks: Option<i64>,
    at: OffsetDateTime,
}

impl From<Explained> for JobUrl {
    fn from(row: Explained) -> Self {
        Self {
            url: row.url,
            decision: row.decision,
            reason: row.reason,
            status: row.status,
            ms: row.ms,
            wait_ms: row.wait_ms,
            bytes: row.bytes,
            depth: row.depth,
            found_from: row.found_from,
            via: row.via,
            page_id: row.page_id,
            chunks: row.chunks,
            at: row.at,
        }
    }
}

/// A decision, and the rule behind it.
#[derive(Debug, Object)]
struct DecisionCount {
    decision: String,
    /// The reason as far as it is the same for many URLs, such as `robots`, `trap`, `budget` or `http_status`.
    #[oai(nullable)]
    rule: Option<String>,
    urls: i64,
}

/// How milliseconds are spread.
#[derive(Debug, Object)]
struct Spread {
    p50: i32,
    p90: i32,
    p99: i32,
    max: i32,
}

impl From<explain::Spread> for Spread {
    fn from(of: explain::Spread) -> Self {
        let explain::Spread { p50, p90, p99, max } = of;
        Self { p50, p90, p99, max }
    }
}

/// A sitemap or feed that was not read.
#[derive(Debug, Object)]
struct UnreadSitemap {
    url: String,
    /// Why not, for people.
    why: String,
}

/// What became of the site's sitemaps and feeds.
#[derive(Debug, Object)]
struct Sitemaps {
    /// Files that were read.
    read: i64,
    /// URLs in them.
    entries: i64,
    /// URLs among these that lie on another host.
    entries_elsewhere: i64,
    /// Files that the site names and that could not be had or read.
    failed: i64,
    /// Files that the site names on another host; they were not asked for.
    elsewhere: i64,
    /// Whether files or entries beyond 50 and 50,000 were left out.
    truncated: bool,
    /// Some of the files that were not read.
    unread: Vec<UnreadSitemap>,
}

impl From<sitemaps::Sitemaps> for Sitemaps {
    fn from(of: sitemaps::Sitemaps) -> Self {
        let unread = |file: sitemaps::Unread| UnreadSitemap {
            url: file.url,
            why: file.why,
        };
        Self {
            read: of.read,
            entries: of.entries,
            entries_elsewhere: of.entries_elsewhere,
            failed: of.failed,
            elsewhere: of.elsewhere,
            truncated: of.truncated,
            unread: of.unread.into_iter().map(unread).collect(),
        }
    }
}

/// A crawl's decisions, counted.
#[derive(Debug, Object)]
struct JobUrlSummary {
    /// URLs with a decision.
    urls: i64,
    /// They add up to `urls`; the most frequent first.
    decisions: Vec<DecisionCount>,
    /// By how they were fetched, or what led to them.
    via: BTreeMap<String, i64>,
    bytes: i64,
    /// Times of the fetches; null without any.
    #[oai(nullable)]
    fetch_ms: Option<Spread>,
    /// Waits for the host's turn before them.
    #[oai(nullable)]
    wait_ms: Option<Spread>,
    /// Null before they have been read.
    #[oai(nullable)]
    sitemaps: Option<Sitemaps>,
}

impl From<explain::Summary> for JobUrlSummary {
    fn from(of: explain::Summary) -> Self {
        let count = |rule: explain::Rule| DecisionCount {
            decision: rule.decision,
            rule: rule.rule,
            urls: rule.urls,
        };
        Self {
            urls: of.urls,
            decisions: of.rules.into_iter().map(count).collect(),
            via: of.via,
            bytes: of.bytes,
            fetch_ms: of.fetch_ms.map(Into::into),
            wait_ms: of.wait_ms.map(Into::into),
            sitemaps: of.sitemaps.map(Into::into),
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// What a crawl decided about each URL
    ///
    /// In the order of deciding. All filters hold together, and texts are taken literally.
    #[oai(
        path = "/api/jobs/:id/urls",
        method = "get",
        tag = "Tag::Jobs",
        operation_id = "list_job_urls"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    async fn urls(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
        decision: Query<Option<String>>,
        via: Query<Option<String>>,
        status: Query<Option<i32>>,
        /// How the reason begins.
        reason: Query<Option<String>>,
        /// A part of the URL.
        q: Query<Option<String>>,
        /// Fetches that took at least this long.
        min_ms: Query<Option<i32>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<JobUrl>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let wanted = Wanted {
            decision: decision.0,
            via: via.0,
            status: status.0,
            reason: reason.0,
            text: q.0,
            min_ms: min_ms.0,
        };
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = explain::urls(&tx, id.0, &wanted, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.seq)))
    }

    /// What a crawl decided, counted
    #[oai(
        path = "/api/jobs/:id/urls/summary",
        method = "get",
        tag = "Tag::Jobs",
        operation_id = "summarize_job_urls"
    )]
    async fn summary(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
    ) -> Answer<Json<JobUrlSummary>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        Ok(Json(explain::summary(&tx, id.0).await?.into()))
    }
}
