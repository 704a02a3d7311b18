//! The workers as the ledger sees them, with the jobs that each of them runs. They write their own rows ([`super::beat`]).
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{Db, sql},
};

/// How a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Heard of within its lease.
    Alive,
    /// It takes nothing new and ends what it has.
    Stopping,
    /// Its lease is over without a farewell: its jobs are given to others.
    Lost,
}

impl WorkerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Alive, Self::Stopping, Self::Lost];

    /// The state's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Stopping => "stopping",
            Self::Lost => "lost",
        }
    }
}

/// A worker process.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// New at every start.
    pub id: Uuid,
    /// The machine's name.
    pub host: String,
    /// The process on it.
    pub pid: i32,
    /// What it runs.
    pub version: String,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// Since it was last heard of, in seconds.
    pub heartbeat_age_seconds: f64,
    /// How it stands.
    pub state: WorkerState,
    /// What it runs, the oldest job first.
    pub running: Vec<RunningJob>,
}

/// A job in a worker's hands.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningJob {
    /// The job.
    pub job_id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Whose it is; none for the system's own.
    pub customer_id: Option<Uuid>,
    /// When it was first begun.
    pub since: Option<OffsetDateTime>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    host: String,
    pid: i32,
    version: String,
    started_at: OffsetDateTime,
    heartbeat_age: f64,
    lost: bool,
    stopping: bool,
}

/// Every worker that is alive or was within the last hour, the oldest first.
pub async fn list_workers(db: &Db) -> Result<Vec<Worker>> {
    all(&*db.system().await?).await
}

pub(super) async fn all(tx: &impl ConnectionTrait) -> Result<Vec<Worker>> {
    const FIND: &str = "
        SELECT id, host, pid, version, started_at, extract(epoch FROM now() - seen_at)::float8 AS heartbeat_age,
          alive_until < now() AS lost, stopping
        FROM workers ORDER BY started_at, id";
    let mut running = running(tx).await?;
    let rows = Row::find_by_statement(sql(FIND, [])).all(tx).await?;
    let worker = |row: Row| Worker {
        state: match (row.lost, row.stopping) {
            (true, _) => WorkerState::Lost,
            (false, true) => WorkerState::Stopping,
            (false, false) => WorkerState::Alive,
        },
        running: running.remove(&row.id).unwrap_or_default(),
        id: row.id,
        host: row.host,
        pid: row.pid,
        version: row.version,
        started_at: row.started_at,
        heartbeat_age_seconds: row.heartbeat_age.max(0.0),
    };
    Ok(rows.into_iter().map(worker).collect())
}

async fn running(tx: &impl ConnectionTrait) -> Result<HashMap<Uuid, Vec<RunningJob>>> {
    const FIND: &str = "
        SELECT worker_id, id, kind, customer_id, started_at FROM jobs
        WHERE state = 'running' AND worker_id IS NOT NULL ORDER BY started_at, id";
    let mut by_worker: HashMap<Uuid, Vec<RunningJob>> = HashMap::new();
    for row in tx.query_all_raw(sql(FIND, [])).await? {
        let job = RunningJob {
            job_id: row.try_get("", "id")?,
            kind: row.try_get("", "kind")?,
            customer_id: row.try_get("", "customer_id")?,
            since: row.try_get("", "started_at")?,
        };
        by_worker.entry(row.try_get("", "worker_id")?).or_default().push(job);
    }
    Ok(by_worker)
}
