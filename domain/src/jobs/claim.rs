//! Taking jobs: a start counter and a lease token, many jobs in one statement.
//!
//! The lease is the worker's life ([`super::beat`]): a running job may be taken when its worker is no longer alive. A job whose
//! workers were lost twice without any progress is a suspect. It is only claimed from the quarantine, where a worker runs one
//! job at a time, so that what takes workers down does not take the same innocents down with it a third time.
use entity::job;
use sea_orm::{FromQueryResult, QueryResult};
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

use super::{MAX_STARTS, SUSPECT_STARTS, settle};
use crate::{
    Error, Result, ids,
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

/// Takes those of the jobs that nobody holds, for a worker that is alive, else none; answers in the order of asking. The commit need not
/// reach the disk: if a crash of Postgres takes it back, then also all that was done under it.
pub async fn claim_all(db: &Db, worker: Uuid, asks: &[Ask]) -> Result<Vec<Claim>> {
    // A row that somebody else has locked is somebody else's. The columns are named, so that a running worker survives a
    // migration that adds one.
    const TAKE: &str = "
        WITH asked AS (SELECT * FROM jsonb_to_recordset($1) AS a (job uuid, token uuid, quarantined boolean)),
        free AS (
          SELECT j.id, asked.token FROM jobs j JOIN asked ON asked.job = j.id
          WHERE NOT j.cancel_requested AND j.starts < $3 AND (j.starts < $4 OR asked.quarantined)
            AND (j.state = 'queued' OR (j.state = 'running'
              AND NOT EXISTS (SELECT FROM workers w WHERE w.id = j.worker_id AND w.alive_until > now())))
            AND NOT EXISTS (SELECT FROM queue_controls c WHERE c.kind = j.kind AND c.paused_at IS NOT NULL)
            AND EXISTS (SELECT FROM workers w WHERE w.id = $2 AND w.alive_until > now())
          ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),
        taken AS (
          UPDATE jobs j SET state = 'running', starts = j.starts + 1, lease_token = free.token, worker_id = $2,
            started_at = coalesce(j.started_at, now())
          FROM free WHERE j.id = free.id RETURNING j.*),
        told AS (
          INSERT INTO job_events (customer_id, job_id, kind, data)
          SELECT customer_id, id, 'started', jsonb_build_object('starts', starts, 'attempts', attempts) FROM taken)
        SELECT t.id, t.customer_id, t.parent_id, t.kind, t.payload, t.payload_version, t.state, t.priority, t.run_at, t.starts, t.attempts,
          t.max_attempts, t.lease_token, t.worker_id, t.cancel_requested, t.progress, t.result, t.error, t.dedupe_key,
          t.created_at, t.started_at, t.finished_at, t.confirmed_at,
          c.id AS c_id, c.domain AS c_domain, c.name AS c_name, c.index_version AS c_index_version,
          c.settings AS c_settings, c.created_at AS c_created_at
        FROM taken t LEFT JOIN customer_configs c ON c.id = t.customer_id";
    let tokens: Vec<Uuid> = asks.iter().map(|_| ids::new_id()).collect();
    let asked = asks.iter().zip(&tokens);
    let asked: Vec<Value> = asked
        .map(|(ask, token)| json!({ "job": ask.job, "token": token, "quarantined": ask.quarantined }))
        .collect();
    let values = [
        Value::Array(asked).into(),
        worker.into(),
        MAX_STARTS.into(),
        SUSPECT_STARTS.into(),
    ];
    let rows = db.ledger_statement(Commit::Relaxed, sql(TAKE, values)).await?;
    let claimed = rows.iter().map(claimed);
    let mut taken: HashMap<Uuid, Claimed> = claimed.map(|c| c.map(|c| (c.lease.token, c))).collect::<Result<_>>()?;
    let left = asks.iter().zip(&tokens).filter(|(_, token)| !taken.contains_key(token));
    let left: Vec<Uuid> = left.map(|(ask, _)| ask.job).collect();
    let dead = if left.is_empty() { vec![] } else { bury(db, &left).await };
    let answers = asks.iter().zip(&tokens).map(|(ask, token)| match taken.remove(token) {
        Some(claimed) => Claim::Run(Box::new(claimed)),
        None if dead.contains(&ask.job) => Claim::Dead,
        None => Claim::Stale,
    });
    Ok(answers.collect())
}

/// Ends those of the jobs that used up their starts. If that fails, the reconciler does it soon; what was claimed beside them
/// must run all the same.
async fn bury(db: &Db, left: &[Uuid]) -> Vec<Uuid> {
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

fn claimed(row: &QueryResult) -> Result<Claimed> {
    let job = job::Model::from_query_result(row, "")?;
    let customer = match row.try_get("", "c_id")? {
        None => None,
        Some(id) => Some(Customer {
            id,
            domain: row.try_get("", "c_domain")?,
            name: row.try_get("", "c_name")?,
            index_version: row.try_get("", "c_index_version")?,
            settings: row.try_get("", "c_settings")?,
            created_at: row.try_get("", "c_created_at")?,
        }),
    };
    let lease = Lease {
        job: job.id,
        token: job.lease_token.unwrap_or_default(),
        attempts: job.attempts,
        max_attempts: job.max_attempts,
    };
    Ok(Claimed { job, customer, lease })
}
