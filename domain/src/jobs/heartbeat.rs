//! A worker's sign of life, which is the lease of every job it runs, and what it hears back about them.
//!
//! One statement a second for the whole process, however many jobs it runs, and no write to a job's row, which the job's own
//! transactions hold. A worker that falls silent loses its jobs when its time is over; one that was only frozen finds them gone
//! at its next beat, and the fence refuses its late writes.
use sea_orm::ConnectionTrait;
use std::time::Duration;
use uuid::Uuid;

use super::Lease;
use crate::{
    Result, ids,
    tenancy::{Commit, Db, sql},
};

/// A worker process, as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// New at every start.
    pub id: Uuid,
    /// The machine's name.
    pub host: String,
    /// The process on it.
    pub pid: u32,
    /// What it runs.
    pub version: String,
}

impl Identity {
    /// Of this process.
    pub fn new(host: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            id: ids::new_id(),
            host: host.into(),
            pid: std::process::id(),
            version: version.into(),
        }
    }
}

/// A job that the ledger says a worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The claim that holds it.
    pub lease: Lease,
    /// Somebody asked to cancel it.
    pub cancel_requested: bool,
}

/// Says that `worker` lives for another `lease`, and returns the jobs that it holds.
pub async fn beat(db: &Db, worker: &Identity, lease: Duration, stopping: bool) -> Result<Vec<Held>> {
    const BEAT: &str = "
        WITH beat AS (
          INSERT INTO workers (id, host, pid, version, alive_until, stopping)
          VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), $6)
          ON CONFLICT (id) DO UPDATE SET seen_at = now(), alive_until = excluded.alive_until, stopping = excluded.stopping)
        SELECT id, lease_token, attempts, max_attempts, cancel_requested FROM jobs WHERE worker_id = $1 AND state = 'running'";
    let values = [
        worker.id.into(),
        worker.host.clone().into(),
        (worker.pid as i32).into(),
        worker.version.clone().into(),
        lease.as_secs_f64().into(),
        stopping.into(),
    ];
    let rows = db.ledger_statement(Commit::Relaxed, sql(BEAT, values)).await?;
    let held = rows.iter().map(|row| {
        Ok(Held {
            lease: Lease {
                job: row.try_get("", "id")?,
                token: row.try_get("", "lease_token")?,
                attempts: row.try_get("", "attempts")?,
                max_attempts: row.try_get("", "max_attempts")?,
            },
            cancel_requested: row.try_get("", "cancel_requested")?,
        })
    });
    held.collect()
}

/// Takes a worker off the list: it has settled or handed back all its jobs.
pub async fn leave(db: &Db, worker: Uuid) -> Result<()> {
    let tx = db.system().await?;
    tx.execute_raw(sql("DELETE FROM workers WHERE id = $1", [worker.into()]))
        .await?;
    tx.commit().await
}
