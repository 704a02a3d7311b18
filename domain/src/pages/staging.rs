//! Chunks of a crawl that wait to be shown until the customer's golden questions have been asked of them.
//!
//! ```text
//! begin ─▶ [ pages stored ─▶ embed jobs stage chunks ]* ─▶ golden questions ─▶ show, all at once
//!                                                              └─▶ held ─▶ confirmed: show │ cancelled: swept
//! ```
//!
//! A staged page's chunks lie beside the index (`staged_chunks`), so that no search but that of the golden questions reads them, and
//! a vector enters the vector index once, when it is shown. Whether a page still has to be staged is derived from its rows
//! ([`UP_TO_DATE`]), as it is derived whether a page waits for its chunks at all: a crash anywhere loses nothing.
//!
//! What must stay true: while a crawl stages, it changes nothing that answers read. Pages are not retired, twins are not joined, titles
//! and structured data stay as they are shown ([`super::record::save_all_of`]), until [`show`] does all of it in one transaction.
//! What is staged belongs to a crawl that lives; what is left of one that ended is swept ([`sweep`]), and its pages wait again.
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use uuid::Uuid;

use super::index::{self, Edition, NEW, VECTOR};
use crate::{
    Result,
    tenancy::{Db, TenantTx, sql},
};

/// Chunks that one transaction shows; of a crawl with more, pages are shown in several, in the order of their hashes.
pub const TOGETHER: i64 = 20_000;
/// Pages of one statement.
const BATCH: usize = 200;

/// The blocks that the site of a page `p` repeats, as far as the page has them and is not their owner.
macro_rules! repeats {
    () => {
        "ARRAY(SELECT b FROM unnest(p.blocks) AS b JOIN site_blocks k
          ON k.customer_id = p.customer_id AND k.origin = p.origin AND k.block = b AND k.owner IS DISTINCT FROM p.id ORDER BY b)"
    };
}
const REPEATS: &str = repeats!();

/// Whether the staged page `s` shows the page `p` as it is now.
pub(super) const UP_TO_DATE: &str = concat!(
    "s.version = p.version AND s.navigational = p.navigational AND s.structured_hash IS NOT DISTINCT FROM p.structured_hash
     AND s.repeats = ",
    repeats!()
);

/// A job that has not ended.
const LIVES: &str = "j.state IN ('scheduled', 'queued', 'running', 'needs_confirmation')";

/// How far the showing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Everything is shown.
    All,
    /// There is more: call again in a new transaction.
    Some,
}

/// Decides, once, whether the crawl stages its chunks: if the customer has golden questions, and an index that they were asked of.
/// Sweeps what earlier crawls left. Returns whether it does.
pub async fn begin(tx: &TenantTx, job: Uuid) -> Result<bool> {
    const DECIDE: &str = "
        UPDATE scrape_jobs SET staged = EXISTS (SELECT FROM golden_questions WHERE customer_id = $2)
          AND EXISTS (SELECT FROM page_embeddings WHERE customer_id = $2 AND published)
        WHERE job_id = $1 AND staged IS NULL";
    tx.execute_raw(sql(DECIDE, [job.into(), tx.customer().into()])).await?;
    let staged = is_staged(tx, job).await?;
    if staged {
        sweep_of(tx).await?;
    }
    Ok(staged)
}

/// Whether the crawl stages its chunks.
pub async fn is_staged(tx: &TenantTx, job: Uuid) -> Result<bool> {
    const FIND: &str =
        "SELECT coalesce(staged, false) AS staged FROM scrape_jobs WHERE customer_id = $2 AND job_id = $1";
    let row = tx.query_one_raw(sql(FIND, [job.into(), tx.customer().into()])).await?;
    Ok(row
        .map(|row| row.try_get("", "staged"))
        .transpose()?
        .unwrap_or_default())
}

/// The crawl for which an embed job with this parent makes chunks that wait, and whether it still lives.
pub async fn crawl_of(tx: &TenantTx, parent: Option<Uuid>) -> Result<Option<(Uuid, bool)>> {
    let Some(parent) = parent else { return Ok(None) };
    if !is_staged(tx, parent).await? {
        return Ok(None);
    }
    let find = format!("SELECT {LIVES} AS lives FROM jobs j WHERE j.customer_id = $2 AND j.id = $1");
    let row = tx
        .query_one_raw(sql(&find, [parent.into(), tx.customer().into()]))
        .await?;
    let lives = row.map(|row| row.try_get("", "lives")).transpose()?.unwrap_or_default();
    Ok(Some((parent, lives)))
}

/// Whether the crawl has staged the page as it is now.
pub async fn has(tx: &TenantTx, job: Uuid, page: Uuid) -> Result<bool> {
    let find = format!(
        "SELECT FROM staged_pages s JOIN scraped_pages p ON p.id = s.page_id WHERE s.page_id = $1 AND s.job_id = $2 AND {UP_TO_DATE}"
    );
    Ok(tx.query_one_raw(sql(&find, [page.into(), job.into()])).await?.is_some())
}

/// Puts the chunks of pages beside the index, in the place of what was staged of these pages. A chunk without a vector takes the stored
/// one of the same input. Returns how many found none though there is a model, as [`index::publish_all`] does. Call [`index::lock`]
/// before.
pub async fn stage(tx: &TenantTx, job: Uuid, model: Option<Uuid>, editions: &[&Edition]) -> Result<usize> {
    const PAGES: &str = "
        INSERT INTO staged_pages (page_id, customer_id, job_id, version, repeats, structured_hash, navigational)
        SELECT p.id, $1, $2, n.version, ARRAY(SELECT b::bigint FROM jsonb_array_elements_text(n.repeats) AS b), p.structured_hash, n.navigational
        FROM jsonb_to_recordset($3) AS n (id uuid, version bigint, repeats jsonb, navigational boolean) JOIN scraped_pages p ON p.id = n.id
        ON CONFLICT (page_id) DO UPDATE SET job_id = $2, version = excluded.version, repeats = excluded.repeats,
          structured_hash = excluded.structured_hash, navigational = excluded.navigational";
    let put = format!(
        "WITH {NEW},
         gone AS (DELETE FROM staged_chunks o WHERE o.page_id = ANY($12) RETURNING 1),
         ready AS MATERIALIZED (SELECT count(*) FROM gone)
         INSERT INTO staged_chunks (id, customer_id, job_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding, config, kind)
         SELECT n.id, $1, $14, n.page_id, n.ordinal, n.heading_path, n.text, n.hash, n.tokens,
           CASE WHEN v.embedding IS NOT NULL THEN $2::uuid END, v.embedding, n.config, n.kind
         FROM ready CROSS JOIN new n CROSS JOIN LATERAL ({VECTOR}) v
         RETURNING embedding IS NULL AS bare"
    );
    let pages = editions.iter().map(|edition| &edition.page);
    let pages = pages.map(|page| {
        serde_json::json!({ "id": page.id, "version": page.version, "repeats": page.repeats, "navigational": page.navigational })
    });
    let pages: serde_json::Value = pages.collect();
    tx.execute_raw(sql(PAGES, [tx.customer().into(), job.into(), pages.into()]))
        .await?;
    let mut values = index::arrays(tx.customer(), model, editions).to_vec();
    values.push(job.into());
    let put = Statement::from_sql_and_values(DbBackend::Postgres, put, values);
    let mut bare = 0;
    for row in tx.query_all_raw(put).await? {
        bare += usize::from(model.is_some() && row.try_get("", "bare")?);
    }
    Ok(bare)
}

/// A search's statement, made to see the index as it will be when the crawl `${parameter}` is shown: without the chunks of pages that it
/// staged or will retire, and with those that it staged. A retired page whose content goes on under another address hands it over,
/// so it counts until then.
pub(crate) fn seen_by(search: &str, parameter: usize) -> String {
    const COLUMNS: &str =
        "id, customer_id, page_id, ordinal, heading_path, text, config, kind, model_id, embedding, words, word_total";
    let seen = format!(
        "WITH seen AS NOT MATERIALIZED (
           SELECT {COLUMNS}, section, published FROM page_embeddings WHERE customer_id = $1 AND published
             AND page_id NOT IN (SELECT page_id FROM staged_pages WHERE customer_id = $1 AND job_id = ${parameter})
             AND page_id NOT IN (SELECT p.id FROM job_urls u JOIN scraped_pages p ON p.customer_id = $1 AND p.url_hash = u.url_hash
               WHERE u.job_id = ${parameter} AND u.retires IS NOT NULL
                 AND NOT EXISTS (SELECT FROM scraped_pages t WHERE t.duplicate_of = p.id AND t.tombstoned_at IS NULL))
           UNION ALL
           SELECT {COLUMNS}, NULL::integer, true FROM staged_chunks WHERE customer_id = $1 AND job_id = ${parameter}),"
    );
    let title = format!(
        "CASE WHEN p.id IN (SELECT page_id FROM staged_pages WHERE customer_id = $1 AND job_id = ${parameter}) THEN p.title
           ELSE coalesce(p.shown_title, p.title) END"
    );
    search
        .replace("page_embeddings c", "seen c")
        .replace("coalesce(p.shown_title, p.title)", &title)
        .replacen("WITH", &seen, 1)
}

/// Forgets what was staged with vectors of another model than the index has now, so that it is staged again; returns of how many pages.
pub async fn forget_other_models(tx: &TenantTx, job: Uuid, model: Option<Uuid>) -> Result<u64> {
    const FORGET: &str = "
        DELETE FROM staged_pages s WHERE s.customer_id = $1 AND s.job_id = $2
          AND EXISTS (SELECT FROM staged_chunks c WHERE c.page_id = s.page_id AND c.model_id IS NOT NULL AND c.model_id IS DISTINCT FROM $3)";
    let values = [tx.customer().into(), job.into(), model.into()];
    Ok(tx.execute_raw(sql(FORGET, values)).await?.rows_affected())
}

/// Shows what the crawl staged: the new chunks replace the old ones, and what was kept back of titles and structured data is shown with
/// them. Of pages that went meanwhile, or that became twins, nothing is shown. At most about `together` chunks ([`TOGETHER`]), and a page at
/// least. Call [`index::rearrange`] before.
pub async fn show(tx: &TenantTx, job: Uuid, together: i64) -> Result<Shown> {
    // With those that the crawl will retire in the same transaction, so that all are locked in one order.
    const LOCK: &str = "
        SELECT p.id, s.page_id IS NOT NULL AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AS shown,
          (SELECT count(*) FROM staged_chunks c WHERE c.page_id = s.page_id) AS chunks
        FROM scraped_pages p LEFT JOIN staged_pages s ON s.page_id = p.id AND s.job_id = $2
        WHERE p.customer_id = $1 AND (s.page_id IS NOT NULL OR p.url_hash IN (
          SELECT u.url_hash FROM job_urls u WHERE u.job_id = $2 AND (u.retires IS NOT NULL OR u.decision IN ('gone', 'redirected'))))
        ORDER BY p.url_hash FOR UPDATE OF p";
    const REST: &str = "DELETE FROM staged_pages WHERE customer_id = $1 AND job_id = $2";
    let values = || [tx.customer().into(), job.into()];
    let (mut pages, mut chunks, mut more) = (Vec::new(), 0, false);
    for row in tx.query_all_raw(sql(LOCK, values())).await? {
        if !row.try_get::<bool>("", "shown")? {
            continue;
        }
        more = chunks >= together;
        if more {
            break;
        }
        chunks += row.try_get::<i64>("", "chunks")?;
        pages.push(row.try_get::<Uuid>("", "id")?);
    }
    for batch in pages.chunks(BATCH) {
        show_batch(tx, batch).await?;
    }
    if !pages.is_empty() {
        index::bump_version(tx).await?;
    }
    if more {
        return Ok(Shown::Some);
    }
    tx.execute_raw(sql(REST, values())).await?;
    Ok(Shown::All)
}

async fn show_batch(tx: &TenantTx, pages: &[Uuid]) -> Result<()> {
    // As `index::publish_all` replaces chunks: `ready` makes the old ones go before the first new one comes.
    const REPLACE: &str = "
        WITH new AS MATERIALIZED (
          SELECT *, count(*) OVER (PARTITION BY page_id, kind, heading_path)::integer AS section FROM staged_chunks WHERE page_id = ANY($1)),
        kept AS MATERIALIZED (
          SELECT o.id, o.page_id, o.ordinal FROM page_embeddings o JOIN new n USING (page_id, ordinal)
          WHERE o.text_hash = n.text_hash AND o.heading_path = n.heading_path AND o.published AND o.config = n.config AND o.kind = n.kind
            AND o.model_id IS NOT DISTINCT FROM n.model_id AND coalesce(o.section, n.section) = n.section),
        gone AS (
          DELETE FROM page_embeddings o WHERE (o.page_id = ANY($1) OR o.page_id IN (SELECT id FROM scraped_pages WHERE duplicate_of = ANY($1)))
            AND o.id NOT IN (SELECT id FROM kept) RETURNING 1),
        ready AS MATERIALIZED (SELECT count(*) FROM gone)
        INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding, config, kind, section)
        SELECT n.id, n.customer_id, n.page_id, n.ordinal, n.heading_path, n.text, n.text_hash, n.tokens, n.model_id, n.embedding, n.config, n.kind, n.section
        FROM ready CROSS JOIN new n WHERE NOT EXISTS (SELECT FROM kept k WHERE k.page_id = n.page_id AND k.ordinal = n.ordinal)";
    let done = format!(
        "WITH outdated AS (DELETE FROM structured_extractions e WHERE e.page_id = ANY($1) AND NOT e.latest),
         current AS (UPDATE structured_extractions e SET shown = true WHERE e.page_id = ANY($1) AND NOT e.shown),
         unstaged AS (DELETE FROM staged_pages s WHERE s.page_id = ANY($1))
         UPDATE scraped_pages p SET indexed_version = greatest(p.indexed_version, s.version), repeats = s.repeats, shown_title = NULL, shown_by = NULL,
           reindex = s.repeats <> {REPEATS} OR s.navigational <> p.navigational OR s.structured_hash IS DISTINCT FROM p.structured_hash
         FROM staged_pages s WHERE s.page_id = p.id AND p.id = ANY($1)"
    );
    tx.execute_raw(sql(REPLACE, [pages.to_vec().into()])).await?;
    tx.execute_raw(sql(&done, [pages.to_vec().into()])).await?;
    Ok(())
}

/// Forgets what is left of the customer's crawls that ended without showing it; their pages wait again.
async fn sweep_of(tx: &TenantTx) -> Result<u64> {
    let sweep = format!("{SWEEP} AND s.customer_id = $1").replace("{LIVES}", LIVES);
    Ok(tx
        .execute_raw(sql(&sweep, [tx.customer().into()]))
        .await?
        .rows_affected())
}

const SWEEP: &str = "
    DELETE FROM staged_pages s WHERE (NOT EXISTS (SELECT FROM jobs j WHERE j.id = s.job_id AND {LIVES})
      OR EXISTS (SELECT FROM scraped_pages p WHERE p.id = s.page_id AND p.tombstoned_at IS NOT NULL))";

/// The same for all customers; returns how many pages.
pub async fn sweep(db: &Db) -> Result<u64> {
    let tx = db.system().await?;
    let gone = tx.execute_raw(sql(&SWEEP.replace("{LIVES}", LIVES), [])).await?;
    tx.commit().await?;
    Ok(gone.rows_affected())
}

/// Forgets what the crawl staged; its pages wait again, for whoever crawls the site next.
pub async fn discard(tx: &TenantTx, job: Uuid) -> Result<()> {
    const DISCARD: &str = "DELETE FROM staged_pages WHERE customer_id = $1 AND job_id = $2";
    tx.execute_raw(sql(DISCARD, [tx.customer().into(), job.into()])).await?;
    Ok(())
}

/// Pages and chunks that the crawl has staged.
pub async fn count(tx: &TenantTx, job: Uuid) -> Result<(i64, i64)> {
    const COUNT: &str = "SELECT (SELECT count(*) FROM staged_pages WHERE customer_id = $1 AND job_id = $2) AS pages,
        (SELECT count(*) FROM staged_chunks WHERE customer_id = $1 AND job_id = $2) AS chunks";
    let row = tx.query_one_raw(sql(COUNT, [tx.customer().into(), job.into()])).await?;
    let of = |name: &str| row.as_ref().map(|row: &QueryResult| row.try_get("", name)).transpose();
    Ok((of("pages")?.unwrap_or_default(), of("chunks")?.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_of_a_version_to_be_reads_no_shown_chunk_past_it() {
        let search = "WITH terms AS (SELECT 1), scan AS (SELECT c.id FROM page_embeddings c WHERE c.customer_id = $1)
            SELECT c.id, coalesce(p.shown_title, p.title) AS title FROM found JOIN page_embeddings c USING (id)";
        let seen = seen_by(search, 7);
        assert_eq!(seen.matches("page_embeddings").count(), 1, "{seen}");
        assert!(
            seen.contains("FROM seen c WHERE") && seen.contains("JOIN seen c USING") && seen.contains("job_id = $7")
        );
        assert!(
            seen.starts_with("WITH seen AS") && seen.contains(" terms AS (SELECT 1)"),
            "{seen}"
        );
        assert!(seen.contains("END AS title"), "{seen}");
    }
}
