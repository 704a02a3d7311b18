//! Claims: a job in a worker's hands, with the token that proves it. Many jobs are taken by one statement, which is a transaction by itself.
//!
//! The lease is the worker's life ([`super::beat`]): a running job may be taken when its worker is no longer alive. A job whose
//! workers were lost twice without any progress is a suspect. It is only claimed from the quarantine, where a worker runs one
//! job at a time, so that what takes workers down does not take the same innocents down with it a third time.
//!
//! What must stay true: a row that is not claimed is not locked either, and claims do not wait for what others hold: a frozen worker's
//! transaction, the deletion of a customer, somebody at a prompt. Rows are changed in the order of their ids, so that two statements that want the same jobs do not wait for each other.
use entity::job;
use sea_orm::QueryResult;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};
use uuid::Uuid;

use super::{JobError, MAX_STARTS, Outcome, SUSPECT_STARTS, settle};
use crate::{
    Error, Result,
    error::BUSY,
    ids,
    tenancy::{Commit, Customer, Db, sql},
};

/// Proof that a worker holds a job. A write of the job's work goes through [`super::fence`] with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: Uuid,
    /// Changes with every claim.
    pub token: Uuid,
    /// Runs of the job that ended in an error that may pass.
    pub attempts: i32,
    /// As many of them make a dead letter.
    pub max_attempts: i32,
}

/// A job that is ours to run.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The row as it was claimed.
    pub job: job::Model,
    /// Whose it is; none for the system's own.
    pub customer: Option<Customer>,
    /// Our hold on it.
    pub lease: Lease,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// Ours.
    Run(Box<Claimed>),
    /// Already run, running elsewhere, cancelled, held back, or never there: nothing to do. If it still waits, the dispatcher
    /// sees that its errand is gone, and publishes it where and when it belongs.
    Stale,
    /// It has taken down too many workers without any progress; it is a dead letter now.
    Dead,
}

/// A job that a worker wants to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The job.
    pub job: Uuid,
    /// Whether the errand came from the quarantine.
    pub quarantined: bool,
}

/// Takes those of the asked jobs that wait. The columns are named, so that a running worker survives a migration that adds one.
static WAITING: LazyLock<String> = LazyLock::new(|| taking("", "j.state = 'queued'"));

/// The same but for those that somebody else holds. It is asked where the first has waited for such a row, which costs more than a statement that
/// never meets one.
static FREE: LazyLock<String> = LazyLock::new(|| {
    let free = "
        free AS (
          SELECT j.id FROM jobs j JOIN asked ON asked.job = j.id WHERE j.state = 'queued' ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),";
    taking(free, "j.state = 'queued' AND j.id = ANY (ARRAY(SELECT id FROM free))")
});

/// Takes those of the asked jobs whose worker is gone. Only these are locked before, and skipped when something of that worker still holds
/// them.
static ORPHANED: LazyLock<String> = LazyLock::new(|| {
    let orphaned = "
        orphaned AS (
          SELECT j.id FROM jobs j JOIN asked ON asked.job = j.id
          WHERE j.lease_token IS NOT NULL AND NOT EXISTS (SELECT FROM workers w WHERE w.id = j.worker_id AND w.alive_until > now())
          FOR UPDATE OF j SKIP LOCKED),";
    taking(orphaned, "j.id = ANY (ARRAY(SELECT id FROM orphaned))")
});

fn taking(before: &str, which: &str) -> String {
    format!(
        "
        WITH asked AS (
          SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS a (job, token, quarantined)),{before}
        taken AS (
          UPDATE jobs j SET state = 'running', starts = j.starts + 1, lease_token = asked.token, worker_id = $4,
            started_at = coalesce(j.started_at, now())
          FROM asked WHERE j.id = asked.job AND {which}
            AND NOT j.cancel_requested AND j.starts < {MAX_STARTS} AND (j.starts < {SUSPECT_STARTS} OR asked.quarantined)
            AND j.kind <> ALL (ARRAY(SELECT kind FROM queue_controls WHERE paused_at IS NOT NULL))
            AND EXISTS (SELECT FROM workers w WHERE w.id = $4 AND w.alive_until > now())
          RETURNING j.*),
        told AS (
          INSERT INTO job_events (customer_id, job_id, kind, data)
          SELECT customer_id, id, 'started', jsonb_build_object('starts', starts, 'attempts', attempts) FROM taken)
        SELECT t.id, t.customer_id, t.parent_id, t.kind, t.payload, t.payload_version, t.state, t.priority, t.run_at, t.starts,
          t.attempts, t.max_attempts, t.lease_token, t.worker_id, t.cancel_requested, t.progress, t.result, t.error, t.dedupe_key,
          t.created_at, t.started_at, t.finished_at, t.confirmed_at,
          c.id AS c_id, c.domain AS c_domain, c.name AS c_name, c.index_version AS c_index_version,
          c.settings AS c_settings, c.created_at AS c_created_at
        FROM taken t LEFT JOIN customer_configs c ON c.id = t.customer_id"
    )
}

/// Takes those of the jobs that nobody holds for `worker`, if it is alive; answers in the order of asking.
///
/// Claims need not be on the disk: if a crash of Postgres takes them back, then also all that was done under them.
pub async fn claim_all(db: &Db, worker: Uuid, asks: &[Ask]) -> Result<Vec<Claim>> {
    let mut asked: Vec<(Ask, Uuid)> = asks.iter().map(|ask| (*ask, ids::new_id())).collect();
    let tokens: Vec<Uuid> = asked.iter().map(|(_, token)| *token).collect();
    asked.sort_unstable_by_key(|(ask, _)| ask.job);
    let mut taken = match take(db, &WAITING, worker, &asked).await {
        Err(error) if error.code() == BUSY => take(db, &FREE, worker, &asked).await?,
        taken => taken?,
    };
    asked.retain(|(_, token)| !taken.contains_key(token));
    let mut dead = vec![];
    if !asked.is_empty() {
        taken.extend(take(db, &ORPHANED, worker, &asked).await?);
        asked.retain(|(_, token)| !taken.contains_key(token));
        let left: Vec<Uuid> = asked.iter().map(|(ask, _)| ask.job).collect();
        dead = bury(db, &left).await;
    }
    let claims = asks.iter().zip(&tokens).map(|(ask, token)| match taken.remove(token) {
        Some(claimed) => Claim::Run(Box::new(claimed)),
        None if dead.contains(&ask.job) => Claim::Dead,
        None => Claim::Stale,
    });
    Ok(claims.collect())
}

/// What was taken, by the tokens.
async fn take(db: &Db, taking: &str, worker: Uuid, asked: &[(Ask, Uuid)]) -> Result<HashMap<Uuid, Claimed>> {
    let values = [
        asked.iter().map(|(ask, _)| ask.job).collect::<Vec<_>>().into(),
        asked.iter().map(|(_, token)| *token).collect::<Vec<_>>().into(),
        asked.iter().map(|(ask, _)| ask.quarantined).collect::<Vec<_>>().into(),
        worker.into(),
    ];
    let rows = db.ledger_statement(Commit::Relaxed, sql(taking, values)).await?;
    let (mut customers, mut unreadable) = (vec![], vec![]);
    let mut taken = HashMap::with_capacity(rows.len());
    for row in &rows {
        match read(row, &mut customers) {
            Ok(claimed) => {
                taken.insert(claimed.lease.token, claimed);
            }
            Err(error) => unreadable.push((lease(row)?, error)),
        }
    }
    if !unreadable.is_empty() {
        refuse(db, unreadable).await;
    }
    Ok(taken)
}

/// Ends the runs of jobs whose rows can't be read, which nobody begins: what was claimed beside them must run all the same. If that fails, their
/// worker hands them back.
async fn refuse(db: &Db, unreadable: Vec<(Lease, Error)>) {
    let mut ends = Vec::with_capacity(unreadable.len());
    for (lease, error) in unreadable {
        tracing::error!(job.id = %lease.job, error = error.story(), event = "job_unreadable");
        let told = JobError::new("payload_unreadable", "what is recorded of the job can't be read");
        ends.push((lease, Outcome::Fault(told)));
    }
    if let Err(error) = settle::settle_all(db, &ends).await {
        tracing::warn!(error = error.story(), "jobs that can't be read are handed back later");
    }
}

/// The row, if this build can hold what is in it: at a time that it can't, such as `infinity`, the driver panics.
fn read(row: &QueryResult, known: &mut Vec<Customer>) -> Result<Claimed> {
    let claimed = catch_unwind(AssertUnwindSafe(|| claimed(row, known)));
    claimed.unwrap_or_else(|_| Err(Error::internal("reading a job", "a value out of range")))
}

/// The hold on a job of which no more may be readable.
fn lease(row: &QueryResult) -> Result<Lease> {
    Ok(Lease {
        job: row.try_get("", "id")?,
        token: row.try_get("", "lease_token")?,
        attempts: row.try_get("", "attempts")?,
        max_attempts: row.try_get("", "max_attempts")?,
    })
}

/// Ends those of the jobs that used up their starts. If that fails, the reconciler does it soon; what was claimed beside them
/// must run all the same.
async fn bury(db: &Db, left: &[Uuid]) -> Vec<Uuid> {
    if left.is_empty() {
        return vec![];
    }
    let buried = async {
        let tx = db.ledger(Commit::Relaxed).await?;
        let dead = settle::bury_exhausted(&*tx, Some(left)).await?;
        tx.commit().await?;
        Ok::<_, Error>(dead)
    };
    buried.await.unwrap_or_else(|error| {
        tracing::warn!(error = error.story(), "jobs that used up their starts are ended later");
        vec![]
    })
}

/// The row, and whose it is: of a customer who is known from an earlier one nothing else is read.
fn claimed(row: &QueryResult, known: &mut Vec<Customer>) -> Result<Claimed> {
    let job = taken(row)?;
    let customer = match job.customer_id {
        None => None,
        Some(id) => match known.iter().find(|customer| customer.id == id) {
            Some(customer) => Some(customer.clone()),
            None => customer(row)?.inspect(|customer| known.push(customer.clone())),
        },
    };
    let lease = Lease {
        job: job.id,
        token: job.lease_token.unwrap_or_default(),
        attempts: job.attempts,
        max_attempts: job.max_attempts,
    };
    Ok(Claimed { job, customer, lease })
}

/// The columns by their places in [`taking`]'s statement: looking up their names for each row takes as long as reading them.
fn taken(row: &QueryResult) -> Result<job::Model> {
    Ok(job::Model {
        id: row.try_get_by_index(0)?,
        customer_id: row.try_get_by_index(1)?,
        parent_id: row.try_get_by_index(2)?,
        kind: row.try_get_by_index(3)?,
        payload: row.try_get_by_index(4)?,
        payload_version: row.try_get_by_index(5)?,
        state: row.try_get_by_index(6)?,
        priority: row.try_get_by_index(7)?,
        run_at: row.try_get_by_index(8)?,
        starts: row.try_get_by_index(9)?,
        attempts: row.try_get_by_index(10)?,
        max_attempts: row.try_get_by_index(11)?,
        lease_token: row.try_get_by_index(12)?,
        worker_id: row.try_get_by_index(13)?,
        cancel_requested: row.try_get_by_index(14)?,
        progress: row.try_get_by_index(15)?,
        result: row.try_get_by_index(16)?,
        error: row.try_get_by_index(17)?,
        dedupe_key: row.try_get_by_index(18)?,
        created_at: row.try_get_by_index(19)?,
        started_at: row.try_get_by_index(20)?,
        finished_at: row.try_get_by_index(21)?,
        confirmed_at: row.try_get_by_index(22)?,
    })
}

fn customer(row: &QueryResult) -> Result<Option<Customer>> {
    let Some(id) = row.try_get("", "c_id")? else {
        return Ok(None);
    };
    Ok(Some(Customer {
        id,
        domain: row.try_get("", "c_domain")?,
        name: row.try_get("", "c_name")?,
        index_version: row.try_get("", "c_index_version")?,
        settings: row.try_get("", "c_settings")?,
        created_at: row.try_get("", "c_created_at")?,
        unlimited: false,
    }))
}
