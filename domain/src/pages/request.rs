//! Asking for work on pages: a crawl of a site, or new chunks for pages.
use entity::{job, page, scrape_job};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use url::Url;
use uuid::Uuid;

use super::off_peak::OffPeak;
use crate::{
    Error, Result,
    jobs::{self, Kind, NewJob, Payload, Submitted},
    tenancy::{HostName, TenantTx, sql},
};

/// Pages of one embed job: few enough that the work spreads over workers and the first answers come early.
pub const EMBED_BATCH: usize = 25;
/// What a crawl of a domain without proof may fetch: pages, and links from the first one.
const PREVIEW_PAGES: i32 = 10;
const PREVIEW_DEPTH: i32 = 2;

/// How pages are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchMode {
    /// Whatever the page needs.
    #[default]
    Auto,
    /// Plain HTTP.
    Static,
    /// A browser.
    Browser,
}

impl FetchMode {
    /// The mode's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Static => "static",
            Self::Browser => "browser",
        }
    }
}

impl FromStr for FetchMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Auto, Self::Static, Self::Browser]
            .into_iter()
            .find(|m| m.as_str() == text)
            .ok_or_else(|| Error::invalid("mode", "must be auto, static or browser"))
    }
}

impl fmt::Display for FetchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A crawl to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrapeRequest {
    /// Where it starts; must be on one of the customer's domains.
    pub url: String,
    /// How pages are fetched.
    pub mode: FetchMode,
    /// URLs that are fetched at most.
    pub max_pages: i32,
    /// Links from the start page at most.
    pub max_depth: i32,
    /// Paths to keep to, with `*` for anything; empty for all.
    pub include: Vec<String>,
    /// Paths to leave out, with `*` for anything.
    pub exclude: Vec<String>,
    /// Fetch everything anew instead of asking what has changed.
    pub full: bool,
    /// Megabytes (of 1,000,000 decompressed bytes) that are fetched at most; none for no limit.
    #[serde(default)]
    pub max_mb: Option<i32>,
    /// Minutes that the crawl visits pages at most, pauses left out; none for no limit.
    #[serde(default)]
    pub max_minutes: Option<i32>,
    /// The hours in which the site may be crawled, as [`OffPeak`] reads them; none for all.
    #[serde(default)]
    pub off_peak: Option<String>,
}

impl ScrapeRequest {
    /// A crawl of the whole site at `url` with the usual limits.
    pub fn of(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            mode: FetchMode::Auto,
            max_pages: 1000,
            max_depth: 20,
            include: vec![],
            exclude: vec![],
            full: false,
            max_mb: None,
            max_minutes: None,
            off_peak: None,
        }
    }

    fn check(&self) -> Result<Url> {
        let url = Url::parse(self.url.trim()).map_err(|e| Error::invalid("url", format!("is not a URL: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Error::invalid("url", "must start with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid("url", "must not contain a user name or password"));
        }
        if !(1..=100_000).contains(&self.max_pages) {
            return Err(Error::invalid("max_pages", "must be between 1 and 100000"));
        }
        if !(0..=100).contains(&self.max_depth) {
            return Err(Error::invalid("max_depth", "must be between 0 and 100"));
        }
        for (field, limit) in [("max_mb", self.max_mb), ("max_minutes", self.max_minutes)] {
            if limit.is_some_and(|limit| !(1..=100_000).contains(&limit)) {
                return Err(Error::invalid(field, "must be between 1 and 100000"));
            }
        }
        self.hours()?;
        for (field, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            if patterns.len() > 100 || patterns.iter().any(|p| p.is_empty() || p.len() > 500) {
                return Err(Error::invalid(
                    field,
                    "must have at most 100 patterns of 1 to 500 characters",
                ));
            }
        }
        Ok(url)
    }
}

impl ScrapeRequest {
    fn hours(&self) -> Result<Option<OffPeak>> {
        self.off_peak.as_deref().map(str::parse).transpose()
    }
}

/// Refuses what [`request_scrape`] would refuse, and what may not come again and again: a preview.
pub async fn check_scrape(tx: &TenantTx, request: &ScrapeRequest) -> Result<()> {
    if domain_of(tx, &request.check()?).await? {
        return Ok(());
    }
    let told = "is on a domain that is not verified: until then it may be crawled by hand, for a preview";
    Err(Error::invalid("url", told))
}

/// The request as far as the proof of its domain lets it: without one, a few pages near the first, without a browser.
fn preview(request: &ScrapeRequest) -> Result<ScrapeRequest> {
    if request.mode == FetchMode::Browser {
        let told = "browser needs a verified domain; until then a preview is crawled without one";
        return Err(Error::invalid("mode", told));
    }
    Ok(ScrapeRequest {
        mode: FetchMode::Static,
        max_pages: request.max_pages.min(PREVIEW_PAGES),
        max_depth: request.max_depth.min(PREVIEW_DEPTH),
        ..request.clone()
    })
}

/// Writes a scrape job that somebody asks for. A crawl of the same start page that is still live is returned instead of a second one.
pub async fn request_scrape(tx: &TenantTx, request: &ScrapeRequest) -> Result<Submitted> {
    submit_scrape(tx, request, jobs::SOON).await
}

/// The same for one that goes by the clock.
pub async fn schedule_scrape(tx: &TenantTx, request: &ScrapeRequest) -> Result<Submitted> {
    submit_scrape(tx, request, jobs::BULK).await
}

/// The page that a scrape job begins with: one crawl of it is live at a time, so it is the job's dedupe key.
pub fn start_url(job: &job::Model) -> Option<&str> {
    let scrape = job.kind == Kind::Scrape.as_str();
    job.dedupe_key.as_deref().filter(|_| scrape)
}

async fn submit_scrape(tx: &TenantTx, request: &ScrapeRequest, priority: i16) -> Result<Submitted> {
    const SETTINGS: &str = "INSERT INTO scrape_jobs (job_id, customer_id, start_url, mode, max_pages, max_depth, include, exclude, refetch,
                              max_bytes, max_minutes, off_peak)
                            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let url = request.check()?;
    let request = if domain_of(tx, &url).await? {
        request.clone()
    } else {
        preview(request)?
    };
    let mut job = NewJob::new(tx.customer(), Payload::Scrape {});
    job.dedupe_key = Some(url.to_string());
    job.priority = priority;
    let submitted = jobs::submit(&**tx, &job).await?;
    if submitted.fresh {
        let values = [
            submitted.id.into(),
            tx.customer().into(),
            url.to_string().into(),
            request.mode.as_str().into(),
            request.max_pages.into(),
            request.max_depth.into(),
            request.include.clone().into(),
            request.exclude.clone().into(),
            request.full.into(),
            request.max_mb.map(|mb| i64::from(mb) * 1_000_000).into(),
            request.max_minutes.into(),
            request.hours()?.map(|hours| hours.to_string()).into(),
        ];
        tx.execute_raw(sql(SETTINGS, values)).await?;
    }
    Ok(submitted)
}

/// A crawl's settings as far as the proof of its domain lets them go today: it may have ended since the crawl was asked for. What they
/// lose then is written, since statements read them, too.
pub async fn as_proved(tx: &TenantTx, settings: scrape_job::Model) -> Result<scrape_job::Model> {
    const BOUND: &str =
        "UPDATE scrape_jobs SET mode = $2, max_pages = $3, max_depth = $4 WHERE job_id = $1 AND customer_id = $5";
    let url: Url = settings
        .start_url
        .parse()
        .map_err(|e| Error::internal("a start URL", e))?;
    let (host, verified) = grant(tx, &url).await?;
    match verified {
        Some(true) => Ok(settings),
        Some(false) => {
            let bound = scrape_job::Model {
                mode: FetchMode::Static.as_str().into(),
                max_pages: settings.max_pages.min(PREVIEW_PAGES),
                max_depth: settings.max_depth.min(PREVIEW_DEPTH),
                ..settings
            };
            let values = [
                bound.job_id.into(),
                bound.mode.as_str().into(),
                bound.max_pages.into(),
                bound.max_depth.into(),
                tx.customer().into(),
            ];
            tx.execute_raw(sql(BOUND, values)).await?;
            Ok(bound)
        }
        None => {
            let message = format!("{host} is not one of this customer's domains any more");
            Err(Error::conflict("domain_not_verified", message))
        }
    }
}

/// Whether the URL's host is verified; an error if it is not the customer's at all.
async fn domain_of(tx: &TenantTx, url: &Url) -> Result<bool> {
    let (host, verified) = grant(tx, url).await?;
    verified.ok_or_else(|| {
        Error::invalid(
            "url",
            format!("{host} is not one of this customer's domains; add it first"),
        )
    })
}

/// The URL's host, and whether it is verified; none if it is not the customer's at all.
async fn grant(tx: &TenantTx, url: &Url) -> Result<(HostName, Option<bool>)> {
    let host = HostName::of(url).ok_or_else(|| Error::invalid("url", "has no host"))?;
    let find = "SELECT verified_at IS NOT NULL AS verified FROM customer_domains WHERE customer_id = $2 AND host = $1";
    let values = [host.as_str().into(), tx.customer().into()];
    let row = tx.query_one_raw(sql(find, values)).await?;
    let verified = row.map(|row| row.try_get("", "verified")).transpose()?;
    Ok((host, verified))
}

/// Writes embed jobs for the pages named, or for all live pages, in batches.
pub async fn request_embed(
    tx: &TenantTx,
    pages: Option<&[Uuid]>,
    priority: i16,
    force: bool,
) -> Result<Vec<Submitted>> {
    let mut query = page::Entity::find()
        .select_only()
        .column(page::Column::Id)
        .filter(page::Column::TombstonedAt.is_null());
    if let Some(pages) = pages {
        query = query.filter(page::Column::Id.is_in(pages.iter().copied()));
    }
    let found: Vec<Uuid> = query.order_by_asc(page::Column::Id).into_tuple().all(&**tx).await?;
    if let Some(pages) = pages
        && pages.iter().any(|id| !found.contains(id))
    {
        return Err(Error::not_found("page"));
    }
    let batches = found.chunks(EMBED_BATCH).map(|batch| {
        let payload = Payload::Embed {
            page_ids: batch.to_vec(),
            force,
        };
        NewJob {
            priority,
            ..NewJob::new(tx.customer(), payload)
        }
    });
    jobs::submit_all(&**tx, &batches.collect::<Vec<_>>()).await
}
