//! Dead letters: jobs that used up their attempts or their starts, read and run again by operators.
//!
//! A job whose dedupe key has a live twin is not run again: its work is being done. The check and the unique index
//! `idx_jobs_live_dedupe` say the same; the index decides when a twin is made at the same moment.
use entity::job;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr, Value};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Kind, Operator};
use crate::{
    Error, Result, audit,
    tenancy::{Db, SystemTx, columns, sql},
};

/// Jobs that one call runs again at most.
pub const REPLAY_MOST: i64 = 1000;
/// A twin that is made in the middle of a replay stops it; each new try sees it.
const TRIES: u32 = 5;

/// The dead job `d` has a live twin.
const TWIN: &str =
    "EXISTS (SELECT FROM jobs t WHERE (t.customer_id = d.customer_id OR (t.customer_id IS NULL AND d.customer_id IS NULL)) AND t.kind = d.kind AND t.dedupe_key = d.dedupe_key
    AND t.state IN ('scheduled', 'queued', 'running', 'needs_confirmation'))";
/// What a job is set to that runs again.
pub(super) const AFRESH: &str =
    "state = 'queued', attempts = 0, starts = 0, cancel_requested = false, error = NULL, result = NULL,
    run_at = now(), finished_at = NULL, confirmed_at = NULL";

/// Which dead letters are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this customer.
    pub customer: Option<Uuid>,
    /// Only those that died of this error.
    pub code: Option<String>,
    /// Only those that died before.
    pub before: Option<OffsetDateTime>,
}

impl DeadFilter {
    fn values(&self) -> [Value; 4] {
        [
            self.kind.map(|kind| kind.as_str().to_owned()).into(),
            self.customer.into(),
            self.code.clone().into(),
            self.before.into(),
        ]
    }
}

/// The condition of a [`DeadFilter`], with its values as the first four.
const MEANT: &str =
    "d.state = 'dead' AND ($1::text IS NULL OR d.kind = $1) AND ($2::uuid IS NULL OR d.customer_id = $2)
    AND ($3::text IS NULL OR d.error->>'code' = $3) AND ($4::timestamptz IS NULL OR d.finished_at < $4)";

/// A job that died.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The job with the reason, in `error`, and its attempts and starts.
    pub job: job::Model,
    /// Its customer's primary domain.
    pub domain: Option<String>,
}

/// Dead letters, the newest job first, after the job `after`.
pub async fn list_dead(db: &Db, filter: &DeadFilter, after: Option<Uuid>, limit: u64) -> Result<Vec<DeadLetter>> {
    let find = format!(
        "SELECT {}, c.domain AS c_domain FROM jobs d LEFT JOIN customer_configs c ON c.id = d.customer_id
         WHERE {MEANT} AND ($5::uuid IS NULL OR d.id < $5) ORDER BY d.id DESC LIMIT $6",
        columns::<job::Entity>("d")
    );
    let [kind, customer, code, before] = filter.values();
    let values = [kind, customer, code, before, after.into(), (limit as i64).into()];
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(&find, values)).await?;
    let letter = |row| {
        Ok(DeadLetter {
            job: job::Model::from_query_result(row, "")?,
            domain: row.try_get("", "c_domain")?,
        })
    };
    rows.iter().map(letter).collect()
}

/// Runs a dead letter again from the start of its tries; what it had done stays done.
pub async fn replay_dead(db: &Db, id: Uuid, by: Operator<'_>) -> Result<job::Model> {
    let tx = db.system().await?;
    let find = "SELECT state FROM jobs WHERE id = $1 FOR UPDATE";
    let row = tx.query_one_raw(sql(find, [id.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("job"))?;
    let state: String = row.try_get("", "state")?;
    if state != super::state::DEAD {
        let told = format!("the job is {state}; only a dead one is replayed");
        return Err(Error::conflict("job_not_dead", told));
    }
    let again = format!(
        "UPDATE jobs SET {AFRESH} WHERE id = $1 RETURNING {}",
        columns::<job::Entity>("jobs")
    );
    let row = tx.query_one_raw(sql(&again, [id.into()])).await.map_err(unless_twin)?;
    let row = row.ok_or_else(|| Error::not_found("job"))?;
    let job = job::Model::from_query_result(&row, "")?;
    super::record(&*tx, job.customer_id, id, "queued", json!({ "reason": "replayed" })).await?;
    let entry = audit::Entry {
        customer: job.customer_id,
        actor: by.actor,
        action: "job.replayed",
        resource: &id.to_string(),
        metadata: json!({ "kind": job.kind }),
        ip: by.ip,
    };
    audit::record(&*tx, entry).await?;
    tx.commit().await?;
    Ok(job)
}

/// What a bulk replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Dead letters that are queued again.
    pub replayed: i64,
    /// Dead letters that stay because a live job does the same work, or another one of this replay.
    pub skipped: i64,
    /// Dead letters that the filter still matches; those skipped are among them.
    pub remaining: i64,
}

/// Runs up to `limit` dead letters again, those that died first before others.
pub async fn replay_all_dead(db: &Db, filter: &DeadFilter, limit: i64, by: Operator<'_>) -> Result<Replayed> {
    if !(1..=REPLAY_MOST).contains(&limit) {
        return Err(Error::invalid("limit", format!("must be between 1 and {REPLAY_MOST}")));
    }
    let mut tries = 1;
    loop {
        match replay_batch(db, filter, limit, by).await {
            Err(error) if error.code() == live_twin().code() && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

async fn replay_batch(db: &Db, filter: &DeadFilter, limit: i64, by: Operator<'_>) -> Result<Replayed> {
    let tx = db.system().await?;
    let replayed = requeue(&tx, filter, limit).await?;
    let count =
        format!("SELECT count(*) AS remaining, count(*) FILTER (WHERE {TWIN}) AS skipped FROM jobs d WHERE {MEANT}");
    let row = tx.query_one_raw(sql(&count, filter.values())).await?;
    let row = row.ok_or_else(|| Error::internal("counting dead letters", "no row"))?;
    let done = Replayed {
        replayed,
        skipped: row.try_get("", "skipped")?,
        remaining: row.try_get("", "remaining")?,
    };
    let entry = audit::Entry {
        customer: filter.customer,
        actor: by.actor,
        action: "queue.replayed",
        resource: filter.kind.map_or("all", Kind::as_str),
        metadata: json!({
            "customer_id": filter.customer, "code": filter.code, "replayed": done.replayed, "remaining": done.remaining,
        }),
        ip: by.ip,
    };
    audit::record(&*tx, entry).await?;
    tx.commit().await?;
    Ok(done)
}

/// Of dead letters with one dedupe key only the first can live again.
async fn requeue(tx: &SystemTx, filter: &DeadFilter, limit: i64) -> Result<i64> {
    let again = format!(
        "WITH meant AS (
           SELECT d.id, d.finished_at, row_number() OVER (PARTITION BY d.customer_id, d.kind, coalesce(d.dedupe_key, d.id::text)
             ORDER BY d.finished_at, d.id) AS nth
           FROM jobs d WHERE {MEANT} AND NOT {TWIN}),
         chosen AS (SELECT id FROM jobs WHERE state = 'dead' AND id IN (
             SELECT id FROM meant WHERE nth = 1 ORDER BY finished_at, id LIMIT $5) ORDER BY id FOR UPDATE SKIP LOCKED),
         again AS (UPDATE jobs SET {AFRESH} WHERE id IN (SELECT id FROM chosen) RETURNING id, customer_id)
         INSERT INTO job_events (customer_id, job_id, kind, data)
         SELECT customer_id, id, 'queued', '{{\"reason\": \"replayed\"}}' FROM again"
    );
    let [kind, customer, code, before] = filter.values();
    let statement = sql(&again, [kind, customer, code, before, limit.into()]);
    let done = tx.execute_raw(statement).await.map_err(unless_twin)?;
    Ok(done.rows_affected() as i64)
}

/// A job can't run again beside its twin.
fn live_twin() -> Error {
    let told = "another job for the same work is under way; wait for it, or cancel it first";
    Error::conflict("job_has_live_twin", told)
}

/// What it means that the index which keeps live dedupe keys apart refused a job.
pub(super) fn unless_twin(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(told)) if told.contains("idx_jobs_live_dedupe") => live_twin(),
        _ => error.into(),
    }
}
