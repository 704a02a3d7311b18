//! Products of connected shops.
use domain::commerce::{self, Product as Row, Variant as VariantRow};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, List, Paging, Searches},
    openapi::Tag,
};

/// A product.
#[derive(Debug, Object)]
struct Product {
    id: Uuid,
    connection_id: Uuid,
    /// The shop's own id of it.
    external_id: String,
    name: String,
    #[oai(nullable)]
    sku: Option<String>,
    #[oai(nullable)]
    url: Option<String>,
    #[oai(nullable)]
    image: Option<String>,
    /// A decimal number; with variants, the least.
    #[oai(nullable)]
    price: Option<String>,
    /// The most that a variant costs, where that is more.
    #[oai(nullable)]
    price_high: Option<String>,
    /// ISO 4217.
    #[oai(nullable)]
    currency: Option<String>,
    /// `in_stock`, `out_of_stock`, `back_order`; none where the shop does not say.
    #[oai(nullable)]
    availability: Option<String>,
    /// How many there are, where the shop counts.
    #[oai(nullable)]
    stock: Option<i64>,
    updated_at: OffsetDateTime,
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            connection_id: row.connection_id,
            external_id: row.external_id,
            name: row.name,
            sku: row.sku,
            url: row.url,
            image: row.image,
            price: row.price,
            price_high: row.price_high,
            currency: row.currency,
            availability: row.availability,
            stock: row.stock,
            updated_at: row.updated_at,
        }
    }
}

/// A way to buy a product.
#[derive(Debug, Object)]
struct Variant {
    external_id: String,
    /// `Blue / L`.
    name: String,
    #[oai(nullable)]
    sku: Option<String>,
    #[oai(nullable)]
    price: Option<String>,
    #[oai(nullable)]
    availability: Option<String>,
    #[oai(nullable)]
    stock: Option<i64>,
}

impl From<VariantRow> for Variant {
    fn from(row: VariantRow) -> Self {
        Self {
            external_id: row.external_id,
            name: row.name,
            sku: row.sku,
            price: row.price,
            availability: row.availability,
            stock: row.stock,
        }
    }
}

/// A product with the ways to buy it.
#[derive(Debug, Object)]
struct WholeProduct {
    product: Product,
    variants: Vec<Variant>,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List products
    #[oai(
        path = "/api/products",
        method = "get",
        tag = "Tag::Shops",
        operation_id = "list_products"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Searches>,
        /// Looks in names, and for this very SKU.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Product>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = commerce::search(&tx, q.0.as_deref(), paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Read a product
    #[oai(
        path = "/api/products/:id",
        method = "get",
        tag = "Tag::Shops",
        operation_id = "get_product"
    )]
    async fn get(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Searches>,
        id: Path<Uuid>,
    ) -> Answer<Json<WholeProduct>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        let product = commerce::get(&tx, id.0).await?;
        let variants = commerce::variants(&tx, &[product.id].into()).await?;
        Ok(Json(WholeProduct {
            product: product.into(),
            variants: variants.into_iter().map(Into::into).collect(),
        }))
    }
}
