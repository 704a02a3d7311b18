//! The audit log: who did what, when and from where. Written in the transaction of the deed, never changed afterwards.
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use uuid::Uuid;

use crate::{Result, tenancy::Db};

/// One deed.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The customer it concerns; none for the installation's own.
    pub customer: Option<Uuid>,
    /// Who: `admin`, `key:<id>`, `cron`, `system`.
    pub actor: &'a str,
    /// What, as `noun.verb`: `key.created`, `scrape.started`.
    pub action: &'a str,
    /// On what: usually an id.
    pub resource: &'a str,
    /// Details without secrets or personal data.
    pub metadata: Value,
    /// From where, when it is known.
    pub ip: Option<&'a str>,
}

/// Writes one line.
pub async fn record(tx: &impl ConnectionTrait, entry: Entry<'_>) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO audit_logs (customer_id, actor, action, resource, metadata, ip) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            entry.customer.into(),
            entry.actor.into(),
            entry.action.into(),
            entry.resource.into(),
            entry.metadata.into(),
            entry.ip.into(),
        ],
    );
    tx.execute_raw(statement).await?;
    Ok(())
}

/// Writes one line about a deed that has its own transaction.
pub async fn note(db: &Db, entry: Entry<'_>) -> Result<()> {
    let tx = db.system().await?;
    record(&*tx, entry).await?;
    tx.commit().await
}
