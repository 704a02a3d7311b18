//! What a shop has signed: the body as it came, and the signature as a credential that the contract names. Nothing is judged or read
//! here: the domain does that, body and signature together.
use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};
use std::future::{Ready, ready};

use super::shown::shown;
use crate::error::Failure;

/// The header of a signature.
pub const WOOCOMMERCE: &str = "x-wc-webhook-signature";
/// The same of Shopify.
pub const SHOPIFY: &str = "x-shopify-hmac-sha256";

/// The signature of a WooCommerce shop; empty without one.
pub struct WooCommerceSignature(pub String);

shown!(WooCommerceSignature, with WOOCOMMERCE);

impl WooCommerceSignature {
    fn of(req: &Request) -> Ready<Result<Self, Failure>> {
        ready(Ok(Self(text(req, WOOCOMMERCE))))
    }
}

/// The signature of a Shopify app; empty without one.
pub struct ShopifySignature(pub String);

shown!(ShopifySignature, with SHOPIFY);

impl ShopifySignature {
    fn of(req: &Request) -> Ready<Result<Self, Failure>> {
        ready(Ok(Self(text(req, SHOPIFY))))
    }
}

fn text(req: &Request, name: &str) -> String {
    let value = req.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// A body byte for byte, whatever its type.
pub struct Untouched {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// They are said to be a form.
    pub is_form: bool,
}

impl<'a> ApiExtractor<'a> for Untouched {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchema {
            description: Some("As the shop documents it; of a product, `id` is read."),
            ..MetaSchema::new("object")
        };
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: MetaSchemaRef::Inline(Box::new(schema)),
            }],
            required: true,
        })
    }

    fn register(_: &mut Registry) {}

    async fn from_request(req: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let is_form = req
            .content_type()
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let bytes = <Vec<u8> as FromRequest>::from_request(req, body).await?;
        Ok(Self { bytes, is_form })
    }
}
