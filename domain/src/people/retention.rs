//! Forgetting conversations that have rested for as long as their customer keeps them, with the visitors that had no other, and
//! deliveries that are long over.
use serde::Serialize;

use crate::{
    Result,
    privacy::retention::{self, batches},
    tenancy::Db,
};

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Conversations with their messages, receipts and events.
    pub conversations: u64,
    /// Visitors without a conversation.
    pub visitors: u64,
    /// Deliveries to webhooks.
    pub deliveries: u64,
}

/// Deletes what is older. Every batch is a transaction of its own; doing it twice is harmless.
pub async fn purge(db: &Db) -> Result<Purged> {
    const CONVERSATIONS: &str = "
        DELETE FROM conversations WHERE id IN (
          SELECT c.id FROM conversations c JOIN customer_configs k ON k.id = c.customer_id
          WHERE c.updated_at < now() - make_interval(days => CASE
              WHEN jsonb_typeof(k.settings->'retention_days') = 'number' AND (k.settings->>'retention_days')::numeric BETWEEN 1 AND 3650
              THEN (k.settings->>'retention_days')::numeric::integer ELSE $1 END)
          LIMIT $2 FOR UPDATE OF c SKIP LOCKED)";
    const VISITORS: &str = "
        DELETE FROM visitors WHERE id IN (
          SELECT v.id FROM visitors v WHERE v.created_at < now() - make_interval(days => $1)
            AND NOT EXISTS (SELECT FROM conversations c WHERE c.visitor_id = v.id) LIMIT $2)";
    const DELIVERIES: &str = "
        DELETE FROM webhook_deliveries WHERE id IN (
          SELECT id FROM webhook_deliveries WHERE created_at < now() - make_interval(days => $1) LIMIT $2)";
    Ok(Purged {
        conversations: batches(db, CONVERSATIONS, retention::CONVERSATIONS).await?,
        // A visitor who has just come has no conversation yet.
        visitors: batches(db, VISITORS, retention::VISITORS).await?,
        deliveries: batches(db, DELIVERIES, retention::DELIVERIES).await?,
    })
}
