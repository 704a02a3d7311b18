//! What a page showed to a crawl's browser that could make nothing of it.
use domain::{Error, pages::screenshots};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Binary,
};
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Jobs},
    openapi::Tag,
};

#[derive(ApiResponse)]
enum Picture {
    /// The page as the browser showed it, without images.
    #[oai(status = 200, content_type = "image/jpeg")]
    Jpeg(Binary<Vec<u8>>),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// A picture of a page that could not be read
    ///
    /// Kept when rendering failed or brought nothing to read, for as long as the decision about the URL.
    #[oai(
        path = "/api/jobs/:id/urls/screenshot",
        method = "get",
        tag = "Tag::Jobs",
        operation_id = "get_job_url_screenshot"
    )]
    async fn screenshot(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
        /// The URL as the decision has it.
        url: Query<Option<String>>,
    ) -> Answer<Picture> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        domain::jobs::get(&tx, id.0).await?;
        let url = url.0.ok_or_else(|| Error::invalid("url", "is required"))?;
        let found = screenshots::of_url(&tx, id.0, &url).await?;
        Ok(Picture::Jpeg(Binary(found.image)))
    }
}
