//! Conversations as rows: a visitor's turn and the answer are stored together, with the answer's receipt.
use entity::message;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answerer::Answer;
use crate::{
    Error, Result, ids,
    tenancy::{TenantTx, sql},
};

/// Turns that a model is shown of the conversation so far.
const REMEMBERED: i64 = 6;

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Turn {
    /// `visitor`, `assistant` or `human`.
    pub role: String,
    /// The text.
    pub text: String,
}

/// The last turns of a session, oldest first.
pub async fn recent(tx: &TenantTx, session: Uuid) -> Result<Vec<Turn>> {
    let find = "SELECT m.role, m.text FROM messages m JOIN conversations c ON c.id = m.conversation_id
                WHERE c.customer_id = $1 AND c.session_id = $2 ORDER BY m.created_at DESC, m.id DESC LIMIT $3";
    let query = sql(find, [tx.customer().into(), session.into(), REMEMBERED.into()]);
    let mut turns = Turn::find_by_statement(query).all(&**tx).await?;
    turns.reverse();
    Ok(turns)
}

/// The conversation of a session, made with its visitor at the first message.
async fn open(tx: &TenantTx, session: Uuid) -> Result<Uuid> {
    const VISITOR: &str = "INSERT INTO visitors (id, customer_id, session_id) VALUES ($1, $2, $3)
        ON CONFLICT (customer_id, session_id) DO UPDATE SET session_id = excluded.session_id RETURNING id";
    const CONVERSATION: &str =
        "INSERT INTO conversations (id, customer_id, visitor_id, session_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (customer_id, session_id) DO UPDATE SET updated_at = now() RETURNING id";
    let none = || Error::internal("opening a conversation", "no row");
    let visitor = [ids::new_id().into(), tx.customer().into(), session.into()];
    let visitor: Uuid = tx
        .query_one_raw(sql(VISITOR, visitor))
        .await?
        .ok_or_else(none)?
        .try_get("", "id")?;
    let values = [
        ids::new_id().into(),
        tx.customer().into(),
        visitor.into(),
        session.into(),
    ];
    Ok(tx
        .query_one_raw(sql(CONVERSATION, values))
        .await?
        .ok_or_else(none)?
        .try_get("", "id")?)
}

/// What is kept of an answer beside its text.
pub struct Receipt<'a> {
    /// The model, or `extractive`.
    pub model: &'a str,
    /// The prompt's version.
    pub prompt_version: &'a str,
    /// Chunk, page, version and scores of every passage that was considered.
    pub passages: Value,
    /// Milliseconds of each step.
    pub timings: Value,
    /// The work that made the answer; receipts of copies name the original's.
    pub origin: Uuid,
    /// The answer was made for somebody who asked the same.
    pub cached: bool,
}

/// Stores a question, its answer and the receipt; returns the conversation's and the answer's ids.
pub async fn store(
    tx: &TenantTx,
    session: Uuid,
    question: &str,
    answer: &Answer,
    receipt: &Receipt<'_>,
) -> Result<(Uuid, Uuid)> {
    const MESSAGE: &str = "INSERT INTO messages (id, customer_id, conversation_id, role, text, sources, refused, usage)
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    const RECEIPT: &str = "INSERT INTO answer_receipts (message_id, customer_id, model, prompt_version, passages, refusal_reason, timings, origin, cached)
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    const USAGE: &str = "INSERT INTO usage_daily AS u (customer_id, day, chats, tokens_in, tokens_out) VALUES ($1, current_date, 1, $2, $3)
        ON CONFLICT (customer_id, day) DO UPDATE SET chats = u.chats + 1, tokens_in = u.tokens_in + excluded.tokens_in,
          tokens_out = u.tokens_out + excluded.tokens_out";
    let customer = tx.customer();
    let conversation = open(tx, session).await?;
    let (asked, answered) = (ids::new_id(), ids::new_id());
    let turn = |id: Uuid, role: &str, text: &str, sources: Value, refused: bool, usage: Option<Value>| {
        let values = [
            id.into(),
            customer.into(),
            conversation.into(),
            role.into(),
            text.into(),
            sources.into(),
            refused.into(),
            usage.into(),
        ];
        sql(MESSAGE, values)
    };
    tx.execute_raw(turn(asked, "visitor", question, json!([]), false, None))
        .await?;
    let sources = serde_json::to_value(&answer.sources)?;
    let usage = Some(serde_json::to_value(answer.usage)?);
    tx.execute_raw(turn(
        answered,
        "assistant",
        &answer.text,
        sources,
        answer.refused(),
        usage,
    ))
    .await?;
    let values = [
        answered.into(),
        customer.into(),
        receipt.model.into(),
        receipt.prompt_version.into(),
        receipt.passages.clone().into(),
        answer.refusal.map(|r| r.as_str().to_owned()).into(),
        receipt.timings.clone().into(),
        receipt.origin.into(),
        receipt.cached.into(),
    ];
    tx.execute_raw(sql(RECEIPT, values)).await?;
    let spent = [
        customer.into(),
        (answer.usage.tokens_in as i64).into(),
        (answer.usage.tokens_out as i64).into(),
    ];
    tx.execute_raw(sql(USAGE, spent)).await?;
    Ok((conversation, answered))
}

/// Messages of a conversation before `before`, newest first. With `session`, only if the conversation is that session's.
pub async fn messages(
    tx: &TenantTx,
    conversation: Uuid,
    session: Option<Uuid>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<message::Model>> {
    let found = entity::conversation::of_customer(tx.customer(), conversation)
        .one(&**tx)
        .await?;
    let found = found.filter(|c| session.is_none_or(|s| s == c.session_id));
    let found = found.ok_or_else(|| Error::not_found("conversation"))?;
    let mut query = message::Entity::find().filter(message::Column::ConversationId.eq(found.id));
    if let Some(before) = before {
        query = query.filter(message::Column::Id.lt(before));
    }
    Ok(query.order_by_desc(message::Column::Id).limit(limit).all(&**tx).await?)
}

/// A visitor's opinion on an answer of the visitor's own session.
pub async fn feedback(tx: &TenantTx, message: Uuid, session: Uuid, rating: &str, reason: Option<&str>) -> Result<()> {
    const UPDATE: &str = "UPDATE messages m SET feedback = $3, feedback_reason = $4 FROM conversations c
        WHERE m.id = $1 AND m.role = 'assistant' AND c.id = m.conversation_id AND c.session_id = $2";
    let values = [
        message.into(),
        session.into(),
        rating.into(),
        reason.map(str::to_owned).into(),
    ];
    let done = tx.execute_raw(sql(UPDATE, values)).await?;
    if done.rows_affected() == 0 {
        Err(Error::not_found("message"))
    } else {
        Ok(())
    }
}
