//! Conversations as rows: a visitor's turn and the answer are stored together, with the answer's receipt.
use entity::message;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

pub use super::history::{Turn, recent};
use super::{answerer::Answer, asked::Asked, citations};
use crate::{
    Error, Result, ids,
    language::Locale,
    people, privacy,
    tenancy::{Customer, Db, TenantTx, sql},
};

/// The conversation of a session, made with its visitor at the first message. The visitor is known by the language spoken last.
/// What was said `since` so long ago is not kept where the session was erased meanwhile.
pub(crate) async fn open(tx: &TenantTx, session: Uuid, locale: Option<Locale>, since: Duration) -> Result<Uuid> {
    const OPEN: &str = "
        WITH visitor AS (
          INSERT INTO visitors AS v (id, customer_id, session_id, locale) SELECT $1, $2, $3, $4
          WHERE NOT EXISTS (SELECT FROM erased_sessions e WHERE e.customer_id = $2 AND e.session = $5
            AND e.erased_at > now() - make_interval(secs => $6))
          ON CONFLICT (customer_id, session_id) DO UPDATE SET locale = coalesce(excluded.locale, v.locale) RETURNING id)
        INSERT INTO conversations (id, customer_id, visitor_id, session_id) SELECT $7, $2, id, $3 FROM visitor
        ON CONFLICT (customer_id, session_id) DO UPDATE SET updated_at = now() RETURNING id";
    let values = [
        ids::new_id().into(),
        tx.customer().into(),
        session.into(),
        locale.map(Locale::code).into(),
        privacy::session_hash(tx.customer(), session).into(),
        since.as_secs_f64().into(),
        ids::new_id().into(),
    ];
    privacy::alone_with(tx, &[session]).await?;
    let erased = || {
        Error::conflict(
            "session_erased",
            "what was said in this session has been erased meanwhile",
        )
    };
    let opened = tx.query_one_raw(sql(OPEN, values)).await?;
    Ok(opened.ok_or_else(erased)?.try_get("", "id")?)
}

/// The language that the session's visitor spoke last, if that was sure.
pub async fn spoken(tx: &TenantTx, session: Uuid) -> Result<Option<Locale>> {
    const LOCALE: &str = "SELECT locale FROM visitors WHERE customer_id = $1 AND session_id = $2";
    let row = tx
        .query_one_raw(sql(LOCALE, [tx.customer().into(), session.into()]))
        .await?;
    let code: Option<String> = row.map(|row| row.try_get("", "locale")).transpose()?.flatten();
    Ok(code.as_deref().and_then(Locale::of_tag))
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
    /// What the check took out of it.
    pub removed: Value,
    /// How long ago the question came.
    pub since: Duration,
}

/// Stores a question, its answer, the receipt and which pages it cites, and tells who follows the conversation, in one statement. Returns
/// the conversation's and the answer's ids.
pub async fn store(
    tx: &TenantTx,
    session: Uuid,
    question: &Asked,
    answer: &Answer,
    receipt: &Receipt<'_>,
) -> Result<(Uuid, Uuid)> {
    const STORE: &str = "
        WITH said AS (
          INSERT INTO messages (id, customer_id, conversation_id, role, text, sources, refused, usage)
          VALUES ($3, $1, $2, 'visitor', $5, '[]', false, NULL), ($4, $1, $2, 'assistant', $6, $7, $8, $9)),
        cited AS (
          INSERT INTO answer_citations (message_id, page_id, customer_id, page_version)
          SELECT $4, p.id, p.customer_id, max(n.version) FROM jsonb_to_recordset($10) AS n (page uuid, version bigint)
          JOIN scraped_pages p ON p.id = n.page GROUP BY p.id, p.customer_id),
        told AS (
          INSERT INTO conversation_events (customer_id, conversation_id, kind, message_id)
          SELECT $1, $2, 'message', m.id FROM unnest(ARRAY[$3, $4]) WITH ORDINALITY AS m (id, n) ORDER BY m.n)
        INSERT INTO answer_receipts (message_id, customer_id, model, prompt_version, passages, refusal_reason, timings, origin, cached,
          standalone_question, notes, cost_usd, removed)
        VALUES ($4, $1, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    let conversation = open(tx, session, question.locale, receipt.since).await?;
    let (asked, answered) = (ids::new_id(), ids::new_id());
    let notes = answer.notes.iter().map(|note| note.as_str().to_owned());
    let values = [
        tx.customer().into(),
        conversation.into(),
        asked.into(),
        answered.into(),
        question.said.as_str().into(),
        answer.text.as_str().into(),
        serde_json::to_value(&answer.sources)?.into(),
        answer.refused().into(),
        serde_json::to_value(answer.usage)?.into(),
        citations::cited(answer).into(),
        receipt.model.into(),
        receipt.prompt_version.into(),
        receipt.passages.clone().into(),
        answer.refusal.map(|r| r.as_str().to_owned()).into(),
        receipt.timings.clone().into(),
        receipt.origin.into(),
        receipt.cached.into(),
        question.rewritten().map(str::to_owned).into(),
        notes.collect::<Vec<_>>().into(),
        answer.usage.cost_usd.into(),
        receipt.removed.clone().into(),
    ];
    tx.execute_raw(sql(STORE, values)).await?;
    Ok((conversation, answered))
}

/// Keeps a visitor's turn whose answer broke off.
pub(super) async fn keep_unanswered(tx: &TenantTx, session: Uuid, question: &Asked, since: Duration) -> Result<Uuid> {
    const KEEP: &str = "INSERT INTO messages (id, customer_id, conversation_id, role, text, broke_off)
        VALUES ($1, $2, $3, 'visitor', $4, true)";
    let conversation = open(tx, session, question.locale, since).await?;
    let message = ids::new_id();
    let values = [
        message.into(),
        tx.customer().into(),
        conversation.into(),
        question.said.as_str().into(),
    ];
    tx.execute_raw(sql(KEEP, values)).await?;
    people::events::turns(tx, conversation, &[message]).await?;
    Ok(conversation)
}

/// Counts an answer that is stored among the day's. All answers of a customer meet in this row, and whoever changed it holds it until
/// the commit: so this is a transaction of its own, and waits for no disk.
pub async fn count(db: &Db, customer: &Customer) -> Result<()> {
    // Tokens and cost are counted by the call that used them, once for all who share it.
    const USAGE: &str = "INSERT INTO usage_daily AS u (customer_id, day, chats) VALUES ($1, current_date, 1)
        ON CONFLICT (customer_id, day) DO UPDATE SET chats = u.chats + 1";
    let tx = db.tenant_relaxed(customer).await?;
    tx.execute_raw(sql(USAGE, [tx.customer().into()])).await?;
    tx.commit().await
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

/// The notes ([`Note`](super::Note)'s words) of those of these answers that have any.
pub async fn notes(tx: &TenantTx, answers: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<String>>> {
    const NOTES: &str = "SELECT message_id, notes FROM answer_receipts
        WHERE customer_id = $1 AND message_id = ANY($2) AND notes <> '{}'";
    let rows = tx
        .query_all_raw(sql(NOTES, [tx.customer().into(), answers.into()]))
        .await?;
    let noted = |row: &sea_orm::QueryResult| Ok((row.try_get("", "message_id")?, row.try_get("", "notes")?));
    rows.iter().map(noted).collect()
}
