//! Clients of shops: WooCommerce by its REST API (`wc/v3`), Shopify by its Admin API (GraphQL).
//!
//! [`Store`] reads products as [`Product`]s, whatever the shop speaks; [`signature`] knows whether a webhook comes from a shop.
//! Requests go through a [`Transport`], so that the caller decides about guards, pace and waiting. What must stay true: the address
//! of a shop is somebody else's choice, so nothing here opens a connection of its own, follows a redirect with credentials, or
//! believes that an answer has the documented shape. The crate knows nothing of its callers and reads no environment.
mod answer;
mod error;
mod product;
pub mod shopify;
pub mod signature;
mod store;
mod text;
pub mod woocommerce;

pub use error::{Error, Result};
pub use product::{Availability, Entry, Product, Variant};
pub use store::{About, Batch, Store};

use async_trait::async_trait;

/// How requests reach a shop.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request; any status is a response.
    async fn send(&self, request: egress::Request) -> std::result::Result<egress::Response, egress::Error>;
}

#[async_trait]
impl Transport for egress::Client {
    async fn send(&self, request: egress::Request) -> std::result::Result<egress::Response, egress::Error> {
        self.fetch(request).await
    }
}
