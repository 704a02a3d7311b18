//! Whether the database's schema is as new as the process. Steps are taken by `migration`, which this crate does not know: their
//! names are passed in.
use sea_orm::ConnectionTrait;

use crate::{
    Result,
    tenancy::{Db, sql},
};

/// Those of the steps that this build knows which the database has not taken, in their order. Steps that the database has taken
/// beyond them are a newer build's, and no reason to stop working.
pub async fn pending(db: &Db, known: &[String]) -> Result<Vec<String>> {
    const PENDING: &str = "SELECT k.name FROM unnest($1::text[]) WITH ORDINALITY AS k (name, n)
        WHERE NOT EXISTS (SELECT FROM seaql_migrations m WHERE m.version = k.name) ORDER BY k.n";
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(PENDING, [known.to_vec().into()])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "name"))
        .collect::<Result<_, _>>()?)
}
