//! What shops tell of themselves.
//!
//! Whoever sends is proved by the signature over the body as it came. What comes of it is a job's work, so the answer comes at once.
use domain::commerce::{self, Sender, Webhook};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
};
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{ShopifySignature, Untouched, WooCommerceSignature},
    openapi::Tag,
};

/// A delivery that was taken.
#[derive(Debug, Object)]
struct Taken {
    /// It has come before, and nothing more is done.
    duplicate: bool,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Take a WooCommerce shop's webhook
    ///
    /// A shop that is not connected and a signature that does not fit are both 401. The unsigned form that WooCommerce sends when a webhook is
    /// made is answered, and nothing else is done about it.
    #[oai(
        path = "/api/webhooks/woocommerce/:connection",
        method = "post",
        tag = "Tag::Shops",
        operation_id = "woocommerce_webhook"
    )]
    async fn woocommerce(
        &self,
        context: Data<&Context>,
        signature: WooCommerceSignature,
        connection: Path<Uuid>,
        /// Names the delivery.
        #[oai(name = "X-WC-Webhook-Delivery-ID")]
        delivery: Header<Option<String>>,
        /// Such as `product.updated`.
        #[oai(name = "X-WC-Webhook-Topic")]
        topic: Header<Option<String>>,
        body: Untouched,
    ) -> Answer<Json<Taken>> {
        if body.is_form && signature.0.is_empty() && is_ping(&body.bytes) {
            return Ok(Json(Taken { duplicate: false }));
        }
        let webhook = Webhook {
            sender: Sender::WooCommerce(connection.0),
            signature: &signature.0,
            id: delivery.0.as_deref().unwrap_or_default(),
            topic: topic.0.as_deref().unwrap_or_default(),
            at: None,
            body: &body.bytes,
        };
        take(&context, webhook).await
    }

    /// Take a Shopify shop's webhook
    ///
    /// A shop that is not connected, a signature that does not fit and a time more than five minutes from now are 401.
    #[oai(
        path = "/api/webhooks/shopify",
        method = "post",
        tag = "Tag::Shops",
        operation_id = "shopify_webhook"
    )]
    #[expect(clippy::too_many_arguments, reason = "what the platform sends in headers")]
    async fn shopify(
        &self,
        context: Data<&Context>,
        signature: ShopifySignature,
        /// `name.myshopify.com`.
        #[oai(name = "X-Shopify-Shop-Domain")]
        shop: Header<Option<String>>,
        /// Names the delivery.
        #[oai(name = "X-Shopify-Webhook-Id")]
        delivery: Header<Option<String>>,
        /// Such as `products/update`.
        #[oai(name = "X-Shopify-Topic")]
        topic: Header<Option<String>>,
        /// When it happened (RFC 3339).
        #[oai(name = "X-Shopify-Triggered-At")]
        at: Header<Option<String>>,
        body: Untouched,
    ) -> Answer<Json<Taken>> {
        let webhook = Webhook {
            sender: Sender::Shopify(shop.0.as_deref().unwrap_or_default()),
            signature: &signature.0,
            id: delivery.0.as_deref().unwrap_or_default(),
            topic: topic.0.as_deref().unwrap_or_default(),
            at: at.0.as_deref(),
            body: &body.bytes,
        };
        take(&context, webhook).await
    }
}

/// `webhook_id=1`, which WooCommerce sends to see whether somebody is there.
fn is_ping(body: &[u8]) -> bool {
    let number = body.strip_prefix(b"webhook_id=");
    number.is_some_and(|number| (1..=20).contains(&number.len()) && number.iter().all(u8::is_ascii_digit))
}

async fn take(context: &Context, webhook: Webhook<'_>) -> Answer<Json<Taken>> {
    let taken = commerce::receive(&context.db, &context.envelopes, &context.clock, webhook).await;
    let result = match &taken {
        Ok(taken) if taken.duplicate => "duplicate",
        Ok(_) => "taken",
        Err(_) => "refused",
    };
    metrics::counter!("omniops_shop_webhooks_total", "result" => result).increment(1);
    let taken = taken?;
    let jobs: Vec<_> = taken.job.into_iter().collect();
    context.dispatcher.dispatch(&jobs).await;
    Ok(Json(Taken {
        duplicate: taken.duplicate,
    }))
}
