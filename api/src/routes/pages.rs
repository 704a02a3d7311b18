//! Crawled pages.
use domain::{
    jobs,
    pages::{
        removal, request,
        store::{get, list},
    },
    tenancy::TenantTx,
};
use entity::page;
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Jobs, List, Paging, Searches},
    once::Once,
    openapi::Tag,
};

/// A page without its content.
#[derive(Debug, Object)]
struct Page {
    id: Uuid,
    url: String,
    #[oai(nullable)]
    canonical: Option<String>,
    title: String,
    #[oai(nullable)]
    language: Option<String>,
    /// HTTP status of the last fetch.
    status: i32,
    fetched_at: OffsetDateTime,
    /// Counts changes of the content.
    version: i64,
    /// The version that answers are made from.
    indexed_version: i64,
    /// Since when it is kept out of answers.
    #[oai(nullable)]
    tombstoned_at: Option<OffsetDateTime>,
    /// Why: `customer`, `gone`, `moved`, `duplicate` or `noindex`.
    #[oai(nullable)]
    tombstone: Option<String>,
    /// The page that is indexed for this one, since it says the same.
    #[oai(nullable)]
    duplicate_of: Option<Uuid>,
    /// It leads to other pages and says nothing itself, so it is not indexed.
    navigational: bool,
}

/// A page with its content.
#[derive(Debug, Object)]
struct FullPage {
    id: Uuid,
    url: String,
    title: String,
    #[oai(nullable)]
    language: Option<String>,
    status: i32,
    fetched_at: OffsetDateTime,
    version: i64,
    indexed_version: i64,
    #[oai(nullable)]
    tombstoned_at: Option<OffsetDateTime>,
    /// Why it is kept out of answers.
    #[oai(nullable)]
    tombstone: Option<String>,
    #[oai(nullable)]
    duplicate_of: Option<Uuid>,
    navigational: bool,
    /// When it was published, as it says itself.
    #[oai(nullable)]
    published_at: Option<OffsetDateTime>,
    /// When it was changed last, as it says itself.
    #[oai(nullable)]
    modified_at: Option<OffsetDateTime>,
    /// Who wrote it, as it says itself.
    #[oai(nullable)]
    author: Option<String>,
    /// The main content.
    markdown: String,
}

impl From<page::Model> for Page {
    fn from(row: page::Model) -> Self {
        Self {
            id: row.id,
            url: row.url,
            canonical: row.canonical,
            title: row.title,
            language: row.language,
            status: row.status,
            fetched_at: row.fetched_at,
            version: row.version,
            indexed_version: row.indexed_version,
            tombstoned_at: row.tombstoned_at,
            tombstone: row.tombstone,
            duplicate_of: row.duplicate_of,
            navigational: row.navigational,
        }
    }
}

impl From<page::Model> for FullPage {
    fn from(row: page::Model) -> Self {
        Self {
            id: row.id,
            url: row.url,
            title: row.title,
            language: row.language,
            status: row.status,
            fetched_at: row.fetched_at,
            version: row.version,
            indexed_version: row.indexed_version,
            tombstoned_at: row.tombstoned_at,
            tombstone: row.tombstone,
            duplicate_of: row.duplicate_of,
            navigational: row.navigational,
            published_at: row.published_at,
            modified_at: row.modified_at,
            author: row.author,
            markdown: row.markdown.into(),
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List pages
    #[oai(
        path = "/api/pages",
        method = "get",
        tag = "Tag::Content",
        operation_id = "list_pages"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Searches>,
        /// Looks in titles and addresses.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Page>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = list(&tx, q.0.as_deref(), paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Read a page
    #[oai(
        path = "/api/pages/:id",
        method = "get",
        tag = "Tag::Content",
        operation_id = "get_page"
    )]
    async fn get(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Searches>,
        id: Path<Uuid>,
    ) -> Answer<Json<FullPage>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        Ok(Json(get(&tx, id.0).await?.into()))
    }

    /// Keep a page out of every answer
    ///
    /// Crawls leave it alone from now on, and pages with the same content go with it.
    #[oai(
        path = "/api/pages/:id",
        method = "delete",
        tag = "Tag::Content",
        operation_id = "delete_page"
    )]
    async fn delete(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
    ) -> Answer<Json<Page>> {
        let tx = context.db.tenant(&caller.customer).await?;
        let page = removal::delete(&tx, id.0).await?;
        record(&tx, &caller, "page.deleted", &page).await?;
        tx.commit().await?;
        Ok(Json(page.into()))
    }

    /// Let a page answer again
    ///
    /// Its chunks are searchable with the answer to this call; only if its content was purged does it wait for a crawl.
    #[oai(
        path = "/api/pages/:id/restore",
        method = "post",
        tag = "Tag::Content",
        operation_id = "restore_page"
    )]
    async fn restore(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
        /// The same key gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
    ) -> Answer<Json<Page>> {
        context.takes_work().await?;
        let once = Once::of(key.0.as_deref(), "restore_page", &json!({ "page": id.0 }));
        let tx = context.db.tenant(&caller.customer).await?;
        if let Some(page) = once.before(&tx).await? {
            return Ok(Json(get(&tx, page).await?.into()));
        }
        let (page, waiting) = removal::restore(&tx, id.0).await?;
        let made = match waiting.as_slice() {
            [] => vec![],
            waiting => request::request_embed(&tx, Some(waiting), jobs::NOW, false).await?,
        };
        record(&tx, &caller, "page.restored", &page).await?;
        once.keep(&tx, page.id).await?;
        tx.commit().await?;
        context.dispatcher.dispatch(&made).await;
        Ok(Json(page.into()))
    }
}

async fn record(tx: &TenantTx, caller: &Caller<Jobs>, action: &str, page: &page::Model) -> Answer<()> {
    let url = json!({ "url": page.url });
    Ok(caller.note(tx, action, &page.id.to_string(), url).await?)
}
