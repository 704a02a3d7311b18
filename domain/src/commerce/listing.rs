//! Products as their customer reads them.
use sea_orm::FromQueryResult;
use serde_json::Value;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Result,
    tenancy::{TenantTx, sql},
};

/// A product as its customer reads it.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Product {
    /// Its id.
    pub id: Uuid,
    /// The shop.
    pub connection_id: Uuid,
    /// The shop's id of it.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// The shop's number of it.
    pub sku: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// A picture of it.
    pub image: Option<String>,
    /// What it costs, as a decimal number; with variants, the least.
    pub price: Option<String>,
    /// The most that a variant costs, where that is more.
    pub price_high: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// `in_stock`, `out_of_stock`, `back_order`.
    pub availability: Option<String>,
    /// How many there are, where the shop counts.
    pub stock: Option<i64>,
    /// What is known of it otherwise: `[{name, values}]`.
    pub attributes: Value,
    /// Since when this is so.
    pub updated_at: OffsetDateTime,
}

/// One way to buy a product.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Variant {
    /// Its product.
    pub product_id: Uuid,
    /// The shop's id of it.
    pub external_id: String,
    /// What makes it this one: `Blue / L`.
    pub name: String,
    /// The shop's number of it.
    pub sku: Option<String>,
    /// What it costs.
    pub price: Option<String>,
    /// As of products.
    pub availability: Option<String>,
    /// As of products.
    pub stock: Option<i64>,
}

const COLUMNS: &str = "id, connection_id, external_id, name, sku, url, image, price::text AS price, price_high::text AS price_high, currency,
    availability, stock, attributes, updated_at";

/// Products that the shops show, by their ids after `after`; `query` looks in names and numbers.
pub async fn search(tx: &TenantTx, query: Option<&str>, after: Option<Uuid>, limit: u64) -> Result<Vec<Product>> {
    let find = format!(
        "SELECT {COLUMNS} FROM products WHERE customer_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id > $2)
           AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0 OR lower(sku) = lower($3)) ORDER BY id LIMIT $4"
    );
    let query = query.map(str::to_owned);
    let values = [tx.customer().into(), after.into(), query.into(), (limit as i64).into()];
    Ok(Product::find_by_statement(sql(&find, values)).all(&**tx).await?)
}

/// One product that a shop shows.
pub async fn get(tx: &TenantTx, id: Uuid) -> Result<Product> {
    let find = format!("SELECT {COLUMNS} FROM products WHERE customer_id = $1 AND id = $2 AND deleted_at IS NULL");
    let found = Product::find_by_statement(sql(&find, [tx.customer().into(), id.into()]))
        .one(&**tx)
        .await?;
    found.ok_or_else(|| Error::not_found("product"))
}

/// The ways to buy these products, in the shop's order.
pub async fn variants(tx: &TenantTx, products: &BTreeSet<Uuid>) -> Result<Vec<Variant>> {
    const FIND: &str =
        "SELECT product_id, external_id, name, sku, price::text AS price, availability, stock FROM product_variants
        WHERE customer_id = $1 AND product_id = ANY($2) ORDER BY product_id, id";
    let ids: Vec<Uuid> = products.iter().copied().collect();
    Ok(
        Variant::find_by_statement(sql(FIND, [tx.customer().into(), ids.into()]))
            .all(&**tx)
            .await?,
    )
}
