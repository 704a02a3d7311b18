//! A shop, whatever it speaks.
use std::collections::BTreeSet;

use crate::{Entry, Result, shopify, woocommerce};

/// What a shop says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name, if it tells.
    pub name: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
}

/// Some of a shop's products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The products.
    pub entries: Vec<Entry>,
    /// Where the list goes on; none at its end.
    pub next: Option<String>,
    /// How many products the whole list has, if the shop tells.
    pub total: Option<u64>,
    /// The latest change among these, by the shop's clock, for a later `since`.
    pub latest: Option<String>,
}

/// A shop and the way to it.
pub enum Store {
    /// WooCommerce.
    WooCommerce(woocommerce::Client),
    /// Shopify.
    Shopify(shopify::Client),
}

impl Store {
    /// Asks for what needs the credentials and changes nothing.
    pub async fn about(&self) -> Result<About> {
        match self {
            Self::WooCommerce(client) => client.about().await,
            Self::Shopify(client) => client.about().await,
        }
    }

    /// Products by their ids, from `at` on, which an earlier batch gave. With `since`, only those that have changed since a little before
    /// that; a change may come twice.
    pub async fn products(&self, since: Option<&str>, at: Option<&str>) -> Result<Batch> {
        match self {
            Self::WooCommerce(client) => client.products(since, at).await,
            Self::Shopify(client) => client.products(since, at).await,
        }
    }

    /// One product as it is now; none if it is not there any more.
    pub async fn product(&self, id: &str) -> Result<Option<Entry>> {
        match self {
            Self::WooCommerce(client) => client.product(id).await,
            Self::Shopify(client) => client.product(id).await,
        }
    }

    /// Those of `ids`, at most a hundred, that the shop still shows.
    pub async fn shown(&self, ids: &[String]) -> Result<BTreeSet<String>> {
        match self {
            Self::WooCommerce(client) => client.shown(ids).await,
            Self::Shopify(client) => client.shown(ids).await,
        }
    }
}
