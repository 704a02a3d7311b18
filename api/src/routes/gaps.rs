//! What visitors asked and the site did not answer.
use domain::{
    jobs::Operator,
    learning::gaps::{self, Filter, Place, State},
};
use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Conversations, List, Paging},
    openapi::Tag,
};

/// How a gap stands.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum GapState {
    /// The site does not answer it.
    Open,
    /// A page answers it now.
    Resolved,
    /// It is set aside.
    Ignored,
}

impl From<GapState> for State {
    fn from(state: GapState) -> Self {
        match state {
            GapState::Open => Self::Open,
            GapState::Resolved => Self::Resolved,
            GapState::Ignored => Self::Ignored,
        }
    }
}

/// What a gap can be set to.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum GapChoice {
    /// It is to be answered.
    Open,
    /// It is not.
    Ignored,
}

/// A page that is about a gap.
#[derive(Debug, Object)]
struct GapPage {
    page_id: Uuid,
    url: String,
    title: String,
    /// How near it came.
    #[oai(skip_serializing_if_is_none)]
    score: Option<f64>,
}

/// Questions that ask the same, and that the site did not answer.
#[derive(Debug, Object)]
struct Gap {
    id: Uuid,
    /// The earliest of them. Addresses of e-mail and long numbers are taken out of all questions.
    question: String,
    /// Where it is known.
    #[oai(nullable)]
    language: Option<String>,
    /// `open`, `resolved` by a page, or `ignored`.
    state: String,
    /// How often it was asked.
    count: i64,
    /// How many of these were refused.
    refused: i64,
    /// How many got an answer and a thumb down.
    thumbs_down: i64,
    /// Other ways in which it was asked.
    examples: Vec<String>,
    first_seen: OffsetDateTime,
    last_seen: OffsetDateTime,
    /// How often in the last seven days.
    last_7_days: i64,
    /// How often in the seven days before.
    previous_7_days: i64,
    /// The pages that came nearest, best first.
    nearest: Vec<GapPage>,
    /// The page that answers it now.
    #[oai(nullable)]
    resolved_by: Option<GapPage>,
    #[oai(nullable)]
    resolved_at: Option<OffsetDateTime>,
}

impl From<gaps::Gap> for Gap {
    fn from(row: gaps::Gap) -> Self {
        let nearest = row.nearest.as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            id: row.id,
            question: row.question,
            language: row.language,
            state: row.state,
            count: row.count,
            refused: row.refused,
            thumbs_down: row.count - row.refused,
            examples: row.examples,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            last_7_days: row.week,
            previous_7_days: row.week_before,
            nearest: nearest.iter().filter_map(page).collect(),
            resolved_by: row.resolved_by.as_ref().and_then(page),
            resolved_at: row.resolved_at,
        }
    }
}

fn page(page: &Value) -> Option<GapPage> {
    let text = |name: &str| page[name].as_str().map(str::to_owned);
    Some(GapPage {
        page_id: page["page_id"].as_str()?.parse().ok()?,
        url: text("url")?,
        title: text("title")?,
        score: page["score"].as_f64(),
    })
}

/// What is to be changed of a gap.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct GapPatch {
    state: GapChoice,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List what the site does not answer, most asked first
    ///
    /// Questions that were refused, or whose answer got a thumb down, gathered by what they ask. They are looked at every ten minutes, and
    /// asked again when the index has changed: one that the site answers then is `resolved`. A list that is read page by page
    /// while questions come in may show a gap twice or not.
    #[oai(path = "/api/gaps", method = "get", tag = "Tag::People", operation_id = "list_gaps")]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        state: Query<Option<GapState>>,
        /// Only those asked since then.
        since: Query<Option<OffsetDateTime>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Gap>>> {
        let paging = Paging::<Place>::of(limit.0, cursor.0.as_deref())?;
        let filter = Filter {
            state: state.0.map(Into::into),
            since: since.0,
            id: None,
        };
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = gaps::list(&tx, filter, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| Place {
            count: row.count,
            id: row.id,
        })))
    }

    /// Set a gap aside, or open it again
    #[oai(
        path = "/api/gaps/:id",
        method = "patch",
        tag = "Tag::People",
        operation_id = "change_gap"
    )]
    async fn change(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
        body: Body<GapPatch>,
    ) -> Answer<Json<Gap>> {
        let to = match body.0.state {
            GapChoice::Open => State::Open,
            GapChoice::Ignored => State::Ignored,
        };
        let by = Operator {
            actor: &caller.principal.actor(),
            ip: caller.ip.as_deref(),
        };
        let tx = context.db.tenant(&caller.customer).await?;
        let gap = gaps::set(&tx, id.0, to, by).await?;
        tx.commit().await?;
        Ok(Json(gap.into()))
    }
}
