//! Keeping and ending a job: renewal, fenced progress, and the one statement that records how it ended.
use rand::Rng;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

use super::{Lease, MAX_STARTS, events};
use crate::{
    Error, Result,
    tenancy::{Db, sql},
};

/// Why a job ended badly: a stable code and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl JobError {
    /// An error with a stable code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this result.
    Done(Value),
    /// It may work later.
    Retry(JobError, Option<Duration>),
    /// It will never work.
    Fail(JobError),
    /// Somebody asked for it.
    Cancelled,
    /// The process is stopping: somebody else goes on where we are, at once.
    HandBack,
}

/// What a renewal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Go on.
    Held,
    /// Somebody asked to cancel.
    CancelRequested,
    /// Another worker has it: stop, and write nothing more.
    Lost,
}

/// Prolongs a lease.
pub async fn renew(db: &Db, lease: Lease, by: Duration) -> Result<Renewal> {
    let tx = db.system().await?;
    let update = "UPDATE jobs SET lease_until = now() + make_interval(secs => $3)
                  WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING cancel_requested";
    let row = tx
        .query_one_raw(sql(
            update,
            [lease.job.into(), lease.token.into(), by.as_secs_f64().into()],
        ))
        .await?;
    tx.commit().await?;
    Ok(match row.map(|r| r.try_get("", "cancel_requested")).transpose()? {
        Some(false) => Renewal::Held,
        Some(true) => Renewal::CancelRequested,
        None => Renewal::Lost,
    })
}

/// Refuses unless the lease still holds, and keeps it held until the transaction ends: the first statement of every
/// transaction that writes a job's work.
pub async fn fence(tx: &impl ConnectionTrait, lease: Lease) -> Result<()> {
    let check = "SELECT 1 FROM jobs WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR SHARE";
    match tx
        .query_one_raw(sql(check, [lease.job.into(), lease.token.into()]))
        .await?
    {
        Some(_) => Ok(()),
        None => Err(Error::conflict("lease_lost", "another worker has taken this job")),
    }
}

/// Saves progress. Progress forgives earlier starts: an innocent job that moves on survives many killed workers.
pub async fn save_progress(tx: &impl ConnectionTrait, lease: Lease, progress: &Value) -> Result<()> {
    let update = "UPDATE jobs SET progress = $3, starts = 1 WHERE id = $1 AND lease_token = $2 AND state = 'running'
                  RETURNING customer_id";
    let row = tx
        .query_one_raw(sql(
            update,
            [lease.job.into(), lease.token.into(), progress.clone().into()],
        ))
        .await?;
    let row = row.ok_or_else(|| Error::conflict("lease_lost", "another worker has taken this job"))?;
    let customer: Option<Uuid> = row.try_get("", "customer_id")?;
    events::record(tx, customer, lease.job, "progress", progress.clone()).await
}

/// Records how a run ended, if the lease still holds.
pub async fn settle(db: &Db, lease: Lease, outcome: &Outcome) -> Result<()> {
    const ATTEMPTS: &str = "SELECT attempts, max_attempts, customer_id FROM jobs
                            WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR UPDATE";
    let tx = db.system().await?;
    let row = tx
        .query_one_raw(sql(ATTEMPTS, [lease.job.into(), lease.token.into()]))
        .await?;
    let row = row.ok_or_else(|| Error::conflict("lease_lost", "another worker has taken this job"))?;
    let attempts: i32 = row.try_get("", "attempts")?;
    let used_up = attempts + 1 >= row.try_get::<i32>("", "max_attempts")?;
    let end = Ending::of(outcome, attempts, used_up);
    write(&*tx, lease.job, &end).await?;
    events::record(&*tx, row.try_get("", "customer_id")?, lease.job, end.event, end.data()).await?;
    tx.commit().await
}

/// One row's worth of an ending.
struct Ending {
    state: &'static str,
    event: &'static str,
    delay: Duration,
    attempts: i32,
    result: Option<Value>,
    error: Option<JobError>,
}

impl Ending {
    fn of(outcome: &Outcome, attempts: i32, used_up: bool) -> Self {
        let end = |state, event| Self {
            state,
            event,
            delay: Duration::ZERO,
            attempts,
            result: None,
            error: None,
        };
        match outcome {
            Outcome::Done(result) => Self {
                result: Some(result.clone()),
                ..end("done", "done")
            },
            Outcome::Fail(error) => Self {
                error: Some(error.clone()),
                ..end("failed", "failed")
            },
            Outcome::Cancelled => end("cancelled", "cancelled"),
            Outcome::HandBack => end("queued", "queued"),
            Outcome::Retry(error, _) if used_up => Self {
                error: Some(error.clone()),
                attempts: attempts + 1,
                ..end("dead", "dead")
            },
            Outcome::Retry(error, after) => Self {
                error: Some(error.clone()),
                attempts: attempts + 1,
                delay: after.unwrap_or_else(|| backoff(attempts)),
                ..end("scheduled", "retry")
            },
        }
    }

    fn data(&self) -> Value {
        json!({ "result": self.result, "error": self.error, "retry_in_ms": self.delay.as_millis() as u64 })
    }
}

async fn write(tx: &impl ConnectionTrait, job: Uuid, end: &Ending) -> Result<()> {
    // A run that ended, well or badly, is no crash: the starts begin again.
    const UPDATE: &str = "
        UPDATE jobs SET state = $2, attempts = $3, result = $4, error = $5, run_at = now() + make_interval(secs => $6),
          starts = 0, lease_token = NULL, lease_until = NULL, dispatched_at = NULL,
          finished_at = CASE WHEN $2 IN ('done', 'failed', 'dead', 'cancelled') THEN now() END
        WHERE id = $1";
    let error = end
        .error
        .as_ref()
        .map(|e| json!({ "code": e.code, "message": e.message, "attempt": end.attempts }));
    let values = [
        job.into(),
        end.state.into(),
        end.attempts.into(),
        end.result.clone().into(),
        error.into(),
        end.delay.as_secs_f64().into(),
    ];
    tx.execute_raw(sql(UPDATE, values)).await?;
    Ok(())
}

/// Doubles from 2 s to 5 min, with a random half, so that what failed together does not return together.
fn backoff(attempts: i32) -> Duration {
    let full = 2f64.powi(attempts.clamp(0, 10) + 1).min(300.0);
    Duration::from_secs_f64(full * rand::rng().random_range(0.5..1.0))
}

/// Turns a job (or every job) that used up its starts into a dead letter; returns how many.
pub(super) async fn bury_exhausted(tx: &impl ConnectionTrait, only: Option<Uuid>) -> Result<u64> {
    const BURY: &str = "
        UPDATE jobs SET state = 'dead', finished_at = now(), lease_token = NULL, lease_until = NULL,
          error = jsonb_build_object('code', 'worker_crashed', 'message',
            format('the worker was lost %s times in a row without any progress', starts))
        WHERE starts >= $1 AND ($2::uuid IS NULL OR id = $2)
          AND (state = 'queued' OR (state = 'running' AND lease_until < now()))
        RETURNING id, customer_id, error";
    let rows = tx.query_all_raw(sql(BURY, [MAX_STARTS.into(), only.into()])).await?;
    for row in &rows {
        let error: Value = row.try_get("", "error")?;
        events::record(
            tx,
            row.try_get("", "customer_id")?,
            row.try_get("", "id")?,
            "dead",
            json!({ "error": error }),
        )
        .await?;
    }
    Ok(rows.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_waits_longer_each_time_and_ends_as_a_dead_letter() {
        let retry = Outcome::Retry(JobError::new("http", "503"), None);
        let (first, fourth) = (Ending::of(&retry, 0, false), Ending::of(&retry, 3, false));
        assert!(first.delay >= Duration::from_secs(1) && first.delay <= Duration::from_secs(2));
        assert!(fourth.delay >= Duration::from_secs(8));
        assert_eq!((first.state, first.attempts), ("scheduled", 1));
        assert_eq!(Ending::of(&retry, 4, true).state, "dead");
    }

    #[test]
    fn a_wait_that_the_other_side_asked_for_is_kept() {
        let asked = Duration::from_secs(77);
        let retry = Outcome::Retry(JobError::new("rate_limited", "slow down"), Some(asked));
        assert_eq!(Ending::of(&retry, 0, false).delay, asked);
    }
}
