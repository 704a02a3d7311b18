//! Webhooks of shops: proved by their signature, counted once, and answered at once; a job looks at what they name.
//!
//! Neither a delivery's id nor its time is signed by either platform, so whoever has one signed body can send it again under others. What
//! that brings is a look at the shop as it is now, and no more: a webhook is believed only in that something has changed. The id
//! keeps a delivery that comes twice from being done twice; ids and times that are too old are refused, so that what was recorded long ago is
//! worth nothing. See docs/adr/0040.
use ::commerce::signature;
use entity::store_connection::{Column, Entity, Model};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use secrecy::ExposeSecret;
use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{Platform, connections};
use crate::{
    Error, Result,
    clock::Clock,
    error::Kind,
    ids,
    jobs::{self, NewJob, Payload, Submitted, SyncWork},
    privacy::retention::{self, batches},
    secrets::{self, Envelopes},
    tenancy::{self, Db, HostName, TenantTx, sql},
};

/// How far a delivery's time may be from now, and how long after the first a delivery may come again.
const WINDOW: Duration = Duration::minutes(5);
/// Longest id and topic of a delivery, in bytes.
const LONGEST: usize = 200;
/// Customers who may have connected the same shop.
const SAME_SHOP: u64 = 10;

/// Which shop a webhook says it comes from.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// The WooCommerce shop of this connection.
    WooCommerce(Uuid),
    /// The Shopify shop of this name: `name.myshopify.com`.
    Shopify(&'a str),
}

/// A webhook as it came.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'a> {
    /// Which shop.
    pub sender: Sender<'a>,
    /// What proves it.
    pub signature: &'a str,
    /// Names the delivery; the same when it comes again.
    pub id: &'a str,
    /// What has happened, such as `product.updated`.
    pub topic: &'a str,
    /// When; of Shopify only (RFC 3339).
    pub at: Option<&'a str>,
    /// The body as it came.
    pub body: &'a [u8],
}

/// A webhook that was taken.
#[derive(Debug)]
pub struct Received {
    /// It has come before.
    pub duplicate: bool,
    /// What looks at it, for [`jobs::Dispatcher::dispatch`]; nothing for what concerns no product.
    pub job: Option<Submitted>,
}

/// Takes a webhook. A shop that nobody has connected and a signature that does not fit are refused alike, before anything of the body is
/// read.
pub async fn receive(db: &Db, envelopes: &Envelopes, clock: &Clock, webhook: Webhook<'_>) -> Result<Received> {
    let row = proved(db, envelopes, &webhook).await?;
    let now = clock.now();
    if let Sender::Shopify(_) = webhook.sender {
        let at = webhook.at.and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
        if at.is_none_or(|at| (now - at).abs() > WINDOW) {
            return Err(stale());
        }
    }
    for (name, text) in [("delivery id", webhook.id), ("topic", webhook.topic)] {
        if text.is_empty() || text.len() > LONGEST {
            return Err(Error::invalid(name, format!("must have 1 to {LONGEST} bytes")));
        }
    }
    let customer = tenancy::get(db, row.customer_id).await?;
    let tx = db.tenant(&customer).await?;
    let id = ids::new_id();
    if let Some(before) = keep(&tx, id, &row, &webhook, now).await? {
        return if now - before > WINDOW {
            Err(stale())
        } else {
            Ok(Received {
                duplicate: true,
                job: None,
            })
        };
    }
    let job = match product_of(&webhook) {
        Some(product) => Some(submit(&tx, row.id, id, product).await?),
        None => None,
    };
    tx.commit().await?;
    Ok(Received { duplicate: false, job })
}

/// The connection whose secret has signed the webhook.
async fn proved(db: &Db, envelopes: &Envelopes, webhook: &Webhook<'_>) -> Result<Model> {
    let tx = db.system().await?;
    for row in candidates(&*tx, webhook.sender).await? {
        // One that can't be opened is as good as none: it must not keep out others who have connected the same shop.
        let credentials = match connections::credentials(&*tx, envelopes, &row).await {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::error!(connection.id = %row.id, error = error.story(), event = "store_credentials_unreadable");
                continue;
            }
        };
        let secret = credentials.signing().expose_secret().as_bytes();
        if signature::fits(secret, webhook.body, webhook.signature) {
            return Ok(row);
        }
    }
    Err(Error::new(
        Kind::Unauthorized,
        "invalid_signature",
        "no connected shop has signed this",
    ))
}

async fn candidates(tx: &impl ConnectionTrait, sender: Sender<'_>) -> Result<Vec<Model>> {
    let platform = |platform: Platform| Entity::find().filter(Column::Platform.eq(platform.as_str()));
    let query = match sender {
        Sender::WooCommerce(id) => platform(Platform::WooCommerce).filter(Column::Id.eq(id)),
        Sender::Shopify(shop) => {
            let Ok(host) = shop.parse::<HostName>() else {
                return Ok(Vec::new());
            };
            let addresses = [format!("https://{host}/"), format!("http://{host}/")];
            platform(Platform::Shopify).filter(Column::Address.is_in(addresses))
        }
    };
    Ok(query.order_by_asc(Column::Id).limit(SAME_SHOP).all(tx).await?)
}

fn stale() -> Error {
    let told = "this delivery is more than five minutes old, or its time is missing";
    Error::new(Kind::Unauthorized, "stale_delivery", told)
}

/// Notes the delivery; says when it came before, if it did.
async fn keep(
    tx: &TenantTx,
    id: Uuid,
    row: &Model,
    webhook: &Webhook<'_>,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>> {
    const INSERT: &str = "
        INSERT INTO webhook_inbox (id, customer_id, connection_id, delivery_id, topic, payload_hash, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (connection_id, delivery_id) DO NOTHING";
    const BEFORE: &str =
        "SELECT received_at FROM webhook_inbox WHERE customer_id = $1 AND connection_id = $2 AND delivery_id = $3";
    let values = [
        id.into(),
        tx.customer().into(),
        row.id.into(),
        webhook.id.into(),
        webhook.topic.into(),
        secrets::sha256(webhook.body).into(),
        now.into(),
    ];
    if tx.execute_raw(sql(INSERT, values)).await?.rows_affected() > 0 {
        return Ok(None);
    }
    let values = [tx.customer().into(), row.id.into(), webhook.id.into()];
    let before = tx.query_one_raw(sql(BEFORE, values)).await?;
    Ok(Some(before.map_or(Ok(now), |row| row.try_get("", "received_at"))?))
}

/// The product that a webhook is about, by the shop's id.
fn product_of(webhook: &Webhook<'_>) -> Option<String> {
    let known = match webhook.sender {
        Sender::WooCommerce(_) => webhook.topic.starts_with("product."),
        Sender::Shopify(_) => webhook.topic.starts_with("products/"),
    };
    let body: Value = known.then(|| serde_json::from_slice(webhook.body).ok()).flatten()?;
    // A variation is told of as a product of its own.
    let id = if body["type"] == "variation" {
        &body["parent_id"]
    } else {
        &body["id"]
    };
    id.as_u64().filter(|id| *id > 0).map(|id| id.to_string())
}

/// Has a job look at the product. One that waits for the same product already does; one that runs may have read it before, and one more is enough for all
/// who are told meanwhile.
async fn submit(tx: &TenantTx, connection: Uuid, delivery: Uuid, product: String) -> Result<Submitted> {
    const RUNS: &str = "SELECT FROM jobs WHERE id = $1 AND state = 'running'";
    const NOTE: &str = "UPDATE webhook_inbox SET job_id = $3 WHERE customer_id = $1 AND id = $2";
    let key = format!("product:{connection}:{product}");
    let mut new = NewJob {
        dedupe_key: Some(key.clone()),
        priority: jobs::NOW,
        ..NewJob::new(
            tx.customer(),
            Payload::Sync {
                connection,
                what: SyncWork::Product { id: product },
            },
        )
    };
    let mut made = jobs::submit(&**tx, &new).await?;
    for next in [Some(format!("{key}:next")), None] {
        if made.fresh || tx.query_one_raw(sql(RUNS, [made.id.into()])).await?.is_none() {
            break;
        }
        new.dedupe_key = next;
        made = jobs::submit(&**tx, &new).await?;
    }
    let values = [tx.customer().into(), delivery.into(), made.id.into()];
    tx.execute_raw(sql(NOTE, values)).await?;
    Ok(made)
}

/// Deletes deliveries that are long over.
pub async fn purge(db: &Db) -> Result<u64> {
    const DELETE: &str = "
        DELETE FROM webhook_inbox WHERE id IN (
          SELECT id FROM webhook_inbox WHERE received_at < now() - make_interval(days => $1) LIMIT $2)";
    batches(db, DELETE, retention::DELIVERIES).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(sender: Sender<'_>, topic: &str, body: &str) -> Option<String> {
        product_of(&Webhook {
            sender,
            signature: "",
            id: "1",
            topic,
            at: None,
            body: body.as_bytes(),
        })
    }

    #[test]
    fn a_webhook_names_a_product_or_nothing() {
        let woo = Sender::WooCommerce(Uuid::nil());
        let shopify = Sender::Shopify("a.myshopify.com");
        assert_eq!(
            about(woo, "product.updated", r#"{"id": 12, "price": "1"}"#).as_deref(),
            Some("12")
        );
        assert_eq!(about(woo, "product.deleted", r#"{"id":12}"#).as_deref(), Some("12"));
        let variation = r#"{"id": 13, "type": "variation", "parent_id": 12}"#;
        assert_eq!(about(woo, "product.updated", variation).as_deref(), Some("12"));
        assert_eq!(
            about(shopify, "products/update", r#"{"id": 788032119674292922}"#).as_deref(),
            Some("788032119674292922")
        );
        for (sender, topic, body) in [
            (woo, "order.created", r#"{"id": 12}"#),
            (woo, "products/update", r#"{"id": 12}"#),
            (shopify, "orders/create", r#"{"id": 12}"#),
            (woo, "product.updated", "webhook_id=1"),
            (woo, "product.updated", r#"{"id": "../../orders"}"#),
            (woo, "product.updated", r#"{"id": 0}"#),
            (woo, "product.updated", "[]"),
        ] {
            assert_eq!(about(sender, topic, body), None, "{topic} {body}");
        }
    }
}
