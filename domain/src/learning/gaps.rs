//! What visitors asked and the site did not answer: refused questions, and those whose answer got a thumb down, gathered by what they ask
//! ([`super::cluster`]).
//!
//! A job reads what the conversations left since it looked last ([`gather`]); nothing is done while a visitor waits. When the index has
//! changed, the questions are asked again: a gap that the site answers now is resolved by the page that answers, and one whose
//! page is gone is open again. A member hangs on the message that it is of, and goes with it, by erasure or by retention; a gap
//! has no text but its members'.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};
use std::{collections::HashMap, fmt, str::FromStr};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Result, audit,
    jobs::Operator,
    tenancy::{TenantTx, sql},
};

mod gather;
mod reask;

pub use gather::{Gathered, Gatherer};

/// Questions of a gap that are shown as examples.
const EXAMPLES: i32 = 3;

/// How a gap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The site does not answer it.
    Open,
    /// A page answers it now.
    Resolved,
    /// The customer does not want it answered.
    Ignored,
}

impl State {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
        }
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Open, Self::Resolved, Self::Ignored]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::invalid("state", "must be open, resolved or ignored"))
    }
}

/// A gap with what its members say.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Gap {
    /// The row.
    pub id: Uuid,
    /// Its earliest question.
    pub question: String,
    /// Its language, where that is known.
    pub language: Option<String>,
    /// `open`, `resolved` or `ignored`.
    pub state: String,
    /// How often it was asked.
    pub count: i64,
    /// How many of these were refused; the others got a thumb down.
    pub refused: i64,
    /// Other ways in which it was asked, the last ones.
    pub examples: Vec<String>,
    /// When it was asked first.
    pub first_seen: OffsetDateTime,
    /// When it was asked last.
    pub last_seen: OffsetDateTime,
    /// How often in the last seven days.
    pub week: i64,
    /// How often in the seven days before these.
    pub week_before: i64,
    /// The pages that came nearest, best first: `[{page_id, url, title, score}]`.
    pub nearest: Value,
    /// The page that answers it now: `{page_id, url, title}`.
    pub resolved_by: Option<Value>,
    /// Since when.
    pub resolved_at: Option<OffsetDateTime>,
}

/// Where a list of gaps goes on: after the gap with this count and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its count.
    pub count: i64,
    /// The gap.
    pub id: Uuid,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.id)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once(':');
        let place = parts.and_then(|(count, id)| {
            Some(Self {
                count: count.parse().ok()?,
                id: id.parse().ok()?,
            })
        });
        place.ok_or_else(|| Error::invalid("cursor", "is not one that this list has given"))
    }
}

/// Which gaps to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only those asked since.
    pub since: Option<OffsetDateTime>,
    /// Only this one.
    pub id: Option<Uuid>,
}

/// The customer's gaps, those asked most often first.
pub async fn list(tx: &TenantTx, filter: Filter, after: Option<Place>, limit: u64) -> Result<Vec<Gap>> {
    const FIND: &str = "
        WITH counted AS (
          SELECT g.id, g.language, g.state, g.nearest, g.resolved_by, g.resolved_at, count(*) AS count,
            count(*) FILTER (WHERE m.cause = 'refused') AS refused, min(m.asked_at) AS first_seen, max(m.asked_at) AS last_seen,
            count(*) FILTER (WHERE m.asked_at > now() - interval '7 days') AS week,
            count(*) FILTER (WHERE m.asked_at <= now() - interval '7 days' AND m.asked_at > now() - interval '14 days') AS week_before
          FROM question_gaps g JOIN question_gap_members m ON m.gap_id = g.id
          WHERE g.customer_id = $1 AND ($2::text IS NULL OR g.state = $2) AND ($3::uuid IS NULL OR g.id = $3)
          GROUP BY g.id),
        wanted AS (
          SELECT * FROM counted WHERE ($4::timestamptz IS NULL OR last_seen >= $4) AND ($5::bigint IS NULL OR (count, id) < ($5, $6::uuid))
          ORDER BY count DESC, id DESC LIMIT $7)
        SELECT w.id, w.language, w.state, w.count, w.refused, w.first_seen, w.last_seen, w.week, w.week_before, w.resolved_at,
          (SELECT m.question FROM question_gap_members m WHERE m.gap_id = w.id ORDER BY m.asked_at, m.message_id LIMIT 1) AS question,
          ARRAY(SELECT e.question FROM (SELECT m.question, max(m.asked_at) AS at FROM question_gap_members m WHERE m.gap_id = w.id
            AND m.question <> (SELECT f.question FROM question_gap_members f WHERE f.gap_id = w.id ORDER BY f.asked_at, f.message_id LIMIT 1)
            GROUP BY m.question) e ORDER BY e.at DESC, e.question LIMIT $8) AS examples,
          (SELECT coalesce(jsonb_agg(jsonb_build_object('page_id', p.id, 'url', p.url, 'title', p.title, 'score', n.near -> 'score') ORDER BY n.at), '[]')
            FROM jsonb_array_elements(w.nearest) WITH ORDINALITY AS n (near, at)
            JOIN scraped_pages p ON p.id = (n.near ->> 'page')::uuid AND p.tombstoned_at IS NULL) AS nearest,
          (SELECT jsonb_build_object('page_id', p.id, 'url', p.url, 'title', p.title) FROM scraped_pages p WHERE p.id = w.resolved_by) AS resolved_by
        FROM wanted w ORDER BY w.count DESC, w.id DESC";
    let values = [
        tx.customer().into(),
        filter.state.map(|state| state.as_str().to_owned()).into(),
        filter.id.into(),
        filter.since.into(),
        after.map(|place| place.count).into(),
        after.map(|place| place.id).into(),
        (limit as i64).into(),
        EXAMPLES.into(),
    ];
    Ok(Gap::find_by_statement(sql(FIND, values)).all(&**tx).await?)
}

/// One of them.
pub async fn get(tx: &TenantTx, id: Uuid) -> Result<Gap> {
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let found = list(tx, filter, None, 1).await?;
    found.into_iter().next().ok_or_else(|| Error::not_found("gap"))
}

/// Sets a gap aside, or opens it again; that it is resolved, only its page can say. One that is opened again is asked again when the
/// index changes next.
pub async fn set(tx: &TenantTx, id: Uuid, to: State, by: Operator<'_>) -> Result<Gap> {
    const SET: &str = "
        UPDATE question_gaps g SET state = $3, resolved_by = NULL, resolved_at = NULL, checked_version = c.index_version
        FROM customer_configs c WHERE c.id = g.customer_id AND g.customer_id = $1 AND g.id = $2 AND g.state <> $3";
    if to == State::Resolved {
        let told = "must be open or ignored: a gap is resolved when a page answers it";
        return Err(Error::invalid("state", told));
    }
    get(tx, id).await?;
    let values = [tx.customer().into(), id.into(), to.as_str().into()];
    if tx.execute_raw(sql(SET, values)).await?.rows_affected() > 0 {
        let entry = audit::Entry {
            customer: Some(tx.customer()),
            actor: by.actor,
            action: if to == State::Ignored {
                "gap.ignored"
            } else {
                "gap.reopened"
            },
            resource: &id.to_string(),
            metadata: json!({}),
            ip: by.ip,
        };
        audit::record(&**tx, entry).await?;
    }
    get(tx, id).await
}

/// Questions of gaps, by gap, in the order in which they were asked.
type ByGap<T> = HashMap<Uuid, Vec<T>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_survives_its_spelling() {
        let place = Place {
            count: 12,
            id: Uuid::from_u128(7),
        };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for wrong in ["", "12", "x:00000000-0000-0000-0000-000000000007", "1:x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
