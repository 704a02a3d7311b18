//! The chain: for every line a link, the MAC of the line and of the link before.
//!
//! Links are made in order by one worker at a time, after the deeds have been committed: no deed waits for another's. A line that
//! commits late gets a later link; the chain keeps the order of links, not of ids. The key is derived from the installation's
//! data key, so that whoever has only the database can make no link, and a new master key leaves the links as they are.
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::{
    Error, Result,
    secrets::{Envelopes, Secret, hmac_sha256, joined},
    tenancy::{Db, SystemTx, sql},
};

/// Links of one transaction.
const BATCH: i64 = 500;

/// The end of the chain: told in the logs, so that a chain that was cut short is known by what it once had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last link.
    pub seq: i64,
    /// The link.
    pub mac: Vec<u8>,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.mac))
    }
}

impl FromStr for Head {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = |text: &str| {
            let (seq, mac) = text.split_once(':')?;
            let (seq, mac) = (seq.parse().ok()?, hex::decode(mac).ok()?);
            Some(Self { seq, mac })
        };
        read(text.trim()).ok_or_else(|| Error::invalid("head", "must be a number, a colon and 64 hex characters"))
    }
}

/// A line, as a link covers it.
#[derive(FromQueryResult)]
pub(super) struct Line {
    pub id: i64,
    customer_id: Option<Uuid>,
    actor: String,
    action: String,
    resource: String,
    metadata: String,
    ip: Option<String>,
    request_id: Option<String>,
    /// Microseconds since 1970.
    pub at: i64,
}

impl Line {
    /// What to select of `audit_logs l`. The text of `jsonb` is the same for the same value.
    pub const COLUMNS: &str =
        "l.id, l.customer_id, l.actor, l.action, l.resource, l.metadata::text AS metadata, l.ip, l.request_id,
        (extract(epoch FROM l.at) * 1000000)::bigint AS at";

    fn content(&self) -> Vec<u8> {
        let customer = self.customer_id.map(Uuid::into_bytes);
        let some = |value: Option<&[u8]>| value.map_or(vec![], |value| [&[1], value].concat());
        joined(&[
            &self.id.to_be_bytes(),
            &some(customer.as_ref().map(<[u8; 16]>::as_slice)),
            self.actor.as_bytes(),
            self.action.as_bytes(),
            self.resource.as_bytes(),
            self.metadata.as_bytes(),
            &some(self.ip.as_deref().map(str::as_bytes)),
            &some(self.request_id.as_deref().map(str::as_bytes)),
            &self.at.to_be_bytes(),
        ])
    }
}

/// A key of the chain.
pub(super) struct ChainKey {
    pub id: Uuid,
    key: Secret,
}

impl ChainKey {
    /// The one that links are made with now.
    pub async fn present(tx: &SystemTx, envelopes: &Envelopes) -> Result<Self> {
        let key = envelopes.present(&**tx, None).await?;
        Ok(Self::of(key.id, &key.key))
    }

    /// The one with this id, if it is there.
    pub async fn find(tx: &SystemTx, envelopes: &Envelopes, id: Uuid) -> Result<Option<Self>> {
        let key = envelopes.find(&**tx, None, id).await?;
        Ok(key.map(|key| Self::of(key.id, &key.key)))
    }

    fn of(id: Uuid, key: &[u8]) -> Self {
        let key = hmac_sha256(key, b"audit chain").into();
        Self { id, key }
    }

    /// The link of a line after `before`.
    pub fn link(&self, before: &[u8], seq: i64, line: &Line) -> Vec<u8> {
        hmac_sha256(
            &self.key,
            &joined(&[b"link", before, &seq.to_be_bytes(), &line.content()]),
        )
    }

    /// The signature of a checkpoint.
    pub fn checkpoint(&self, head: &Head) -> Vec<u8> {
        hmac_sha256(&self.key, &joined(&[b"checkpoint", &head.seq.to_be_bytes(), &head.mac]))
    }
}

/// Lets nobody else change the chain until `tx` ends; false if somebody does so just now.
pub(super) async fn alone(tx: &SystemTx) -> Result<bool> {
    const ALONE: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit chain', 0)) AS alone";
    let row = tx.query_one_raw(sql(ALONE, [])).await?;
    Ok(row.is_some_and(|row| row.try_get("", "alone").unwrap_or(false)))
}

/// The last link, or the checkpoint that stands for all that were.
pub(super) async fn head(tx: &SystemTx) -> Result<Option<Head>> {
    const HEAD: &str = "(SELECT seq, mac FROM audit_chain ORDER BY seq DESC LIMIT 1)
        UNION ALL (SELECT seq, mac FROM audit_checkpoints ORDER BY seq DESC LIMIT 1) ORDER BY seq DESC LIMIT 1";
    let row = tx.query_one_raw(sql(HEAD, [])).await?;
    row.map(|row| read_head(&row)).transpose()
}

pub(super) fn read_head(row: &QueryResult) -> Result<Head> {
    Ok(Head {
        seq: row.try_get("", "seq")?,
        mac: row.try_get("", "mac")?,
    })
}

/// Links up to 500 lines that have no link; returns the new head and how many. It looks at the lines of the last ten minutes, and
/// with `all` at every one: a process does so once, for what was left by those before.
pub async fn seal(db: &Db, envelopes: &Envelopes, all: bool) -> Result<Option<(Head, usize)>> {
    const LINK: &str = "INSERT INTO audit_chain (seq, log_id, key_id, mac) VALUES ($1, $2, $3, $4)";
    let tx = db.system().await?;
    if !alone(&tx).await? {
        return Ok(None);
    }
    let open = format!(
        "SELECT {} FROM audit_logs l WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.log_id = l.id)
           AND ($1 OR l.id > coalesce((SELECT id FROM audit_logs WHERE at < now() - interval '10 minutes' ORDER BY id DESC LIMIT 1), 0))
         ORDER BY l.id LIMIT $2",
        Line::COLUMNS
    );
    let rows = tx.query_all_raw(sql(&open, [all.into(), BATCH.into()])).await?;
    if rows.is_empty() {
        // A transaction that is dropped keeps the lock until its connection is looked at again.
        tx.commit().await?;
        return Ok(None);
    }
    let key = ChainKey::present(&tx, envelopes).await?;
    let mut head = head(&tx).await?.unwrap_or(Head { seq: 0, mac: vec![] });
    for row in &rows {
        let line = Line::from_query_result(row, "")?;
        head.seq += 1;
        head.mac = key.link(&head.mac, head.seq, &line);
        let values = [head.seq.into(), line.id.into(), key.id.into(), head.mac.clone().into()];
        tx.execute_raw(sql(LINK, values)).await?;
    }
    tx.commit().await?;
    Ok(Some((head, rows.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head {
            seq: 17,
            mac: vec![0xab; 32],
        };
        assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
        for wrong in ["", "17", "x:ab", "17:xy"] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
