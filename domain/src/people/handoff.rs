//! Asking for a person, taking that back, and waits that are over.
use entity::conversation;
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use super::{
    events, notify, receive,
    settings::{HandoffSettings, check_email},
    state::{Locked, State, Step, lock, step},
};
use crate::{
    Error, Result,
    error::Kind,
    jobs::{MaintenanceTask, NewJob, Operator, Payload, submit},
    privacy::consent,
    tenancy::{Customer, Db, TenantTx, sql},
};

/// Times that one conversation may begin to wait within an hour: each tells people.
const ASKS_AN_HOUR: i64 = 5;
/// Longest note of a visitor to people, in characters; as long as a question.
const LONGEST: usize = 2000;

pub(super) const VISITOR: Operator<'static> = Operator {
    actor: "visitor",
    ip: None,
};

/// What a visitor says when asking for a person.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Where the answer may go when the visitor has left.
    pub email: Option<String>,
    /// What it is about.
    pub message: Option<String>,
}

/// Lets a visitor of `session` wait for a person. Asked again, it changes nothing but the address and adds the message.
pub async fn ask(
    tx: &TenantTx,
    customer: &Customer,
    conversation: Uuid,
    session: Option<Uuid>,
    request: &Request,
) -> Result<()> {
    let settings = HandoffSettings::of(customer);
    if !settings.enabled {
        let told = "this site does not hand conversations over to people";
        return Err(Error::new(Kind::Forbidden, "handoff_disabled", told));
    }
    // The visitor's row before the conversation's, as whoever stores an answer locks them.
    let found = conversation::of_customer(tx.customer(), conversation)
        .one(&**tx)
        .await?;
    let found = found.filter(|c| session.is_none_or(|s| s == c.session_id));
    let visitor = found.ok_or_else(|| Error::not_found("conversation"))?.visitor_id;
    keep_email(tx, customer, visitor, request.email.as_deref()).await?;
    let before = lock(tx, conversation, session).await?;
    if let Some(message) = request.message.as_deref().map(str::trim).filter(|m| !m.is_empty()) {
        if message.chars().count() > LONGEST {
            return Err(Error::invalid(
                "message",
                format!("must have at most {LONGEST} characters"),
            ));
        }
        receive::keep(tx, customer, &before, message).await?;
    }
    wait(tx, customer, &before, "asked").await
}

/// The conversation waits for a person, unless it does so already, or has one.
pub(super) async fn wait(tx: &TenantTx, customer: &Customer, before: &Locked, reason: &'static str) -> Result<()> {
    const RECENT: &str = "SELECT count(*) AS n FROM conversation_events WHERE conversation_id = $1 AND kind = 'state'
        AND data->>'state' = 'waiting' AND at > now() - interval '1 hour'";
    if matches!(before.state, State::Waiting | State::Human) {
        return Ok(());
    }
    let row = tx.query_one_raw(sql(RECENT, [before.row.id.into()])).await?;
    let asked: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    if asked >= ASKS_AN_HOUR {
        let retry_after = Duration::from_mins(10);
        let told = "people have been asked for several times; please wait a little";
        return Err(Error::new(Kind::TooMany { retry_after }, "handoff_too_often", told));
    }
    let to = Step {
        to: State::Waiting,
        reason,
        agent: None,
        by: VISITOR,
    };
    step(tx, customer, before, to).await.map(drop)
}

/// The visitor goes on with the bot. Nothing changes where nobody is waited for.
pub async fn withdraw(tx: &TenantTx, customer: &Customer, conversation: Uuid, session: Option<Uuid>) -> Result<()> {
    let before = lock(tx, conversation, session).await?;
    if !matches!(before.state, State::Waiting | State::Human) {
        return Ok(());
    }
    let to = Step {
        to: State::Bot,
        reason: "withdrawn",
        agent: None,
        by: VISITOR,
    };
    step(tx, customer, &before, to).await.map(drop)
}

async fn keep_email(tx: &TenantTx, customer: &Customer, visitor: Uuid, email: Option<&str>) -> Result<()> {
    let Some(email) = email.map(str::trim).filter(|email| !email.is_empty()) else {
        return Ok(());
    };
    check_email(email).map_err(|why| Error::invalid("email", why))?;
    consent::keep_email(tx, customer, visitor, email).await
}

/// Has the conversation looked at again after this time.
pub(super) async fn look_later(tx: &TenantTx, conversation: Uuid, after: Duration) -> Result<()> {
    let row = tx.query_one_raw(sql("SELECT now() AS now", [])).await?;
    let now = row.map(|row| row.try_get("", "now")).transpose()?;
    let mut job = NewJob::new(
        tx.customer(),
        Payload::Maintenance {
            task: MaintenanceTask::EndWait { conversation },
        },
    );
    job.run_at = now.map(|now: time::OffsetDateTime| now + after);
    submit(&**tx, &job).await.map(drop)
}

/// Ends a wait that has lasted too long. A visitor for whom nobody came is told so, and the bot answers again; one whose person
/// went silent waits for another. Returns when to look again, if there is still something to wait for.
pub async fn overdue(db: &Db, customer: &Customer, conversation: Uuid) -> Result<Option<Duration>> {
    const WAITED: &str =
        "SELECT extract(epoch FROM now() - unanswered_since)::float8 AS waited FROM conversations WHERE id = $1";
    let settings = HandoffSettings::of(customer);
    let tx = db.tenant(customer).await?;
    let before = match lock(&tx, conversation, None).await {
        Err(error) if *error.kind() == Kind::NotFound => return Ok(None),
        before => before?,
    };
    let limit = match before.state {
        State::Waiting if before.row.told_at.is_none() => settings.wait,
        State::Human => settings.idle,
        _ => return Ok(None),
    };
    let row = tx.query_one_raw(sql(WAITED, [conversation.into()])).await?;
    let waited: Option<f64> = row.map(|row| row.try_get("", "waited")).transpose()?.flatten();
    let Some(waited) = waited else {
        return Ok(None);
    };
    let left = limit.as_secs_f64() - waited;
    if left > 0.0 {
        return Ok(Some(Duration::from_secs_f64(left)));
    }
    if before.state == State::Human {
        let to = Step {
            to: State::Waiting,
            reason: "unanswered",
            agent: None,
            by: Operator {
                actor: "system",
                ip: None,
            },
        };
        step(&tx, customer, &before, to).await?;
    } else {
        tell_overdue(&tx, customer, &before).await?;
    }
    tx.commit().await?;
    Ok(None)
}

async fn tell_overdue(tx: &TenantTx, customer: &Customer, before: &Locked) -> Result<()> {
    let id = before.row.id;
    tx.execute_raw(sql(
        "UPDATE conversations SET told_at = now() WHERE id = $1",
        [id.into()],
    ))
    .await?;
    let told = json!({ "state": "waiting", "from": "waiting", "reason": "overdue", "name": null, "overdue": true });
    events::record(tx, id, events::STATE, None, told).await?;
    notify::tell(tx, customer, notify::HANDOFF_OVERDUE, id, json!({})).await
}
