//! Pages that the customer deletes and restores, and the end of what has been out of answers for long.
//!
//! A deleted page stays deleted: crawls leave it alone ([`super::record::save_all`]), and its address is remembered when its content is
//! purged. Its twins, which say the same under other addresses, go and come back with it. What a crawl retired comes back
//! when a crawl finds it again, or when the customer restores it; after its purge, it is unknown.
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use super::{index, store, twins};
use crate::{
    Result, audit,
    tenancy::{Db, TenantTx, sql},
};
use entity::page;

/// Pages that one transaction purges.
const BATCH: i64 = 500;
/// URLs that the audit log keeps of a purge.
const NAMED: usize = 100;

/// Takes a page out of every answer, with its twins, and keeps crawls from bringing it back.
pub async fn delete(tx: &TenantTx, id: Uuid) -> Result<page::Model> {
    const LOCK: &str = "
        SELECT p.id FROM scraped_pages p JOIN scraped_pages t ON t.id = $1 AND p.customer_id = t.customer_id
          AND (p.id = t.id OR p.content_hash = t.content_hash AND p.tombstoned_at IS NULL AND t.tombstoned_at IS NULL)
        WHERE p.purged_at IS NULL OR p.id = $1 ORDER BY p.url_hash FOR UPDATE OF p";
    const DELETE: &str = "
        UPDATE scraped_pages SET tombstoned_at = coalesce(tombstoned_at, now()), tombstone = 'customer', duplicate_of = NULL, gone_count = 0
        WHERE id = ANY($1)";
    const HIDE: &str = "UPDATE page_embeddings SET published = false WHERE page_id = ANY($1) AND published";
    store::get(tx, id).await?;
    index::rearrange(tx).await?;
    let rows = tx.query_all_raw(sql(LOCK, [id.into()])).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    tx.execute_raw(sql(DELETE, [ids.clone().into()])).await?;
    tx.execute_raw(sql(HIDE, [ids.into()])).await?;
    index::bump_version(tx).await?;
    store::get(tx, id).await
}

/// Lets a page answer again, with the twins that were deleted with it. Its chunks are there at once, unless it had none or they are
/// purged: then the page waits for them ([`index::pending`]), and is among the second value.
pub async fn restore(tx: &TenantTx, id: Uuid) -> Result<(page::Model, Vec<Uuid>)> {
    const LOCK: &str = "
        SELECT p.id FROM scraped_pages p JOIN scraped_pages t ON t.id = $1 AND p.customer_id = t.customer_id
          AND (p.id = t.id OR p.content_hash = t.content_hash AND p.tombstone = 'customer' AND t.tombstone = 'customer'
            AND p.tombstoned_at = t.tombstoned_at AND p.purged_at IS NULL)
        ORDER BY p.url_hash FOR UPDATE OF p";
    const RESTORE: &str = "
        UPDATE scraped_pages SET tombstoned_at = NULL, tombstone = NULL, retired_by = NULL, purged_at = NULL, gone_count = 0, gone_job = NULL
        WHERE id = ANY($1)";
    const SHOW: &str = "UPDATE page_embeddings SET published = true WHERE page_id = ANY($1) AND NOT published";
    const WAITING: &str = "SELECT id FROM scraped_pages WHERE id = ANY($1) AND duplicate_of IS NULL AND (indexed_version < version OR reindex)";
    store::get(tx, id).await?;
    index::rearrange(tx).await?;
    let found = |rows: Vec<sea_orm::QueryResult>| {
        rows.iter()
            .map(|row| row.try_get("", "id"))
            .collect::<Result<Vec<Uuid>, _>>()
    };
    let ids = found(tx.query_all_raw(sql(LOCK, [id.into()])).await?)?;
    tx.execute_raw(sql(RESTORE, [ids.clone().into()])).await?;
    tx.execute_raw(sql(SHOW, [ids.clone().into()])).await?;
    twins::regroup_of(tx, id).await?;
    index::bump_version(tx).await?;
    let waiting = found(tx.query_all_raw(sql(WAITING, [ids.into()])).await?)?;
    Ok((store::get(tx, id).await?, waiting))
}

/// Deletes the content, chunks and structured data of pages that have been out of answers for `age`, customer by customer; returns
/// how many pages. The audit log keeps which. Of a page that the customer deleted, the address stays, so that no crawl
/// brings it back.
pub async fn purge(db: &Db, age: Duration) -> Result<u64> {
    const PURGE: &str = "
        WITH old AS (
          SELECT id, customer_id, tombstone FROM scraped_pages WHERE tombstoned_at < now() - make_interval(secs => $1) AND purged_at IS NULL
          ORDER BY tombstoned_at LIMIT $2 FOR UPDATE SKIP LOCKED),
        kept AS (
          UPDATE scraped_pages p SET purged_at = now(), title = '', markdown = '', content_hash = '', canonical = NULL, etag = NULL,
            last_modified = NULL, indexed_version = 0, blocks = '{}', repeats = '{}', reindex = false,
            published_at = NULL, modified_at = NULL, author = NULL
          FROM old WHERE p.id = old.id AND old.tombstone = 'customer' RETURNING p.id, p.customer_id, p.url, p.tombstone),
        chunks AS (DELETE FROM page_embeddings c USING kept WHERE c.page_id = kept.id),
        data AS (DELETE FROM structured_extractions e USING kept WHERE e.page_id = kept.id),
        gone AS (
          DELETE FROM scraped_pages p USING old WHERE p.id = old.id AND old.tombstone IS DISTINCT FROM 'customer'
          RETURNING p.id, p.customer_id, p.url, p.tombstone)
        SELECT customer_id, url, coalesce(tombstone, 'unknown') AS cause FROM (SELECT * FROM kept UNION ALL SELECT * FROM gone) all_of_them
        ORDER BY customer_id, url";
    let mut purged = 0;
    loop {
        let tx = db.system().await?;
        let rows = tx
            .query_all_raw(sql(PURGE, [age.as_secs_f64().into(), BATCH.into()]))
            .await?;
        let mut pages: Vec<(Uuid, String, String)> = Vec::with_capacity(rows.len());
        for row in &rows {
            pages.push((
                row.try_get("", "customer_id")?,
                row.try_get("", "url")?,
                row.try_get("", "cause")?,
            ));
        }
        for of_one in pages.chunk_by(|a, b| a.0 == b.0) {
            let named: Vec<_> = of_one
                .iter()
                .take(NAMED)
                .map(|(_, url, cause)| json!({ "url": url, "cause": cause }))
                .collect();
            let entry = audit::Entry {
                customer: Some(of_one[0].0),
                actor: "system",
                action: "pages.purged",
                resource: &of_one[0].0.to_string(),
                metadata: json!({ "pages": of_one.len(), "named": named }),
                ip: None,
            };
            audit::record(&*tx, entry).await?;
        }
        tx.commit().await?;
        purged += pages.len() as u64;
        if (pages.len() as i64) < BATCH {
            return Ok(purged);
        }
    }
}
