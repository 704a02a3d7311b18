//! Following a conversation: the rows tell, announcements only wake, as for jobs ([`crate::jobs::Live`]).
//!
//! What must stay true: a follower holds at most one page of events, and no connection to the database while it waits.
use sea_orm::FromQueryResult;
use serde_json::Value;
use std::collections::VecDeque;
use time::OffsetDateTime;
use uuid::Uuid;

use super::events::{Event, MESSAGE, Telling};
use crate::{
    Error, Result,
    jobs::{Live, Watch},
    tenancy::{Customer, Db, sql},
};

/// Events of one look.
const PAGE: i64 = 100;
/// A look ends with the event that reaches this many bytes of text.
const PAGE_BYTES: i64 = 64 * 1024;

/// Yields the events of one conversation in order, each once.
pub struct Follower {
    db: Db,
    customer: Customer,
    conversation: Uuid,
    after: i64,
    ready: VecDeque<Row>,
    watch: Watch,
}

/// An event as it is kept until somebody asks for it.
#[derive(FromQueryResult)]
struct Row {
    id: i64,
    kind: String,
    data: String,
    at: OffsetDateTime,
    message: Option<Uuid>,
    role: Option<String>,
    text: Option<String>,
    author: Option<String>,
    sources: Option<String>,
    refused: Option<bool>,
}

impl Follower {
    /// Follows the customer's `conversation` after the event `after`, from the first one for 0.
    pub fn new(live: &Live, db: &Db, customer: &Customer, conversation: Uuid, after: i64) -> Self {
        Self {
            db: db.clone(),
            watch: live.watch(customer, conversation),
            customer: customer.clone(),
            conversation,
            after,
            ready: VecDeque::new(),
        }
    }

    /// The next event; waits for as long as it takes. `not_found` once the conversation is deleted.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                self.after = row.id;
                return row.event();
            }
            let (db, customer) = (self.db.clone(), self.customer.clone());
            self.ready = self
                .watch
                .look(look(db, customer, self.conversation, self.after))
                .await?;
            if self.ready.is_empty() {
                self.watch.news().await;
            }
        }
    }
}

async fn look(db: Db, customer: Customer, conversation: Uuid, after: i64) -> Result<VecDeque<Row>> {
    const AFTER: &str = "
        SELECT id, kind, data, at, message, role, text, author, sources, refused FROM (
          SELECT *, sum(bytes) OVER (ORDER BY id) - bytes AS bytes_before FROM (
            SELECT e.id, e.kind, e.data::text AS data, e.at, m.id AS message, m.role, m.text, m.author, m.sources::text AS sources, m.refused,
              octet_length(e.data::text) + coalesce(octet_length(m.text) + octet_length(m.sources::text), 0) AS bytes
            FROM conversation_events e LEFT JOIN messages m ON m.id = e.message_id
            WHERE e.conversation_id = $1 AND e.id > $2 ORDER BY e.id LIMIT $3) page) sized
        WHERE bytes_before < $4 ORDER BY id";
    let tx = db.tenant(&customer).await?;
    let values = [conversation.into(), after.into(), PAGE.into(), PAGE_BYTES.into()];
    let rows = Row::find_by_statement(sql(AFTER, values)).all(&*tx).await?;
    if rows.is_empty() {
        super::inbox::exists(&tx, conversation).await?;
    }
    tx.commit().await?;
    Ok(rows.into())
}

impl Row {
    fn event(self) -> Result<Event> {
        let telling = if self.kind == MESSAGE {
            Telling::Message {
                id: self
                    .message
                    .ok_or_else(|| Error::internal("reading an event", "no message"))?,
                role: self.role.unwrap_or_default(),
                text: self.text.unwrap_or_default(),
                author: self.author,
                sources: serde_json::from_str(self.sources.as_deref().unwrap_or("[]"))?,
                refused: self.refused.unwrap_or_default(),
            }
        } else {
            Telling::State(serde_json::from_str::<Value>(&self.data)?)
        };
        Ok(Event {
            id: self.id,
            telling,
            at: self.at,
        })
    }
}
