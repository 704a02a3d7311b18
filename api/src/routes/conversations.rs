//! Conversations and what visitors think of answers.
use domain::answering::{feedback, messages};
use entity::message;
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Asker, Body, List, Paging, Visitor},
    openapi::Tag,
};

/// One turn of a conversation.
#[derive(Debug, Object)]
struct Message {
    id: Uuid,
    /// `visitor`, `assistant` or `human`.
    role: String,
    text: String,
    /// The pages that an answer rests on.
    sources: Value,
    refused: bool,
    /// `up` or `down`.
    #[oai(nullable)]
    feedback: Option<String>,
    created_at: OffsetDateTime,
}

impl From<message::Model> for Message {
    fn from(row: message::Model) -> Self {
        Self {
            id: row.id,
            role: row.role,
            text: row.text,
            sources: row.sources,
            refused: row.refused,
            feedback: row.feedback,
            created_at: row.created_at,
        }
    }
}

#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum Rating {
    Up,
    Down,
}

/// A visitor's opinion.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Feedback {
    rating: Rating,
    /// What was missing.
    #[oai(nullable, validator(max_length = 1000))]
    reason: Option<String>,
}

#[derive(ApiResponse)]
enum Noted {
    /// Noted.
    #[oai(status = 204)]
    Done,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Read a conversation, newest turn first
    #[oai(
        path = "/api/conversations/:id/messages",
        method = "get",
        tag = "Tag::Chat",
        operation_id = "list_messages"
    )]
    async fn messages(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] asker: Asker,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Message>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&asker.customer).await?;
        let rows = messages(&tx, id.0, asker.session, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Rate an answer
    #[oai(
        path = "/api/messages/:id/feedback",
        method = "post",
        tag = "Tag::Chat",
        operation_id = "rate_message"
    )]
    async fn feedback(
        &self,
        context: Data<&Context>,
        visitor: Visitor,
        id: Path<Uuid>,
        body: Body<Feedback>,
    ) -> Answer<Noted> {
        let rating = match body.0.rating {
            Rating::Up => "up",
            Rating::Down => "down",
        };
        let tx = context.db.tenant(&visitor.customer).await?;
        feedback(&tx, id.0, visitor.session.session, rating, body.0.reason.as_deref()).await?;
        tx.commit().await?;
        Ok(Noted::Done)
    }
}
