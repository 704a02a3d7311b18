//! What people are told, and waits for them that are over. Each of these jobs is small, and may run twice.
use domain::{
    Error, Result,
    people::{self, Bell, Mailer, Sent, webhooks},
    secrets::Envelopes,
};
use serde_json::json;
use uuid::Uuid;

use super::Ending;
use crate::job::Job;

/// Tells a visitor who has waited too long; see [`people::overdue`].
pub(super) async fn end_wait(job: &Job, conversation: Uuid) -> Result<Ending> {
    let (db, customer) = (&job.ctx.db, job.customer()?);
    if let Some(left) = job.signal.until(people::overdue(db, customer, conversation)).await? {
        return Ok(Ending::Later(left));
    }
    Bell::new(job.ctx.dispatcher.clone()).ring(customer, conversation).await;
    Ok(Ending::Done(json!({})))
}

/// Writes to the customer's people. An installation without a mail server writes to nobody.
pub(super) async fn mail_handoff(job: &Job) -> Result<Ending> {
    let Some(config) = &job.ctx.config.mail else {
        return Ok(Ending::Done(json!({ "skipped": "no mail server is configured" })));
    };
    let mailer = Mailer::new(config)?;
    let base_url = &job.ctx.config.http.public_url;
    let sent = people::send_waiting(&job.ctx.db, &mailer, job.customer()?, base_url);
    Ok(match job.signal.until(sent).await? {
        Sent::Told(visitors) => Ending::Done(json!({ "visitors": visitors })),
        Sent::Later(left) => Ending::Later(left),
    })
}

/// Sends an event to a webhook.
pub(super) async fn deliver_webhook(job: &Job, delivery: Uuid) -> Result<Ending> {
    let ctx = &job.ctx;
    let envelopes = Envelopes::new(&ctx.config.security.keys);
    let sent = webhooks::deliver(&ctx.db, &ctx.http, &envelopes, &ctx.clock, job.customer()?, delivery);
    match job.signal.until(sent).await {
        // The webhook went with its deliveries meanwhile.
        Err(error) if is_gone(&error) => Ok(Ending::Done(json!({}))),
        sent => sent.map(|()| Ending::Done(json!({}))),
    }
}

fn is_gone(error: &Error) -> bool {
    *error.kind() == domain::error::Kind::NotFound
}
