//! A person's rows: found and locked, or found and left alone.
use sea_orm::{ConnectionTrait, QueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{map::Rows, subject::Subject};
use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// The visitors of a subject that were there at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Visitors {
    pub ids: Vec<Uuid>,
    pub sessions: Vec<Uuid>,
}

impl Visitors {
    /// Those of the subject now.
    pub async fn of(tx: &TenantTx, subject: &Subject) -> Result<Self> {
        const BY_EMAIL: &str = "SELECT id, session_id FROM visitors WHERE customer_id = $1 AND email_key = $2
            UNION SELECT id, session_id FROM visitors WHERE customer_id = $1 AND earlier_emails IS NOT NULL AND $2 = ANY(earlier_emails)
            ORDER BY session_id";
        const BY_SESSION: &str = "SELECT id, session_id FROM visitors WHERE customer_id = $1 AND session_id = $2";
        let customer = tx.customer().into();
        let query = match subject {
            Subject::Email(key) => sql(BY_EMAIL, [customer, key.as_str().into()]),
            Subject::Session(session) => sql(BY_SESSION, [customer, (*session).into()]),
        };
        let mut found = Self::default();
        for row in tx.query_all_raw(query).await? {
            found.ids.push(row.try_get("", "id")?);
            found.sessions.push(row.try_get("", "session_id")?);
        }
        if let Subject::Session(session) = subject
            && found.sessions.is_empty()
        {
            found.sessions.push(*session);
        }
        Ok(found)
    }

    /// Their rows, for reading.
    pub async fn rows(self, tx: &TenantTx, subject: Vec<u8>) -> Result<Rows> {
        self.look(tx, subject, None, "").await
    }

    /// Their rows that were there `until` a moment, locked until the transaction ends: whoever is about to write to them has
    /// written before, or finds nothing afterwards. Take [`alone_with`] first.
    pub async fn locked(self, tx: &TenantTx, subject: Vec<u8>, until: Option<OffsetDateTime>) -> Result<Rows> {
        self.look(tx, subject, until, "FOR UPDATE").await
    }

    async fn look(self, tx: &TenantTx, subject: Vec<u8>, until: Option<OffsetDateTime>, lock: &str) -> Result<Rows> {
        let conversations = format!(
            "SELECT id FROM conversations WHERE customer_id = $1 AND session_id = ANY($2)
               AND ($3::timestamptz IS NULL OR created_at <= $3) ORDER BY id {lock}"
        );
        let messages =
            format!("SELECT id FROM messages WHERE customer_id = $1 AND conversation_id = ANY($2) ORDER BY id {lock}");
        let customer = tx.customer();
        let values = [customer.into(), self.sessions.clone().into(), until.into()];
        let conversations = ids(&tx.query_all_raw(sql(&conversations, values)).await?)?;
        let values = [customer.into(), conversations.clone().into()];
        let messages = ids(&tx.query_all_raw(sql(&messages, values)).await?)?;
        Ok(Rows {
            visitors: self.ids,
            sessions: self.sessions,
            conversations,
            messages,
            subject,
        })
    }
}

fn ids(rows: &[QueryResult]) -> Result<Vec<Uuid>> {
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Keeps every conversation of these sessions from being begun until the transaction ends. In one order, so that two can't wait
/// for each other.
pub(crate) async fn alone_with(tx: &TenantTx, sessions: &[Uuid]) -> Result<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('session ' || $1::text || ' ' || $2::text, 0))";
    let mut sessions = sessions.to_vec();
    sessions.sort_unstable();
    for session in sessions {
        tx.execute_raw(sql(LOCK, [tx.customer().into(), session.into()]))
            .await?;
    }
    Ok(())
}
