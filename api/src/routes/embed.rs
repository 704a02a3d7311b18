//! New chunks and vectors for pages.
use domain::{
    Error,
    jobs::{self, Submitted, request_hash},
    limits::Class,
    pages::{index, model_change, request::request_embed},
};
use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, param::Header, payload::Json};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scrape::Dispatch;
use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Jobs},
    openapi::Tag,
};

/// Which pages to embed: `page_ids`, or `all`.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewEmbed {
    #[oai(nullable, validator(min_items = 1, max_items = 1000))]
    page_ids: Option<Vec<Uuid>>,
    #[oai(nullable)]
    all: Option<bool>,
    /// The embedding model; only the configured one can be named. If the index has another one, the job is its change to this one, whatever
    /// pages are asked for.
    #[oai(nullable, validator(max_length = 200))]
    model: Option<String>,
    /// Compute vectors again even where the text is unchanged.
    #[oai(nullable)]
    force: Option<bool>,
}

/// Jobs that were accepted.
#[derive(Debug, Object)]
struct EmbedAccepted {
    /// One for each batch of pages.
    job_ids: Vec<Uuid>,
    dispatch: Dispatch,
}

#[derive(ApiResponse)]
enum EmbedResponse {
    /// The jobs are recorded.
    #[oai(status = 202)]
    Accepted(Json<EmbedAccepted>, #[oai(header = "Location")] String),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Embed pages
    #[oai(path = "/api/embed", method = "post", tag = "Tag::Jobs", operation_id = "embed")]
    async fn embed(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        /// The same key with the same body gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: Body<NewEmbed>,
    ) -> Answer<EmbedResponse> {
        body.0.check(&context)?;
        context.takes_work().await?;
        let key = key.0.as_deref().map(|key| (key, request_hash("embed", &body.1)));
        let made = record(&context, &caller, key, &body.0).await?;
        let dispatch = context.dispatcher.dispatch(&made).await.into();
        let job_ids = made.into_iter().map(|made| made.id).collect();
        let accepted = Json(EmbedAccepted { job_ids, dispatch });
        Ok(EmbedResponse::Accepted(accepted, "/api/jobs?kind=embed".to_owned()))
    }
}

impl NewEmbed {
    fn check(&self, context: &Context) -> domain::Result<()> {
        if self.page_ids.is_some() == self.all.unwrap_or_default() {
            return Err(Error::invalid("page_ids", "give either page_ids or all: true"));
        }
        let active = context
            .searcher
            .model()
            .map(|(embedder, _)| embedder.model().name.clone());
        match &self.model {
            Some(wanted) if active.as_ref() != Some(wanted) => Err(Error::invalid(
                "model",
                format!("the active model is {}", active.as_deref().unwrap_or("none")),
            )),
            _ => Ok(()),
        }
    }
}

/// Records the jobs once per idempotency key.
async fn record(
    context: &Context,
    caller: &Caller<Jobs>,
    key: Option<(&str, Vec<u8>)>,
    new: &NewEmbed,
) -> Answer<Vec<Submitted>> {
    let tx = context.db.tenant(&caller.customer).await?;
    if let Some((key, hash)) = &key
        && let Some(answer) = jobs::replay(&tx, key, hash).await?
    {
        let ids = answer.as_array().into_iter().flatten().filter_map(Value::as_str);
        let again = ids.filter_map(|id| id.parse().ok()).map(|id| Submitted {
            id,
            fresh: false,
            errand: None,
        });
        return Ok(again.collect());
    }
    caller.spend(context, Class::Embed).await?;
    let other = match context.searcher.model().filter(|_| new.model.is_some()) {
        Some((_, id)) if index::model_of(&tx).await?.is_some_and(|current| current != id) => Some(id),
        _ => None,
    };
    let made = if let Some(id) = other {
        vec![jobs::submit(&*tx, &model_change::change_to(caller.customer.id, id)).await?]
    } else {
        let priority = if new.page_ids.is_some() { jobs::NOW } else { jobs::BULK };
        request_embed(&tx, new.page_ids.as_deref(), priority, new.force.unwrap_or_default()).await?
    };
    let asked =
        json!({ "jobs": made.len(), "all": new.all.unwrap_or_default(), "pages": new.page_ids.as_ref().map(Vec::len) });
    let resource = caller.customer.id.to_string();
    caller.note(&tx, "embed.started", &resource, asked).await?;
    if let Some((key, _)) = key {
        let ids: Vec<Uuid> = made.iter().map(|made| made.id).collect();
        jobs::remember(&tx, key, &json!(ids)).await?;
    }
    tx.commit().await?;
    Ok(made)
}
