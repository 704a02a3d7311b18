//! When shops are read: what has changed once an hour, everything once a day, and when somebody asks.
use uuid::Uuid;

use crate::{
    Result,
    jobs::{self, NewJob, Payload, Submitted, SyncWork},
    tenancy::{Db, TenantTx, sql},
};
use sea_orm::ConnectionTrait;

use super::connections;

fn job(customer: Uuid, connection: Uuid, what: SyncWork, priority: i16) -> NewJob {
    NewJob {
        // One at a time reads a shop; whoever asks meanwhile is told of that one.
        dedupe_key: Some(format!("store:{connection}")),
        priority,
        ..NewJob::new(customer, Payload::Sync { connection, what })
    }
}

/// Submits a sync that somebody asks for; give the result to [`jobs::Dispatcher::dispatch`]. While one is live it is that one.
pub async fn sync(tx: &TenantTx, connection: Uuid, what: SyncWork) -> Result<Submitted> {
    connections::find(tx, connection).await?;
    jobs::submit(&**tx, &job(tx.customer(), connection, what, jobs::SOON)).await
}

/// Submits syncs of all shops whose time has come; give the result to [`jobs::Dispatcher::dispatch`].
pub async fn plan(db: &Db) -> Result<Vec<Submitted>> {
    const DUE: &str = "
        SELECT id, customer_id, coalesce(swept_at < now() - interval '1 day', true) AS sweep FROM store_connections
        WHERE coalesce(tried_at < now() - interval '1 hour', true) ORDER BY id";
    let tx = db.system().await?;
    let mut new = Vec::new();
    for row in tx.query_all_raw(sql(DUE, [])).await? {
        let what = if row.try_get("", "sweep")? {
            SyncWork::Full
        } else {
            SyncWork::Changes
        };
        new.push(job(
            row.try_get("", "customer_id")?,
            row.try_get("", "id")?,
            what,
            jobs::BULK,
        ));
    }
    let made = jobs::submit_all(&*tx, &new).await?;
    tx.commit().await?;
    Ok(made)
}
