//! How the queues stand, from the ledger.
use sea_orm::FromQueryResult;

use super::{Kind, QUEUES};
use crate::{
    Result,
    tenancy::{Db, sql},
};

/// One queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStats {
    /// The queue's kind of jobs.
    pub kind: Kind,
    /// Jobs that could run now.
    pub depth: i64,
    /// Jobs that wait for their time.
    pub scheduled: i64,
    /// Jobs that run.
    pub running: i64,
    /// Dead letters.
    pub dead: i64,
    /// How long the oldest runnable job has waited, in seconds.
    pub oldest_seconds: f64,
}

#[derive(FromQueryResult)]
struct Row {
    kind: String,
    depth: i64,
    scheduled: i64,
    running: i64,
    dead: i64,
    oldest: Option<f64>,
}

/// Every queue, also the empty ones.
pub async fn queue_stats(db: &Db) -> Result<Vec<QueueStats>> {
    const COUNT: &str = "
        SELECT kind, count(*) FILTER (WHERE state = 'queued') AS depth, count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
          count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'dead') AS dead,
          extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'queued'))::float8 AS oldest
        FROM jobs WHERE state IN ('queued', 'scheduled', 'running', 'dead') GROUP BY kind";
    let tx = db.system().await?;
    let rows = Row::find_by_statement(sql(COUNT, [])).all(&*tx).await?;
    let of = |kind: Kind| {
        let row = rows.iter().find(|r| r.kind == kind.as_str());
        let count = |field: fn(&Row) -> i64| row.map_or(0, field);
        QueueStats {
            kind,
            depth: count(|r| r.depth),
            scheduled: count(|r| r.scheduled),
            running: count(|r| r.running),
            dead: count(|r| r.dead),
            oldest_seconds: row.and_then(|r| r.oldest).unwrap_or(0.0).max(0.0),
        }
    };
    Ok(QUEUES.into_iter().map(of).collect())
}
