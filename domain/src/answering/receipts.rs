//! Receipts as they are read: what an answer was made from, and what answers cost.
use sea_orm::FromQueryResult;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::answerer::Usage;
use crate::{
    Error, Result,
    tenancy::{TenantTx, sql},
};

/// What is kept of an answer.
#[derive(Clone, Debug, FromQueryResult)]
pub struct StoredReceipt {
    /// The answer.
    pub message: Uuid,
    /// Its conversation.
    pub conversation: Uuid,
    /// The model, `extractive` or `small_talk`.
    pub model: String,
    /// The prompt's version.
    pub prompt_version: String,
    /// What the question meant by itself, if that had to be found out.
    pub standalone_question: Option<String>,
    /// Chunk, page, version and score of each passage that was considered.
    pub passages: Value,
    /// Why it is a refusal.
    pub refusal_reason: Option<String>,
    /// What happened on the way.
    pub notes: Vec<String>,
    /// What the check took out, counted by the reason.
    pub removed: Value,
    /// Milliseconds of each step.
    pub timings: Value,
    /// The work that made it; copies name the original's.
    pub origin: Option<Uuid>,
    /// It was made for somebody who asked the same.
    pub cached: bool,
    usage: Option<Value>,
    /// When.
    pub created_at: OffsetDateTime,
}

impl StoredReceipt {
    /// What all calls for it cost.
    pub fn usage(&self) -> Usage {
        let told = self.usage.clone().unwrap_or_default();
        serde_json::from_value(told).unwrap_or_default()
    }
}

/// The receipt of one of the customer's answers.
pub async fn receipt(tx: &TenantTx, message: Uuid) -> Result<StoredReceipt> {
    const READ: &str = "
        SELECT r.message_id AS message, m.conversation_id AS conversation, r.model, r.prompt_version, r.standalone_question, r.passages,
          r.refusal_reason, r.notes, r.removed, r.timings, r.origin, r.cached, m.usage, r.created_at
        FROM answer_receipts r JOIN messages m ON m.customer_id = r.customer_id AND m.id = r.message_id
        WHERE r.customer_id = $1 AND r.message_id = $2";
    let read = sql(READ, [tx.customer().into(), message.into()]);
    let found = StoredReceipt::find_by_statement(read).one(&**tx).await?;
    found.ok_or_else(|| Error::not_found("receipt"))
}

#[derive(Default, FromQueryResult)]
struct Sum {
    tokens_in: i64,
    tokens_out: i64,
    cost_usd: f64,
}

/// What the answers of a conversation cost together.
pub async fn spent(tx: &TenantTx, conversation: Uuid) -> Result<Usage> {
    const SUM: &str = "
        SELECT coalesce(sum((usage->>'tokens_in')::bigint), 0)::bigint AS tokens_in,
          coalesce(sum((usage->>'tokens_out')::bigint), 0)::bigint AS tokens_out,
          coalesce(sum((usage->>'cost_usd')::float8), 0) AS cost_usd
        FROM messages WHERE customer_id = $1 AND conversation_id = $2 AND usage IS NOT NULL";
    let sum = sql(SUM, [tx.customer().into(), conversation.into()]);
    let sum = Sum::find_by_statement(sum).one(&**tx).await?.unwrap_or_default();
    Ok(Usage {
        tokens_in: sum.tokens_in.unsigned_abs(),
        tokens_out: sum.tokens_out.unsigned_abs(),
        cost_usd: sum.cost_usd,
    })
}
