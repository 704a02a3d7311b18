//! Conversations as people look for them: by who has the word, by what visitors thought of answers, by words and by time.
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use std::{fmt, str::FromStr};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    State,
    receive::{FAILED, FAILURES},
};
use crate::{
    Error, Result,
    tenancy::{TenantTx, sql},
};

/// Characters of the last message that a list shows.
const SNIPPET: i32 = 200;
/// Longest search, in characters.
pub const LONGEST_SEARCH: usize = 200;

/// Which conversations to list; the rules hold together.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// With a message that has these words, as a web search has them: `"a phrase"`, `or`, `-not`.
    pub words: Option<String>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only with an answer that was rated so: `up` or `down`.
    pub feedback: Option<&'static str>,
    /// Something happened at this moment or later.
    pub from: Option<OffsetDateTime>,
    /// Something last happened before this moment.
    pub to: Option<OffsetDateTime>,
    /// Behind this one in the list.
    pub after: Option<Place>,
}

/// A place in the list: the later one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Microseconds since 1970 of what happened last.
    micros: i64,
    id: Uuid,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.micros, self.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once(' ').ok_or(())?;
        // Years that Postgres has, so that the comparison below can't overflow.
        let micros: i64 = micros.parse().map_err(|_| ())?;
        if !(0..=253_402_300_799_000_000).contains(&micros) {
            return Err(());
        }
        Ok(Self {
            micros,
            id: id.parse().map_err(|_| ())?,
        })
    }
}

/// A conversation as people see it.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Conversation {
    /// Its id.
    pub id: Uuid,
    /// The visitor's session.
    pub session_id: Uuid,
    /// `bot`, `waiting`, `human` or `closed`.
    pub state: String,
    /// Why it came to that state.
    pub reason: Option<String>,
    /// The person who has it.
    pub agent: Option<String>,
    /// Since when the visitor waits for a person.
    pub waiting_since: Option<OffsetDateTime>,
    /// The wait was too long, and the visitor was told so.
    pub overdue: bool,
    /// Since when the visitor has no answer from a person.
    pub unanswered_since: Option<OffsetDateTime>,
    /// The visitor's address, if it was given.
    pub email: Option<String>,
    /// The code of the language that the visitor spoke last, if that was sure.
    pub locale: Option<String>,
    /// Turns.
    pub messages: i64,
    /// Answers that were refused.
    pub refused: i64,
    /// Answers that helped.
    pub up: i64,
    /// Answers that did not.
    pub down: i64,
    /// Who wrote last.
    pub last_role: Option<String>,
    /// The beginning of what was last written.
    pub last_text: Option<String>,
    /// The last event; what a follower begins after.
    pub last_event: i64,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When something last happened.
    pub updated_at: OffsetDateTime,
    /// The bot has failed so often that the visitor should be offered a person.
    pub failing: bool,
}

impl Conversation {
    /// Its place in the list.
    pub fn place(&self) -> Place {
        Place {
            micros: i64::try_from(self.updated_at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX),
            id: self.id,
        }
    }
}

const COLUMNS: &str = "
    c.id, c.session_id, c.state, c.reason, c.agent, c.waiting_since, c.told_at IS NOT NULL AS overdue, c.unanswered_since, v.email, v.locale,
    c.created_at, c.updated_at, n.messages, n.refused, n.up, n.down, l.role AS last_role, l.text AS last_text,
    coalesce((SELECT max(e.id) FROM conversation_events e WHERE e.conversation_id = c.id), 0) AS last_event,
    ";

/// What is read of each conversation.
fn columns() -> String {
    format!("{COLUMNS} {FAILED} >= {FAILURES} AS failing")
}

const JOINS: &str = "
    JOIN visitors v ON v.id = c.visitor_id
    CROSS JOIN LATERAL (
      SELECT count(*) AS messages, count(*) FILTER (WHERE m.refused) AS refused, count(*) FILTER (WHERE m.feedback = 'up') AS up,
        count(*) FILTER (WHERE m.feedback = 'down') AS down FROM messages m WHERE m.conversation_id = c.id) n
    LEFT JOIN LATERAL (
      SELECT m.role, left(m.text, $2) AS text FROM messages m WHERE m.conversation_id = c.id
      ORDER BY m.created_at DESC, m.id DESC LIMIT 1) l ON true";

/// The customer's conversations, the one where something last happened first.
pub async fn list(tx: &TenantTx, filter: &Filter, limit: u64) -> Result<Vec<Conversation>> {
    let words = filter.words.as_deref().map(str::trim).filter(|words| !words.is_empty());
    if words.is_some_and(|words| words.chars().count() > LONGEST_SEARCH) {
        return Err(Error::invalid(
            "q",
            format!("must have at most {LONGEST_SEARCH} characters"),
        ));
    }
    // Only what was asked for is in the statement, so that each has the plan that fits it.
    let mut values: Vec<Value> = vec![tx.customer().into(), SNIPPET.into()];
    let mut rules = vec!["c.customer_id = $1".to_owned()];
    let mut rule = |text: &str, value: Value| {
        values.push(value);
        rules.push(text.replace("$$", &format!("${}", values.len())));
    };
    if let Some(state) = filter.state {
        rule("c.state = $$", state.as_str().into());
    }
    if let Some(from) = filter.from {
        rule("c.updated_at >= $$", from.into());
    }
    if let Some(to) = filter.to {
        rule("c.updated_at < $$", to.into());
    }
    if let Some(rating) = filter.feedback {
        let rated =
            "EXISTS (SELECT FROM messages m WHERE m.customer_id = $1 AND m.conversation_id = c.id AND m.feedback = $$)";
        rule(rated, rating.into());
    }
    if let Some(words) = words {
        // The conversations with the words are found first, going once through the customer's messages.
        let said = "c.id IN (SELECT m.conversation_id FROM messages m WHERE m.customer_id = $1 AND m.search @@ websearch_to_tsquery('simple', $$))";
        rule(said, words.replace('\0', " ").into());
    }
    if let Some(after) = filter.after {
        rule(
            "(c.updated_at, c.id) < (to_timestamp(0) + $$::bigint * interval '1 microsecond', $ID)",
            after.micros.into(),
        );
        values.push(after.id.into());
        if let Some(last) = rules.last_mut() {
            *last = last.replace("$ID", &format!("${}", values.len()));
        }
    }
    values.push((limit as i64).into());
    let list = format!(
        "SELECT {} FROM (
           SELECT * FROM conversations c WHERE {} ORDER BY c.updated_at DESC, c.id DESC LIMIT ${}) c {JOINS}
         ORDER BY c.updated_at DESC, c.id DESC",
        columns(),
        rules.join(" AND "),
        values.len()
    );
    let statement = sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, list, values);
    Ok(Conversation::find_by_statement(statement).all(&**tx).await?)
}

/// One conversation of the customer; with `session`, only if it is that session's.
pub async fn find(tx: &TenantTx, id: Uuid, session: Option<Uuid>) -> Result<Conversation> {
    let find = format!(
        "SELECT {} FROM conversations c {JOINS} WHERE c.customer_id = $1 AND c.id = $3",
        columns()
    );
    let query = sql(&find, [tx.customer().into(), SNIPPET.into(), id.into()]);
    let found = Conversation::find_by_statement(query).one(&**tx).await?;
    let found = found.filter(|c| session.is_none_or(|s| s == c.session_id));
    found.ok_or_else(|| Error::not_found("conversation"))
}

/// Refuses if there is no such conversation of the customer.
pub(super) async fn exists(tx: &TenantTx, id: Uuid) -> Result<()> {
    let find = "SELECT 1 FROM conversations WHERE customer_id = $1 AND id = $2";
    let found = tx.query_one_raw(sql(find, [tx.customer().into(), id.into()])).await?;
    found.map(drop).ok_or_else(|| Error::not_found("conversation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nonsense_is_refused() {
        let place = Place {
            micros: 1_700_000_000_123_456,
            id: Uuid::max(),
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in [
            "",
            "1",
            "x y",
            "-1 00000000-0000-0000-0000-000000000000",
            "9223372036854775807 00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(wrong.parse::<Place>(), Err(()), "{wrong}");
        }
    }
}
