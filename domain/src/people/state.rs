//! Who has the word in a conversation, and the one way to change it.
use entity::conversation;
use sea_orm::{ConnectionTrait, QuerySelect};
use serde_json::json;
use std::{fmt, str::FromStr};
use uuid::Uuid;

use super::{events, handoff, notify, settings::HandoffSettings};
use crate::{
    Error, Result, audit,
    jobs::Operator,
    tenancy::{Customer, TenantTx, sql},
};

/// Who has the word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The bot answers.
    #[default]
    Bot,
    /// The visitor waits for a person; the bot is silent until the wait is over.
    Waiting,
    /// A person has taken over; the bot is silent.
    Human,
    /// A person has ended it. The visitor's next message opens it again, for the bot.
    Closed,
}

impl State {
    /// Every state.
    pub const EACH: [Self; 4] = [Self::Bot, Self::Waiting, Self::Human, Self::Closed];

    /// The state's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Waiting => "waiting",
            Self::Human => "human",
            Self::Closed => "closed",
        }
    }

    /// Whether a conversation may go from this state to `to`. To stay is no step, but for a person who takes over from another.
    pub fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (Self::Bot, Self::Waiting | Self::Human | Self::Closed)
            | (Self::Waiting, Self::Bot | Self::Human | Self::Closed)
            | (Self::Human, Self::Bot | Self::Waiting | Self::Human | Self::Closed)
            | (Self::Closed, Self::Bot | Self::Waiting | Self::Human) => true,
            (Self::Bot | Self::Waiting | Self::Closed, _) => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::EACH.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| Error::invalid("state", "must be bot, waiting, human or closed"))
    }
}

/// A conversation whose row is locked until the transaction ends.
#[derive(Debug)]
pub(super) struct Locked {
    pub row: conversation::Model,
    pub state: State,
}

/// Locks a conversation of the customer; with `session`, only if it is that session's.
pub(super) async fn lock(tx: &TenantTx, id: Uuid, session: Option<Uuid>) -> Result<Locked> {
    let row = conversation::of_customer(tx.customer(), id).lock_exclusive();
    let row = row
        .one(&**tx)
        .await?
        .filter(|c| session.is_none_or(|s| s == c.session_id));
    let row = row.ok_or_else(|| Error::not_found("conversation"))?;
    let state = row.state.parse()?;
    Ok(Locked { row, state })
}

/// A change of who has the word.
pub(super) struct Step<'a> {
    pub to: State,
    /// `asked`, `said`, `withdrawn`, `taken`, `released`, `closed`, `reopened` or `unanswered`.
    pub reason: &'static str,
    /// The person's name, while a person has the word.
    pub agent: Option<&'a str>,
    pub by: Operator<'a>,
}

/// Changes who has the word: the row, its event, the audit line, and what people are to be told.
pub(super) async fn step(tx: &TenantTx, customer: &Customer, before: &Locked, step: Step<'_>) -> Result<Locked> {
    const STEP: &str = "
        UPDATE conversations SET state = $3, agent = $4, reason = $5, updated_at = now(), told_at = NULL, notified_at = NULL,
          waiting_since = CASE WHEN $3 = 'waiting' THEN now() END, unanswered_since = CASE WHEN $3 = 'waiting' THEN now() END,
          closed_at = CASE WHEN $3 = 'closed' THEN now() END
        WHERE customer_id = $1 AND id = $2 AND state = $6";
    let (id, from, to) = (before.row.id, before.state, step.to);
    let refused = || {
        let told = format!("the conversation is {from}; it can't become {to}");
        Error::conflict("conversation_state", told)
    };
    if !from.may_become(to) {
        return Err(refused());
    }
    let values = [
        tx.customer().into(),
        id.into(),
        to.as_str().into(),
        step.agent.map(str::to_owned).into(),
        step.reason.into(),
        from.as_str().into(),
    ];
    if tx.execute_raw(sql(STEP, values)).await?.rows_affected() == 0 {
        return Err(refused());
    }
    let told = json!({ "state": to.as_str(), "from": from.as_str(), "reason": step.reason, "name": step.agent });
    events::record(tx, id, events::STATE, None, told).await?;
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: step.by.actor,
        action: action(to),
        resource: &id.to_string(),
        metadata: json!({ "from": from.as_str(), "reason": step.reason }),
        ip: step.by.ip,
    };
    audit::record(&**tx, entry).await?;
    metrics::counter!("omniops_handoffs_total", "state" => to.as_str()).increment(1);
    consequences(tx, customer, id, from, to).await?;
    lock(tx, id, None).await
}

/// What follows from a change: people are told of who waits, and the wait has an end.
async fn consequences(tx: &TenantTx, customer: &Customer, id: Uuid, from: State, to: State) -> Result<()> {
    match to {
        State::Waiting => {
            let settings = HandoffSettings::of(customer);
            notify::tell(tx, customer, notify::HANDOFF_REQUESTED, id, json!({})).await?;
            notify::mail(tx, &settings).await?;
            handoff::look_later(tx, id, settings.wait).await
        }
        State::Closed if from != State::Bot => notify::tell(tx, customer, notify::CLOSED, id, json!({})).await,
        _ => Ok(()),
    }
}

fn action(to: State) -> &'static str {
    match to {
        State::Bot => "conversation.released",
        State::Waiting => "conversation.handoff",
        State::Human => "conversation.taken",
        State::Closed => "conversation.closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_way_on_and_none_leads_to_itself_but_between_people() {
        for from in State::EACH {
            assert!(State::EACH.iter().any(|to| from.may_become(*to)), "{from}");
            assert_eq!(from.may_become(from), from == State::Human, "{from}");
            assert_eq!(from.as_str().parse::<State>().unwrap(), from);
        }
        assert!("robot".parse::<State>().is_err());
    }
}
