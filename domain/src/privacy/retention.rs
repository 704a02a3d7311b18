//! How long things stay by themselves: every figure in one place, for the sweeps, the data map and the docs. The night's job goes
//! through all of them.
//!
//! Conversations go by their customer's setting `retention_days`, everything else by these figures. Every batch is a transaction
//! of its own, and doing it twice is harmless.
use sea_orm::ConnectionTrait;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Result,
    tenancy::{Customer, Db, sql},
};

/// Conversations with all that belongs to them, after their last turn, unless their customer says otherwise.
pub const CONVERSATIONS: u32 = 90;
/// Visitors who have no conversation.
pub const VISITORS: u32 = 1;
/// What webhooks were told.
pub const DELIVERIES: u32 = 30;
/// Jobs that are done, failed or cancelled.
pub const JOBS: u32 = 30;
/// Jobs that died, which somebody may want to replay.
pub const DEAD_JOBS: u32 = 90;
/// Events of jobs.
pub const JOB_EVENTS: u32 = 7;
/// What crawls decided about URLs, and pictures of pages.
pub const JOB_URLS: u32 = 30;
/// Answers to requests that may be sent twice.
pub const IDEMPOTENCY_KEYS: u32 = 1;
/// Kept answers, which are good for minutes; whatever is left of them.
pub const QUERY_CACHE: u32 = 30;
/// From where a key was used, after it was used last.
pub const KEY_PLACES: u32 = 90;
/// Copies of what is held about a person.
pub const EXPORTS: u32 = 1;
/// The audit log.
pub const AUDIT: u32 = 400;
/// Tombstones: longer than any backup is kept, and for as long as somebody may ask for the proof.
pub const ERASURES: u32 = 1095;

/// Rows of one transaction.
const BATCH: i64 = 1000;

/// How many days a customer's conversations are kept.
pub fn days_of(customer: &Customer) -> u32 {
    let set = customer.settings.get("retention_days").and_then(Value::as_u64);
    set.filter(|days| (1..=3650).contains(days))
        .map_or(CONVERSATIONS, |days| days as u32)
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Copies for persons whose day is over.
    pub exports: u64,
    /// Tombstones.
    pub erasures: u64,
    /// Keys of which it was forgotten from where they were used.
    pub key_places: u64,
}

/// Deletes copies and tombstones whose time is over, and from where keys were used.
pub async fn purge(db: &Db) -> Result<Forgotten> {
    const EXPIRED: &str = "DELETE FROM subject_exports WHERE id IN (
        SELECT id FROM subject_exports WHERE expires_at < now() AND $1 > 0 LIMIT $2)";
    const OLD: &str = "DELETE FROM erasures WHERE id IN (
        SELECT id FROM erasures WHERE erased_at < now() - make_interval(days => $1) LIMIT $2)";
    const PLACES: &str = "UPDATE api_keys SET used_from = '{}' WHERE id IN (
        SELECT id FROM api_keys WHERE used_from <> '{}' AND coalesce(last_used_at, created_at) < now() - make_interval(days => $1) LIMIT $2)";
    Ok(Forgotten {
        exports: batches(db, EXPIRED, EXPORTS).await?,
        erasures: batches(db, OLD, ERASURES).await?,
        key_places: batches(db, PLACES, KEY_PLACES).await?,
    })
}

/// Runs a statement that deletes some of the rows older than these days, until there are no more.
pub(crate) async fn batches(db: &Db, delete: &str, days: u32) -> Result<u64> {
    let mut gone = 0;
    loop {
        let tx = db.system().await?;
        let values = [(days as i32).into(), BATCH.into()];
        let some = tx.execute_raw(sql(delete, values)).await?.rows_affected();
        tx.commit().await?;
        gone += some;
        if some < BATCH as u64 {
            return Ok(gone);
        }
    }
}
