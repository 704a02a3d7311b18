//! Mends what crashes and a lost Redis leave: run by the holder of the dispatcher's lock every few seconds.
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::collections::BTreeMap;

use super::{Kind, events, settle};
use crate::{
    Result,
    tenancy::{Db, sql},
};

/// Claims without any saved progress after which a job is a dead letter: it takes its workers down.
pub const MAX_STARTS: i32 = 3;

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

/// Looks for orphans, for dead letters, and for errands that Redis lost. `on_streams` says how many errands of each kind
/// wait or are held; where the ledger has dispatched more, some are lost, and a double is harmless.
pub async fn reconcile(db: &Db, on_streams: &BTreeMap<Kind, u64>) -> Result<Mended> {
    const ORPHANS: &str = "
        UPDATE jobs SET state = 'queued', lease_token = NULL, lease_until = NULL, dispatched_at = NULL
        WHERE state = 'running' AND lease_until < now() - interval '5 seconds' AND starts < $1
        RETURNING id, customer_id";
    const ERRANDS: &str = "
        UPDATE jobs SET dispatched_at = NULL WHERE kind = $1 AND state = 'queued'
          AND dispatched_at < now() - interval '10 seconds'
          AND $2 < (SELECT count(*) FROM jobs WHERE kind = $1 AND state = 'queued' AND dispatched_at IS NOT NULL)";
    let tx = db.system().await?;
    let mut mended = Mended {
        dead: settle::bury_exhausted(&*tx, None).await?,
        ..Mended::default()
    };
    let orphans = tx.query_all_raw(sql(ORPHANS, [MAX_STARTS.into()])).await?;
    mended.orphans = orphans.len() as u64;
    for row in &orphans {
        let data = json!({ "reason": "its worker is gone" });
        events::record(
            &*tx,
            row.try_get("", "customer_id")?,
            row.try_get("", "id")?,
            "queued",
            data,
        )
        .await?;
    }
    for (kind, count) in on_streams {
        let done = tx
            .execute_raw(sql(ERRANDS, [kind.as_str().into(), (*count as i64).into()]))
            .await?;
        mended.errands += done.rows_affected();
    }
    tx.commit().await?;
    Ok(mended)
}
