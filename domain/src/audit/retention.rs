//! Lines that are old enough go, and a signed checkpoint stands for them, so that the rest can still be verified.
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::time::Duration;

use super::{
    Entry,
    chain::{ChainKey, alone, read_head},
    record,
};
use crate::{
    Result,
    secrets::Envelopes,
    tenancy::{Db, sql},
};

/// Lines of one transaction.
const BATCH: i64 = 5000;

/// Deletes the lines that are older than `age` and that none follow which are not; returns how many. The database deletes nothing
/// that is younger than 90 days.
pub async fn purge(db: &Db, envelopes: &Envelopes, age: Duration) -> Result<u64> {
    let mut purged = 0;
    loop {
        let gone = purge_batch(db, envelopes, age).await?;
        purged += gone;
        if gone < BATCH as u64 {
            return Ok(purged);
        }
    }
}

async fn purge_batch(db: &Db, envelopes: &Envelopes, age: Duration) -> Result<u64> {
    // The last of the first links whose lines are all old.
    const LAST: &str = "
        WITH old AS (
          SELECT c.seq, c.mac, bool_and(l.at < now() - make_interval(secs => $1)) OVER (ORDER BY c.seq) AS so_far
          FROM (SELECT * FROM audit_chain ORDER BY seq LIMIT $2) c JOIN audit_logs l ON l.id = c.log_id)
        SELECT seq, mac FROM old WHERE so_far ORDER BY seq DESC LIMIT 1";
    const CHECKPOINT: &str = "INSERT INTO audit_checkpoints (seq, mac, key_id, signature) VALUES ($1, $2, $3, $4)";
    let tx = db.system().await?;
    if !alone(&tx).await? {
        return Ok(0);
    }
    let values = [age.as_secs_f64().into(), BATCH.into()];
    let Some(row) = tx.query_one_raw(sql(LAST, values)).await? else {
        tx.commit().await?;
        return Ok(0);
    };
    let head = read_head(&row)?;
    let key = ChainKey::present(&tx, envelopes).await?;
    let signature = key.checkpoint(&head);
    let values = [head.seq.into(), head.mac.into(), key.id.into(), signature.into()];
    tx.execute_raw(sql(CHECKPOINT, values)).await?;
    let purge = sql("SELECT purge_audit_logs($1) AS gone", [head.seq.into()]);
    let row = tx.query_one_raw(purge).await?;
    let gone: i64 = row.map(|row| row.try_get("", "gone")).transpose()?.unwrap_or(0);
    let entry = Entry {
        customer: None,
        actor: "system",
        action: "audit.purged",
        resource: &head.seq.to_string(),
        metadata: json!({ "lines": gone }),
        ip: None,
    };
    record(&*tx, entry).await?;
    tx.commit().await?;
    Ok(gone as u64)
}
