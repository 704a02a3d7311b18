//! Answers by the pages that they cite: what a changed page has been quoted for.
use domain::answering::{self, Citing, citing};
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
    extractors::{Caller, Conversations, List, Paging},
    openapi::Tag,
};

/// A page as an answer cites it.
#[derive(Debug, Object)]
struct CitedPage {
    id: Uuid,
    url: String,
    title: String,
    /// The version that the answer was made from.
    version: i64,
    /// The page's version now.
    current_version: i64,
    /// It has changed since, or is kept out of answers now.
    outdated: bool,
}

/// An answer with the pages that it cites.
#[derive(Debug, Object)]
struct CitingAnswer {
    message_id: Uuid,
    conversation_id: Uuid,
    question: String,
    answer: String,
    created_at: OffsetDateTime,
    pages: Vec<CitedPage>,
    /// One of these pages has changed since.
    outdated: bool,
}

impl From<answering::CitingAnswer> for CitingAnswer {
    fn from(answer: answering::CitingAnswer) -> Self {
        let page = |p: answering::CitedPage| CitedPage {
            id: p.id,
            url: p.url,
            title: p.title,
            version: p.version,
            current_version: p.current_version,
            outdated: p.outdated,
        };
        Self {
            message_id: answer.message,
            conversation_id: answer.conversation,
            question: answer.question,
            answer: answer.answer,
            created_at: answer.at,
            outdated: answer.pages.iter().any(|p| p.outdated),
            pages: answer.pages.into_iter().map(page).collect(),
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List the answers that cite a page, newest first
    #[oai(
        path = "/api/pages/:id/answers",
        method = "get",
        tag = "Tag::Content",
        operation_id = "list_page_answers"
    )]
    async fn of_page(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<CitingAnswer>>> {
        answers(context.0, &caller, Citing::Page(id.0), limit.0, cursor.0).await
    }

    /// List the answers that cite a page that has changed since, newest first
    #[oai(
        path = "/api/answers/outdated",
        method = "get",
        tag = "Tag::Content",
        operation_id = "list_outdated_answers"
    )]
    async fn outdated(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<CitingAnswer>>> {
        answers(context.0, &caller, Citing::Outdated, limit.0, cursor.0).await
    }
}

async fn answers(
    context: &Context,
    caller: &Caller<Conversations>,
    wanted: Citing,
    limit: Option<u64>,
    cursor: Option<String>,
) -> Answer<Json<List<CitingAnswer>>> {
    let paging = Paging::of(limit, cursor.as_deref())?;
    let tx = context.db.tenant_read(&caller.customer).await?;
    let rows = citing(&tx, wanted, paging.after, paging.rows()).await?;
    Ok(Json(paging.list(rows, |row: &answering::CitingAnswer| row.message)))
}
