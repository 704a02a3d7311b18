//! Keeping and ending jobs: fenced progress, and the end of what cannot go on.
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Lease, MAX_STARTS, Outcome, ending::printable, events, turn::settle_all};
use crate::{
    Error, Result,
    tenancy::{Db, sql},
};

fn lease_lost() -> Error {
    Error::conflict("lease_lost", "another worker has taken this job")
}

/// Refuses unless the lease still holds (only a running job has a token), and keeps it held until the transaction ends: the first statement of every
/// transaction that writes a job's work.
pub async fn fence(tx: &impl ConnectionTrait, lease: Lease) -> Result<()> {
    let check = "SELECT 1 FROM jobs WHERE id = $1 AND lease_token = $2 FOR SHARE";
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
          WHERE id = $1 AND lease_token = $2 RETURNING id, customer_id)
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

/// Turns those of the jobs (or of all) that used up their starts into dead letters; returns which.
pub(super) async fn bury_exhausted(tx: &impl ConnectionTrait, only: Option<&[Uuid]>) -> Result<Vec<Uuid>> {
    // The least starts as a number: the index of suspects is used only where the planner sees the condition.
    let bury = format!("
        UPDATE jobs j SET state = 'dead', finished_at = now(), lease_token = NULL, worker_id = NULL,
          error = jsonb_build_object('code', 'worker_crashed', 'message',
            format('the worker was lost %s times in a row without any progress', starts), 'attempt', attempts)
        WHERE id IN (SELECT id FROM jobs d WHERE starts >= {MAX_STARTS} AND ($1::uuid[] IS NULL OR id = ANY($1))
          AND (state = 'queued' OR (state = 'running'
            AND NOT EXISTS (SELECT FROM workers w WHERE w.id = d.worker_id AND w.alive_until > now()))) FOR UPDATE SKIP LOCKED)
        RETURNING id, customer_id, error"
    );
    let only: Option<Vec<Uuid>> = only.map(<[Uuid]>::to_vec);
    let rows = tx.query_all_raw(sql(&bury, [only.into()])).await?;
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
