//! Which pages needed a browser, and by which static body, so that a page whose server says nothing new is not rendered again.
//!
//! Neighbours: `store` keeps what the rendering brought; the worker's `crawl::ask` decides.
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use std::{collections::HashMap, time::Duration};
use time::OffsetDateTime;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// A rendering is believed this long while the static body stays the same: what a page's scripts fetch may change without it.
const BELIEVED: Duration = Duration::from_hours(7 * 24);

/// The last rendering of a page.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Render {
    /// SHA-256 of the static body that it was made from.
    pub static_hash: Vec<u8>,
    /// When.
    pub rendered_at: OffsetDateTime,
    /// What became of the page: `page`, `empty`, `noindex`, `moved` or `duplicate`.
    pub outcome: String,
    /// Where it moved, or whose duplicate it is.
    pub target: Option<String>,
}

impl Render {
    /// Whether it brought a page.
    pub fn is_page(&self) -> bool {
        self.outcome == "page"
    }

    /// Whether what it brought can still be believed at `now`, as long as the static body is the same.
    pub fn is_fresh(&self, now: OffsetDateTime) -> bool {
        now - self.rendered_at < BELIEVED
    }
}

/// Renderings read at once; a site with more has its others rendered again.
const MOST: i64 = 100_000;

/// The last renderings of pages whose URLs begin with one of `origins`, by URL.
pub async fn of_site(tx: &TenantTx, origins: &[String]) -> Result<HashMap<String, Render>> {
    const FIND: &str = "SELECT url, static_hash, rendered_at, outcome, target FROM page_renders
        WHERE customer_id = $1 AND EXISTS (SELECT 1 FROM unnest($2::text[]) o WHERE starts_with(url, o)) LIMIT $3";
    let values = [tx.customer().into(), origins.to_vec().into(), MOST.into()];
    let rows = tx.query_all_raw(sql(FIND, values)).await?;
    let of_row = |row: &QueryResult| Ok((row.try_get("", "url")?, Render::from_query_result(row, "")?));
    rows.iter().map(of_row).collect()
}

/// Notes what became of `url` when it was rendered from a static body of this hash.
pub async fn note(tx: &TenantTx, url: &str, static_hash: &[u8], outcome: &str, target: Option<&str>) -> Result<()> {
    const NOTE: &str = "INSERT INTO page_renders (customer_id, url, static_hash, outcome, target) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (customer_id, url_hash) DO UPDATE SET static_hash = excluded.static_hash, outcome = excluded.outcome,
          target = excluded.target, rendered_at = now()";
    let values = [
        tx.customer().into(),
        url.into(),
        static_hash.to_vec().into(),
        outcome.into(),
        target.map(str::to_owned).into(),
    ];
    tx.execute_raw(sql(NOTE, values)).await?;
    Ok(())
}

/// Has the next crawl render `url` again, whatever its server says of the static page.
pub async fn doubt(tx: &TenantTx, url: &str) -> Result<()> {
    let doubt = "UPDATE page_renders SET rendered_at = 'epoch' WHERE customer_id = $1 AND url_hash = hash_url($2)";
    tx.execute_raw(sql(doubt, [tx.customer().into(), url.into()])).await?;
    Ok(())
}

/// Notes that `url` needs no browser any more.
pub async fn forget(tx: &TenantTx, url: &str) -> Result<()> {
    let delete = "DELETE FROM page_renders WHERE customer_id = $1 AND url_hash = hash_url($2)";
    tx.execute_raw(sql(delete, [tx.customer().into(), url.into()])).await?;
    Ok(())
}
