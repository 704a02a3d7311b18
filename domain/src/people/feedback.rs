//! What visitors think of answers.
use sea_orm::ConnectionTrait;
use serde_json::json;
use uuid::Uuid;

use super::{notify, receive::printable};
use crate::{
    Error, Result,
    tenancy::{Customer, TenantTx, sql},
};

/// Longest reason, in characters.
const LONGEST: usize = 1000;

/// Changes of one answer's rating at most: each is told to the customer's webhooks.
pub const MOST_RATINGS: i16 = 20;

/// A visitor's opinion of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// It helped.
    Up,
    /// It did not.
    Down,
    /// None any more.
    Withdrawn,
}

impl Feedback {
    fn stored(self) -> Option<&'static str> {
        match self {
            Self::Up => Some("up"),
            Self::Down => Some("down"),
            Self::Withdrawn => None,
        }
    }
}

/// Keeps a visitor's opinion of an answer of the visitor's own session, instead of an earlier one; returns whether that changed
/// anything. A thumb without a reason keeps the reason that was given with the same thumb before.
pub async fn rate(
    tx: &TenantTx,
    customer: &Customer,
    message: Uuid,
    session: Uuid,
    feedback: Feedback,
    reason: Option<&str>,
) -> Result<bool> {
    const FIND: &str = "
        SELECT m.conversation_id, m.feedback, m.feedback_reason, m.ratings FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.customer_id = $1 AND m.id = $2 AND m.role = 'assistant' AND c.session_id = $3 FOR UPDATE OF m";
    const RATE: &str = "UPDATE messages SET feedback = $2, feedback_reason = $3, ratings = ratings + 1,
        feedback_at = CASE WHEN $2::text IS NOT NULL THEN now() END WHERE id = $1";
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).map(printable);
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST) {
        return Err(Error::invalid(
            "reason",
            format!("must have at most {LONGEST} characters"),
        ));
    }
    let values = [tx.customer().into(), message.into(), session.into()];
    let row = tx.query_one_raw(sql(FIND, values)).await?;
    let row = row.ok_or_else(|| Error::not_found("message"))?;
    let before: (Option<String>, Option<String>) = (row.try_get("", "feedback")?, row.try_get("", "feedback_reason")?);
    let same_thumb = before.0.as_deref() == feedback.stored();
    let reason = match (feedback, reason) {
        (Feedback::Withdrawn, _) => None,
        (_, None) if same_thumb => before.1.clone(),
        (_, reason) => reason,
    };
    let after = (feedback.stored().map(str::to_owned), reason);
    if before == after {
        return Ok(false);
    }
    if row.try_get::<i16>("", "ratings")? >= MOST_RATINGS {
        let told = format!("the rating of this answer was changed {MOST_RATINGS} times, and stays as it is");
        return Err(Error::conflict("rated_too_often", told));
    }
    let (rating, reason) = after;
    let values = [message.into(), rating.clone().into(), reason.clone().into()];
    tx.execute_raw(sql(RATE, values)).await?;
    let conversation: Uuid = row.try_get("", "conversation_id")?;
    let told = json!({ "message_id": message, "rating": rating, "reasoned": reason.is_some() });
    notify::tell(tx, customer, notify::FEEDBACK, conversation, told).await?;
    let word = feedback.stored().unwrap_or("withdrawn");
    metrics::counter!("omniops_feedback_total", "rating" => word).increment(1);
    Ok(true)
}
