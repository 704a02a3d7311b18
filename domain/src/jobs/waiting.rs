//! Whether somebody waits for what a long job holds.
use entity::job;
use sea_orm::ConnectionTrait;

use super::Kind;
use crate::{
    Result,
    tenancy::{Db, sql},
};

/// Whether another job could run in the place of `mine`: it is of its kind, waits for a worker, has waited longer than a free worker
/// would let it, and is another customer's or no less urgent: priority orders each customer's own jobs. A paused queue has nobody waiting.
pub async fn others_wait(db: &Db, mine: &job::Model) -> Result<bool> {
    const WAIT: &str = "SELECT EXISTS (
          SELECT FROM jobs j WHERE j.kind = $1 AND j.state = 'queued' AND j.id <> $2
            AND (j.priority >= $3 OR j.customer_id IS DISTINCT FROM $4) AND j.run_at < now() - interval '1 second')
        AND NOT EXISTS (SELECT FROM queue_controls c WHERE c.kind = $1 AND c.paused_at IS NOT NULL) AS wait";
    let kind: Kind = mine.kind.parse()?;
    let tx = db.system().await?;
    let values = [
        kind.as_str().into(),
        mine.id.into(),
        mine.priority.into(),
        mine.customer_id.into(),
    ];
    let row = tx.query_one_raw(sql(WAIT, values)).await?;
    tx.commit().await?;
    Ok(row.map(|row| row.try_get("", "wait")).transpose()?.unwrap_or_default())
}
