//! Pages with equal content: each is stored, and one of them is indexed and cited for all.
//!
//! The best one is the one that calls itself canonical, then the one with the shorter URL, then the one found first. The others
//! point to it (`duplicate_of`) and have no chunks. When the best one goes or changes, the next takes its place, and takes
//! over the chunks as they are: nothing is embedded again, and there is no moment without them.
//!
//! What must stay true: pages are locked in the order of their URLs' hashes before anything of theirs changes, so that two
//! workers never wait for each other; nothing is shared between customers.
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// The best page of each content among the pages `$2`, which are locked.
const BEST: &str = "
  members AS (
    SELECT id, content_hash, version, indexed_version, reindex, repeats, tombstoned_at,
      first_value(CASE WHEN tombstoned_at IS NULL THEN id END) OVER (PARTITION BY content_hash
        ORDER BY tombstoned_at IS NULL DESC, canonical IS NOT DISTINCT FROM url DESC, length(url), id) AS best
    FROM scraped_pages WHERE customer_id = $1 AND id = ANY($2) AND purged_at IS NULL)";

/// Finds the twins of the pages that wait for their chunks, all but those whose content is in `but`.
pub async fn join(tx: &TenantTx, but: &[Vec<u8>]) -> Result<()> {
    // Each page's twin is looked for in the order of its hash, which only one index has. As a join, by what is known of a table that was small,
    // all pages would be compared with all.
    const WAITING: &str = "
        SELECT DISTINCT p.content_hash FROM scraped_pages p
        WHERE p.customer_id = $1 AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND (p.indexed_version < p.version OR p.reindex)
          AND p.content_hash <> ALL($2) AND (SELECT o.id FROM scraped_pages o
            WHERE o.customer_id = $1 AND o.content_hash BETWEEN p.content_hash AND p.content_hash AND o.id <> p.id
            ORDER BY o.content_hash LIMIT 1) IS NOT NULL";
    let contents = hashes(tx, WAITING, but).await?;
    regroup(tx, &contents).await
}

/// Finds a new best page for twins whose best one has gone or has other content now.
pub async fn settle(tx: &TenantTx) -> Result<()> {
    const LEFT: &str = "
        SELECT DISTINCT p.content_hash FROM scraped_pages p JOIN scraped_pages b ON b.id = p.duplicate_of
        WHERE p.customer_id = $1 AND p.content_hash <> ALL($2)
          AND (b.tombstoned_at IS NOT NULL OR b.content_hash <> p.content_hash)";
    let contents = hashes(tx, LEFT, &[]).await?;
    regroup(tx, &contents).await
}

/// Lets pages speak for themselves again whose best one has other content now, without changing what is shown: they wait for chunks of
/// their own, and until these are shown, those of the other one (`shown_by`) speak for them. For a crawl whose chunks are staged; [`rejoin`] comes when they are shown.
pub async fn free(tx: &TenantTx) -> Result<()> {
    const FREE: &str = "
        WITH left_alone AS (
          SELECT p.id FROM scraped_pages p JOIN scraped_pages b ON b.id = p.duplicate_of
          WHERE p.customer_id = $1 AND p.tombstoned_at IS NULL AND b.content_hash <> p.content_hash ORDER BY p.url_hash FOR UPDATE OF p)
        UPDATE scraped_pages p SET duplicate_of = NULL, shown_by = duplicate_of FROM left_alone l WHERE p.id = l.id";
    tx.execute_raw(sql(FREE, [tx.customer().into()])).await?;
    Ok(())
}

/// Finds the twins among all pages that speak for themselves.
pub async fn rejoin(tx: &TenantTx) -> Result<()> {
    const TWICE: &str = "
        SELECT content_hash FROM scraped_pages
        WHERE customer_id = $1 AND tombstoned_at IS NULL AND duplicate_of IS NULL AND content_hash <> ALL($2)
        GROUP BY 1 HAVING count(*) > 1";
    let contents = hashes(tx, TWICE, &[]).await?;
    regroup(tx, &contents).await
}

/// Finds the best page among those with the same content as `page`.
pub(super) async fn regroup_of(tx: &TenantTx, page: Uuid) -> Result<()> {
    let row = tx
        .query_one_raw(sql(
            "SELECT content_hash FROM scraped_pages WHERE id = $1",
            [page.into()],
        ))
        .await?;
    match row {
        Some(row) => regroup(tx, &[row.try_get("", "content_hash")?]).await,
        None => Ok(()),
    }
}

async fn hashes(tx: &TenantTx, find: &str, but: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let rows = tx
        .query_all_raw(sql(find, [tx.customer().into(), but.to_vec().into()]))
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "content_hash"))
        .collect::<Result<_, _>>()?)
}

async fn regroup(tx: &TenantTx, contents: &[Vec<u8>]) -> Result<()> {
    // A page that gets one of these contents afterwards waits for its chunks, and is looked at by whoever makes them.
    const LOCK: &str =
        "SELECT id FROM scraped_pages WHERE customer_id = $1 AND content_hash = ANY($2) ORDER BY url_hash FOR UPDATE";
    const MOVE: &str = "UPDATE page_embeddings SET page_id = $1, published = true WHERE page_id = $2";
    // A page that has up-to-date chunks hands them to the best one, if that has none.
    let hand_over = format!(
        "WITH {BEST},
         pairs AS (
           SELECT DISTINCT ON (b.id) b.id AS best, h.id AS holder FROM members b JOIN members h ON h.best = b.id AND h.id <> b.id
           WHERE b.best = b.id AND b.indexed_version < b.version AND h.indexed_version = h.version ORDER BY b.id, h.tombstoned_at NULLS FIRST, h.id),
         outdated AS (DELETE FROM page_embeddings c USING pairs WHERE c.page_id = pairs.best),
         emptied AS (UPDATE scraped_pages p SET indexed_version = 0 FROM pairs WHERE p.id = pairs.holder),
         filled AS (UPDATE scraped_pages p SET indexed_version = p.version, repeats = h.repeats, reindex = h.reindex
           FROM pairs JOIN members h ON h.id = pairs.holder WHERE p.id = pairs.best)
         SELECT best, holder FROM pairs"
    );
    // Until the best one is indexed, what a new twin shows of its former content stays.
    let point = format!(
        "WITH {BEST},
         pointed AS (
           UPDATE scraped_pages p SET duplicate_of = nullif(m.best, m.id), indexed_version = CASE WHEN m.best = m.id THEN p.indexed_version ELSE 0 END
           FROM members m WHERE p.id = m.id AND m.tombstoned_at IS NULL
             AND (p.duplicate_of IS DISTINCT FROM nullif(m.best, m.id) OR m.best <> m.id AND p.indexed_version > 0) RETURNING p.id)
         DELETE FROM page_embeddings c USING members m JOIN members b ON b.id = m.best AND b.indexed_version = b.version
         WHERE c.page_id = m.id AND m.id <> m.best AND m.tombstoned_at IS NULL"
    );
    if contents.is_empty() {
        return Ok(());
    }
    let rows = tx
        .query_all_raw(sql(LOCK, [tx.customer().into(), contents.to_vec().into()]))
        .await?;
    let locked: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    let values = || [tx.customer().into(), locked.clone().into()];
    for row in tx.query_all_raw(sql(&hand_over, values())).await? {
        let (best, holder): (Uuid, Uuid) = (row.try_get("", "best")?, row.try_get("", "holder")?);
        tx.execute_raw(sql(MOVE, [best.into(), holder.into()])).await?;
    }
    tx.execute_raw(sql(&point, values())).await?;
    Ok(())
}
