//! After a restore: whoever was forgotten after the backup was made is forgotten again, by tombstones that were kept outside of
//! it. Done twice, or on a database that knows them all, it changes nothing.
//!
//! A tombstone forgets what was there before it and nothing that came later: a person may come back. Sessions are known by hashes
//! that need no key; addresses by hashes under the installation's key, which also finds sessions that were not known when the
//! address was forgotten.
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    MENTIONS, Privacy,
    ending::CUSTOMER,
    erase::{delete, keep},
    find::{Visitors, alone_with},
    mentions,
    receipt::{Seals, Tombstone},
    subject::{Subject, session_hash},
};
use crate::{
    Result, audit,
    error::Kind,
    jobs::Operator,
    tenancy::{self, Customer, Db, sql},
};

/// Visitors of one look.
const PAGE: i64 = 1000;

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Erasures that it knew, each counted once.
    pub erasures: usize,
    /// Those that the database did not know.
    pub new: usize,
    /// Lines, of the database's own as well, that no key of the installation has signed.
    pub unreadable: usize,
    /// Erasures of customers that are not there.
    pub without_customer: usize,
    /// Customers who are here and whose deletion was begun, without a word of its end: whoever knows decides.
    pub unfinished: Vec<Uuid>,
    /// Customers who had been deleted, had come back and are deleted again.
    pub customers: usize,
    /// Visitors who had come back and were forgotten again.
    pub visitors: usize,
    /// Rows that went, by table.
    pub counts: BTreeMap<String, u64>,
}

/// Forgets again whom the database's own tombstones and these receipts name.
pub async fn replay_erasures(privacy: &Privacy, lines: &[String], actor: &str) -> Result<Replayed> {
    let mut replayed = Replayed::default();
    let known = receipts(&privacy.db).await?;
    let mut by_customer: BTreeMap<Uuid, BTreeMap<Uuid, (Tombstone, String)>> = BTreeMap::new();
    for (line, kept) in known
        .iter()
        .map(|line| (line, true))
        .chain(lines.iter().map(|line| (line, false)))
    {
        let Some(tombstone) = privacy.seals.open(line) else {
            // A torn or a foreign line, or one of a key that is gone.
            replayed.unreadable += usize::from(privacy.seals.open_note(line).is_none());
            continue;
        };
        let stones = by_customer.entry(tombstone.customer).or_default();
        if stones.contains_key(&tombstone.id) {
            continue;
        }
        replayed.new += usize::from(!kept);
        stones.insert(tombstone.id, (tombstone, line.clone()));
    }
    for (customer, stones) in by_customer {
        replayed.erasures += stones.len();
        if let Some((tombstone, receipt)) = stones.values().find(|(stone, _)| stone.kind == CUSTOMER) {
            let was_back = privacy.end_again(tombstone, receipt, Operator::named(actor)).await?;
            replayed.customers += usize::from(was_back);
            continue;
        }
        match tenancy::get(&privacy.db, customer).await {
            Ok(customer) => {
                forget_again(privacy, &customer, stones.into_values().collect(), actor, &mut replayed).await?;
            }
            Err(error) if *error.kind() == Kind::NotFound => replayed.without_customer += stones.len(),
            Err(error) => return Err(error),
        }
    }
    replayed.unfinished = privacy.unfinished(&known, lines).await?;
    tracing::info!(
        event = "gdpr_replayed",
        erasures = replayed.erasures,
        visitors = replayed.visitors
    );
    Ok(replayed)
}

async fn forget_again(
    privacy: &Privacy,
    customer: &Customer,
    stones: Vec<(Tombstone, String)>,
    actor: &str,
    replayed: &mut Replayed,
) -> Result<()> {
    let tx = privacy.db.tenant(customer).await?;
    for (tombstone, receipt) in &stones {
        keep(&tx, tombstone, receipt).await?;
    }
    tx.commit().await?;
    let graves = Graves::of(customer, &privacy.seals, &stones);
    let (mut gone, mut after) = (0, Uuid::nil());
    let mut counts = BTreeMap::new();
    loop {
        let tx = privacy.db.tenant(customer).await?;
        let (back, last) = graves.next(&tx, after).await?;
        gone += back.ids.len();
        if !back.ids.is_empty() {
            alone_with(&tx, &back.sessions).await?;
            let rows = back.locked(&tx, Vec::new(), None).await?;
            add(&mut counts, delete(&tx, &rows).await?);
        }
        tx.commit().await?;
        let Some(last) = last else { break };
        after = last;
    }
    let tx = privacy.db.tenant(customer).await?;
    let mentioned = mentions::find(&tx, &|address: &str, row: Uuid| graves.knows(address, made_at(row))).await?;
    let redacted = mentions::redact(&tx, &mentioned).await?;
    add(&mut counts, [(MENTIONS.to_owned(), redacted)].into());
    if counts.values().any(|n| *n > 0) {
        let entry = audit::Entry {
            customer: Some(customer.id),
            actor,
            action: "gdpr.replayed",
            resource: &customer.id.to_string(),
            metadata: json!({ "erasures": stones.len(), "counts": counts }),
            ip: None,
        };
        audit::record(&*tx, entry).await?;
    }
    tx.commit().await?;
    replayed.visitors += gone;
    add(&mut replayed.counts, counts);
    Ok(())
}

fn add(to: &mut BTreeMap<String, u64>, counts: BTreeMap<String, u64>) {
    for (table, n) in counts {
        *to.entry(table).or_default() += n;
    }
}

/// When a row was made, by its `UUIDv7` (RFC 9562, section 5.7).
fn made_at(id: Uuid) -> OffsetDateTime {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Whom a customer's tombstones name, each with the last moment.
struct Graves<'a> {
    customer: Uuid,
    seals: &'a Seals,
    sessions: HashMap<String, OffsetDateTime>,
    addresses: HashMap<String, OffsetDateTime>,
}

impl<'a> Graves<'a> {
    fn of(customer: &Customer, seals: &'a Seals, stones: &[(Tombstone, String)]) -> Self {
        let mut graves = Self {
            customer: customer.id,
            seals,
            sessions: HashMap::new(),
            addresses: HashMap::new(),
        };
        let bury = |of: &mut HashMap<String, OffsetDateTime>, name: &str, at| {
            let last = of.entry(name.to_owned()).or_insert(at);
            *last = at.max(*last);
        };
        for (stone, _) in stones {
            for session in &stone.sessions {
                bury(&mut graves.sessions, session, stone.at());
            }
            if stone.kind == "email" {
                bury(&mut graves.addresses, &stone.subject, stone.at());
            }
        }
        graves
    }

    /// Whether the address was forgotten at or after this moment.
    fn knows(&self, address: &str, given_at: OffsetDateTime) -> bool {
        if self.addresses.is_empty() {
            return false;
        }
        let subject = Subject::Email(address.to_owned());
        let hashes = self
            .seals
            .subject_keys()
            .iter()
            .map(|key| hex::encode(key.hash(self.customer, &subject)));
        hashes
            .filter_map(|hash| self.addresses.get(&hash))
            .any(|at| given_at <= *at)
    }

    /// Those of the next visitors who were forgotten, and where to go on.
    async fn next(&self, tx: &tenancy::TenantTx, after: Uuid) -> Result<(Visitors, Option<Uuid>)> {
        const NEXT: &str =
            "SELECT id, session_id, email_key, earlier_emails, created_at, coalesce(email_at, created_at) AS email_at
            FROM visitors WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = tx
            .query_all_raw(sql(NEXT, [self.customer.into(), after.into(), PAGE.into()]))
            .await?;
        let (mut back, mut last) = (Visitors::default(), None);
        for row in &rows {
            let (id, session): (Uuid, Uuid) = (row.try_get("", "id")?, row.try_get("", "session_id")?);
            let created_at: OffsetDateTime = row.try_get("", "created_at")?;
            let address: Option<String> = row.try_get("", "email_key")?;
            let earlier: Option<Vec<String>> = row.try_get("", "earlier_emails")?;
            let given_at: OffsetDateTime = row.try_get("", "email_at")?;
            let mut addresses = address.into_iter().chain(earlier.unwrap_or_default());
            let hash = hex::encode(session_hash(self.customer, session));
            let by_session = self.sessions.get(&hash).is_some_and(|at| created_at <= *at);
            if by_session || addresses.any(|address| self.knows(&address, given_at)) {
                back.ids.push(id);
                back.sessions.push(session);
            }
            last = Some(id);
        }
        Ok((back, last.filter(|_| rows.len() == PAGE as usize)))
    }
}

/// All receipts that the database has, oldest first.
pub async fn receipts(db: &Db) -> Result<Vec<String>> {
    const ALL: &str = "SELECT receipt FROM (SELECT receipt, erased_at AS at, id FROM erasures
        UNION ALL SELECT receipt, deleted_at, id FROM deleted_customers) AS every ORDER BY at, id";
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(ALL, [])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "receipt"))
        .collect::<Result<_, _>>()?)
}

/// Brings the log up to date with the database, which other processes, on other disks, write to as well; returns how many receipts
/// were added.
pub async fn sync_log(privacy: &Privacy) -> Result<usize> {
    let Some(log) = &privacy.log else { return Ok(0) };
    let known = log.known(&privacy.seals).await?;
    let all = receipts(&privacy.db).await?;
    let missing: Vec<String> = all
        .into_iter()
        .filter(|receipt| {
            privacy
                .seals
                .open(receipt)
                .is_some_and(|stone| !known.contains(&stone.id))
        })
        .collect();
    let added = missing.len();
    if added > 0 {
        log.append(missing).await?;
    }
    Ok(added)
}
