//! The end of a customer: all that it owns goes, and a signed tombstone stays, in the database and in the log outside of it, so that a
//! backup which brings the customer back does not keep it. Its id is random, given once, and never comes again of its own will.
//!
//! What must stay true: the log has a receipt of what was committed and of nothing else, since a replay believes it and nothing brings
//! back what that deletes. So a note goes before the commit, and the receipt or a withdrawal after it
//! ([0058](../../../docs/adr/0058-the-log-tells-what-was-committed.md)).
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Privacy,
    receipt::{Note, Said, Seals, Tombstone},
};
use crate::{
    Error, Result, audit,
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
        forget_people(&tx, by).await?;
        let tombstone = Tombstone::new(ids::new_id(), id, CUSTOMER, now(&tx).await?);
        let receipt = self.seals.seal(&tombstone)?;
        keep(&tx, &tombstone, &receipt).await?;
        let note = |what| Note {
            id: tombstone.id,
            customer: id,
            what,
        };
        self.note(note(Said::Begun)).await?;
        if let Err(error) = tx.commit().await {
            // The connection may have gone after the database had heard: it knows.
            if !self.has_ended(id).await? {
                self.note(note(Said::Withdrawn)).await?;
                return Err(error);
            }
        }
        if let Some(log) = &self.log
            && let Err(error) = log.append(vec![receipt.clone()]).await
        {
            // It is done, and the night adds what the log lacks.
            tracing::error!(error = error.story(), event = "erasure_log_failed");
        }
        tracing::info!(event = "customer_ended", customer = %id, receipt = %tombstone.id);
        Ok(receipt)
    }

    /// Says that this customer's end, of which the log has the beginning alone, does not hold; returns whether there was one.
    pub async fn withdraw_end(&self, customer: Uuid) -> Result<bool> {
        let Some(log) = &self.log else { return Ok(false) };
        let open = unfinished(&self.seals, &log.lines().await?);
        let those = open.into_iter().filter(|(_, of)| *of == customer);
        let mut any = false;
        for (id, customer) in those {
            let what = Said::Withdrawn;
            self.note(Note { id, customer, what }).await?;
            any = true;
        }
        Ok(any)
    }

    async fn note(&self, note: Note) -> Result<()> {
        match &self.log {
            Some(log) => log.append(vec![self.seals.seal_note(&note)?]).await,
            None => Ok(()),
        }
    }

    /// Whether the customer is gone. Waits for whoever is about to commit that.
    async fn has_ended(&self, id: Uuid) -> Result<bool> {
        let tx = self.db.system().await?;
        let row = "SELECT id FROM customer_configs WHERE id = $1 FOR UPDATE";
        Ok(tx.query_one_raw(sql(row, [id.into()])).await?.is_none())
    }

    /// Removes it again, if a restore has brought it back; returns whether it had.
    pub(super) async fn end_again(&self, tombstone: &Tombstone, receipt: &str, by: Operator<'_>) -> Result<bool> {
        let tx = self.db.system().await?;
        keep(&tx, tombstone, receipt).await?;
        let was_back = match tenancy::remove(&tx, tombstone.customer, by).await {
            Ok(()) => {
                forget_people(&tx, by).await?;
                true
            }
            Err(error) if *error.kind() == Kind::NotFound => false,
            Err(error) => return Err(error),
        };
        tx.commit().await?;
        Ok(was_back)
    }
}

/// Ends of customers that were begun and of which the lines tell nothing more, with the customers.
pub(super) fn unfinished(seals: &Seals, lines: &[String]) -> BTreeMap<Uuid, Uuid> {
    let (mut begun, mut known) = (BTreeMap::new(), HashSet::new());
    for line in lines {
        match (seals.open_note(line), seals.open(line)) {
            (Some(note), _) if note.what == Said::Begun => drop(begun.insert(note.id, note.customer)),
            (Some(note), _) => drop(known.insert(note.id)),
            (None, Some(stone)) => drop(known.insert(stone.id)),
            (None, None) => {}
        }
    }
    begun.retain(|id, _| !known.contains(id));
    begun
}

/// Removes the accounts that were for customers that are gone, and for nobody else.
async fn forget_people(tx: &SystemTx, by: Operator<'_>) -> Result<()> {
    const DELETE: &str = "DELETE FROM admin_users u WHERE NOT u.everywhere
        AND NOT EXISTS (SELECT FROM admin_user_customers c WHERE c.user_id = u.id) RETURNING u.id";
    for row in tx.query_all_raw(sql(DELETE, [])).await? {
        let entry = audit::Entry {
            customer: None,
            actor: by.actor,
            action: "user.deleted",
            resource: &row.try_get::<Uuid>("", "id")?.to_string(),
            metadata: json!({}),
            ip: by.ip,
        };
        audit::record(&**tx, entry).await?;
    }
    Ok(())
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
