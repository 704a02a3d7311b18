//! WooCommerce's REST API, version 3: products page by page, variations beside them.
//!
//! Pages are counted here rather than taken from `Link`, which repeats what the request had. Dates are naive and in UTC, with
//! `dates_are_gmt`: with a `Z`, shops outside of UTC answer wrongly.
mod read;

use base64::{Engine, engine::general_purpose::STANDARD};
use egress::{Redirects, Request, Response};
use http::{HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::OnceCell;
use url::Url;

use crate::{About, Batch, Entry, Error, Product, Result, Transport, answer};

/// Products of a page; the API gives at most a hundred, and some need a request each for their variations.
const PAGE: usize = 50;
/// Pages of variations that are read of one product.
const VARIATION_PAGES: usize = 10;
/// Variations of a page.
const VARIATIONS: usize = 100;
/// Minutes before `since` that are asked for again: changes of the same second, and shops with several clocks.
const OVERLAP_MINUTES: i64 = 5;
/// What is asked for of a product: a fifth of what there is.
const FIELDS: &str = "id,name,permalink,type,status,catalog_visibility,post_password,sku,price,stock_status,stock_quantity,description,short_description,categories,images,attributes,date_modified_gmt";
const VARIATION_FIELDS: &str = "id,sku,price,stock_status,stock_quantity,attributes,status";

/// A shop.
pub struct Client {
    base: Url,
    authorization: HeaderValue,
    /// What a shop may repeat: the key, its secret, and both as they are sent.
    secrets: [SecretString; 3],
    transport: Arc<dyn Transport>,
    currency: OnceCell<Option<String>>,
}

impl Client {
    /// The shop whose start page is `base`, by the key of its API.
    pub fn new(base: &Url, key: &SecretString, secret: &SecretString, transport: Arc<dyn Transport>) -> Result<Self> {
        let pair = STANDARD.encode(format!("{}:{}", key.expose_secret(), secret.expose_secret()));
        let mut authorization = HeaderValue::try_from(format!("Basic {pair}"))
            .map_err(|_| Error::Unauthorized("they can't be sent".into()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            base: base.clone(),
            authorization,
            secrets: [key.clone(), secret.clone(), pair.into()],
            transport,
            currency: OnceCell::new(),
        })
    }

    /// See [`crate::Store::about`].
    pub async fn about(&self) -> Result<About> {
        // A list of products needs the right that syncing needs.
        self.ask("products", &[("per_page", "1"), ("_fields", "id")]).await?;
        let currency = self.currency().await?;
        Ok(About { name: None, currency })
    }

    /// See [`crate::Store::products`].
    pub async fn products(&self, since: Option<&str>, at: Option<&str>) -> Result<Batch> {
        let page = at.and_then(|at| at.parse::<usize>().ok()).unwrap_or(1).max(1);
        let (number, size) = (page.to_string(), PAGE.to_string());
        let after = since.and_then(|since| read::minutes_before(OVERLAP_MINUTES, since));
        let mut query = vec![
            ("page", number.as_str()),
            ("per_page", size.as_str()),
            ("orderby", "id"),
            ("order", "asc"),
            ("_fields", FIELDS),
        ];
        if let Some(after) = &after {
            query.extend([("modified_after", after.as_str()), ("dates_are_gmt", "true")]);
        }
        let (response, value) = self.ask("products", &query).await?;
        let rows = answer::products(&value)?;
        let currency = self.currency().await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(entry) = self.entry(row, currency.as_deref()).await? {
                entries.push(entry);
            }
        }
        Ok(Batch {
            next: (rows.len() >= PAGE).then(|| (page + 1).to_string()),
            total: read::total(&response),
            latest: rows.iter().filter_map(read::modified).max(),
            entries,
        })
    }

    /// See [`crate::Store::product`].
    pub async fn product(&self, id: &str) -> Result<Option<Entry>> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        match self.ask(&format!("products/{id}"), &[("_fields", FIELDS)]).await {
            Ok((_, value)) => {
                let currency = self.currency().await?;
                self.entry(&value, currency.as_deref()).await
            }
            Err(Error::Missing(GONE)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// See [`crate::Store::shown`].
    pub async fn shown(&self, ids: &[String]) -> Result<BTreeSet<String>> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let fields = "id,status,catalog_visibility,post_password";
        let query = [
            ("include", ids.join(",")),
            ("per_page", "100".into()),
            ("_fields", fields.into()),
        ];
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (_, value) = self.ask("products", &query).await?;
        let rows = answer::products(&value)?;
        Ok(rows
            .iter()
            .filter(|row| read::is_shown(row))
            .filter_map(|row| answer::text(&row["id"]))
            .collect())
    }

    async fn entry(&self, row: &Value, currency: Option<&str>) -> Result<Option<Entry>> {
        Ok(match read::entry(row, currency) {
            Some(Entry::Shown(mut product)) => {
                if row["type"] == "variable" {
                    self.add_variations(&mut product).await?;
                }
                Some(Entry::Shown(product))
            }
            other => other,
        })
    }

    async fn add_variations(&self, product: &mut Product) -> Result<()> {
        let path = format!("products/{}/variations", product.id);
        let size = VARIATIONS.to_string();
        for page in 1..=VARIATION_PAGES {
            let page = page.to_string();
            let query = [
                ("page", page.as_str()),
                ("per_page", size.as_str()),
                ("_fields", VARIATION_FIELDS),
            ];
            let (_, value) = self.ask(&path, &query).await?;
            let rows = value.as_array().map(Vec::as_slice).unwrap_or_default();
            product.variants.extend(rows.iter().filter_map(read::variant));
            if rows.len() < VARIATIONS {
                break;
            }
        }
        product.sum_up();
        Ok(())
    }

    /// The shop's currency, asked for once. A key that may read products may read it; where it may not, prices have none.
    async fn currency(&self) -> Result<Option<String>> {
        let ask = async || match self.ask("data/currencies/current", &[("_fields", "code")]).await {
            Ok((_, value)) => Ok(answer::text(&value["code"])),
            Err(error) if error.may_pass() => Err(error),
            Err(_) => Ok(None),
        };
        self.currency.get_or_try_init(ask).await.cloned()
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<(Response, Value)> {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/wp-json/wc/v3/{path}"));
        url.query_pairs_mut().extend_pairs(query);
        let request = Request::get(url)
            .redirects(Redirects::Manual)
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.transport.send(request).await?;
        judge(&response, &self.secrets)?;
        let value = answer::json(&response)?;
        Ok((response, value))
    }
}

/// What a 404 of one product means.
const GONE: &str = "there is no such product";

fn judge(response: &Response, secrets: &[SecretString]) -> Result<()> {
    answer::refuse(response)?;
    if response.status.is_success() {
        return Ok(());
    }
    let body = answer::json(response).unwrap_or_default();
    let code = body["code"].as_str().unwrap_or_default();
    Err(match response.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Unauthorized(match code {
            "woocommerce_rest_cannot_view" => {
                "the key is unknown or may not read; or a proxy before the shop hides that the request came by https"
                    .into()
            }
            "woocommerce_rest_authentication_error" => "the secret is wrong, or the key may not read".into(),
            _ => format!("status {}", response.status.as_u16()),
        }),
        StatusCode::NOT_FOUND if code == "woocommerce_rest_product_invalid_id" => Error::Missing(GONE),
        StatusCode::NOT_FOUND => {
            Error::Missing("is WooCommerce active, and do permalinks have another form than \"plain\"?")
        }
        status => {
            let told = answer::told(&body["message"], secrets);
            Error::Failing(format!("status {} {told}", status.as_u16()))
        }
    })
}
