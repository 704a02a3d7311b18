//! Where customers want to be told what happens.
use domain::{
    jobs::Operator,
    people::webhooks::{self, NewWebhook},
};
use entity::outbound_webhook;
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, List, Paging, Webhooks},
    once::Once,
    openapi::Tag,
};

/// A webhook to be.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct WebhookInput {
    /// `https`, on the public internet.
    #[oai(validator(min_length = 1, max_length = 2000))]
    url: String,
    /// `handoff.requested`, `handoff.overdue`, `handoff.message`, `handoff.closed`, `feedback.received`, `domain.failing`, `domain.unverified`, `privacy.erased`, `crawl.held`, `knowledge.gaps_found`.
    #[oai(validator(min_items = 1, max_items = 20))]
    events: Vec<String>,
}

/// A webhook.
#[derive(Debug, Object)]
struct Webhook {
    id: Uuid,
    url: String,
    events: Vec<String>,
    created_at: OffsetDateTime,
}

impl From<outbound_webhook::Model> for Webhook {
    fn from(row: outbound_webhook::Model) -> Self {
        Self {
            id: row.id,
            url: row.url,
            events: row.events,
            created_at: row.created_at,
        }
    }
}

/// A webhook with its secret.
#[derive(Object)]
struct WebhookWithSecret {
    id: Uuid,
    url: String,
    events: Vec<String>,
    /// Signs every delivery (Standard Webhooks); shown once.
    secret: String,
    created_at: OffsetDateTime,
}

/// One event on its way.
#[derive(Debug, Object)]
struct Delivery {
    /// The `webhook-id` that the receiver sees.
    id: Uuid,
    event: String,
    /// `pending`, `delivered`, or `failed` when it is not tried any more.
    state: String,
    attempts: i32,
    /// The receiver's last HTTP status.
    #[oai(nullable)]
    status: Option<i32>,
    /// Why the last try failed.
    #[oai(nullable)]
    error: Option<String>,
    /// When it is tried next.
    #[oai(nullable)]
    next_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    #[oai(nullable)]
    delivered_at: Option<OffsetDateTime>,
}

impl From<webhooks::Delivery> for Delivery {
    fn from(row: webhooks::Delivery) -> Self {
        Self {
            id: row.id,
            event: row.kind,
            state: row.state,
            attempts: row.attempts,
            status: row.status,
            error: row.error,
            next_at: row.next_at,
            created_at: row.created_at,
            delivered_at: row.delivered_at,
        }
    }
}

#[derive(ApiResponse)]
enum Made {
    /// The webhook, with its secret for the only time.
    #[oai(status = 201)]
    Created(Json<WebhookWithSecret>),
}

#[derive(ApiResponse)]
enum Removed {
    /// It is gone, and what was on its way to it is not sent.
    #[oai(status = 204)]
    Gone,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List webhooks
    #[oai(
        path = "/api/outbound-webhooks",
        method = "get",
        tag = "Tag::People",
        operation_id = "list_webhooks"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Webhooks>,
    ) -> Answer<Json<List<Webhook>>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        let items = webhooks::list(&tx).await?.into_iter().map(Into::into).collect();
        Ok(Json(List {
            items,
            next_cursor: None,
        }))
    }

    /// Make a webhook
    ///
    /// The URL must be https and lead to a public address, now and at every delivery. A customer has at most ten.
    #[oai(
        path = "/api/outbound-webhooks",
        method = "post",
        tag = "Tag::People",
        operation_id = "create_webhook"
    )]
    async fn create(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Webhooks>,
        body: Body<WebhookInput>,
    ) -> Answer<Made> {
        let new = NewWebhook {
            url: body.0.url,
            events: body.0.events,
        };
        let actor = caller.principal.actor();
        new.check(context.outside.guard()).await?;
        let tx = context.db.tenant(&caller.customer).await?;
        let (row, secret) = webhooks::create(&tx, &context.envelopes, &new, by(&caller, &actor)).await?;
        tx.commit().await?;
        Ok(Made::Created(Json(WebhookWithSecret {
            id: row.id,
            url: row.url,
            events: row.events,
            secret,
            created_at: row.created_at,
        })))
    }

    /// Remove a webhook
    #[oai(
        path = "/api/outbound-webhooks/:id",
        method = "delete",
        tag = "Tag::People",
        operation_id = "delete_webhook"
    )]
    async fn remove(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Webhooks>,
        id: Path<Uuid>,
    ) -> Answer<Removed> {
        let actor = caller.principal.actor();
        let tx = context.db.tenant(&caller.customer).await?;
        webhooks::remove(&tx, id.0, by(&caller, &actor)).await?;
        tx.commit().await?;
        Ok(Removed::Gone)
    }

    /// List a webhook's deliveries, newest first
    #[oai(
        path = "/api/outbound-webhooks/:id/deliveries",
        method = "get",
        tag = "Tag::People",
        operation_id = "list_deliveries"
    )]
    async fn deliveries(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Webhooks>,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Delivery>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = webhooks::deliveries(&tx, id.0, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Send a delivery again, with the same id
    ///
    /// One that is on its way stays as it is.
    #[oai(
        path = "/api/outbound-webhooks/:id/deliveries/:delivery/replay",
        method = "post",
        tag = "Tag::People",
        operation_id = "replay_delivery"
    )]
    async fn replay(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Webhooks>,
        id: Path<Uuid>,
        delivery: Path<Uuid>,
        /// The same key gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
    ) -> Answer<Json<Delivery>> {
        context.takes_work().await?;
        let asked = json!({ "webhook": id.0, "delivery": delivery.0 });
        let once = Once::of(key.0.as_deref(), "replay_delivery", &asked);
        let tx = context.db.tenant(&caller.customer).await?;
        if once.before(&tx).await?.is_some() {
            return Ok(Json(webhooks::delivery(&tx, id.0, delivery.0).await?.into()));
        }
        let row = webhooks::replay(&tx, id.0, delivery.0).await?;
        let delivery = json!({ "delivery": row.id });
        caller.note(&tx, "webhook.replayed", &id.to_string(), delivery).await?;
        once.keep(&tx, row.id).await?;
        tx.commit().await?;
        context.dispatcher.wake();
        Ok(Json(row.into()))
    }
}

fn by<'a>(caller: &'a Caller<Webhooks>, actor: &'a str) -> Operator<'a> {
    Operator {
        actor,
        ip: caller.ip.as_deref(),
    }
}
