//! What a claim is: a job in a worker's hands, with the token that proves it ([`super::turn`] takes them).
use entity::job;
use sea_orm::{FromQueryResult, QueryResult};
use uuid::Uuid;

use super::settle;
use crate::{
    Error, Result,
    tenancy::{Commit, Customer, Db},
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

/// Ends those of the jobs that used up their starts. If that fails, the reconciler does it soon; what was claimed beside them
/// must run all the same.
pub(super) async fn bury(db: &Db, left: &[Uuid]) -> Vec<Uuid> {
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

/// Reads a row of [`super::turn`].
pub(super) fn claimed(row: &QueryResult) -> Result<Claimed> {
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
