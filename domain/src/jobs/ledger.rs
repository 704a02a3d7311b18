//! Reading the ledger, and what people do to a job: confirm it, cancel it, and run it again.
use entity::{job, job_url};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;

use super::{
    Operator, Payload,
    dead::{AFRESH, unless_twin},
    events, state,
};
use crate::{
    Error, Result, audit, error,
    pages::staging,
    tenancy::{Scope, TenantTx, sql},
};

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
    /// Older than this job.
    pub before: Option<Uuid>,
}

/// One job of the customer.
pub async fn get(tx: &TenantTx, id: Uuid) -> Result<job::Model> {
    job::Entity::find_by_id(id)
        .filter(job::Column::CustomerId.eq(tx.customer()))
        .one(&**tx)
        .await?
        .ok_or_else(|| Error::not_found("job"))
}

/// Jobs of the customer, newest first.
pub async fn list(tx: &TenantTx, filter: &Filter, limit: u64) -> Result<Vec<job::Model>> {
    let mut query = job::Entity::find().filter(job::Column::CustomerId.eq(tx.customer()));
    if let Some(kind) = &filter.kind {
        query = query.filter(job::Column::Kind.eq(kind));
    }
    if let Some(state) = &filter.state {
        query = query.filter(job::Column::State.eq(state));
    }
    if let Some(before) = filter.before {
        query = query.filter(job::Column::Id.lt(before));
    }
    Ok(query.order_by_desc(job::Column::Id).limit(limit).all(&**tx).await?)
}

/// The scope that a job's control needs beside the one for jobs. What only a newer build can read is for those who may do everything.
pub fn scope(job: &job::Model) -> Option<Scope> {
    let payload = job.kind.parse().and_then(|kind| Payload::read(kind, &job.payload));
    match payload {
        Ok(Payload::Maintenance { task }) => task.scope(),
        Ok(_) => None,
        Err(_) => Some(Scope::All),
    }
}

/// Asks a job to stop, and what it has started: what waits ends at once, what runs within seconds. What a crawl staged that was held is
/// forgotten with it; what one staged that still runs is swept when the site is crawled next.
pub async fn cancel(tx: &TenantTx, id: Uuid) -> Result<job::Model> {
    const CANCEL: &str = "
        UPDATE jobs SET cancel_requested = true,
          state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
          finished_at = CASE WHEN state = 'running' THEN finished_at ELSE now() END
        WHERE (id = $1 OR parent_id = $1) AND state IN ('scheduled', 'queued', 'running', 'needs_confirmation')
        RETURNING id, state";
    // By a statement of its own: the update then sees what the job's open transaction, which it waits for here, has started.
    // Some change a whole index by one.
    const PATIENCE: &str = "SET LOCAL lock_timeout = '3s'";
    const HOLD: &str = "SELECT FROM jobs WHERE id = $1 FOR UPDATE";
    tx.execute_unprepared(PATIENCE).await?;
    tx.execute_raw(sql(HOLD, [id.into()])).await.map_err(in_a_change)?;
    let before = get(tx, id).await?;
    if state::is_final(&before.state) {
        return Err(Error::conflict(
            "job_ended",
            format!("the job is already {}", before.state),
        ));
    }
    let cancelled = tx.query_all_raw(sql(CANCEL, [id.into()])).await;
    for row in cancelled.map_err(in_a_change)? {
        let kind = if row.try_get::<String>("", "state")? == state::RUNNING {
            "cancel_requested"
        } else {
            "cancelled"
        };
        events::record(&**tx, Some(tx.customer()), row.try_get("", "id")?, kind, json!({})).await?;
    }
    if before.state == state::NEEDS_CONFIRMATION {
        staging::discard(tx, id).await?;
    }
    get(tx, id).await
}

/// What it means that the job's own transaction holds it for longer than a person waits.
fn in_a_change(error: DbErr) -> Error {
    match Error::from(error) {
        busy if busy.code() == error::BUSY => {
            let story = busy.story();
            Error::unavailable(
                "job_busy",
                "the job is in the middle of a change that can't be stopped; ask again",
                story,
            )
        }
        other => other,
    }
}

/// Whether somebody has asked a job to stop. Where the transaction holds its [fence](super::fence), nobody does before its end.
pub async fn is_cancelled(tx: &TenantTx, id: Uuid) -> Result<bool> {
    const ASKED: &str = "SELECT cancel_requested FROM jobs WHERE id = $1";
    let row = tx.query_one_raw(sql(ASKED, [id.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("job"))?;
    Ok(row.try_get("", "cancel_requested")?)
}

/// Lets a job go on that waits for a person's word. Said again, it changes nothing.
pub async fn confirm(tx: &TenantTx, id: Uuid, by: Operator<'_>) -> Result<job::Model> {
    const CONFIRM: &str = "UPDATE jobs SET state = 'queued', confirmed_at = now(), run_at = now()
                           WHERE id = $1 AND state = 'needs_confirmation'";
    get(tx, id).await?;
    let confirmed = tx.execute_raw(sql(CONFIRM, [id.into()])).await?.rows_affected() == 1;
    let job = get(tx, id).await?;
    if !confirmed {
        return if job.confirmed_at.is_some() && job.state != state::CANCELLED {
            Ok(job)
        } else {
            let told = format!(
                "the job is {}; only one that needs confirmation is confirmed",
                job.state
            );
            Err(Error::conflict("job_not_held", told))
        };
    }
    let customer = Some(tx.customer());
    events::record(&**tx, customer, id, state::QUEUED, json!({ "reason": "confirmed" })).await?;
    let entry = audit::Entry {
        customer,
        actor: by.actor,
        action: "job.confirmed",
        resource: &id.to_string(),
        metadata: json!({ "kind": job.kind }),
        ip: by.ip,
    };
    audit::record(&**tx, entry).await?;
    Ok(job)
}

/// Runs a job again that failed, died or was cancelled, unless a live one does the same work.
pub async fn retry(tx: &TenantTx, id: Uuid) -> Result<job::Model> {
    let retry = format!("UPDATE jobs SET {AFRESH} WHERE id = $1 AND state IN ('failed', 'dead', 'cancelled')");
    let before = get(tx, id).await?;
    let done = tx.execute_raw(sql(&retry, [id.into()])).await.map_err(unless_twin)?;
    if done.rows_affected() == 0 {
        return Err(Error::conflict(
            "job_not_ended",
            format!("the job is {}; only an ended one runs again", before.state),
        ));
    }
    events::record(
        &**tx,
        Some(tx.customer()),
        id,
        state::QUEUED,
        json!({ "reason": "retried" }),
    )
    .await?;
    get(tx, id).await
}

/// What a crawl decided about each URL, in the order of deciding, after `after`.
pub async fn urls(
    tx: &TenantTx,
    job: Uuid,
    decision: Option<&str>,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<job_url::Model>> {
    get(tx, job).await?;
    let mut query = job_url::Entity::find().filter(job_url::Column::JobId.eq(job));
    if let Some(decision) = decision {
        query = query.filter(job_url::Column::Decision.eq(decision));
    }
    if let Some(after) = after {
        query = query.filter(job_url::Column::Seq.gt(after));
    }
    Ok(query.order_by_asc(job_url::Column::Seq).limit(limit).all(&**tx).await?)
}

/// Whether a job has ended and every event of it has an id up to `sent`: nothing more will come by itself.
pub async fn all_told(tx: &TenantTx, job: Uuid, sent: i64) -> Result<bool> {
    const ENDED: &str = "SELECT state IN ('done', 'failed', 'dead', 'cancelled')
          AND NOT EXISTS (SELECT 1 FROM job_events WHERE job_id = $1 AND id > $2) AS told
        FROM jobs WHERE id = $1";
    let row = tx.query_one_raw(sql(ENDED, [job.into(), sent.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("job"))?;
    Ok(row.try_get("", "told")?)
}
