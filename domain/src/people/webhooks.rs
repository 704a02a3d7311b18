//! Outbound webhooks: where a customer wants to be told, and the deliveries, signed as Standard Webhooks 1.0 says.
//!
//! A delivery is a row and a job: it is tried for hours, and replayed by hand after that. Its id is the message's, so that a
//! receiver knows what comes twice. URLs are the customers' own, so every request goes through the guarded client; redirects
//! are not followed. Secrets are shown once and kept encrypted.
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use entity::{outbound_webhook, webhook_delivery};
use http::{HeaderName, HeaderValue, header};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use std::time::Duration;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::notify::{self, KINDS};
use crate::{
    Error, Result, audit,
    clock::Clock,
    error::Kind,
    ids,
    jobs::{MaintenanceTask, Operator},
    secrets::{self, Envelopes, sealed},
    tenancy::{Customer, Db, TenantTx, sql},
};

/// Webhooks of one customer at most.
pub const MOST: usize = 10;
/// Longest URL, in bytes.
const LONGEST: usize = 2000;
/// Longest wait for the resolver when a webhook is made.
const LOOKUP: Duration = Duration::from_secs(3);
/// What is read of an answer; nothing in it matters.
const ANSWER_BYTES: usize = 64 * 1024;
/// A receiver that asks for more time gets at most so much at once.
const PATIENCE: Duration = Duration::from_hours(1);

/// A webhook to be.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// `https`, on the public internet; or what the operator allows.
    pub url: String,
    /// What it is told; see [`kinds`].
    pub events: Vec<String>,
}

/// What a webhook may be told.
pub fn kinds() -> &'static [&'static str] {
    &KINDS
}

impl NewWebhook {
    /// Refuses what may not be. The guard decides about the URL and its present addresses, and again at every delivery. Asks the
    /// resolver, so it comes before the transaction.
    pub async fn check(&self, guard: &egress::Guard) -> Result<()> {
        check_events(&self.events)?;
        check_url(guard, &self.url).await
    }
}

/// Makes a webhook that was checked; returns it with its secret, which is not shown again.
pub async fn create(
    tx: &TenantTx,
    envelopes: &Envelopes,
    new: &NewWebhook,
    by: Operator<'_>,
) -> Result<(outbound_webhook::Model, String)> {
    const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || $1::text, 0))";
    const INSERT: &str =
        "INSERT INTO outbound_webhooks (id, customer_id, url, events, secret) VALUES ($1, $2, $3, $4, $5)";
    let events = check_events(&new.events)?;
    tx.execute_raw(sql(ALONE, [tx.customer().into()])).await?;
    if list(tx).await?.len() >= MOST {
        let told = format!("a customer has at most {MOST} webhooks");
        return Err(Error::conflict("too_many_webhooks", told));
    }
    let id = ids::new_id();
    let secret = Zeroizing::new(secrets::random_bytes::<32>()?);
    let place = sealed::WEBHOOK_SECRET.at(Some(tx.customer()), id);
    let kept = envelopes.seal(&**tx, place, &*secret).await?;
    let values = [
        id.into(),
        tx.customer().into(),
        new.url.trim().into(),
        events.into(),
        kept.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    let made = find(tx, id).await?;
    note(tx, &made, "webhook.created", by).await?;
    Ok((made, format!("whsec_{}", STANDARD.encode(*secret))))
}

/// The customer's webhooks, oldest first.
pub async fn list(tx: &TenantTx) -> Result<Vec<outbound_webhook::Model>> {
    let mine = outbound_webhook::Entity::find().filter(outbound_webhook::Column::CustomerId.eq(tx.customer()));
    Ok(mine.order_by_asc(outbound_webhook::Column::Id).all(&**tx).await?)
}

async fn find(tx: &TenantTx, id: Uuid) -> Result<outbound_webhook::Model> {
    let found = outbound_webhook::of_customer(tx.customer(), id).one(&**tx).await?;
    found.ok_or_else(|| Error::not_found("webhook"))
}

/// Removes a webhook with its deliveries; those on their way are not sent any more.
pub async fn remove(tx: &TenantTx, id: Uuid, by: Operator<'_>) -> Result<()> {
    let known = find(tx, id).await?;
    let delete = "DELETE FROM outbound_webhooks WHERE customer_id = $1 AND id = $2";
    let gone = tx.execute_raw(sql(delete, [tx.customer().into(), id.into()])).await?;
    if gone.rows_affected() == 0 {
        return Err(Error::not_found("webhook"));
    }
    note(tx, &known, "webhook.removed", by).await
}

/// Tells where what happens goes to, and what of it: the row may be gone when somebody asks. A URL's path may be a secret.
async fn note(tx: &TenantTx, webhook: &outbound_webhook::Model, action: &str, by: Operator<'_>) -> Result<()> {
    let url = Url::parse(&webhook.url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: by.actor,
        action,
        resource: &webhook.id.to_string(),
        metadata: json!({ "host": host, "events": webhook.events }),
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// A delivery, and how its job stands.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Delivery {
    /// Its id, and its message's.
    pub id: Uuid,
    /// What it tells.
    pub kind: String,
    /// `pending`, `delivered`, or `failed` when it is not tried any more.
    pub state: String,
    /// How often it was sent.
    pub attempts: i32,
    /// The receiver's last HTTP status.
    pub status: Option<i32>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// When it is tried next.
    pub next_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When the receiver took it.
    pub delivered_at: Option<OffsetDateTime>,
}

const DELIVERY: &str = "
    SELECT d.id, d.kind, d.attempts, d.status, d.error, d.created_at, d.delivered_at,
      CASE WHEN d.state = 'pending' AND coalesce(j.state, 'dead') IN ('failed', 'dead', 'cancelled', 'done') THEN 'failed' ELSE d.state END AS state,
      CASE WHEN j.state IN ('scheduled', 'queued') AND d.state = 'pending' THEN j.run_at END AS next_at
    FROM webhook_deliveries d LEFT JOIN jobs j ON j.id = d.job_id";

/// A webhook's deliveries, newest first, before `before`.
pub async fn deliveries(tx: &TenantTx, webhook: Uuid, before: Option<Uuid>, limit: u64) -> Result<Vec<Delivery>> {
    find(tx, webhook).await?;
    let list = format!(
        "{DELIVERY} WHERE d.customer_id = $1 AND d.webhook_id = $2 AND ($3::uuid IS NULL OR d.id < $3) ORDER BY d.id DESC LIMIT $4"
    );
    let values = [
        tx.customer().into(),
        webhook.into(),
        before.into(),
        (limit as i64).into(),
    ];
    Ok(Delivery::find_by_statement(sql(&list, values)).all(&**tx).await?)
}

/// Sends a delivery once more, with the same id. One that is on its way is left as it is.
pub async fn replay(tx: &TenantTx, webhook: Uuid, delivery: Uuid) -> Result<Delivery> {
    const AGAIN: &str = "UPDATE webhook_deliveries SET state = 'pending', job_id = $3, error = NULL, delivered_at = NULL WHERE customer_id = $1 AND id = $2";
    let row = webhook_delivery::of_customer(tx.customer(), delivery)
        .filter(webhook_delivery::Column::WebhookId.eq(webhook))
        .lock_exclusive()
        .one(&**tx)
        .await?;
    if row.is_none() {
        return Err(Error::not_found("delivery"));
    }
    let now = one(tx, delivery).await?;
    if now.state == "pending" {
        return Ok(now);
    }
    let job = notify::put(tx, MaintenanceTask::DeliverWebhook { delivery }).await?;
    tx.execute_raw(sql(AGAIN, [tx.customer().into(), delivery.into(), job.into()]))
        .await?;
    one(tx, delivery).await
}

/// One of a webhook's deliveries.
pub async fn delivery(tx: &TenantTx, webhook: Uuid, delivery: Uuid) -> Result<Delivery> {
    let row = webhook_delivery::of_customer(tx.customer(), delivery);
    let row = row.filter(webhook_delivery::Column::WebhookId.eq(webhook)).one(&**tx);
    row.await?.ok_or_else(|| Error::not_found("delivery"))?;
    one(tx, delivery).await
}

async fn one(tx: &TenantTx, delivery: Uuid) -> Result<Delivery> {
    let find = format!("{DELIVERY} WHERE d.customer_id = $1 AND d.id = $2");
    let query = sql(&find, [tx.customer().into(), delivery.into()]);
    let found = Delivery::find_by_statement(query).one(&**tx).await?;
    found.ok_or_else(|| Error::not_found("delivery"))
}

/// Tries a delivery once. Nothing is left to do if it was taken before, or its webhook is gone. An error says by its kind
/// whether to try again.
pub async fn deliver(
    db: &Db,
    client: &egress::Client,
    envelopes: &Envelopes,
    clock: &Clock,
    customer: &Customer,
    delivery: Uuid,
) -> Result<()> {
    let tx = db.tenant_read(customer).await?;
    let found = webhook_delivery::of_customer(customer.id, delivery).one(&*tx).await?;
    let Some(row) = found.filter(|row| row.state == "pending") else {
        return Ok(());
    };
    let webhook = find(&tx, row.webhook_id).await?;
    let place = sealed::WEBHOOK_SECRET.at(Some(customer.id), webhook.id);
    let secret = envelopes.open(&*tx, place, &webhook.secret).await?;
    tx.commit().await?;
    let request = request(&webhook.url, &secret, delivery, clock.now(), &row.payload)?;
    let (status, ended) = judge(client.fetch(request).await);
    keep(db, customer, delivery, status, &ended).await?;
    let word = if ended.is_ok() { "delivered" } else { "failed" };
    metrics::counter!("omniops_webhook_deliveries_total", "result" => word).increment(1);
    ended
}

/// What the receiver's answer means: a 2xx took it, a 410 wants no more of it, what the guard refuses stays refused, and
/// everything else may pass.
fn judge(answer: Result<egress::Response, egress::Error>) -> (Option<u16>, Result<()>) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(
            error @ (egress::Error::RefusedAddress { .. }
            | egress::Error::RefusedScheme { .. }
            | egress::Error::RefusedUrl { .. }
            | egress::Error::InvalidRequest(_)),
        ) => return (None, Err(Error::conflict("webhook_refused", error.to_string()))),
        Err(error) => {
            let told = "the receiver could not be reached";
            return (None, Err(Error::unavailable("receiver_unavailable", told, error)));
        }
    };
    let status = answer.status.as_u16();
    let ended = match status {
        200..=299 => Ok(()),
        410 => Err(Error::conflict(
            "webhook_gone",
            "the receiver answers 410: it wants no more",
        )),
        _ => {
            let told = format!("the receiver answers {status}");
            let wait = answer.headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            match wait
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs)
            {
                Some(wait) if matches!(status, 429 | 503) => {
                    let retry_after = wait.min(PATIENCE);
                    Err(Error::new(Kind::TooMany { retry_after }, "receiver_busy", told))
                }
                _ => Err(Error::unavailable("receiver_unavailable", told.clone(), told)),
            }
        }
    };
    (Some(status), ended)
}

async fn keep(db: &Db, customer: &Customer, delivery: Uuid, status: Option<u16>, ended: &Result<()>) -> Result<()> {
    const KEEP: &str =
        "UPDATE webhook_deliveries SET attempts = attempts + 1, status = $3, error = $4, attempted_at = now(),
        state = CASE WHEN $5 THEN 'delivered' ELSE state END, delivered_at = CASE WHEN $5 THEN now() END
        WHERE customer_id = $1 AND id = $2";
    // What the client says about addresses stays inside: it would map the network for whoever sets the URL.
    let error = ended.as_ref().err().map(|error| error.public_message().to_owned());
    let values = [
        customer.id.into(),
        delivery.into(),
        status.map(i32::from).into(),
        error.into(),
        ended.is_ok().into(),
    ];
    let tx = db.tenant(customer).await?;
    tx.execute_raw(sql(KEEP, values)).await?;
    tx.commit().await
}

/// A signed request: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature` over `id.timestamp.body`.
fn request(
    url: &str,
    secret: &[u8],
    id: Uuid,
    now: OffsetDateTime,
    payload: &serde_json::Value,
) -> Result<egress::Request> {
    let unfit = |e: &dyn std::fmt::Display| Error::internal("a webhook's request", e.to_string());
    let url = Url::parse(url).map_err(|e| unfit(&e))?;
    let body = payload.to_string();
    let at = now.unix_timestamp().to_string();
    let signature = sign(secret, &id.to_string(), &at, &body);
    let value = |text: &str| HeaderValue::try_from(text).map_err(|e| unfit(&e));
    Ok(egress::Request::post(url, Bytes::from(body))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(HeaderName::from_static("webhook-id"), value(&id.to_string())?)
        .header(HeaderName::from_static("webhook-timestamp"), value(&at)?)
        .header(HeaderName::from_static("webhook-signature"), value(&signature)?)
        .max_body_bytes(ANSWER_BYTES))
}

/// The signature of Standard Webhooks: `v1,` and HMAC-SHA256 in base64.
pub fn sign(secret: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    format!(
        "v1,{}",
        STANDARD.encode(secrets::hmac_sha256(secret, signed.as_bytes()))
    )
}

async fn check_url(guard: &egress::Guard, text: &str) -> Result<()> {
    let wrong = |why: String| Error::invalid("url", why);
    if text.len() > LONGEST {
        return Err(wrong(format!("must have at most {LONGEST} bytes")));
    }
    let url = Url::parse(text.trim()).map_err(|e| wrong(format!("is not a URL: {e}")))?;
    let refused = "must lead to a public address";
    let checked = guard.check(&url).map_err(|error| match error {
        egress::Error::RefusedScheme { .. } => wrong("must start with https://".to_owned()),
        egress::Error::RefusedUrl { reason, .. } => wrong(reason.to_owned()),
        _ => wrong(refused.to_owned()),
    })?;
    if url.scheme() != "https" && !checked.excepted {
        return Err(wrong("must start with https://".to_owned()));
    }
    match tokio::time::timeout(LOOKUP, guard.resolve(&checked)).await {
        Ok(Err(egress::Error::RefusedAddress { .. })) => Err(wrong(refused.to_owned())),
        // A name that is not known yet may be by the first delivery.
        _ => Ok(()),
    }
}

fn check_events(events: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = events.iter().find(|event| !KINDS.contains(&event.as_str())) {
        let unknown: String = unknown.chars().take(50).collect();
        return Err(Error::invalid(
            "events",
            format!("`{unknown}` is none of {}", KINDS.join(", ")),
        ));
    }
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(Error::invalid("events", "must name at least one event"));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks 1.0.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
