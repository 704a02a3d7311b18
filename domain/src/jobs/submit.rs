//! New jobs, written in the transaction of what caused them.
use sea_orm::ConnectionTrait;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Payload, events};
use crate::{Result, ids, tenancy::sql};

/// A job to be.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Whose it is.
    pub customer: Uuid,
    /// What to do.
    pub payload: Payload,
    /// The job that waits for this one.
    pub parent: Option<Uuid>,
    /// Higher runs first. Interactive work is 10, bulk work 0.
    pub priority: i16,
    /// Not before this moment.
    pub run_at: Option<OffsetDateTime>,
    /// While a job of the kind with this key is live, another is not made.
    pub dedupe_key: Option<String>,
}

impl NewJob {
    /// A job without parent, delay or dedupe key.
    pub fn new(customer: Uuid, payload: Payload) -> Self {
        Self {
            customer,
            payload,
            parent: None,
            priority: 0,
            run_at: None,
            dedupe_key: None,
        }
    }
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job, new or the live one with the same dedupe key.
    pub id: Uuid,
    /// Whether it is new.
    pub fresh: bool,
}

/// Writes a job. After the commit, tell the dispatcher ([`super::Dispatcher::nudge`]) so that it starts at once.
pub async fn submit(tx: &impl ConnectionTrait, new: &NewJob) -> Result<Submitted> {
    const INSERT: &str = "
        INSERT INTO jobs (id, customer_id, parent_id, kind, payload, payload_version, state, priority, run_at, dedupe_key)
        VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7::timestamptz > now() THEN 'scheduled' ELSE 'queued' END, $8,
                coalesce($7, now()), $9)
        ON CONFLICT (customer_id, kind, dedupe_key)
          WHERE dedupe_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'needs_confirmation')
        DO NOTHING RETURNING state";
    let id = ids::new_id();
    let kind = new.payload.kind().as_str();
    let insert = sql(
        INSERT,
        [
            id.into(),
            new.customer.into(),
            new.parent.into(),
            kind.into(),
            serde_json::to_value(&new.payload)?.into(),
            (Payload::VERSION as i32).into(),
            new.run_at.into(),
            new.priority.into(),
            new.dedupe_key.clone().into(),
        ],
    );
    if let Some(row) = tx.query_one_raw(insert).await? {
        let state: String = row.try_get("", "state")?;
        events::record(tx, Some(new.customer), id, &state, json!({ "kind": kind })).await?;
        return Ok(Submitted { id, fresh: true });
    }
    let live = sql(
        "SELECT id FROM jobs WHERE customer_id = $1 AND kind = $2 AND dedupe_key = $3
         AND state IN ('scheduled', 'queued', 'running', 'needs_confirmation')",
        [new.customer.into(), kind.into(), new.dedupe_key.clone().into()],
    );
    match tx.query_one_raw(live).await? {
        Some(row) => Ok(Submitted {
            id: row.try_get("", "id")?,
            fresh: false,
        }),
        None => Err(crate::Error::conflict(
            "job_just_ended",
            "a job of the same kind ended at this moment; try again",
        )),
    }
}

/// How many jobs made by `parent` have not ended, and how many ended otherwise than done.
pub async fn live_children(tx: &impl ConnectionTrait, parent: Uuid) -> Result<(i64, i64)> {
    let query = "SELECT count(*) FILTER (WHERE state NOT IN ('done', 'failed', 'dead', 'cancelled')) AS live,
                        count(*) FILTER (WHERE state IN ('failed', 'dead', 'cancelled')) AS lost
                 FROM jobs WHERE parent_id = $1";
    let row = tx.query_one_raw(sql(query, [parent.into()])).await?;
    let row = row.ok_or_else(|| crate::Error::internal("counting children", "no row"))?;
    Ok((row.try_get("", "live")?, row.try_get("", "lost")?))
}

/// The results of the jobs made by `parent` that are done.
pub async fn child_results(tx: &impl ConnectionTrait, parent: Uuid) -> Result<Vec<serde_json::Value>> {
    let query = "SELECT result FROM jobs WHERE parent_id = $1 AND state = 'done' AND result IS NOT NULL";
    let rows = tx.query_all_raw(sql(query, [parent.into()])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "result"))
        .collect::<Result<_, _>>()?)
}
