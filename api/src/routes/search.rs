//! Retrieval as the chat sees it, with its scores.
use domain::{
    retrieval::{Kind as MadeOf, Mode as Wanted, Passage as Found},
    telemetry,
    tenancy::own_domain,
};
use poem::web::Data;
use poem_openapi::{Enum, Object, OpenApi, param::Query, payload::Json};
use std::time::Instant;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Searches},
    openapi::Tag,
};

/// How to search.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "SearchMode")]
enum Mode {
    Hybrid,
    Vector,
    Lexical,
}

impl From<Mode> for Wanted {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Hybrid => Self::Hybrid,
            Mode::Vector => Self::Vector,
            Mode::Lexical => Self::Lexical,
        }
    }
}

/// What a passage was made of.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "PassageKind")]
enum Kind {
    /// A piece of a page's text, along its headings.
    Content,
    /// A question with its answer, whole: `heading_path` ends in the question.
    Faq,
    /// What a page marks up of a product, without price and stock.
    Product,
}

impl From<MadeOf> for Kind {
    fn from(kind: MadeOf) -> Self {
        match kind {
            MadeOf::Content => Self::Content,
            MadeOf::Faq => Self::Faq,
            MadeOf::Product => Self::Product,
        }
    }
}

/// A passage of a page.
#[derive(Debug, Object)]
struct Passage {
    chunk_id: Uuid,
    page_id: Uuid,
    kind: Kind,
    title: String,
    url: String,
    /// `Title > Section > …`.
    heading_path: String,
    text: String,
    /// What passages are ordered by.
    score: f64,
    /// Cosine similarity; null without vectors.
    #[oai(nullable)]
    cosine: Option<f64>,
    /// The lexical rank, 1 for the best.
    lexical: f64,
    /// The share of the question's words in the passage.
    coverage: f64,
}

impl From<Found> for Passage {
    fn from(p: Found) -> Self {
        Self {
            chunk_id: p.chunk,
            page_id: p.page,
            kind: p.kind.into(),
            title: p.title,
            url: p.url,
            heading_path: p.heading_path,
            text: p.text,
            score: p.score,
            cosine: p.cosine,
            lexical: p.lexical,
            coverage: p.coverage,
        }
    }
}

/// What was found.
#[derive(Debug, Object)]
struct SearchResult {
    /// What was really used: `lexical` where no embedding model is.
    mode: String,
    /// Best first.
    items: Vec<Passage>,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Search the indexed pages
    #[oai(path = "/api/search", method = "get", tag = "Tag::Content", operation_id = "search")]
    async fn search(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Searches>,
        /// The question.
        #[oai(validator(min_length = 1, max_length = 2000))]
        q: Query<String>,
        /// One of the customer's domains, to be sure.
        domain: Query<Option<String>>,
        mode: Query<Option<Mode>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
    ) -> Answer<Json<SearchResult>> {
        if let Some(domain) = &domain.0 {
            own_domain(&context.db, &caller.customer, &domain.parse()?).await?;
        }
        let mode = mode.0.map(Wanted::from).unwrap_or_default();
        let limit = limit.0.unwrap_or(10) as usize;
        let began = Instant::now();
        let found = context
            .searcher
            .search(&caller.customer, q.0.trim(), mode, limit)
            .await?;
        telemetry::searched(found.mode, began);
        context.searcher.models().settle(&caller.customer).await?;
        Ok(Json(SearchResult {
            mode: found.mode.to_owned(),
            items: found.passages.into_iter().map(Into::into).collect(),
        }))
    }
}
