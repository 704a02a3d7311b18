//! What people do with a conversation: reply, take it, give it back, close it.
use entity::message;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{
    events,
    receive::printable,
    state::{Locked, State, Step, lock, step},
};
use crate::{
    Error, Result, ids,
    jobs::Operator,
    tenancy::{Customer, TenantTx, sql},
};

/// Longest name of a person, in characters.
const LONGEST_NAME: usize = 80;
/// Longest reply, in characters.
const LONGEST_REPLY: usize = 8000;

/// A person's turn.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 1 to 8000 characters.
    pub text: String,
    /// The person's name, which the visitor reads; without one, the customer's.
    pub name: Option<String>,
    /// Whether to take the conversation from the person who has it.
    pub take_over: bool,
}

/// Writes a person's turn. Whoever writes has the conversation from then on; where another person has it, that must be said.
pub async fn reply(
    tx: &TenantTx,
    customer: &Customer,
    conversation: Uuid,
    reply: &Reply,
    by: Operator<'_>,
) -> Result<message::Model> {
    const MESSAGE: &str = "INSERT INTO messages (id, customer_id, conversation_id, role, text, author)
                           VALUES ($1, $2, $3, 'human', $4, $5)";
    const ANSWERED: &str = "UPDATE conversations SET updated_at = now(), unanswered_since = NULL WHERE id = $1";
    let text = reply.text.trim();
    if !(1..=LONGEST_REPLY).contains(&text.chars().count()) {
        let rule = format!("must have 1 to {LONGEST_REPLY} characters that are no blanks");
        return Err(Error::invalid("text", rule));
    }
    let name = name_of(customer, reply.name.as_deref())?;
    let before = lock(tx, conversation, None).await?;
    seize(tx, customer, &before, &name, reply.take_over, by).await?;
    let id = ids::new_id();
    let values = [
        id.into(),
        tx.customer().into(),
        conversation.into(),
        printable(text).into(),
        name.into(),
    ];
    tx.execute_raw(sql(MESSAGE, values)).await?;
    events::turns(tx, conversation, &[id]).await?;
    tx.execute_raw(sql(ANSWERED, [conversation.into()])).await?;
    turn(tx, id).await
}

/// A turn of the customer's conversations.
pub async fn turn(tx: &TenantTx, id: Uuid) -> Result<message::Model> {
    let row = message::of_customer(tx.customer(), id).one(&**tx).await?;
    row.ok_or_else(|| Error::not_found("message"))
}

/// Gives the conversation to this person, who may write later. Said again by the same, it changes nothing.
pub async fn take(
    tx: &TenantTx,
    customer: &Customer,
    conversation: Uuid,
    name: Option<&str>,
    take_over: bool,
    by: Operator<'_>,
) -> Result<()> {
    let name = name_of(customer, name)?;
    let before = lock(tx, conversation, None).await?;
    seize(tx, customer, &before, &name, take_over, by).await
}

/// Two people at once: the first has it, and the second is told who that is.
async fn seize(
    tx: &TenantTx,
    customer: &Customer,
    before: &Locked,
    name: &str,
    take_over: bool,
    by: Operator<'_>,
) -> Result<()> {
    if before.state == State::Human {
        let holder = before.row.agent.as_deref().unwrap_or_default();
        if holder == name {
            return Ok(());
        }
        if !take_over {
            let told = format!("{holder} has this conversation; `take_over` takes it");
            return Err(Error::conflict("conversation_taken", told));
        }
    }
    let to = Step {
        to: State::Human,
        reason: "taken",
        agent: Some(name),
        by,
    };
    step(tx, customer, before, to).await.map(drop)
}

/// Gives the conversation back to the bot. Nothing changes where the bot has it.
pub async fn release(tx: &TenantTx, customer: &Customer, conversation: Uuid, by: Operator<'_>) -> Result<()> {
    put_down(tx, customer, conversation, State::Bot, "released", by).await
}

/// Ends the conversation. Closed again, nothing changes.
pub async fn close(tx: &TenantTx, customer: &Customer, conversation: Uuid, by: Operator<'_>) -> Result<()> {
    put_down(tx, customer, conversation, State::Closed, "closed", by).await
}

async fn put_down(
    tx: &TenantTx,
    customer: &Customer,
    conversation: Uuid,
    to: State,
    reason: &'static str,
    by: Operator<'_>,
) -> Result<()> {
    let before = lock(tx, conversation, None).await?;
    if before.state == to {
        return Ok(());
    }
    let to = Step {
        to,
        reason,
        agent: None,
        by,
    };
    step(tx, customer, &before, to).await.map(drop)
}

fn name_of(customer: &Customer, name: Option<&str>) -> Result<String> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    let name = name.unwrap_or(&customer.name);
    if name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "must be one line of text"));
    }
    if name == customer.name {
        return Ok(name.chars().take(LONGEST_NAME).collect());
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(
            "name",
            format!("must have at most {LONGEST_NAME} characters"),
        ));
    }
    Ok(name.to_owned())
}
