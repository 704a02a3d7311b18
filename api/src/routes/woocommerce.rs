//! Whether the customer's WooCommerce shop answers.
use domain::commerce::Platform;
use poem::web::Data;
use poem_openapi::{OpenApi, payload::Json};

use super::connections::{Tried, try_out};
use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Shops},
    openapi::Tag,
};

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
    async fn test(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Shops>,
    ) -> Answer<Json<Tried>> {
        try_out(&context, &caller, Platform::WooCommerce).await
    }
}
