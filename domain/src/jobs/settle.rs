//! Keeping and ending jobs: fenced progress, and the one statement that records how runs ended.
use rand::Rng;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

use super::{Lease, MAX_STARTS, events};
use crate::{
    Error, Result,
    tenancy::{Commit, Db, sql},
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

    /// As it is kept and told.
    pub(super) fn told(&self, attempts: i32) -> Value {
        json!({ "code": self.code, "message": self.message, "attempt": attempts })
    }
}

/// Why a job that gave way waits again.
const GAVE_WAY: &str = "it gave way";

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this result.
    Done(Value),
    /// It may work later: after this time, or by the [`Backoff`] of the error's code.
    Retry(JobError, Option<Duration>),
    /// It crashed, by a fault of ours: it runs again, until it has used up its starts.
    Fault(JobError),
    /// It will never work.
    Fail(JobError),
    /// Somebody asked for it.
    Cancelled,
    /// The process is stopping: somebody else goes on where we are, at once.
    HandBack,
    /// A person must confirm before it goes on; with what they judge by.
    Hold(Value),
    /// It gives way: somebody goes on after this time, with zero as soon as the dispatcher comes to it behind all that waits.
    Later(Duration),
}

fn lease_lost() -> Error {
    Error::conflict("lease_lost", "another worker has taken this job")
}

/// Refuses unless the lease still holds, and keeps it held until the transaction ends: the first statement of every
/// transaction that writes a job's work.
pub async fn fence(tx: &impl ConnectionTrait, lease: Lease) -> Result<()> {
    let check = "SELECT 1 FROM jobs WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR SHARE";
    let held = tx
        .query_one_raw(sql(check, [lease.job.into(), lease.token.into()]))
        .await?;
    held.map(drop).ok_or_else(lease_lost)
}

/// Saves progress. Progress that moves on forgives earlier starts: an innocent job survives many killed workers.
pub async fn save_progress(tx: &impl ConnectionTrait, lease: Lease, progress: &Value) -> Result<()> {
    const SAVE: &str = "
        WITH saved AS (
          UPDATE jobs SET progress = $3, starts = CASE WHEN progress IS DISTINCT FROM $3 THEN 0 ELSE starts END
          WHERE id = $1 AND lease_token = $2 AND state = 'running' RETURNING id, customer_id)
        INSERT INTO job_events (customer_id, job_id, kind, data) SELECT customer_id, id, 'progress', $3 FROM saved";
    let values = [lease.job.into(), lease.token.into(), printable(progress.clone()).into()];
    match tx.execute_raw(sql(SAVE, values)).await?.rows_affected() {
        0 => Err(lease_lost()),
        _ => Ok(()),
    }
}

/// Records how a run ended, if the lease still holds.
pub async fn settle(db: &Db, lease: Lease, outcome: &Outcome) -> Result<()> {
    let ends = [(lease, outcome.clone())];
    match settle_all(db, &ends).await?.as_slice() {
        [true] => Ok(()),
        _ => Err(lease_lost()),
    }
}

/// Records how runs ended; says of each whether its lease still held. One that was asked to stop and has not ended by itself
/// is cancelled.
pub async fn settle_all(db: &Db, ends: &[(Lease, Outcome)]) -> Result<Vec<bool>> {
    // A run that ended, well or badly, is no crash: the starts begin again. A fault counts as one.
    const END: &str = "
        WITH ended AS (
          SELECT * FROM jsonb_to_recordset($1) AS e (id uuid, token uuid, state text, event text, attempts integer, result jsonb,
            error jsonb, delay_ms bigint, fault boolean, data jsonb)),
        held AS (
          SELECT e.*, j.starts, CASE WHEN e.state IN ('scheduled', 'queued', 'needs_confirmation') AND j.cancel_requested THEN 'cancelled'
            WHEN e.fault AND j.starts >= $2 THEN 'dead' END AS instead
          FROM jobs j JOIN ended e ON e.id = j.id AND e.token = j.lease_token WHERE j.state = 'running'
          ORDER BY j.id FOR UPDATE OF j),
        final AS (SELECT *, coalesce(instead, state) AS to_state, coalesce(instead, event) AS told FROM held),
        written AS (
          UPDATE jobs j SET state = f.to_state, attempts = f.attempts, error = f.error,
            result = CASE WHEN f.to_state IN ('scheduled', 'queued') THEN j.result ELSE f.result END,
            confirmed_at = CASE WHEN f.to_state <> 'needs_confirmation' THEN j.confirmed_at END,
            run_at = CASE WHEN f.to_state IN ('scheduled', 'queued') THEN now() + make_interval(secs => coalesce(f.delay_ms, 0) / 1000.0) ELSE j.run_at END,
            starts = CASE WHEN f.fault AND f.to_state = 'scheduled' THEN f.starts ELSE 0 END,
            lease_token = NULL, worker_id = NULL,
            finished_at = CASE WHEN f.to_state IN ('done', 'failed', 'dead', 'cancelled') THEN now() END
          FROM final f WHERE j.id = f.id
          RETURNING j.id, j.customer_id, f.told,
            CASE WHEN f.instead IS NULL THEN f.data ELSE f.data - '{retry_in_ms,in_ms,reason,result}'::text[] END AS data),
        told AS (INSERT INTO job_events (customer_id, job_id, kind, data) SELECT customer_id, id, told, data FROM written)
        SELECT id FROM written";
    let ended = ends
        .iter()
        .map(|(lease, outcome)| Ending::of(outcome, *lease).row(*lease));
    let values = [Value::Array(ended.collect()).into(), MAX_STARTS.into()];
    let rows = db.ledger_statement(Commit::Durable, sql(END, values)).await?;
    let written: HashSet<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    Ok(ends.iter().map(|(lease, _)| written.contains(&lease.job)).collect())
}

/// One row's worth of an ending.
struct Ending {
    state: &'static str,
    event: &'static str,
    delay: Option<Duration>,
    attempts: i32,
    result: Option<Value>,
    error: Option<JobError>,
    fault: bool,
    reason: Option<&'static str>,
}

impl Ending {
    fn of(outcome: &Outcome, lease: Lease) -> Self {
        let end = |state, event| Self {
            state,
            event,
            delay: None,
            attempts: lease.attempts,
            result: None,
            error: None,
            fault: false,
            reason: None,
        };
        match outcome {
            Outcome::Done(result) => Self {
                result: Some(result.clone()),
                ..end("done", "done")
            },
            Outcome::Fault(error) => Self {
                error: Some(error.clone()),
                delay: Some(Backoff::after(&error.code).delay(0)),
                fault: true,
                ..end("scheduled", "retry")
            },
            Outcome::Fail(error) => Self {
                error: Some(error.clone()),
                ..end("failed", "failed")
            },
            Outcome::Cancelled => end("cancelled", "cancelled"),
            Outcome::HandBack => end("queued", "queued"),
            Outcome::Hold(why) => Self {
                result: Some(why.clone()),
                ..end("needs_confirmation", "needs_confirmation")
            },
            Outcome::Later(Duration::ZERO) => Self {
                reason: Some(GAVE_WAY),
                ..end("queued", "queued")
            },
            Outcome::Later(after) => Self {
                delay: Some(*after),
                reason: Some(GAVE_WAY),
                ..end("scheduled", "scheduled")
            },
            // An outage of our own says nothing about the job.
            Outcome::Retry(error, after) if OURS.contains(&error.code.as_str()) => Self {
                error: Some(error.clone()),
                delay: Some(after.unwrap_or_else(|| Backoff::after(&error.code).delay(lease.attempts))),
                ..end("scheduled", "retry")
            },
            Outcome::Retry(error, _) if lease.attempts + 1 >= lease.max_attempts => Self {
                error: Some(error.clone()),
                attempts: lease.attempts + 1,
                ..end("dead", "dead")
            },
            Outcome::Retry(error, after) => Self {
                error: Some(error.clone()),
                attempts: lease.attempts + 1,
                delay: Some(after.unwrap_or_else(|| Backoff::after(&error.code).delay(lease.attempts))),
                ..end("scheduled", "retry")
            },
        }
    }

    fn row(self, lease: Lease) -> Value {
        let data = self.data();
        let error = self.error.as_ref().map(|e| e.told(self.attempts));
        printable(json!({
            "id": lease.job, "token": lease.token, "state": self.state, "event": self.event, "attempts": self.attempts,
            "result": self.result, "error": error, "delay_ms": self.delay.map(in_ms), "fault": self.fault, "data": data,
        }))
    }

    /// What the event tells.
    fn data(&self) -> Value {
        let mut data = Map::new();
        let wait = if self.error.is_some() { "retry_in_ms" } else { "in_ms" };
        let told = [
            ("error", self.error.as_ref().map(|e| e.told(self.attempts))),
            (wait, self.delay.map(|d| in_ms(d).into())),
            ("result", self.result.clone()),
            ("reason", self.reason.map(Value::from)),
        ];
        data.extend(
            told.into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        Value::Object(data)
    }
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Postgres stores no NUL in text or JSON; a page's text may have one.
fn printable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(printable).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, printable(field)))
            .collect(),
        other => other,
    }
}

/// Errors of our own services. They pass, and are not counted as attempts.
const OURS: [&str; 2] = ["database_unavailable", "redis_unavailable"];

/// How the waits before retries grow: doubling from `first` up to `most`, each with a random half, so that what failed
/// together does not return together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// By what went wrong: our own database and Redis are back within seconds, a site or a provider may need a while.
    fn after(code: &str) -> Self {
        let (first, most) = match code {
            ours if OURS.contains(&ours) => (1, 30),
            "rate_limited" | "site_unavailable" | "provider_unavailable" => (10, 900),
            // Twelve tries of these last for more than eight hours.
            "receiver_unavailable" | "mail_unavailable" => (30, 4 * 3600),
            _ => (2, 300),
        };
        Self {
            first: Duration::from_secs(first),
            most: Duration::from_secs(most),
        }
    }

    fn delay(self, attempts: i32) -> Duration {
        let full = (self.first * 2u32.pow(attempts.clamp(0, 10) as u32)).min(self.most);
        full.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

/// Turns those of the jobs (or of all) that used up their starts into dead letters; returns which.
pub(super) async fn bury_exhausted(tx: &impl ConnectionTrait, only: Option<&[Uuid]>) -> Result<Vec<Uuid>> {
    const BURY: &str = "
        UPDATE jobs j SET state = 'dead', finished_at = now(), lease_token = NULL, worker_id = NULL,
          error = jsonb_build_object('code', 'worker_crashed', 'message',
            format('the worker was lost %s times in a row without any progress', starts), 'attempt', attempts)
        WHERE id IN (SELECT id FROM jobs d WHERE starts >= $1 AND ($2::uuid[] IS NULL OR id = ANY($2))
          AND (state = 'queued' OR (state = 'running'
            AND NOT EXISTS (SELECT FROM workers w WHERE w.id = d.worker_id AND w.alive_until > now()))) FOR UPDATE SKIP LOCKED)
        RETURNING id, customer_id, error";
    let only: Option<Vec<Uuid>> = only.map(<[Uuid]>::to_vec);
    let rows = tx.query_all_raw(sql(BURY, [MAX_STARTS.into(), only.into()])).await?;
    let mut dead = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, error): (Uuid, Value) = (row.try_get("", "id")?, row.try_get("", "error")?);
        events::record(
            tx,
            row.try_get("", "customer_id")?,
            id,
            "dead",
            json!({ "error": error }),
        )
        .await?;
        dead.push(id);
    }
    Ok(dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(attempts: i32) -> Lease {
        Lease {
            job: Uuid::nil(),
            token: Uuid::nil(),
            attempts,
            max_attempts: 5,
        }
    }

    #[test]
    fn a_retry_waits_longer_each_time_and_ends_as_a_dead_letter() {
        let retry = Outcome::Retry(JobError::new("http", "503"), None);
        let (first, fourth) = (Ending::of(&retry, lease(0)), Ending::of(&retry, lease(3)));
        let first_delay = first.delay.unwrap();
        assert!(first_delay >= Duration::from_secs(1) && first_delay <= Duration::from_secs(2));
        assert!(fourth.delay.unwrap() >= Duration::from_secs(8));
        assert_eq!((first.state, first.attempts), ("scheduled", 1));
        assert_eq!(Ending::of(&retry, lease(4)).state, "dead");
    }

    #[test]
    fn a_wait_that_the_other_side_asked_for_is_kept() {
        let asked = Duration::from_secs(77);
        let retry = Outcome::Retry(JobError::new("rate_limited", "slow down"), Some(asked));
        assert_eq!(Ending::of(&retry, lease(0)).delay, Some(asked));
    }

    #[test]
    fn an_outage_of_ours_uses_up_no_attempts() {
        let outage = Outcome::Retry(JobError::new("database_unavailable", "away"), None);
        let end = Ending::of(&outage, lease(4));
        assert_eq!((end.state, end.attempts), ("scheduled", 4));
    }

    #[test]
    fn what_went_wrong_decides_how_long_to_wait() {
        let (ours, theirs) = (Backoff::after("database_unavailable"), Backoff::after("rate_limited"));
        for attempts in 0..12 {
            assert!(ours.delay(attempts) <= ours.most && theirs.delay(attempts) <= theirs.most);
            assert!(ours.delay(attempts) < theirs.delay(attempts));
        }
    }

    #[test]
    fn a_text_with_a_nul_can_be_stored() {
        let result = printable(json!({ "title": "a\0b", "list": ["\0"] }));
        assert_eq!(result, json!({ "title": "a\u{fffd}b", "list": ["\u{fffd}"] }));
    }
}
