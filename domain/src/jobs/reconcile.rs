//! Mends what crashes leave: run by the holder of the dispatcher's lock every second or so. What a lost Redis leaves needs no
//! mending: the dispatcher sees what is on the streams.
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{events, settle};
use crate::{
    Result,
    tenancy::{SystemTx, sql},
};

/// Claims without any saved progress after which a job is a dead letter: it takes its workers down.
pub const MAX_STARTS: i32 = 3;
/// Claims without any saved progress after which the next one is made from the quarantine only.
pub(super) const SUSPECT_STARTS: i32 = 2;

/// What was mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Jobs whose worker is gone, queued again.
    pub orphans: u64,
    /// Jobs that used up their starts.
    pub dead: u64,
}

/// Queues the jobs of workers that are gone, or ends them: those that used up their starts, and those that were to be cancelled.
pub(super) async fn orphans(tx: &SystemTx) -> Result<Mended> {
    const ORPHANS: &str = "
        UPDATE jobs SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
          finished_at = CASE WHEN cancel_requested THEN now() END, lease_token = NULL, worker_id = NULL
        WHERE id IN (SELECT id FROM jobs o WHERE state = 'running' AND starts < $1
          AND NOT EXISTS (SELECT FROM workers w WHERE w.id = o.worker_id AND w.alive_until > now()) FOR UPDATE SKIP LOCKED)
        RETURNING id, customer_id, state";
    const FORGET: &str = "DELETE FROM workers WHERE alive_until < now() - interval '1 hour'";
    let mut mended = Mended {
        dead: settle::bury_exhausted(&**tx, None).await?.len() as u64,
        ..Mended::default()
    };
    let orphans = tx.query_all_raw(sql(ORPHANS, [MAX_STARTS.into()])).await?;
    mended.orphans = orphans.len() as u64;
    for row in &orphans {
        let state: String = row.try_get("", "state")?;
        let data = json!({ "reason": "its worker is gone" });
        events::record(
            &**tx,
            row.try_get("", "customer_id")?,
            row.try_get("", "id")?,
            &state,
            data,
        )
        .await?;
    }
    tx.execute_raw(sql(FORGET, [])).await?;
    Ok(mended)
}
