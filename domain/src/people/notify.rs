//! What people are told of: written as jobs into the transaction of what happened, so that nothing is lost and no visitor
//! waits for it.
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::settings::HandoffSettings;
use crate::{
    Error, Result, ids,
    jobs::{MaintenanceTask, NewJob, Payload, submit},
    tenancy::{Customer, TenantTx, sql},
};

/// A visitor waits for a person.
pub const HANDOFF_REQUESTED: &str = "handoff.requested";
/// Nobody came in time.
pub const HANDOFF_OVERDUE: &str = "handoff.overdue";
/// A visitor wrote to people.
pub const MESSAGE: &str = "handoff.message";
/// A person ended a conversation.
pub const CLOSED: &str = "handoff.closed";
/// A visitor rated an answer, or took the rating back.
pub const FEEDBACK: &str = "feedback.received";
/// The proof of a domain is missing; it has some days to come back.
pub const DOMAIN_FAILING: &str = "domain.failing";
/// A domain is the customer's no more.
pub const DOMAIN_UNVERIFIED: &str = "domain.unverified";
/// A person was forgotten: these conversations are gone, and are to go from wherever they were copied to.
pub const ERASED: &str = "privacy.erased";
/// A crawl waits for a person to confirm what it would take away.
pub const CRAWL_HELD: &str = "crawl.held";
/// Visitors asked what the site does not answer.
pub const GAPS_FOUND: &str = "knowledge.gaps_found";
/// Everything that a webhook may be sent.
pub const KINDS: [&str; 10] = [
    HANDOFF_REQUESTED,
    HANDOFF_OVERDUE,
    MESSAGE,
    CLOSED,
    FEEDBACK,
    DOMAIN_FAILING,
    DOMAIN_UNVERIFIED,
    ERASED,
    CRAWL_HELD,
    GAPS_FOUND,
];

/// Tries of a delivery before it is a dead letter. With the waits of `receiver_unavailable` and `mail_unavailable` they last
/// for more than eight hours.
const TRIES: i32 = 12;
/// Before bulk work: a visitor waits.
const PRIORITY: i16 = 10;

/// Tells the customer's webhooks that take this kind. The payload names things and quotes nobody: whoever is told reads the rest
/// by the API.
pub(super) async fn tell(
    tx: &TenantTx,
    customer: &Customer,
    kind: &'static str,
    conversation: Uuid,
    more: Value,
) -> Result<()> {
    let mut data = json!({ "customer_id": customer.id, "domain": customer.domain, "conversation_id": conversation });
    if let (Some(data), Some(more)) = (data.as_object_mut(), more.as_object()) {
        data.extend(more.clone());
    }
    if not_to_be_sold(tx, conversation).await? {
        data["do_not_sell"] = true.into();
    }
    send(tx, kind, data).await
}

/// Whether the conversation's visitor wishes that nothing is sold or shared: whoever is told heeds it, too.
async fn not_to_be_sold(tx: &TenantTx, conversation: Uuid) -> Result<bool> {
    const WISH: &str =
        "SELECT 1 FROM conversations c JOIN visitors v ON v.id = c.visitor_id WHERE c.id = $1 AND v.do_not_sell";
    Ok(tx.query_one_raw(sql(WISH, [conversation.into()])).await?.is_some())
}

/// Sends an event with this data to the webhooks of the transaction's customer that take its kind.
pub(crate) async fn send(tx: &TenantTx, kind: &'static str, data: Value) -> Result<()> {
    const TAKERS: &str =
        "SELECT id, now() AS now FROM outbound_webhooks WHERE customer_id = $1 AND $2 = ANY(events) ORDER BY id";
    const DELIVERY: &str = "INSERT INTO webhook_deliveries (id, customer_id, webhook_id, kind, payload, job_id) VALUES ($1, $2, $3, $4, $5, $6)";
    for taker in tx
        .query_all_raw(sql(TAKERS, [tx.customer().into(), kind.into()]))
        .await?
    {
        let webhook: Uuid = taker.try_get("", "id")?;
        let now: OffsetDateTime = taker.try_get("", "now")?;
        let at = now
            .format(&Rfc3339)
            .map_err(|e| Error::internal("an event's time", e))?;
        let delivery = ids::new_id();
        let job = put(tx, MaintenanceTask::DeliverWebhook { delivery }).await?;
        let values = [
            delivery.into(),
            tx.customer().into(),
            webhook.into(),
            kind.into(),
            json!({ "type": kind, "timestamp": at, "data": data }).into(),
            job.into(),
        ];
        tx.execute_raw(sql(DELIVERY, values)).await?;
    }
    Ok(())
}

/// Tells that this crawl waits for a person, and why, in figures.
pub async fn crawl_held(tx: &TenantTx, job: Uuid, reason: Option<&str>) -> Result<()> {
    let data = json!({ "customer_id": tx.customer(), "job_id": job, "reason": reason });
    send(tx, CRAWL_HELD, data).await
}

/// Tells which gaps are new. What visitors asked is read by the API.
pub(crate) async fn gaps_found(tx: &TenantTx, gaps: &[Uuid]) -> Result<()> {
    const STILL: &str = "SELECT g.id FROM question_gaps g WHERE g.customer_id = $1 AND g.id = ANY($2)
        AND EXISTS (SELECT FROM question_gap_members m WHERE m.gap_id = g.id) ORDER BY g.id";
    if gaps.is_empty() {
        return Ok(());
    }
    let rows = tx
        .query_all_raw(sql(STILL, [tx.customer().into(), gaps.to_vec().into()]))
        .await?;
    let found: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Ok(());
    }
    let data = json!({ "customer_id": tx.customer(), "gap_ids": found });
    send(tx, GAPS_FOUND, data).await
}

/// Has a mail sent about who waits, if there is anybody to write to.
pub(super) async fn mail(tx: &TenantTx, settings: &HandoffSettings) -> Result<()> {
    if settings.email.is_some() {
        put(tx, MaintenanceTask::MailHandoff).await?;
    }
    Ok(())
}

/// A job that is tried for hours.
pub(super) async fn put(tx: &TenantTx, task: MaintenanceTask) -> Result<Uuid> {
    let mut job = NewJob::new(tx.customer(), Payload::Maintenance { task });
    job.priority = PRIORITY;
    let made = submit(&**tx, &job).await?;
    tx.execute_raw(sql(
        "UPDATE jobs SET max_attempts = $2 WHERE id = $1",
        [made.id.into(), TRIES.into()],
    ))
    .await?;
    Ok(made.id)
}
