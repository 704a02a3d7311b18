//! What the visits of a crawl change, in sets: a group of visits costs as many statements as one does. Neighbours: `store` keeps
//! single pages, `frontier` the worklist; the worker's clerk calls all of them in one transaction.
//!
//! Rows are written in the order of their URLs' hashes, so that two crawls of one customer wait for each other instead of ending in a
//! deadlock.
use entity::packed;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    ops::Deref,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    blocks, index,
    store::{Change, Decision, FetchedPage, READER, Stored},
    words,
};
use crate::{
    Error, Result, ids, secrets,
    tenancy::{TenantTx, sql},
};

/// Longest reason that a decision row keeps, in characters.
const MAX_REASON: usize = 500;

/// A fetched page with what is derived from its text: made where pages are read, so that no transaction waits for it.
#[derive(Clone, Debug)]
pub struct Prepared {
    page: FetchedPage,
    packed: Vec<u8>,
    content_hash: Vec<u8>,
    structured_hash: Vec<u8>,
    blocks: Vec<i64>,
    byline: Byline,
    makeshift: bool,
}

/// When and by whom a page says that it was written. No part of its content: a new date alone changes nothing that is indexed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Byline {
    /// When it was published.
    pub published: Option<OffsetDateTime>,
    /// When it was changed last.
    pub modified: Option<OffsetDateTime>,
    /// Who wrote it.
    pub author: Option<String>,
}

impl Prepared {
    /// With its byline.
    #[must_use]
    pub fn by(self, byline: Byline) -> Self {
        Self { byline, ..self }
    }

    /// Notes that it is read of less than the page has: nothing may say later that it is unchanged.
    pub fn make_do(&mut self) {
        self.makeshift = true;
        self.page.etag = None;
        self.page.last_modified = None;
    }

    /// Whether it is read of less than the page has.
    pub fn is_makeshift(&self) -> bool {
        self.makeshift
    }

    /// When and by whom it says that it was written.
    pub fn byline(&self) -> &Byline {
        &self.byline
    }

    /// Identifies what the page says: see [`content_hash`].
    pub fn content_hash(&self) -> &[u8] {
        &self.content_hash
    }
}

impl From<FetchedPage> for Prepared {
    fn from(page: FetchedPage) -> Self {
        Self {
            packed: packed::pack(&page.markdown),
            content_hash: content_hash(&page),
            structured_hash: structured_hash(&page),
            blocks: blocks::numbers(&page.markdown),
            byline: Byline::default(),
            makeshift: false,
            page,
        }
    }
}

impl Deref for Prepared {
    type Target = FetchedPage;

    fn deref(&self) -> &FetchedPage {
        &self.page
    }
}

/// A page to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewPage<'a> {
    /// What was fetched.
    pub page: &'a Prepared,
    /// What the sitemap says about its last change, if it is in one.
    pub lastmod: Option<OffsetDateTime>,
}

/// Identifies a page's content: its title and its text, whatever the white space between words, and whatever is invisible.
pub fn content_hash(page: &FetchedPage) -> Vec<u8> {
    let mut text = String::with_capacity(page.title.len() + page.markdown.len() + 4);
    for part in [&page.title, &page.markdown] {
        words::push(&mut text, part);
        text.push('\n');
    }
    secrets::sha256(text.as_bytes())
}

fn structured_hash(page: &FetchedPage) -> Vec<u8> {
    secrets::sha256(json!(page.structured).to_string().as_bytes())
}

/// The stored text stays where it is when it is the same: Postgres then copies nothing. A date that is yet to come is a mistake.
const UPSERT: &str = "
    WITH input AS MATERIALIZED (
      SELECT i.*, hash_url(i.url) AS url_hash FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[],
        $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::int[], $13::text[], $14::bool[], $15::text[], $17::text[], $18::text[],
        $19::text[]) AS i (id, url, canonical, title, language, markdown, hash, structured, etag, modified, status, lastmod, navigational,
        blocks, published_on, modified_on, author)),
    before AS MATERIALIZED (
      SELECT p.id, p.url_hash, p.content_hash, p.structured_hash, p.tombstoned_at, p.tombstone
      FROM input i CROSS JOIN LATERAL (SELECT * FROM scraped_pages p WHERE p.customer_id = $1
        AND p.url_hash BETWEEN i.url_hash AND i.url_hash ORDER BY p.url_hash LIMIT 1) p),
    saved AS (
      INSERT INTO scraped_pages AS p (id, customer_id, url, canonical, title, language, markdown, content_hash, structured_hash,
        etag, last_modified, status, sitemap_lastmod, navigational, blocks, published_at, modified_at, author, reader, fetched_at)
      SELECT id, $1, url, nullif(canonical, ''), title, nullif(language, ''), markdown, hash, structured, nullif(etag, ''),
        nullif(modified, ''), status, nullif(lastmod, '')::timestamptz, navigational, blocks::bigint[],
        CASE WHEN published_on <> '' AND published_on::timestamptz < now() + interval '1 day' THEN published_on::timestamptz END,
        CASE WHEN modified_on <> '' AND modified_on::timestamptz < now() + interval '1 day' THEN modified_on::timestamptz END,
        nullif(author, ''), $20, now() FROM input ORDER BY url_hash
      ON CONFLICT (customer_id, url_hash) DO UPDATE SET canonical = excluded.canonical, title = excluded.title,
        language = excluded.language, structured_hash = excluded.structured_hash, etag = excluded.etag,
        markdown = CASE WHEN p.content_hash = excluded.content_hash THEN p.markdown ELSE excluded.markdown END,
        blocks = CASE WHEN p.content_hash = excluded.content_hash THEN p.blocks ELSE excluded.blocks END,
        last_modified = excluded.last_modified, status = excluded.status, sitemap_lastmod = excluded.sitemap_lastmod,
        published_at = excluded.published_at, modified_at = excluded.modified_at, author = excluded.author,
        reader = excluded.reader, fetched_at = now(), gone_count = 0,
        version = p.version + CASE WHEN p.content_hash = excluded.content_hash AND p.tombstoned_at IS NULL THEN 0 ELSE 1 END,
        duplicate_of = CASE WHEN p.content_hash = excluded.content_hash THEN p.duplicate_of END,
        reindex = p.reindex OR p.navigational <> excluded.navigational, navigational = excluded.navigational,
        shown_title = CASE WHEN $16 AND p.indexed_version > 0 THEN coalesce(p.shown_title, p.title) END,
        tombstoned_at = NULL, tombstone = NULL, retired_by = NULL, content_hash = excluded.content_hash
      WHERE p.tombstone IS DISTINCT FROM 'customer'
      RETURNING p.id, p.url_hash)
    SELECT i.url, coalesce(s.id, b.id, i.id) AS id, b.tombstone IS NOT DISTINCT FROM 'customer' AS kept_out,
      b.content_hash = i.hash AND b.tombstoned_at IS NULL AS same, b.structured_hash IS DISTINCT FROM i.structured AS restructured
    FROM input i LEFT JOIN saved s ON s.url_hash = i.url_hash LEFT JOIN before b ON b.url_hash = i.url_hash";

/// Locks those of `urls` that are stored, in the one order, for a transaction that confirms some and saves others; effective once nobody
/// rearranges the customer's pages. [`confirm_all`] and [`save_all_of`] come after it.
pub async fn lock(tx: &TenantTx, urls: &[&str]) -> Result<()> {
    const LOCK: &str = "
        SELECT FROM scraped_pages p WHERE p.customer_id = $1 AND p.url_hash = ANY(ARRAY(SELECT hash_url(u) FROM unnest($2::text[]) AS u))
        ORDER BY p.url_hash FOR NO KEY UPDATE";
    index::change(tx).await?;
    let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
    tx.execute_raw(sql(LOCK, [tx.customer().into(), urls.into()])).await?;
    Ok(())
}

/// [`save_all_of`] for a crawl that shows what it brings, in a transaction that changes no other page.
pub async fn save_all(tx: &TenantTx, pages: &[NewPage<'_>]) -> Result<Vec<Stored>> {
    index::change(tx).await?;
    save_all_of(tx, pages, false).await
}

/// Stores fetched pages, each URL once; a page's version grows when its content changed. What a crawl retired comes back; what the
/// customer deleted does not. With `staged`, answers keep the title and the structured data that they have until the page's chunks
/// are shown ([`super::staging`]). Returns what became of each, in the order of `pages`.
pub async fn save_all_of(tx: &TenantTx, pages: &[NewPage<'_>], staged: bool) -> Result<Vec<Stored>> {
    if pages.is_empty() {
        return Ok(Vec::new());
    }
    let column = |f: &dyn Fn(&Prepared) -> String| pages.iter().map(|new| f(new.page)).collect::<Vec<_>>();
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let bytes =
        |f: &dyn Fn(&'_ Prepared) -> &'_ Vec<u8>| pages.iter().map(|new| f(new.page).clone()).collect::<Vec<_>>();
    // An array can hold no NULL, so an absent text travels as an empty one; nor lists of different lengths, so they travel as texts.
    let values = [
        tx.customer().into(),
        pages.iter().map(|_| ids::new_id()).collect::<Vec<_>>().into(),
        column(&|p| p.url.clone()).into(),
        column(&|p| optional(&p.canonical)).into(),
        column(&|p| p.title.clone()).into(),
        column(&|p| optional(&p.language)).into(),
        bytes(&|p| &p.packed).into(),
        bytes(&|p| &p.content_hash).into(),
        bytes(&|p| &p.structured_hash).into(),
        column(&|p| optional(&p.etag)).into(),
        column(&|p| optional(&p.last_modified)).into(),
        pages.iter().map(|p| p.page.status).collect::<Vec<_>>().into(),
        pages.iter().map(|p| instant(p.lastmod)).collect::<Vec<_>>().into(),
        pages.iter().map(|p| p.page.navigational).collect::<Vec<_>>().into(),
        column(&|p| array_text(&p.blocks)).into(),
        staged.into(),
        pages
            .iter()
            .map(|p| instant(p.page.byline.published))
            .collect::<Vec<_>>()
            .into(),
        pages
            .iter()
            .map(|p| instant(p.page.byline.modified))
            .collect::<Vec<_>>()
            .into(),
        column(&|p| without_nul(optional(&p.byline.author))).into(),
        READER.into(),
    ];
    let mut found = HashMap::new();
    for row in tx.query_all_raw(sql(UPSERT, values)).await? {
        let same: Option<bool> = row.try_get("", "same")?;
        let change = match (row.try_get("", "kept_out")?, same) {
            (true, _) => Change::KeptOut,
            (false, None) => Change::New,
            (false, Some(false)) => Change::Changed,
            (false, Some(true)) => Change::Same,
        };
        let id: Uuid = row.try_get("", "id")?;
        let url: String = row.try_get("", "url")?;
        found.insert(url, (Stored { id, change }, row.try_get::<bool>("", "restructured")?));
    }
    let lost = || Error::internal("storing a page", "no row");
    let mut stored = Vec::with_capacity(pages.len());
    let mut restructured = Vec::new();
    for new in pages {
        let (page, differs) = *found.get(&new.page.url).ok_or_else(lost)?;
        if differs && page.change != Change::KeptOut {
            restructured.push((page, &**new.page));
        }
        stored.push(page);
    }
    replace_extractions(tx, &restructured, staged).await?;
    Ok(stored)
}

async fn replace_extractions(tx: &TenantTx, pages: &[(Stored, &FetchedPage)], staged: bool) -> Result<()> {
    // What is indexed of it is made anew. Where it is staged, all of it is shown with the page's chunks, so these are made anew in any
    // case; what answers have stays until then.
    const OLD: &str = "
        WITH stays AS (UPDATE structured_extractions SET latest = false WHERE $4 AND customer_id = $1 AND page_id = ANY($2) AND shown AND latest),
        old AS (DELETE FROM structured_extractions WHERE customer_id = $1 AND page_id = ANY($2) AND NOT ($4 AND shown) RETURNING page_id, kind)
        UPDATE scraped_pages p SET reindex = true WHERE p.indexed_version > 0 AND NOT p.reindex
          AND ($4 OR p.id = ANY($3) OR p.id IN (SELECT page_id FROM old WHERE kind IN ('faq', 'product')))
          AND p.id = ANY($2)";
    const INSERT: &str = "INSERT INTO structured_extractions (id, customer_id, page_id, kind, source, data, shown)
        SELECT i.id, $1, i.page, i.kind, i.source, i.data::jsonb, NOT $7
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[]) AS i (id, page, kind, source, data)";
    let known = || pages.iter().filter(|(stored, _)| stored.change != Change::New);
    if known().next().is_some() {
        let says = |page: &FetchedPage| {
            page.structured
                .iter()
                .any(|(kind, ..)| kind == "faq" || kind == "product")
        };
        let ids: Vec<Uuid> = known().map(|(stored, _)| stored.id).collect();
        let saying: Vec<Uuid> = known()
            .filter(|(_, page)| says(page))
            .map(|(stored, _)| stored.id)
            .collect();
        let values = [tx.customer().into(), ids.into(), saying.into(), staged.into()];
        tx.execute_raw(sql(OLD, values)).await?;
    }
    let found = || {
        pages
            .iter()
            .flat_map(|(stored, page)| page.structured.iter().map(move |found| (stored.id, found)))
    };
    if found().next().is_none() {
        return Ok(());
    }
    let values = [
        tx.customer().into(),
        found().map(|_| ids::new_id()).collect::<Vec<_>>().into(),
        found().map(|(page, _)| page).collect::<Vec<_>>().into(),
        found().map(|(_, (kind, ..))| kind.clone()).collect::<Vec<_>>().into(),
        found()
            .map(|(_, (_, source, _))| source.clone())
            .collect::<Vec<_>>()
            .into(),
        found()
            .map(|(_, (_, _, data))| storable(data).to_string())
            .collect::<Vec<_>>()
            .into(),
        staged.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok(())
}

/// Notes that pages were confirmed unchanged, with what the sitemap says of them now.
pub async fn confirm_all(tx: &TenantTx, pages: &[(Uuid, Option<OffsetDateTime>)]) -> Result<()> {
    const CONFIRM: &str = "
        WITH input AS (SELECT i.id, nullif(i.lastmod, '')::timestamptz AS lastmod, p.url_hash FROM unnest($2::uuid[], $3::text[])
            AS i (id, lastmod) JOIN scraped_pages p ON p.id = i.id WHERE p.customer_id = $1 ORDER BY p.url_hash FOR UPDATE OF p)
        UPDATE scraped_pages p SET fetched_at = now(), gone_count = 0, sitemap_lastmod = i.lastmod FROM input i
        WHERE p.id = i.id";
    if pages.is_empty() {
        return Ok(());
    }
    let values = [
        tx.customer().into(),
        pages.iter().map(|(id, _)| *id).collect::<Vec<_>>().into(),
        pages
            .iter()
            .map(|(_, lastmod)| instant(*lastmod))
            .collect::<Vec<_>>()
            .into(),
    ];
    tx.execute_raw(sql(CONFIRM, values)).await?;
    Ok(())
}

/// Writes decisions; of several about one URL the first counts. The first decision about a URL stands, unless it was only that a budget
/// was used up, or that a link was not to be followed.
pub async fn decide_all(tx: &TenantTx, job: Uuid, decisions: &[Decision]) -> Result<()> {
    const INSERT: &str = "
        INSERT INTO job_urls (job_id, customer_id, url, decision, reason, status, ms, bytes, depth, via, wait_ms, found_from)
        SELECT $1, $2, d.url, d.decision, d.reason, d.status, d.ms, d.bytes, d.depth, d.via, d.wait_ms, d.found_from
        FROM ROWS FROM (jsonb_to_recordset($3) AS (url text, decision text, reason text, status int, ms int, bytes bigint, depth int,
          via text, wait_ms int, found_from text)) WITH ORDINALITY AS d (url, decision, reason, status, ms, bytes, depth, via, wait_ms,
          found_from, position) ORDER BY position
        ON CONFLICT (job_id, url_hash) DO UPDATE SET decision = excluded.decision, reason = excluded.reason, status = excluded.status,
          ms = excluded.ms, bytes = excluded.bytes, depth = excluded.depth, via = excluded.via, wait_ms = excluded.wait_ms,
          found_from = excluded.found_from, at = excluded.at
        WHERE job_urls.decision = 'skipped' AND (starts_with(job_urls.reason, 'budget: ') OR job_urls.reason = 'nofollow')";
    if decisions.is_empty() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    let rows = decisions.iter().filter(|d| seen.insert(&d.url)).map(|d| {
        let reason = d.reason.as_deref();
        let reason = reason.map(|reason| without_nul(reason.chars().take(MAX_REASON).collect()));
        json!({"url": d.url, "decision": d.decision, "reason": reason, "status": d.status, "ms": d.ms, "bytes": d.bytes,
            "depth": d.depth, "via": d.via, "wait_ms": d.wait_ms, "found_from": d.found_from})
    });
    let rows: Value = rows.collect();
    tx.execute_raw(sql(INSERT, [job.into(), tx.customer().into(), rows.into()]))
        .await?;
    Ok(())
}

/// The value without what `jsonb` refuses.
fn storable(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(text.clone())),
        Value::Array(items) => items.iter().map(storable).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (without_nul(name.clone()), storable(field)))
            .collect(),
        other => other.clone(),
    }
}

/// Postgres has no NUL in texts.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}

/// An array of numbers as Postgres reads it.
fn array_text(numbers: &[i64]) -> String {
    let mut text = String::with_capacity(2 + 21 * numbers.len());
    text.push('{');
    for (at, number) in numbers.iter().enumerate() {
        let _ = write!(text, "{}{number}", if at == 0 { "" } else { "," });
    }
    text.push('}');
    text
}

/// An instant as Postgres reads it; none is the empty text.
pub(super) fn instant(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(title: &str, markdown: &str) -> FetchedPage {
        FetchedPage {
            url: "https://a.example/".into(),
            canonical: None,
            title: title.into(),
            language: None,
            markdown: markdown.into(),
            status: 200,
            etag: None,
            last_modified: None,
            structured: vec![],
            navigational: false,
        }
    }

    #[test]
    fn what_is_stored_as_json_has_no_nul() {
        let told = storable(&json!({"a\0": ["x\0y", 1, "\\u0000"]}));
        assert_eq!(told, json!({"a": ["xy", 1, "\\u0000"]}));
    }

    #[test]
    fn a_content_is_its_words_and_not_their_spacing() {
        let hash = |title, text| content_hash(&page(title, text));
        assert_eq!(
            hash("A b", "one two\n\nthree"),
            hash("A  b ", " one\u{a0}two\nthree\u{200b}")
        );
        assert_ne!(hash("A", "one two"), hash("A", "one twO"));
        assert_ne!(hash("A b", "c"), hash("A", "b c"), "the title ends where it ends");
    }
}
