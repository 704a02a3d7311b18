//! Shopify's Admin API (GraphQL): products page by page with their variants.
//!
//! The API gives points that refill by the second; each answer says what it cost and what is left. So a request that costs more than
//! there is waits before it is sent, and one that is throttled all the same is [`Error::Busy`] for as long as the refill takes.
mod read;

use egress::{Request, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use url::Url;

use crate::{About, Batch, Entry, Error, Product, Result, Transport, answer};

/// A version is there for at least a year; this one, and later ones, know all that is asked for here.
const VERSION: &str = "2026-07";
const TOKEN: HeaderName = HeaderName::from_static("x-shopify-access-token");
/// Products of a page: with their variants they stay below the 1000 points that one query may cost.
const PAGE: usize = 10;
/// Pages of a hundred variants that are read of one product beyond the first thirty.
const VARIANT_PAGES: usize = 10;
/// Longest wait for points before a request.
const LONGEST: Duration = Duration::from_secs(30);

const PRODUCTS: &str = concat!(include_str!("products.graphql"), include_str!("shown.graphql"));
const PRODUCT: &str = concat!(include_str!("product.graphql"), include_str!("shown.graphql"));
const VARIANTS: &str = include_str!("variants.graphql");
const NODES: &str = include_str!("nodes.graphql");
const SHOP: &str = "{ shop { name currencyCode } }";

/// A shop.
pub struct Client {
    endpoint: Url,
    token: HeaderValue,
    /// The token, which a shop may repeat.
    secrets: [SecretString; 1],
    transport: Arc<dyn Transport>,
    /// Before this moment there are no points for another request.
    ready: Mutex<Option<Instant>>,
}

impl Client {
    /// The shop at `base`, such as `https://name.myshopify.com/`, by an access token of its Admin API.
    pub fn new(base: &Url, token: &SecretString, transport: Arc<dyn Transport>) -> Result<Self> {
        let mut endpoint = base.clone();
        endpoint.set_path(&format!("/admin/api/{VERSION}/graphql.json"));
        let secrets = [token.clone()];
        let mut token = HeaderValue::try_from(token.expose_secret())
            .map_err(|_| Error::Unauthorized("the token can't be sent".into()))?;
        token.set_sensitive(true);
        Ok(Self {
            endpoint,
            token,
            secrets,
            transport,
            ready: Mutex::default(),
        })
    }

    /// See [`crate::Store::about`].
    pub async fn about(&self) -> Result<About> {
        let data = self.ask(SHOP, json!({})).await?;
        Ok(About {
            name: answer::name(&data["shop"]["name"]),
            currency: answer::text(&data["shop"]["currencyCode"]),
        })
    }

    /// See [`crate::Store::products`].
    pub async fn products(&self, since: Option<&str>, at: Option<&str>) -> Result<Batch> {
        let changed = since
            .and_then(read::shortly_before)
            .map(|since| format!("updated_at:>='{since}'"));
        let variables = json!({ "first": PAGE, "after": at, "query": changed });
        let data = self.ask(PRODUCTS, variables).await?;
        let list = &data["products"];
        let rows = answer::products(&list["nodes"])?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            entries.extend(self.entry(row, &data).await?);
        }
        Ok(Batch {
            next: (list["pageInfo"]["hasNextPage"] == true)
                .then(|| answer::text(&list["pageInfo"]["endCursor"]))
                .flatten(),
            total: None,
            latest: rows.iter().filter_map(|row| answer::text(&row["updatedAt"])).max(),
            entries,
        })
    }

    /// See [`crate::Store::product`].
    pub async fn product(&self, id: &str) -> Result<Option<Entry>> {
        let Some(id) = read::gid(id) else { return Ok(None) };
        let data = self.ask(PRODUCT, json!({ "id": id })).await?;
        self.entry(&data["product"], &data).await
    }

    /// See [`crate::Store::shown`].
    pub async fn shown(&self, ids: &[String]) -> Result<BTreeSet<String>> {
        let ids: Vec<String> = ids.iter().filter_map(|id| read::gid(id)).collect();
        let data = self.ask(NODES, json!({ "ids": ids })).await?;
        let rows = answer::products(&data["nodes"])?;
        Ok(rows
            .iter()
            .filter(|row| read::is_shown(row))
            .filter_map(|row| answer::text(&row["legacyResourceId"]))
            .collect())
    }

    async fn entry(&self, row: &Value, data: &Value) -> Result<Option<Entry>> {
        let currency = answer::text(&data["shop"]["currencyCode"]);
        Ok(match read::entry(row, currency.as_deref()) {
            Some(Entry::Shown(mut product)) => {
                self.add_variants(row, &mut product).await?;
                Some(Entry::Shown(product))
            }
            other => other,
        })
    }

    /// The variants behind the first page of them.
    async fn add_variants(&self, row: &Value, product: &mut Product) -> Result<()> {
        let mut page = row["variants"]["pageInfo"].clone();
        for _ in 0..VARIANT_PAGES {
            if page["hasNextPage"] != true {
                break;
            }
            let data = self
                .ask(VARIANTS, json!({ "id": row["id"], "after": page["endCursor"] }))
                .await?;
            let variants = &data["product"]["variants"];
            product
                .variants
                .extend(answer::list(&variants["nodes"]).filter_map(read::variant));
            page = variants["pageInfo"].clone();
        }
        product.sum_up();
        Ok(())
    }

    /// The `data` of an answer without errors.
    async fn ask(&self, query: &str, variables: Value) -> Result<Value> {
        let ready = *self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = ready {
            tokio::time::sleep_until(ready).await;
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = Request::post(self.endpoint.clone(), body)
            .header(TOKEN, self.token.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.transport.send(request).await?;
        judge(&response)?;
        let mut answer = answer::json(&response)?;
        let cost = read::Cost::of(&answer);
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = cost
            .and_then(read::Cost::wait_for_another)
            .map(|wait| Instant::now() + wait.min(LONGEST));
        if let Some(error) = read::error(&answer, cost, &self.secrets) {
            return Err(error);
        }
        Ok(answer["data"].take())
    }
}

fn judge(response: &Response) -> Result<()> {
    answer::refuse(response)?;
    match response.status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Unauthorized(
            "the token is unknown, has ended, or lacks the scope read_products".into(),
        )),
        StatusCode::NOT_FOUND => Err(Error::Missing("is it the shop's own name.myshopify.com?")),
        StatusCode::PAYMENT_REQUIRED | StatusCode::LOCKED => Err(Error::Failing("the shop is closed".into())),
        status => Err(Error::Failing(format!("status {}", status.as_u16()))),
    }
}
