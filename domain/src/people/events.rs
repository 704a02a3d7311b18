//! What happens in a conversation, as rows that followers read: every turn, and every change of who has the word.
//!
//! What must stay true: whoever writes an event has locked (or changed) the conversation's row before, in the same
//! transaction, so that who has read up to an id has missed nothing below it. A turn's event names its message, and goes with it.
use sea_orm::ConnectionTrait;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

pub(super) const MESSAGE: &str = "message";
pub(super) const STATE: &str = "state";

/// Something that happened in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Grows with every event of a conversation; what a follower resumes after.
    pub id: i64,
    /// What it tells.
    pub telling: Telling,
    /// When.
    pub at: OffsetDateTime,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Telling {
    /// A turn.
    Message {
        /// The message.
        id: Uuid,
        /// `visitor`, `assistant` or `human`.
        role: String,
        /// The text.
        text: String,
        /// The person's name, of a human's turn.
        author: Option<String>,
        /// What an answer of the bot rests on.
        sources: Value,
        /// Whether the bot could not answer.
        refused: bool,
    },
    /// A change of who has the word: `state`, `from`, `reason`, `name`; or a wait that is over, with `overdue`.
    State(Value),
}

/// Writes an event.
pub(super) async fn record(
    tx: &TenantTx,
    conversation: Uuid,
    kind: &'static str,
    message: Option<Uuid>,
    data: Value,
) -> Result<()> {
    const INSERT: &str = "INSERT INTO conversation_events (customer_id, conversation_id, kind, message_id, data) VALUES ($1, $2, $3, $4, $5)";
    let values = [
        tx.customer().into(),
        conversation.into(),
        kind.into(),
        message.into(),
        data.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok(())
}

/// Writes the events of turns, in their order.
pub(crate) async fn turns(tx: &TenantTx, conversation: Uuid, messages: &[Uuid]) -> Result<()> {
    const INSERT: &str = "
        INSERT INTO conversation_events (customer_id, conversation_id, kind, message_id)
        SELECT $1, $2, 'message', m.id FROM unnest($3::uuid[]) WITH ORDINALITY AS m (id, n) ORDER BY m.n";
    let values = [tx.customer().into(), conversation.into(), messages.to_vec().into()];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok(())
}
