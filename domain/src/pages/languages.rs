//! Which customers' pages an embedding model that knows one language does not understand.
use sea_orm::FromQueryResult;

use crate::{
    Result,
    tenancy::{Db, sql},
};

/// Pages below this number say nothing about a site.
const FEW: i64 = 5;

/// A customer most of whose pages are not English.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Foreign {
    /// The customer.
    pub domain: String,
    /// Pages whose language is known.
    pub pages: i64,
    /// Those of them in another one than English.
    pub foreign_pages: i64,
}

/// The customers most of whose pages are not English, those with the most such pages first.
pub async fn mostly_foreign(db: &Db) -> Result<Vec<Foreign>> {
    const COUNT: &str = "
        SELECT c.domain, count(*) AS pages, count(*) FILTER (WHERE p.language NOT ILIKE 'en%') AS foreign_pages
        FROM scraped_pages p JOIN customer_configs c ON c.id = p.customer_id
        WHERE p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND p.language <> ''
        GROUP BY c.domain HAVING count(*) >= $1 AND count(*) FILTER (WHERE p.language NOT ILIKE 'en%') * 2 > count(*)
        ORDER BY foreign_pages DESC, c.domain LIMIT 20";
    let tx = db.system().await?;
    let found = Foreign::find_by_statement(sql(COUNT, [FEW.into()])).all(&*tx).await?;
    tx.commit().await?;
    Ok(found)
}
