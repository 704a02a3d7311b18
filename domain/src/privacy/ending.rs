//! The end of a customer: all that it owns goes, and a signed tombstone stays, in the database and in the log outside of it, so that a
//! backup which brings the customer back does not keep it. Its id is random, given once, and never comes again of its own will.
use sea_orm::ConnectionTrait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Privacy, receipt::Tombstone};
use crate::{
    Error, Result,
    error::Kind,
    ids,
    jobs::Operator,
    tenancy::{self, SystemTx, sql},
};

/// The kind of a tombstone that stands for a customer.
pub(super) const CUSTOMER: &str = "customer";

impl Privacy {
    /// Removes a customer with all that it owns; returns the receipt.
    pub async fn end_customer(&self, id: Uuid, by: Operator<'_>) -> Result<String> {
        let tx = self.db.system().await?;
        tenancy::remove(&tx, id, by).await?;
        let tombstone = Tombstone::new(ids::new_id(), id, CUSTOMER, now(&tx).await?);
        let receipt = self.seals.seal(&tombstone)?;
        keep(&tx, &tombstone, &receipt).await?;
        if let Some(log) = &self.log {
            log.append(vec![receipt.clone()]).await?;
        }
        tx.commit().await?;
        tracing::info!(event = "customer_ended", customer = %id, receipt = %tombstone.id);
        Ok(receipt)
    }

    /// Removes it again, if a restore has brought it back; returns whether it had.
    pub(super) async fn end_again(&self, tombstone: &Tombstone, receipt: &str, by: Operator<'_>) -> Result<bool> {
        let tx = self.db.system().await?;
        keep(&tx, tombstone, receipt).await?;
        let was_back = match tenancy::remove(&tx, tombstone.customer, by).await {
            Ok(()) => true,
            Err(error) if *error.kind() == Kind::NotFound => false,
            Err(error) => return Err(error),
        };
        tx.commit().await?;
        Ok(was_back)
    }
}

/// Keeps the tombstone; one that is there already stays.
async fn keep(tx: &SystemTx, tombstone: &Tombstone, receipt: &str) -> Result<()> {
    const INSERT: &str = "INSERT INTO deleted_customers (id, customer, receipt, deleted_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let values = [
        tombstone.id.into(),
        tombstone.customer.into(),
        receipt.into(),
        tombstone.at().into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok(())
}

async fn now(tx: &SystemTx) -> Result<OffsetDateTime> {
    let row = tx.query_one_raw(sql("SELECT clock_timestamp() AS now", [])).await?;
    let row = row.ok_or_else(|| Error::internal("the database's clock", "no row"))?;
    Ok(row.try_get("", "now")?)
}
