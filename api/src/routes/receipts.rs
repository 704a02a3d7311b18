//! Receipts: what an answer was made from, and what it cost.
use domain::answering;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path, payload::Json};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Conversations},
    openapi::Tag,
};

/// What models were asked and paid for.
#[derive(Debug, Object)]
pub struct Spent {
    tokens_in: u64,
    tokens_out: u64,
    /// Nothing where no price is known.
    cost_usd: f64,
}

impl From<answering::Usage> for Spent {
    fn from(usage: answering::Usage) -> Self {
        Self {
            tokens_in: usage.tokens_in,
            tokens_out: usage.tokens_out,
            cost_usd: usage.cost_usd,
        }
    }
}

/// What an answer was made from.
#[derive(Debug, Object)]
struct Receipt {
    message_id: Uuid,
    conversation_id: Uuid,
    /// The model that wrote it, `extractive` or `small_talk`.
    model: String,
    prompt_version: String,
    /// What the question meant by itself, where it leaned on earlier ones.
    #[oai(nullable)]
    standalone_question: Option<String>,
    /// Of each passage that was considered: `chunk`, `page`, `page_version` and `score`.
    passages: Value,
    /// Why it is a refusal: `nothing_indexed`, `not_on_site` or `not_answered`.
    #[oai(nullable)]
    refusal_reason: Option<String>,
    /// What happened on the way, as `POST /api/chat` tells it.
    notes: Vec<String>,
    /// What the check took out of it, counted by the reason.
    removed: Value,
    /// Milliseconds of each step.
    timings: Value,
    /// The work that made it: all who were given the same answer have the same.
    #[oai(nullable)]
    origin: Option<Uuid>,
    /// It was made for somebody who asked the same, and cost nothing.
    cached: bool,
    /// Of all calls that were made for it, of the one that understood the question as well.
    usage: Spent,
    created_at: OffsetDateTime,
}

impl From<answering::StoredReceipt> for Receipt {
    fn from(kept: answering::StoredReceipt) -> Self {
        Self {
            usage: kept.usage().into(),
            message_id: kept.message,
            conversation_id: kept.conversation,
            model: kept.model,
            prompt_version: kept.prompt_version,
            standalone_question: kept.standalone_question,
            passages: kept.passages,
            refusal_reason: kept.refusal_reason,
            notes: kept.notes,
            removed: kept.removed,
            timings: kept.timings,
            origin: kept.origin,
            cached: kept.cached,
            created_at: kept.created_at,
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Read what an answer was made from, and what it cost
    #[oai(
        path = "/api/messages/:id/receipt",
        method = "get",
        tag = "Tag::People",
        operation_id = "get_receipt"
    )]
    async fn get(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
    ) -> Answer<Json<Receipt>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        Ok(Json(answering::receipt(&tx, id.0).await?.into()))
    }
}
