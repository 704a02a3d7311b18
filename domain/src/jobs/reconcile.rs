//! Mends what crashes and a lost Redis leave: run by the holder of the dispatcher's lock every second or so.
use queue::Stats;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{events, settle, stream::Lane};
use crate::{
    Result,
    tenancy::{SystemTx, sql},
};

/// Claims without any saved progress after which a job is a dead letter: it takes its workers down.
pub const MAX_STARTS: i32 = 3;
/// Claims without any saved progress after which the next one is made from the quarantine only.
pub(super) const SUSPECT_STARTS: i32 = 2;
/// An errand that was dispatched this long before the oldest one on its stream, in seconds, is not there any more.
const MARGIN: f64 = 5.0;

/// What was mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Jobs whose worker is gone, queued again.
    pub orphans: u64,
    /// Jobs that used up their starts.
    pub dead: u64,
    /// Queued jobs whose errand is no longer on its stream, to be dispatched again.
    pub errands: u64,
}

/// Queues the jobs of workers that are gone, or ends them: those that used up their starts, and those that were to be cancelled.
pub(super) async fn orphans(tx: &SystemTx) -> Result<Mended> {
    const ORPHANS: &str = "
        UPDATE jobs j SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
          finished_at = CASE WHEN cancel_requested THEN now() END, lease_token = NULL, worker_id = NULL, dispatched_at = NULL
        WHERE state = 'running' AND starts < $1
          AND NOT EXISTS (SELECT FROM workers w WHERE w.id = j.worker_id AND w.alive_until > now())
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

/// Finds jobs whose errands are no longer on the lane's stream, and has them dispatched again. A stream is first in, first
/// out, so an errand older than the oldest one that waits was either given to a worker, which has not begun it, or lost; when
/// there are more such jobs than workers hold beside what they run, all of them are dispatched again, since a double is
/// harmless.
pub(super) async fn errands(tx: &SystemTx, lane: Lane, stream: &Stats) -> Result<u64> {
    const LOST: &str = "
        WITH old AS (
          SELECT id FROM jobs WHERE state = 'queued' AND dispatched_at < now() - make_interval(secs => $2)
            AND CASE WHEN $1::text IS NULL THEN starts >= $4 ELSE kind = $1 AND starts < $4 END),
        running AS (
          SELECT count(*) AS n FROM jobs WHERE state = 'running'
            AND CASE WHEN $1::text IS NULL THEN starts > $4 ELSE kind = $1 AND starts <= $4 END)
        UPDATE jobs SET dispatched_at = NULL WHERE id IN (SELECT id FROM old)
          AND (SELECT count(*) FROM old) > greatest(0, $3 - (SELECT n FROM running))";
    let age = stream.oldest_waiting_ms.unwrap_or_default() as f64 / 1000.0;
    let values = [
        lane.kind().map(|kind| kind.as_str().to_owned()).into(),
        (age + MARGIN).into(),
        (stream.held as i64).into(),
        SUSPECT_STARTS.into(),
    ];
    Ok(tx.execute_raw(sql(LOST, values)).await?.rows_affected())
}
