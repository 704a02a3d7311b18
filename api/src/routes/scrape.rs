//! Crawls.
use domain::{
    jobs::{self, Submitted, request_hash},
    limits::Class,
    pages::request::{FetchMode, ScrapeRequest, request_scrape},
};
use poem::web::Data;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, param::Header, payload::Json};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Jobs},
    openapi::Tag,
};

/// How pages are fetched.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "FetchMode")]
pub enum Mode {
    Auto,
    Static,
    Browser,
}

impl From<Mode> for FetchMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Auto => Self::Auto,
            Mode::Static => Self::Static,
            Mode::Browser => Self::Browser,
        }
    }
}

impl From<FetchMode> for Mode {
    fn from(mode: FetchMode) -> Self {
        match mode {
            FetchMode::Auto => Self::Auto,
            FetchMode::Static => Self::Static,
            FetchMode::Browser => Self::Browser,
        }
    }
}

/// What to crawl.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct NewScrape {
    /// Where to begin: on one of the customer's domains.
    #[oai(validator(min_length = 1, max_length = 2000))]
    url: String,
    #[oai(nullable)]
    mode: Option<Mode>,
    /// URLs at most; of a domain that is not verified at most 10.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "100000")))]
    max_pages: Option<i32>,
    /// Links from the start page at most.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "100")))]
    max_depth: Option<i32>,
    /// Paths to keep to, with `*` for anything.
    #[oai(nullable, validator(max_items = 100))]
    include: Option<Vec<String>>,
    /// Paths to leave out, with `*` for anything.
    #[oai(nullable, validator(max_items = 100))]
    exclude: Option<Vec<String>>,
    /// Fetch everything anew instead of asking what has changed.
    #[oai(nullable)]
    full: Option<bool>,
    /// Megabytes (decompressed) at most.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "100000")))]
    max_mb: Option<i32>,
    /// Minutes of crawling at most, pauses left out.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "100000")))]
    max_minutes: Option<i32>,
    /// The hours in which the site may be crawled, in UTC or at an offset: `22:00-06:00`, `22:00-06:00 +02:00`. Outside of them the
    /// job is `scheduled`.
    #[oai(nullable, validator(max_length = 30))]
    off_peak: Option<String>,
}

impl From<NewScrape> for ScrapeRequest {
    fn from(new: NewScrape) -> Self {
        let usual = Self::of(new.url);
        Self {
            mode: new.mode.map(Into::into).unwrap_or_default(),
            max_pages: new.max_pages.unwrap_or(usual.max_pages),
            max_depth: new.max_depth.unwrap_or(usual.max_depth),
            include: new.include.unwrap_or_default(),
            exclude: new.exclude.unwrap_or_default(),
            full: new.full.unwrap_or_default(),
            max_mb: new.max_mb,
            max_minutes: new.max_minutes,
            off_peak: new.off_peak,
            ..usual
        }
    }
}

/// What is crawled, with every setting.
#[derive(Debug, Object)]
pub struct Crawl {
    url: String,
    mode: Mode,
    max_pages: i32,
    max_depth: i32,
    include: Vec<String>,
    exclude: Vec<String>,
    full: bool,
    max_mb: Option<i32>,
    max_minutes: Option<i32>,
    #[oai(nullable)]
    off_peak: Option<String>,
}

impl From<ScrapeRequest> for Crawl {
    fn from(request: ScrapeRequest) -> Self {
        Self {
            url: request.url,
            mode: request.mode.into(),
            max_pages: request.max_pages,
            max_depth: request.max_depth,
            include: request.include,
            exclude: request.exclude,
            full: request.full,
            max_mb: request.max_mb,
            max_minutes: request.max_minutes,
            off_peak: request.off_peak,
        }
    }
}

/// When a worker will see it.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub enum Dispatch {
    /// Now.
    Queued,
    /// When Redis is back.
    Deferred,
}

impl From<bool> for Dispatch {
    fn from(taken: bool) -> Self {
        if taken { Self::Queued } else { Self::Deferred }
    }
}

/// A crawl that was accepted.
#[derive(Debug, Object)]
struct Accepted {
    job_id: Uuid,
    state: String,
    dispatch: Dispatch,
    /// False if a crawl of the same start page is already under way: then it is that one.
    fresh: bool,
}

#[derive(ApiResponse)]
enum ScrapeResponse {
    /// The job is recorded.
    #[oai(status = 202)]
    Accepted(Json<Accepted>, #[oai(header = "Location")] String),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Crawl a site
    #[oai(path = "/api/scrape", method = "post", tag = "Tag::Jobs", operation_id = "scrape")]
    async fn scrape(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        /// The same key with the same body gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: Body<NewScrape>,
    ) -> Answer<ScrapeResponse> {
        context.takes_work().await?;
        let key = key.0.as_deref().map(|key| (key, request_hash("scrape", &body.1)));
        let (submitted, state) = record(&context, &caller, key, &body.0.into()).await?;
        let id = submitted.id;
        let accepted = Accepted {
            job_id: id,
            state,
            fresh: submitted.fresh,
            dispatch: context.dispatcher.dispatch(&[submitted]).await.into(),
        };
        Ok(ScrapeResponse::Accepted(Json(accepted), format!("/api/jobs/{id}")))
    }
}

/// Records the job once per idempotency key.
async fn record(
    context: &Context,
    caller: &Caller<Jobs>,
    key: Option<(&str, Vec<u8>)>,
    request: &ScrapeRequest,
) -> Answer<(Submitted, String)> {
    let tx = context.db.tenant(&caller.customer).await?;
    if let Some((key, hash)) = &key
        && let Some(answer) = jobs::replay(&tx, key, hash).await?
    {
        let id = answer
            .get("job_id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok())
            .unwrap_or_default();
        let fresh = answer.get("fresh").and_then(Value::as_bool).unwrap_or_default();
        let state = jobs::get(&tx, id).await?.state;
        let submitted = Submitted {
            id,
            fresh,
            errand: None,
        };
        return Ok((submitted, state));
    }
    caller.spend(context, Class::Scrape).await?;
    let submitted = request_scrape(&tx, request).await?;
    if submitted.fresh {
        let asked = json!({ "url": request.url, "max_pages": request.max_pages });
        caller
            .note(&tx, "scrape.started", &submitted.id.to_string(), asked)
            .await?;
    }
    if let Some((key, _)) = key {
        let answer = json!({ "job_id": submitted.id, "fresh": submitted.fresh });
        jobs::remember(&tx, key, &answer).await?;
    }
    let state = jobs::get(&tx, submitted.id).await?.state;
    tx.commit().await?;
    Ok((submitted, state))
}
