//! A visitor's message before the bot sees it: it may be for people, or ask for one.
use entity::conversation;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use super::{
    events,
    handoff::{self, VISITOR},
    notify,
    settings::HandoffSettings,
    state::{Locked, State, Step, lock, step},
    wish::{says_yes, wants_person},
};
use crate::{
    Error, Result,
    answering::open_conversation,
    error::Kind,
    ids,
    language::Locale,
    tenancy::{Customer, TenantTx, sql},
};

/// Answers that fail one after the other, or break off, before the visitor is offered a person. Small talk in between is neither.
pub(super) const FAILURES: i64 = 2;

/// How many of the last answers of conversation `c` failed. Its two readers must not differ.
pub(super) const FAILED: &str = "
    (SELECT count(*) FILTER (WHERE l.broke_off OR l.refused OR l.feedback = 'down') FROM (
       SELECT m.broke_off, m.refused, m.feedback FROM messages m LEFT JOIN answer_receipts r ON r.message_id = m.id
       WHERE m.conversation_id = c.id AND (m.broke_off OR m.role = 'assistant' AND r.model IS DISTINCT FROM 'small_talk')
       ORDER BY m.created_at DESC LIMIT 2) l)";

/// Who has the word after a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who it is.
    pub state: State,
    /// The bot has failed so often that the visitor should be offered a person.
    pub offered: bool,
}

/// A visitor's message that the bot does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its conversation.
    pub conversation: Uuid,
    /// The visitor's message.
    pub message: Uuid,
    /// Who will answer.
    pub state: State,
}

/// Whose a visitor's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// A person's: it has been kept for them.
    People(Received),
    /// The bot's, in this conversation, if it has begun.
    Bot(Option<Uuid>),
}

/// Takes a visitor's message if it is not the bot's to answer: a person has the word or is waited for, or the message asks for
/// one. A closed conversation that the bot is to answer in is open again. Commit the transaction in either case.
/// `locale` is the language that it is in, where that is sure.
pub async fn receive(
    tx: &TenantTx,
    customer: &Customer,
    session: Uuid,
    text: &str,
    locale: Option<Locale>,
) -> Result<Reception> {
    let found = conversation::Entity::find()
        .filter(conversation::Column::CustomerId.eq(tx.customer()))
        .filter(conversation::Column::SessionId.eq(session))
        .one(&**tx)
        .await?;
    let enabled = HandoffSettings::of(customer).enabled;
    let mut asks = enabled && wants_person(text);
    // Who was offered a person may say so in a word.
    if let Some(row) = found.as_ref().filter(|_| enabled && !asks && says_yes(text)) {
        asks = offered(tx, customer, row.id).await?.offered;
    }
    let id = match found {
        None if !asks => return Ok(Reception::Bot(None)),
        Some(row) if !asks && row.state == State::Bot.as_str() => return Ok(Reception::Bot(Some(row.id))),
        None => open_conversation(tx, session, locale, Duration::ZERO).await?,
        Some(row) => row.id,
    };
    let before = lock(tx, id, None).await?;
    let silent = match before.state {
        State::Bot | State::Closed => false,
        State::Waiting => before.row.told_at.is_none(),
        State::Human => true,
    };
    if silent || (asks && before.state == State::Waiting) {
        return passed(tx, customer, &before, text).await;
    }
    if asks {
        match handoff::wait(tx, customer, &before, "said").await {
            Ok(()) => return passed(tx, customer, &lock(tx, id, None).await?, text).await,
            Err(error) if matches!(error.kind(), Kind::TooMany { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if before.state == State::Closed {
        let to = Step {
            to: State::Bot,
            reason: "reopened",
            agent: None,
            by: VISITOR,
        };
        step(tx, customer, &before, to).await?;
    }
    Ok(Reception::Bot(Some(id)))
}

async fn passed(tx: &TenantTx, customer: &Customer, conversation: &Locked, text: &str) -> Result<Reception> {
    Ok(Reception::People(Received {
        conversation: conversation.row.id,
        message: keep(tx, customer, conversation, text).await?,
        state: conversation.state,
    }))
}

/// Keeps a visitor's turn that people read, and sees to it that it is answered.
pub(super) async fn keep(tx: &TenantTx, customer: &Customer, conversation: &Locked, text: &str) -> Result<Uuid> {
    const MESSAGE: &str =
        "INSERT INTO messages (id, customer_id, conversation_id, role, text) VALUES ($1, $2, $3, 'visitor', $4)";
    const UNANSWERED: &str = "UPDATE conversations SET updated_at = now(),
        unanswered_since = CASE WHEN state = 'human' THEN coalesce(unanswered_since, now()) ELSE unanswered_since END WHERE id = $1";
    let (id, message) = (conversation.row.id, ids::new_id());
    let values = [message.into(), tx.customer().into(), id.into(), printable(text).into()];
    tx.execute_raw(sql(MESSAGE, values)).await?;
    events::turns(tx, id, &[message]).await?;
    tx.execute_raw(sql(UNANSWERED, [id.into()])).await?;
    if conversation.state == State::Human && conversation.row.unanswered_since.is_none() {
        handoff::look_later(tx, id, HandoffSettings::of(customer).idle).await?;
    }
    if matches!(conversation.state, State::Waiting | State::Human) {
        notify::tell(tx, customer, notify::MESSAGE, id, json!({ "message_id": message })).await?;
    }
    Ok(message)
}

/// Postgres stores no NUL in a text.
pub(super) fn printable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Who has the word after the bot's turn, and whether the bot has failed so often in a row that a person should be offered.
pub async fn offered(tx: &TenantTx, customer: &Customer, conversation: Uuid) -> Result<Standing> {
    let last = format!("SELECT c.state, {FAILED} AS failed FROM conversations c WHERE c.id = $1");
    let row = tx.query_one_raw(sql(&last, [conversation.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("conversation"))?;
    let state: State = row.try_get::<String>("", "state")?.parse()?;
    let failed: i64 = row.try_get("", "failed")?;
    Ok(Standing {
        state,
        offered: state == State::Bot && failed >= FAILURES && HandoffSettings::of(customer).enabled,
    })
}
