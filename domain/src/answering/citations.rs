//! Which pages an answer cites, in the version that it was made from, so that a page that changes leads to its answers.
use sea_orm::FromQueryResult;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::answerer::Answer;
use crate::{
    Result,
    pages::store,
    tenancy::{TenantTx, sql},
};

/// An answer with the pages that it cites.
#[derive(Clone, Debug, PartialEq)]
pub struct CitingAnswer {
    /// The answer.
    pub message: Uuid,
    /// Its conversation.
    pub conversation: Uuid,
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
    /// When.
    pub at: OffsetDateTime,
    /// The pages asked for among those that it cites.
    pub pages: Vec<CitedPage>,
}

/// A page as an answer cites it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CitedPage {
    /// The page.
    pub id: Uuid,
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// The version that the answer was made from.
    pub version: i64,
    /// The page's version now.
    pub current_version: i64,
    /// It has changed since, or answers no more.
    pub outdated: bool,
}

#[derive(FromQueryResult)]
struct Row {
    message: Uuid,
    conversation: Uuid,
    question: Option<String>,
    answer: String,
    at: OffsetDateTime,
    pages: Value,
}

impl TryFrom<Row> for CitingAnswer {
    type Error = crate::Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            message: row.message,
            conversation: row.conversation,
            question: row.question.unwrap_or_default(),
            answer: row.answer,
            at: row.at,
            pages: serde_json::from_value(row.pages)?,
        })
    }
}

/// Which answers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Citing {
    /// Those that cite this page.
    Page(Uuid),
    /// Those that cite any page that has changed since.
    Outdated,
}

/// Answers that cite pages, newest first, from before the answer `before`. Another customer's page is not found.
pub async fn citing(tx: &TenantTx, wanted: Citing, before: Option<Uuid>, limit: u64) -> Result<Vec<CitingAnswer>> {
    const FIND: &str = "
        WITH cited AS (
          SELECT c.message_id, jsonb_agg(jsonb_build_object('id', p.id, 'url', p.url, 'title', p.title, 'version', c.page_version,
              'current_version', p.version, 'outdated', p.version > c.page_version OR p.tombstoned_at IS NOT NULL) ORDER BY p.url) AS pages
          FROM answer_citations c JOIN scraped_pages p ON p.id = c.page_id
          WHERE c.customer_id = $1 AND ($3::uuid IS NULL OR c.message_id < $3)
            AND CASE WHEN $2::uuid IS NULL THEN p.version > c.page_version OR p.tombstoned_at IS NOT NULL ELSE c.page_id = $2 END
          GROUP BY c.message_id ORDER BY c.message_id DESC LIMIT $4)
        SELECT m.id AS message, m.conversation_id AS conversation, m.text AS answer, m.created_at AS at, cited.pages,
          (SELECT q.text FROM messages q WHERE q.conversation_id = m.conversation_id AND q.role = 'visitor' AND q.id < m.id
           ORDER BY q.id DESC LIMIT 1) AS question
        FROM cited JOIN messages m ON m.id = cited.message_id ORDER BY m.id DESC";
    // The page must be told apart from one that nobody cites.
    let page = match wanted {
        Citing::Page(page) => Some(store::get(tx, page).await?.id),
        Citing::Outdated => None,
    };
    let values = [tx.customer().into(), page.into(), before.into(), (limit as i64).into()];
    let rows = Row::find_by_statement(sql(FIND, values)).all(&**tx).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The pages that an answer cites, with their versions, for the statement that stores it. A refusal rests on none.
pub(super) fn cited(answer: &Answer) -> Value {
    let cited = answer
        .sources
        .iter()
        .filter(|s| !answer.refused() && answer.text.contains(&format!("[{}]", s.n)));
    cited
        .map(|s| json!({ "page": s.page, "version": s.page_version }))
        .collect()
}
