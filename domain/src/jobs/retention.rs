//! Forgetting what has been kept long enough: ended jobs with all that belongs to them, and the rows that are wanted for a shorter
//! time than their job.
//!
//! Ids are `UUIDv7`, so that what is old stands at the beginning of the primary keys: each batch goes on where the one before
//! it ended, however many young rows there are. Every batch is a transaction of its own, and doing it twice is harmless.
use sea_orm::{ConnectionTrait, Value};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

use crate::{
    Result,
    privacy::retention as figures,
    tenancy::{Db, sql},
};

/// Rows of one transaction.
const BATCH: i64 = 5000;

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Jobs that are done, failed or cancelled.
    pub ended: Duration,
    /// Dead letters, which somebody may want to replay.
    pub dead: Duration,
    /// Events of jobs.
    pub events: Duration,
    /// What crawls decided about URLs.
    pub urls: Duration,
    /// Answers to requests that may be sent twice.
    pub idempotency_keys: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u32| Duration::from_hours(24 * u64::from(n));
        Self {
            ended: days(figures::JOBS),
            dead: days(figures::DEAD_JOBS),
            events: days(figures::JOB_EVENTS),
            urls: days(figures::JOB_URLS),
            idempotency_keys: days(figures::IDEMPOTENCY_KEYS),
        }
    }
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Jobs, dead letters among them.
    pub jobs: u64,
    /// Events of jobs that stay.
    pub events: u64,
    /// Decisions about URLs, of jobs that stay.
    pub urls: u64,
    /// Pictures that belong to such decisions.
    pub screenshots: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Answers that were kept for others.
    pub cached_answers: u64,
}

/// The first id of rows younger than `$1` seconds: every id below it is older (RFC 9562, section 5.7).
const BORDER: &str = "(lpad(to_hex((extract(epoch FROM now() - make_interval(secs => $1)) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid";

/// Deletes what is older than `keep` says.
pub async fn sweep(db: &Db, keep: &Retention) -> Result<Swept> {
    // Rows of jobs first, so that few are left for the cascade of a job's end.
    Ok(Swept {
        events: by_job(db, "job_events", "id", keep.events).await?,
        urls: by_job(db, "job_urls", "seq", keep.urls).await?,
        screenshots: by_job(db, "job_screenshots", "seq", keep.urls).await?,
        jobs: jobs(db, "'done', 'failed', 'cancelled'", keep.ended).await? + jobs(db, "'dead'", keep.dead).await?,
        idempotency_keys: idempotency_keys(db, keep.idempotency_keys).await?,
        cached_answers: cached_answers(db).await?,
    })
}

/// Jobs that ended this long ago, unless the job that made them, or one that they made, still lives.
async fn jobs(db: &Db, states: &str, age: Duration) -> Result<u64> {
    let delete = format!(
        "WITH old AS (
           SELECT id, parent_id FROM jobs j WHERE id > $2 AND id < {BORDER} AND state IN ({states})
             AND finished_at < now() - make_interval(secs => $1) ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED),
         gone AS (
           DELETE FROM jobs WHERE id IN (SELECT id FROM old o
             WHERE NOT EXISTS (SELECT FROM jobs c WHERE c.parent_id = o.id AND c.state NOT IN ('done', 'failed', 'dead', 'cancelled'))
               AND NOT EXISTS (SELECT FROM jobs p WHERE p.id = o.parent_id AND p.state NOT IN ('done', 'failed', 'dead', 'cancelled')))
           RETURNING id)
         SELECT (SELECT count(*) FROM old) AS found, (SELECT count(*) FROM gone) AS gone, (SELECT id FROM old ORDER BY id DESC LIMIT 1) AS last"
    );
    let delete = delete.as_str();
    batches(age, Uuid::nil(), |age, last| async move {
        let tx = db.system().await?;
        let row = tx.query_one_raw(sql(delete, [age, last.into(), BATCH.into()])).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok((0, None)) };
        let last: Option<Uuid> = row.try_get("", "last")?;
        let more = row.try_get::<i64>("", "found")? == BATCH;
        Ok((row.try_get::<i64>("", "gone")? as u64, last.filter(|_| more)))
    })
    .await
}

/// Rows of `table` that are this old, by job and `number`; jobs that live long have young ones, too.
async fn by_job(db: &Db, table: &str, number: &str, age: Duration) -> Result<u64> {
    let delete = format!(
        "WITH old AS (
           SELECT job_id, {number} FROM {table} WHERE (job_id, {number}) > ($2, $3) AND job_id < {BORDER}
             AND at < now() - make_interval(secs => $1)
             AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = {table}.job_id AND j.state = 'needs_confirmation') ORDER BY job_id, {number} LIMIT $4),
         gone AS (DELETE FROM {table} t USING old WHERE t.job_id = old.job_id AND t.{number} = old.{number} RETURNING 1)
         SELECT (SELECT count(*) FROM gone) AS gone, o.job_id, o.{number} AS number
         FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT * FROM old ORDER BY job_id DESC, {number} DESC LIMIT 1) o ON true"
    );
    let delete = delete.as_str();
    batches(age, (Uuid::nil(), 0i64), |age, (job, number)| async move {
        let tx = db.system().await?;
        let values = [age, job.into(), number.into(), BATCH.into()];
        let row = tx.query_one_raw(sql(delete, values)).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok((0, None)) };
        let gone = row.try_get::<i64>("", "gone")? as u64;
        let job: Option<Uuid> = row.try_get("", "job_id")?;
        let number: Option<i64> = row.try_get("", "number")?;
        Ok((gone, job.zip(number)))
    })
    .await
}

async fn idempotency_keys(db: &Db, age: Duration) -> Result<u64> {
    const DELETE: &str = "DELETE FROM idempotency_keys WHERE (customer_id, key) IN (
        SELECT customer_id, key FROM idempotency_keys WHERE created_at < now() - make_interval(secs => $1) LIMIT $2)";
    by_age(db, DELETE, age).await
}

/// Answers whose time, a matter of minutes, has passed.
async fn cached_answers(db: &Db) -> Result<u64> {
    const DELETE: &str = "DELETE FROM query_cache WHERE (customer_id, key) IN (
        SELECT customer_id, key FROM query_cache WHERE expires_at < now() - make_interval(secs => $1) LIMIT $2)";
    by_age(db, DELETE, Duration::ZERO).await
}

/// Runs a statement that deletes rows of this age, so many at most, until there are no more.
async fn by_age(db: &Db, delete: &str, age: Duration) -> Result<u64> {
    batches(age, (), |age, ()| async move {
        let tx = db.system().await?;
        let gone = tx.execute_raw(sql(delete, [age, BATCH.into()])).await?.rows_affected();
        tx.commit().await?;
        Ok((gone, (gone == BATCH as u64).then_some(())))
    })
    .await
}

/// Runs `batch` from `from` on until it says that there is nothing further; returns how many rows went.
async fn batches<At, F>(age: Duration, from: At, batch: impl Fn(Value, At) -> F) -> Result<u64>
where
    F: Future<Output = Result<(u64, Option<At>)>>,
{
    let (mut gone, mut at) = (0, Some(from));
    while let Some(from) = at {
        let (some, next) = batch(age.as_secs_f64().into(), from).await?;
        gone += some;
        at = next;
    }
    Ok(gone)
}
