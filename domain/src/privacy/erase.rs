//! Forgetting a person: one transaction, so that nothing is ever half forgotten. Whoever asks again, or twice at once, gets the
//! same receipt unless there is something new to forget.
//!
//! The order of the locks: the subject, its sessions, its conversations, their messages. Chats that are being answered write under
//! their session's lock, and find by `erased_sessions` that they are not to be kept (`answering::conversation`).
use sea_orm::ConnectionTrait;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashSet},
    fmt, mem,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Privacy,
    find::{Visitors, alone_with},
    map::{Erase, Rows, tables},
    mentions,
    receipt::Tombstone,
    subject::{Subject, session_hash},
};
use crate::{
    Error, Result, audit, ids,
    jobs::Operator,
    people::notify,
    tenancy::{Customer, TenantTx, sql},
};

/// The count of texts of others that an address was taken out of.
pub const MENTIONS: &str = "mentions";

/// What was forgotten, with the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// What the receipt says.
    pub tombstone: Tombstone,
    /// The receipt.
    pub receipt: String,
    /// The conversations that are gone, for whoever follows them; none where it was done before.
    pub conversations: Vec<Uuid>,
}

impl Privacy {
    /// Forgets a person.
    pub async fn erase(&self, customer: &Customer, subject: &Subject, by: Operator<'_>) -> Result<Erased> {
        let key = self.seals.subject_key();
        let hash = key.hash(customer.id, subject);
        let tx = self.db.tenant(customer).await?;
        lock_subject(&tx, &hash).await?;
        let visitors = held(&tx, subject).await?;
        let rows = visitors.locked(&tx, hash.clone(), None).await?;
        let counts = remove(&tx, &rows, subject).await?;
        if counts.values().all(|n| *n == 0)
            && let Some(before) = self.newest(&tx, &hash).await?
        {
            return Ok(before);
        }
        let mut tombstone = Tombstone::new(ids::new_id(), customer.id, subject.kind(), now(&tx).await?);
        tombstone.subject = hex::encode(&hash);
        key.id().clone_into(&mut tombstone.key);
        tombstone.counts = counts;
        let sessions: Vec<Vec<u8>> = rows
            .sessions
            .iter()
            .map(|session| session_hash(customer.id, *session))
            .collect();
        tombstone.sessions = sessions.iter().map(hex::encode).collect();
        let receipt = self.seals.seal(&tombstone)?;
        keep(&tx, &tombstone, &receipt).await?;
        note(&tx, &tombstone, by).await?;
        tell(&tx, customer, &tombstone, &rows.conversations).await?;
        if let Some(log) = &self.log {
            log.append(vec![receipt.clone()]).await?;
        }
        tx.commit().await?;
        told(&tombstone);
        Ok(Erased {
            tombstone,
            receipt,
            conversations: rows.conversations,
        })
    }

    /// The subject's last receipt.
    async fn newest(&self, tx: &TenantTx, hash: &[u8]) -> Result<Option<Erased>> {
        const FIND: &str =
            "SELECT receipt FROM erasures WHERE customer_id = $1 AND subject = $2 ORDER BY erased_at DESC LIMIT 1";
        let row = tx
            .query_one_raw(sql(FIND, [tx.customer().into(), hash.to_vec().into()]))
            .await?;
        let receipt: Option<String> = row.map(|row| row.try_get("", "receipt")).transpose()?;
        // One that no key of today opens is as good as none.
        let opened = receipt.and_then(|receipt| Some((self.seals.open(&receipt)?, receipt)));
        Ok(opened.map(|(tombstone, receipt)| Erased {
            tombstone,
            receipt,
            conversations: Vec::new(),
        }))
    }
}

/// The subject's visitors, when nobody writes in any of their sessions: whoever gives the address in another one while this waits is
/// found with that one.
async fn held(tx: &TenantTx, subject: &Subject) -> Result<Visitors> {
    let mut held = Visitors::default();
    loop {
        let mut found = Visitors::of(tx, subject).await?;
        held.ids = mem::take(&mut found.ids);
        found.sessions.retain(|session| !held.sessions.contains(session));
        if found.sessions.is_empty() {
            return Ok(held);
        }
        alone_with(tx, &found.sessions).await?;
        held.sessions.append(&mut found.sessions);
    }
}

/// Two who forget the same person do it one after the other.
async fn lock_subject(tx: &TenantTx, hash: &[u8]) -> Result<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('erasure ' || $1::text, 0))";
    tx.execute_raw(sql(LOCK, [hex::encode(hash).into()])).await?;
    Ok(())
}

/// The moment of the erasure: no earlier than the locks, so that whatever began before is older.
async fn now(tx: &TenantTx) -> Result<OffsetDateTime> {
    let row = tx.query_one_raw(sql("SELECT clock_timestamp() AS now", [])).await?;
    let row = row.ok_or_else(|| Error::internal("the database's clock", "no row"))?;
    Ok(row.try_get("", "now")?)
}

/// Deletes a person's rows, and for an address its mentions; returns how many, by table.
async fn remove(tx: &TenantTx, rows: &Rows, subject: &Subject) -> Result<BTreeMap<String, u64>> {
    let copies = copies(tx).await?;
    let mut counts = delete(tx, rows).await?;
    *counts.entry("subject_exports".to_owned()).or_default() += forget_in(tx, &copies, rows, subject).await?;
    if let Subject::Email(key) = subject {
        let mentioned = mentions::find(tx, &|address: &str, _: Uuid| address == key).await?;
        counts.insert(MENTIONS.to_owned(), mentions::redact(tx, &mentioned).await?);
    }
    Ok(counts)
}

/// The customer's copies, held until the transaction ends: one that is being made is kept afterwards, or made again without the person.
async fn copies(tx: &TenantTx) -> Result<Vec<Uuid>> {
    const EACH: &str = "SELECT id FROM subject_exports WHERE customer_id = $1 ORDER BY id FOR UPDATE";
    let rows = tx.query_all_raw(sql(EACH, [tx.customer().into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Deletes those copies for others that quote the person; whoever asked for one asks again. Returns how many.
async fn forget_in(tx: &TenantTx, copies: &[Uuid], rows: &Rows, subject: &Subject) -> Result<u64> {
    const READ: &str = "SELECT document FROM subject_exports WHERE customer_id = $1 AND id = $2";
    const DELETE: &str = "DELETE FROM subject_exports WHERE customer_id = $1 AND id = $2";
    let ids: HashSet<String> = rows.messages.iter().map(Uuid::to_string).collect();
    let theirs = |text: &str| {
        ids.contains(text)
            || matches!(subject, Subject::Email(key) if mentions::without(text, &|address: &str| address == key).is_some())
    };
    let mut gone = 0;
    for id in copies {
        let which = || [tx.customer().into(), (*id).into()];
        let row = tx.query_one_raw(sql(READ, which())).await?;
        let document: Option<String> = row.map(|row| row.try_get("", "document")).transpose()?.flatten();
        let Some(document) = document else { continue };
        let mut read = serde_json::Deserializer::from_str(&document);
        if Says(&theirs).deserialize(&mut read)? {
            gone += tx.execute_raw(sql(DELETE, which())).await?.rows_affected();
        }
    }
    Ok(gone)
}

/// Whether any text of a document is theirs. The document may be large: nothing of it is kept.
struct Says<'a, F>(&'a F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Says<'_, F> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, document: D) -> std::result::Result<bool, D::Error> {
        document.deserialize_any(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Says<'_, F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<bool, E> {
        Ok((self.0)(text))
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<bool, A::Error> {
        let mut said = false;
        while let Some(one) = items.next_element_seed(Says(self.0))? {
            said |= one;
        }
        Ok(said)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<bool, A::Error> {
        let mut said = false;
        while fields.next_key::<IgnoredAny>()?.is_some() {
            said |= fields.next_value_seed(Says(self.0))?;
        }
        Ok(said)
    }
}

/// Deletes the rows by the data map, and ends the customer's kept answers.
pub(super) async fn delete(tx: &TenantTx, rows: &Rows) -> Result<BTreeMap<String, u64>> {
    const MOVE_ON: &str = "UPDATE customer_configs SET index_version = index_version + 1 WHERE id = $1";
    let mut counts = BTreeMap::new();
    for table in tables() {
        let Some(of) = table.of.filter(|of| of.erase == Erase::Delete) else {
            continue;
        };
        let gone = tx
            .execute_raw(rows.delete(tx.customer(), table, &of))
            .await?
            .rows_affected();
        counts.insert(table.name.to_owned(), gone);
    }
    if !rows.conversations.is_empty() {
        // No process, and no layer, is asked for an older version's answers again.
        tx.execute_raw(sql(MOVE_ON, [tx.customer().into()])).await?;
    }
    Ok(counts)
}

/// Keeps the tombstone in the database; one that is there already stays.
pub(super) async fn keep(tx: &TenantTx, tombstone: &Tombstone, receipt: &str) -> Result<()> {
    const INSERT: &str =
        "INSERT INTO erasures (id, customer_id, subject_kind, subject, key_id, counts, receipt, erased_at)
        VALUES ($1, $2, $3, decode($4, 'hex'), $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
    const SESSIONS: &str = "INSERT INTO erased_sessions (customer_id, session, erasure_id, erased_at)
        SELECT $1, decode(h, 'hex'), $2, $3 FROM unnest($4::text[]) AS h ON CONFLICT DO NOTHING";
    let (customer, at) = (tx.customer(), tombstone.at());
    let values = [
        tombstone.id.into(),
        customer.into(),
        tombstone.kind.as_str().into(),
        tombstone.subject.as_str().into(),
        tombstone.key.as_str().into(),
        json!(tombstone.counts).into(),
        receipt.into(),
        at.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    let values = [
        customer.into(),
        tombstone.id.into(),
        at.into(),
        tombstone.sessions.clone().into(),
    ];
    tx.execute_raw(sql(SESSIONS, values)).await?;
    Ok(())
}

async fn note(tx: &TenantTx, tombstone: &Tombstone, by: Operator<'_>) -> Result<()> {
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: by.actor,
        action: "gdpr.erased",
        resource: &tombstone.id.to_string(),
        metadata: json!({ "subject_kind": tombstone.kind, "counts": tombstone.counts }),
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// Tells the customer's webhooks which conversations are gone (GDPR, article 19).
async fn tell(tx: &TenantTx, customer: &Customer, tombstone: &Tombstone, conversations: &[Uuid]) -> Result<()> {
    if conversations.is_empty() {
        return Ok(());
    }
    let data = json!({
        "customer_id": customer.id,
        "domain": customer.domain,
        "erasure_id": tombstone.id,
        "conversation_ids": conversations,
    });
    notify::send(tx, notify::ERASED, data).await
}

fn told(tombstone: &Tombstone) {
    metrics::counter!("omniops_erasures_total", "kind" => tombstone.kind.clone()).increment(1);
    let rows: u64 = tombstone.counts.values().sum();
    tracing::info!(event = "gdpr_erased", erasure = %tombstone.id, customer = %tombstone.customer, rows);
}
