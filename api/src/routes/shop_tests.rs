//! Whether the customer's shops answer, and as whom they know us.
use domain::commerce::{self, Platform};
use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Shops},
    openapi::Tag,
};

/// Whether a shop answers.
#[derive(Debug, Object)]
struct Tried {
    /// It takes the credentials, and shows its products.
    ok: bool,
    /// What is wrong: `store_address_refused`, `store_tls`, `store_unreachable`, `store_timeout`, `store_unauthorized`, `store_api_missing`,
    /// `store_moved`, `store_busy`, `store_failing`, `store_unreadable`.
    #[oai(nullable)]
    code: Option<String>,
    /// The same for people.
    #[oai(nullable)]
    detail: Option<String>,
    #[oai(nullable)]
    name: Option<String>,
    #[oai(nullable)]
    currency: Option<String>,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Try the WooCommerce shop
    ///
    /// 200 whatever comes of it: `ok` says whether the shop takes the credentials, `code` and `detail` why not.
    #[oai(
        path = "/api/woocommerce/test",
        method = "get",
        tag = "Tag::Shops",
        operation_id = "test_woocommerce"
    )]
    async fn woocommerce(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Shops>,
    ) -> Answer<Json<Tried>> {
        try_out(&context, &caller, Platform::WooCommerce).await
    }

    /// Try the Shopify shop
    ///
    /// 200 whatever comes of it: `ok` says whether the shop takes the credentials, `code` and `detail` why not.
    #[oai(
        path = "/api/shopify/test",
        method = "get",
        tag = "Tag::Shops",
        operation_id = "test_shopify"
    )]
    async fn shopify(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Shops>,
    ) -> Answer<Json<Tried>> {
        try_out(&context, &caller, Platform::Shopify).await
    }
}

/// Asks the customer's shop of this platform for what syncing needs.
async fn try_out(context: &Context, caller: &Caller<Shops>, platform: Platform) -> Answer<Json<Tried>> {
    let tx = context.db.tenant_read(&caller.customer).await?;
    let row = commerce::of_platform(&tx, platform).await?;
    let client = std::sync::Arc::new(context.outside.client().clone());
    let store = commerce::open(&tx, &context.envelopes, &row, client).await?;
    tx.commit().await?;
    Ok(Json(match store.about().await {
        Ok(about) => Tried {
            ok: true,
            code: None,
            detail: None,
            name: about.name,
            currency: about.currency,
        },
        Err(error) => Tried {
            ok: false,
            code: Some(error.code().to_owned()),
            detail: Some(error.to_string()),
            name: None,
            currency: None,
        },
    }))
}
