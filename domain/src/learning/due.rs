//! For whom there is something to learn: found by the clock every few minutes, and after an index has changed. Each customer has one job
//! of each kind at a time.
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{golden, run::FINGERPRINT};
use crate::{
    Result,
    jobs::{self, MaintenanceTask, NewJob, Payload, Submitted},
    tenancy::{Db, TenantTx, sql},
};

/// Names the one run that gathers a customer's gaps.
const DEDUPE: &str = "gaps";

/// Whether the customer `c` has questions that no gap has yet, or gaps that were not asked of the index as it is now.
const GAPS: &str = "(EXISTS (SELECT FROM page_embeddings e WHERE e.customer_id = c.id AND e.published) AND (
    EXISTS (SELECT FROM messages m WHERE m.customer_id = c.id AND m.refused
      AND m.created_at > coalesce((SELECT looked_at FROM learning_marks l WHERE l.customer_id = c.id), '-infinity')
      AND NOT EXISTS (SELECT FROM question_gap_members g WHERE g.message_id = m.id))
    OR EXISTS (SELECT FROM messages m WHERE m.customer_id = c.id AND m.feedback = 'down'
      AND m.feedback_at > coalesce((SELECT looked_at FROM learning_marks l WHERE l.customer_id = c.id), '-infinity')
      AND NOT EXISTS (SELECT FROM question_gap_members g WHERE g.message_id = m.id))
    OR EXISTS (SELECT FROM question_gaps g WHERE g.customer_id = c.id AND g.state IN ('open', 'resolved') AND g.checked_version < c.index_version)))";

/// Whether the last run of the customer `c` that was asked of what is shown was asked of something else than what there is now.
fn golden() -> String {
    format!(
        "(EXISTS (SELECT FROM golden_questions g WHERE g.customer_id = c.id)
          AND coalesce((SELECT r.fingerprint FROM golden_runs r WHERE r.customer_id = c.id AND r.published ORDER BY r.id DESC LIMIT 1), '')
            <> {FINGERPRINT})"
    )
}

/// Submits the jobs of all customers with something to learn; give the result to [`jobs::Dispatcher::dispatch`].
pub async fn plan(db: &Db) -> Result<Vec<Submitted>> {
    let find = format!(
        "SELECT * FROM (SELECT c.id, {GAPS} AS gaps, {} AS golden FROM customer_configs c) due WHERE gaps OR golden ORDER BY id",
        golden()
    );
    let tx = db.system().await?;
    let mut new = Vec::new();
    for row in tx.query_all_raw(sql(&find, [])).await? {
        let customer = row.try_get("", "id")?;
        new.extend(jobs_for(customer, row.try_get("", "gaps")?, row.try_get("", "golden")?));
    }
    let made = jobs::submit_all(&*tx, &new).await?;
    tx.commit().await?;
    Ok(made)
}

/// Submits the same for one customer, whose index has changed. Customers without golden questions and gaps cost one look.
pub async fn after_index(tx: &TenantTx) -> Result<Vec<Submitted>> {
    let find = format!(
        "SELECT {GAPS} AS gaps, {} AS golden FROM customer_configs c WHERE c.id = $1",
        golden()
    );
    let Some(row) = tx.query_one_raw(sql(&find, [tx.customer().into()])).await? else {
        return Ok(Vec::new());
    };
    let new = jobs_for(tx.customer(), row.try_get("", "gaps")?, row.try_get("", "golden")?);
    jobs::submit_all(&**tx, &new).await
}

fn jobs_for(customer: Uuid, gaps: bool, golden: bool) -> Vec<NewJob> {
    let job = |task, key: &str| NewJob {
        dedupe_key: Some(key.to_owned()),
        ..NewJob::new(customer, Payload::Maintenance { task })
    };
    let gaps = gaps.then(|| job(MaintenanceTask::Gaps, DEDUPE));
    let golden = golden.then(|| job(MaintenanceTask::GoldenRun, golden::DEDUPE));
    gaps.into_iter().chain(golden).collect()
}
