//! What happens to jobs: a row of `job_events`, written in the transaction that it tells of, then announced on a Redis stream
//! per customer to whoever reads live ([`super::Live`]).
//!
//! What must stay true: whoever writes an event of a job has changed (or locked for update) the job's row before, in the same
//! transaction. So the events of one job get their ids one transaction after the other, in the order of the commits: who has
//! read up to an id has missed nothing below it. Events of two jobs have no such order, so the relay does not go by id: it reads
//! the events of transactions that are older than every running one, to which nothing can be added any more, and keeps one
//! cursor. A transaction that stays open for long holds the announcements up, never the rows.
//!
//! An announcement only says where to look. It may come twice (a crash between putting it and moving the cursor, a restored
//! database), late, or never (a trimmed or lost stream).
use redis::{aio::ConnectionLike, streams::StreamId};
use sea_orm::ConnectionTrait;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Result,
    tenancy::{Commit, Db, sql},
};

/// Readers that fall further behind than so many announcements read the table.
const STREAM_LENGTH: usize = 1000;
/// The stream of a customer whose jobs rest goes after this many seconds: 7 days, as long as the events themselves are kept.
const STREAM_SECONDS: u64 = 7 * 24 * 3600;
/// Jobs that one announcement names.
const NAMED: usize = 50;
/// Between their ids.
const SEPARATOR: &str = " ";
/// Events announced in one round.
pub(super) const ROUND: i64 = 1000;

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Grows with every event of a job; what a reader resumes after.
    pub id: i64,
    /// The job.
    pub job_id: Uuid,
    /// `queued`, `scheduled`, `started`, `progress`, `retry`, `needs_confirmation`, `cancel_requested`, `done`, `failed`,
    /// `dead` or `cancelled`.
    pub kind: String,
    /// Details.
    pub data: Value,
    /// When.
    pub at: OffsetDateTime,
}

/// Writes an event into the transaction of what it tells, after the change of the job's row.
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

/// The customer's stream of announcements. An entry's field `job` names the jobs to look at, with spaces between their ids.
pub fn stream_key(customer: Uuid) -> String {
    format!("omniops:events:{{{customer}}}")
}

/// Whose stream this is.
pub(super) fn customer_of(key: &str) -> Option<Uuid> {
    let id = key.strip_prefix("omniops:events:{")?.strip_suffix('}')?;
    id.parse().ok()
}

/// Announces the next events, and returns how many they were: 0 when all are announced whose transactions are older than
/// every running one. Called by the process that holds the dispatcher's lock; two at once would only make doubles.
pub async fn relay(db: &Db, redis: &mut impl ConnectionLike) -> Result<usize> {
    let mut round = Round::read(db).await?;
    if round.ahead {
        heal(db).await?;
        round = Round::read(db).await?;
    }
    if round.events > 0 {
        announce(redis, &round.told).await?;
        round.advance(db).await?;
    }
    Ok(round.events as usize)
}

/// How far the announcements have come, and what is next. Transaction ids are texts here: the driver has no type for `xid8`.
struct Round {
    from: Place,
    /// The place of the last event.
    to: Place,
    /// The cursor, or an event, is ahead of the database's own transactions: a backup was restored into a younger cluster.
    ahead: bool,
    /// How many events.
    events: i64,
    /// Of which jobs, by customer.
    told: Vec<Told>,
}

/// A place in the order of events.
struct Place {
    xid: String,
    event: i64,
}

/// A customer's jobs of which there are events, each once.
struct Told {
    customer: Uuid,
    jobs: Vec<Uuid>,
}

impl Round {
    async fn read(db: &Db) -> Result<Self> {
        const NEXT: &str = "
            WITH next AS MATERIALIZED (
              SELECT e.* FROM event_relay c CROSS JOIN LATERAL (
                SELECT n.xid, n.id, n.customer_id, n.job_id FROM job_events n
                WHERE (n.xid, n.id) > (c.xid, c.event_id) AND n.xid < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY n.xid, n.id LIMIT $1) e),
            last AS (SELECT xid, id FROM next ORDER BY xid DESC, id DESC LIMIT 1)
            SELECT c.xid::text AS from_xid, c.event_id AS from_id, last.xid::text AS to_xid, last.id AS to_id, (SELECT count(*) FROM next) AS events,
              greatest(c.xid, (SELECT l.xid FROM job_events l ORDER BY l.xid DESC, l.id DESC LIMIT 1))
                >= pg_snapshot_xmax(pg_current_snapshot()) AS ahead,
              t.customer_id, t.jobs
            FROM event_relay c LEFT JOIN last ON true
            LEFT JOIN (SELECT customer_id, array_agg(DISTINCT job_id) AS jobs FROM next WHERE customer_id IS NOT NULL GROUP BY customer_id) t ON true";
        let rows = db.ledger_statement(Commit::Relaxed, sql(NEXT, [ROUND.into()])).await?;
        let Some(first) = rows.first() else {
            let nowhere = || Place {
                xid: "0".into(),
                event: 0,
            };
            return Ok(Self {
                from: nowhere(),
                to: nowhere(),
                ahead: true,
                events: 0,
                told: vec![],
            });
        };
        let mut told = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(customer) = row.try_get("", "customer_id")? {
                let jobs = row.try_get("", "jobs")?;
                told.push(Told { customer, jobs });
            }
        }
        let from = Place {
            xid: first.try_get("", "from_xid")?,
            event: first.try_get("", "from_id")?,
        };
        let to = first.try_get::<Option<String>>("", "to_xid")?;
        Ok(Self {
            to: Place {
                xid: to.unwrap_or_else(|| from.xid.clone()),
                event: first.try_get::<Option<i64>>("", "to_id")?.unwrap_or(from.event),
            },
            from,
            ahead: first.try_get("", "ahead")?,
            events: first.try_get("", "events")?,
            told,
        })
    }

    /// Never back: where another process has moved it meanwhile, it stays.
    async fn advance(&self, db: &Db) -> Result<()> {
        const ADVANCE: &str = "UPDATE event_relay SET xid = $1::text::xid8, event_id = $2
                               WHERE (xid, event_id) = ($3::text::xid8, $4)";
        let (to, from) = (&self.to, &self.from);
        let values = [
            to.xid.clone().into(),
            to.event.into(),
            from.xid.clone().into(),
            from.event.into(),
        ];
        db.ledger_statement(Commit::Relaxed, sql(ADVANCE, values)).await?;
        Ok(())
    }
}

/// Puts what is ahead of the database's own transactions back into their order. Which events were announced in the other
/// cluster can't be told from which were not, so all are announced again.
async fn heal(db: &Db) -> Result<()> {
    const EVENTS: &str =
        "UPDATE job_events SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";
    const CURSOR: &str = "
        INSERT INTO event_relay DEFAULT VALUES ON CONFLICT (only_row) DO UPDATE SET xid = '0', event_id = 0
        WHERE event_relay.xid >= pg_snapshot_xmax(pg_current_snapshot())";
    let tx = db.ledger(Commit::Relaxed).await?;
    // First, while the snapshot's end is not yet this transaction's own number or a later one.
    tx.execute_raw(sql(CURSOR, [])).await?;
    let moved = tx.execute_raw(sql(EVENTS, [])).await?.rows_affected();
    tx.commit().await?;
    tracing::warn!(
        moved,
        "the events' order was mended: the database comes from another cluster's backup"
    );
    Ok(())
}

/// Announces that something happened to one of the customer's subjects other than a job, which has rows of its own.
pub(crate) async fn announce_one(
    redis: &mut impl ConnectionLike,
    customer: Uuid,
    subject: Uuid,
) -> redis::RedisResult<()> {
    let key = stream_key(customer);
    let mut pipe = redis::pipe();
    pipe.cmd("XADD").arg(&key).arg("MAXLEN").arg("~").arg(STREAM_LENGTH);
    pipe.arg("*").arg("job").arg(subject.to_string()).ignore();
    pipe.cmd("EXPIRE").arg(&key).arg(STREAM_SECONDS).ignore();
    pipe.query_async(redis).await
}

/// One entry for many jobs: what it says is only where to look.
async fn announce(redis: &mut impl ConnectionLike, told: &[Told]) -> Result<()> {
    let mut pipe = redis::pipe();
    for Told { customer, jobs } in told {
        let key = stream_key(*customer);
        for jobs in jobs.chunks(NAMED) {
            let named: Vec<String> = jobs.iter().map(Uuid::to_string).collect();
            pipe.cmd("XADD").arg(&key).arg("MAXLEN").arg("~").arg(STREAM_LENGTH);
            pipe.arg("*").arg("job").arg(named.join(SEPARATOR)).ignore();
        }
        pipe.cmd("EXPIRE").arg(&key).arg(STREAM_SECONDS).ignore();
    }
    if told.is_empty() {
        return Ok(());
    }
    let sent: redis::RedisResult<()> = pipe.query_async(redis).await;
    sent.map_err(|e| Error::unavailable("redis_unavailable", "Redis does not answer", e))
}

/// The jobs that an announcement names.
pub(super) fn named(entry: &StreamId) -> Vec<Uuid> {
    let names: String = entry.get("job").unwrap_or_default();
    names.split(SEPARATOR).filter_map(|job| job.parse().ok()).collect()
}
