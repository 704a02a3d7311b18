//! Entries in Postgres, for all processes and over restarts of them, under row-level security.
use sea_orm::ConnectionTrait;
use serde_json::json;
use uuid::Uuid;

use super::{Key, LONG, MAX_BYTES};
use crate::{
    Error, Result, audit,
    tenancy::{Customer, Db, HostName, TenantTx, sql},
};

/// Ended entries of the customer that a new one takes with it, so that a flood of questions leaves no more behind than what is
/// still good. The rest goes at night.
const SWEPT: i64 = 8;

/// The sealed entry under `key`.
pub async fn get(db: &Db, customer: &Customer, key: &Key) -> Option<String> {
    let found = async { find(&db.tenant_read(customer).await?, key).await };
    told(found.await)
}

/// The same in a transaction that is open already.
pub async fn get_in(tx: &TenantTx, key: &Key) -> Option<String> {
    told(find(tx, key).await)
}

fn told(found: Result<Option<String>>) -> Option<String> {
    match found {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = error.story(), "no cached answer from the database");
            None
        }
    }
}

async fn find(tx: &TenantTx, key: &Key) -> Result<Option<String>> {
    const FIND: &str = "SELECT answer FROM query_cache
        WHERE customer_id = $1 AND key = $2 AND expires_at > now() AND octet_length(answer) <= $3";
    let values = [
        key.customer().into(),
        key.hash().to_vec().into(),
        (MAX_BYTES as i32).into(),
    ];
    let row = tx.query_one_raw(sql(FIND, values)).await?;
    Ok(row.map(|row| row.try_get("", "answer")).transpose()?)
}

/// Keeps a sealed entry.
pub async fn put(db: &Db, customer: &Customer, key: &Key, sealed: &str) {
    if let Err(error) = insert(db, customer, key, sealed).await {
        tracing::warn!(error = error.story(), "an answer is not cached in the database");
    }
}

async fn insert(db: &Db, customer: &Customer, key: &Key, sealed: &str) -> Result<()> {
    const INSERT: &str = "
        WITH ended AS (
          SELECT key FROM query_cache WHERE customer_id = $1 AND expires_at <= now() AND key <> $2
          ORDER BY expires_at LIMIT $5 FOR UPDATE SKIP LOCKED),
        gone AS (DELETE FROM query_cache c USING ended e WHERE c.customer_id = $1 AND c.key = e.key)
        INSERT INTO query_cache (customer_id, key, answer, index_version, expires_at)
        VALUES ($1, $2, $3, $6, now() + make_interval(secs => $4))
        ON CONFLICT (customer_id, key) DO UPDATE SET answer = excluded.answer, expires_at = excluded.expires_at, created_at = now()";
    let values = [
        key.customer().into(),
        key.hash().to_vec().into(),
        sealed.into(),
        LONG.as_secs_f64().into(),
        SWEPT.into(),
        customer.index_version.into(),
    ];
    let tx = db.tenant(customer).await?;
    tx.execute_raw(sql(INSERT, values)).await?;
    tx.commit().await
}

/// Ends all kept answers, of one customer or of all: the index versions move on, so that no process, and no layer, is asked for
/// them again. Returns how many customers it concerns.
pub async fn clear(db: &Db, domain: Option<&HostName>, actor: &str) -> Result<u64> {
    const MOVE_ON: &str = "UPDATE customer_configs SET index_version = index_version + 1 WHERE $1::text IS NULL OR domain = $1 RETURNING id";
    const DELETE: &str = "DELETE FROM query_cache WHERE customer_id = ANY($1)";
    let tx = db.system().await?;
    let rows = tx
        .query_all_raw(sql(MOVE_ON, [domain.map(ToString::to_string).into()]))
        .await?;
    let customers: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    if customers.is_empty() && domain.is_some() {
        return Err(Error::not_found("customer"));
    }
    tx.execute_raw(sql(DELETE, [customers.clone().into()])).await?;
    let entry = audit::Entry {
        customer: customers.first().copied().filter(|_| domain.is_some()),
        actor,
        action: "cache.cleared",
        resource: &domain.map_or_else(|| "all".to_owned(), ToString::to_string),
        metadata: json!({ "customers": customers.len() }),
        ip: None,
    };
    audit::record(&*tx, entry).await?;
    tx.commit().await?;
    Ok(customers.len() as u64)
}
