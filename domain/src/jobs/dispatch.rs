//! The outbox's other half: puts errands for queued jobs on the streams, and keeps the streams short.
//!
//! The ledger holds the backlog; a stream holds at most [`WINDOW`] waiting errands of it, chosen by priority and in turns
//! between customers, so that one with ten thousand jobs does not delay another's ten. Of all processes that run
//! [`Dispatcher::tick`], one at a time does the work.
use queue::{Errand, Publisher};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sea_orm::{ConnectionTrait, QueryResult};
use secrecy::ExposeSecret;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Kind, QUEUES, events,
    reconcile::{Mended, reconcile},
};
use crate::{
    Error, Result,
    config::RedisConfig,
    tenancy::{Db, SystemTx, sql},
};

/// Errands that may wait on one stream.
pub const WINDOW: u64 = 256;
/// The consumer group of all workers.
const GROUP: &str = "workers";
/// Held by the one process that dispatches.
const LOCK: i64 = 0x6f6d_6e69_0001;

/// The stream of a kind's errands.
pub fn stream_of(kind: Kind) -> String {
    format!("omniops-{kind}")
}

/// Publishes errands. Cloning shares the connections.
#[derive(Clone)]
pub struct Dispatcher {
    db: Db,
    redis: ConnectionManager,
    publishers: Arc<BTreeMap<Kind, Publisher>>,
    wake: Arc<Notify>,
}

impl Dispatcher {
    /// Connects at the first use, so that a process can start while Redis is away. Call it inside a Tokio runtime.
    pub fn new(db: Db, config: &RedisConfig) -> Result<Self> {
        let url = config.url.expose_secret();
        let publisher = |kind| Ok((kind, Publisher::connect(url, &stream_of(kind))?));
        let publishers = QUEUES
            .into_iter()
            .map(publisher)
            .collect::<Result<_, queue::Error>>()
            .map_err(away)?;
        let client = redis::Client::open(url).map_err(|e| Error::internal("REDIS_URL", e))?;
        let limits = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1);
        let redis =
            ConnectionManager::new_lazy_with_config(client, limits).map_err(|e| Error::internal("REDIS_URL", e))?;
        Ok(Self {
            db,
            redis,
            publishers: Arc::new(publishers),
            wake: Arc::new(Notify::new()),
        })
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<()> {
        let mut redis = self.redis.clone();
        let command = redis::cmd("PING");
        let pong = command.query_async::<String>(&mut redis);
        match tokio::time::timeout(Duration::from_secs(2), pong).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(away(error.into())),
            Err(elapsed) => Err(Error::unavailable(
                "redis_unavailable",
                "Redis does not answer",
                elapsed,
            )),
        }
    }

    /// A setting of the Redis server, for the deployment check.
    pub async fn setting(&self, name: &str) -> Result<String> {
        let mut redis = self.redis.clone();
        let found: redis::RedisResult<BTreeMap<String, String>> =
            redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut redis).await;
        let mut found = found.map_err(|e| away(e.into()))?;
        found.remove(name).ok_or_else(|| Error::not_found("Redis setting"))
    }

    /// A connection for live events and small reads.
    pub fn redis(&self) -> ConnectionManager {
        self.redis.clone()
    }

    /// Dispatches these jobs right after the commit that made them, if there is room; returns whether Redis took them. What it
    /// doesn't take, [`Dispatcher::tick`] does later.
    pub async fn nudge(&self, jobs: &[Uuid]) -> bool {
        self.wake.notify_one();
        match self.dispatch_now(jobs).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(error = error.story(), "jobs are recorded and will be dispatched later");
                false
            }
        }
    }

    async fn dispatch_now(&self, jobs: &[Uuid]) -> Result<()> {
        const THESE: &str = "SELECT id, kind, customer_id, payload_version FROM jobs
            WHERE id = ANY($1) AND state = 'queued' AND dispatched_at IS NULL FOR UPDATE SKIP LOCKED";
        let tx = self.db.system().await?;
        let rows = tx.query_all_raw(sql(THESE, [jobs.to_vec().into()])).await?;
        for kind in QUEUES {
            let waiting = self.publisher(kind)?.stats(GROUP).await.map_err(away)?.waiting;
            if waiting < WINDOW {
                self.publish(&tx, kind, &rows).await?;
            }
        }
        tx.commit().await
    }

    /// Waits until something was submitted in this process, or for `at_most`.
    pub async fn idle(&self, at_most: Duration) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }

    /// One round, if no other process is at it: jobs whose time has come are queued, streams are filled up, events are put on
    /// their streams.
    pub async fn tick(&self) -> Result<()> {
        let tx = self.db.system().await?;
        if !lock(&tx).await? {
            return Ok(());
        }
        let due =
            "UPDATE jobs SET state = 'queued', dispatched_at = NULL WHERE state = 'scheduled' AND run_at <= now()";
        tx.execute_raw(sql(due, [])).await?;
        for kind in QUEUES {
            self.fill(&tx, kind).await?;
        }
        tx.commit().await?;
        let mut redis = self.redis.clone();
        while events::relay(&self.db, &mut redis).await? > 0 {}
        Ok(())
    }

    /// Mends what crashes and a lost Redis left, if no other process is at it.
    pub async fn reconcile(&self) -> Result<Mended> {
        let tx = self.db.system().await?;
        if !lock(&tx).await? {
            return Ok(Mended::default());
        }
        let mut on_streams = BTreeMap::new();
        for kind in QUEUES {
            let stats = self.publisher(kind)?.stats(GROUP).await.map_err(away)?;
            on_streams.insert(kind, stats.waiting + stats.held);
        }
        let mended = reconcile(&self.db, &on_streams).await?;
        // Given back now: a dropped transaction is rolled back some time later, and would keep the next round out until then.
        tx.commit().await?;
        if mended != Mended::default() {
            tracing::info!(
                orphans = mended.orphans,
                dead = mended.dead,
                errands = mended.errands,
                "jobs mended"
            );
            self.wake.notify_one();
        }
        Ok(mended)
    }

    /// In turns between customers: everybody's first job before anybody's second, the higher priority first.
    async fn fill(&self, tx: &SystemTx, kind: Kind) -> Result<()> {
        const NEXT: &str = "
            WITH waiting AS (
              SELECT id, kind, customer_id, payload_version, priority, run_at,
                row_number() OVER (PARTITION BY customer_id ORDER BY priority DESC, run_at, id) AS turn
              FROM jobs WHERE kind = $1 AND state = 'queued' AND dispatched_at IS NULL)
            SELECT id, kind, customer_id, payload_version FROM waiting ORDER BY priority DESC, turn, run_at LIMIT $2";
        let waiting = self.publisher(kind)?.stats(GROUP).await.map_err(away)?.waiting;
        let room = WINDOW.saturating_sub(waiting) as i64;
        if room == 0 {
            return Ok(());
        }
        let rows = tx.query_all_raw(sql(NEXT, [kind.as_str().into(), room.into()])).await?;
        self.publish(tx, kind, &rows).await
    }

    async fn publish(&self, tx: &SystemTx, kind: Kind, rows: &[QueryResult]) -> Result<()> {
        let mut ids: Vec<Uuid> = Vec::new();
        let mut errands = Vec::new();
        for row in rows
            .iter()
            .filter(|r| r.try_get::<String>("", "kind").is_ok_and(|k| k == kind.as_str()))
        {
            let id: Uuid = row.try_get("", "id")?;
            let customer: Option<Uuid> = row.try_get("", "customer_id")?;
            let version: i32 = row.try_get("", "payload_version")?;
            errands.push(Errand {
                job: id.to_string(),
                kind: kind.to_string(),
                customer: customer.map(|c| c.to_string()).unwrap_or_default(),
                version: version as u32,
            });
            ids.push(id);
        }
        if ids.is_empty() {
            return Ok(());
        }
        self.publisher(kind)?.publish(&errands).await.map_err(away)?;
        tx.execute_raw(sql(
            "UPDATE jobs SET dispatched_at = now() WHERE id = ANY($1)",
            [ids.into()],
        ))
        .await?;
        Ok(())
    }

    fn publisher(&self, kind: Kind) -> Result<&Publisher> {
        self.publishers
            .get(&kind)
            .ok_or_else(|| Error::internal("dispatching", format!("no stream for {kind}")))
    }
}

async fn lock(tx: &SystemTx) -> Result<bool> {
    let row = tx
        .query_one_raw(sql("SELECT pg_try_advisory_xact_lock($1) AS held", [LOCK.into()]))
        .await?;
    Ok(row.map(|r| r.try_get("", "held")).transpose()?.unwrap_or(false))
}

fn away(error: queue::Error) -> Error {
    Error::unavailable("redis_unavailable", "Redis does not answer", error)
}
