//! Taking a job: a start counter and a lease token, in one statement.
use entity::job;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use super::{MAX_STARTS, events, settle};
use crate::{
    Result, ids,
    tenancy::{Db, sql},
};

/// Proof that a worker holds a job. A write of the job's work goes through [`super::fence`] with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: Uuid,
    /// Changes with every claim.
    pub token: Uuid,
}

/// A job that is ours to run.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The row as it was claimed.
    pub job: job::Model,
    /// Our hold on it.
    pub lease: Lease,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// Ours.
    Run(Box<Claimed>),
    /// Already run, running elsewhere, cancelled, or never there: nothing to do.
    Stale,
    /// It has taken down too many workers without any progress; it is a dead letter now.
    Dead,
}

/// Takes `job` for `lease`, unless it is done or held by a worker that still renews its lease.
pub async fn claim(db: &Db, job: Uuid, lease: Duration) -> Result<Claim> {
    const TAKE: &str = "
        UPDATE jobs SET state = 'running', starts = starts + 1, lease_token = $2,
          lease_until = now() + make_interval(secs => $3), started_at = coalesce(started_at, now())
        WHERE id = $1 AND NOT cancel_requested AND starts < $4
          AND (state = 'queued' OR (state = 'running' AND lease_until < now()))
        RETURNING *";
    let token = ids::new_id();
    let tx = db.system().await?;
    let take = sql(
        TAKE,
        [job.into(), token.into(), lease.as_secs_f64().into(), MAX_STARTS.into()],
    );
    if let Some(row) = tx.query_one_raw(take).await? {
        let job = job::Model::from_query_result(&row, "")?;
        events::record(
            &*tx,
            job.customer_id,
            job.id,
            "started",
            json!({ "starts": job.starts }),
        )
        .await?;
        tx.commit().await?;
        return Ok(Claim::Run(Box::new(Claimed {
            lease: Lease { job: job.id, token },
            job,
        })));
    }
    let dead = settle::bury_exhausted(&*tx, Some(job)).await? > 0;
    tx.commit().await?;
    Ok(if dead { Claim::Dead } else { Claim::Stale })
}
