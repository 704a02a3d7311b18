//! Live events: rows first, written in the transaction that they tell of, then fanned out on a Redis stream per customer.
use redis::aio::ConnectionLike;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Result,
    tenancy::{Db, sql},
};

/// Live readers that fall further behind than this read the table.
const STREAM_LENGTH: usize = 10_000;

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromQueryResult)]
pub struct Event {
    /// Grows with every event; what a reader resumes after.
    pub id: i64,
    /// The job.
    pub job_id: Uuid,
    /// `queued`, `scheduled`, `started`, `progress`, `retry`, `cancel_requested`, `done`, `failed`, `dead`, `cancelled`.
    pub kind: String,
    /// Details.
    pub data: Value,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Writes an event into the transaction of what it tells.
pub async fn record(
    tx: &impl ConnectionTrait,
    customer: Option<Uuid>,
    job: Uuid,
    kind: &str,
    data: Value,
) -> Result<()> {
    let insert = "INSERT INTO job_events (customer_id, job_id, kind, data) VALUES ($1, $2, $3, $4)";
    tx.execute_raw(sql(insert, [customer.into(), job.into(), kind.into(), data.into()]))
        .await?;
    Ok(())
}

/// The customer's stream of live events.
pub fn stream_key(customer: Uuid) -> String {
    format!("omniops:events:{{{customer}}}")
}

/// Puts events that are not yet on their streams there, and returns how many. Run by the process that holds the dispatcher's
/// lock; a crash between putting and noting makes doubles, which readers drop by id.
pub async fn relay(db: &Db, redis: &mut impl ConnectionLike) -> Result<usize> {
    const PENDING: &str = "SELECT id, customer_id, job_id, kind, data, at FROM job_events WHERE published_at IS NULL
                           ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED";
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(PENDING, [])).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut pipe = redis::pipe();
    let mut ids = Vec::with_capacity(rows.len());
    for row in &rows {
        let event = Event::from_query_result(row, "")?;
        ids.push(event.id);
        let Some(customer) = row.try_get::<Option<Uuid>>("", "customer_id")? else {
            continue;
        };
        pipe.cmd("XADD")
            .arg(stream_key(customer))
            .arg("MAXLEN")
            .arg("~")
            .arg(STREAM_LENGTH)
            .arg("*");
        pipe.arg("e").arg(serde_json::to_string(&event)?).ignore();
    }
    let sent: redis::RedisResult<()> = pipe.query_async(redis).await;
    sent.map_err(|e| Error::unavailable("redis_unavailable", "Redis does not answer", e))?;
    let count = ids.len();
    tx.execute_raw(sql(
        "UPDATE job_events SET published_at = now() WHERE id = ANY($1)",
        [ids.into()],
    ))
    .await?;
    tx.commit().await?;
    Ok(count)
}
