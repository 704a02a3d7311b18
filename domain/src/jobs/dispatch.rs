//! The outbox's other half: puts errands for queued jobs on the streams, and keeps the streams short.
//!
//! What is dispatched is what is on the streams: no row says it, so a Redis that has lost everything is filled again at once.
//! The ledger holds the backlog; a stream holds a small window of it, chosen by priority and in turns between customers, so that
//! one with ten thousand jobs does not delay another's ten, and within the limits that operators set. Of all processes that
//! run [`Dispatcher::tick`], one at a time does the work.
use futures::future::try_join_all;
use queue::{Errand, Publisher, Stats};
use redis_link::{Address, Limits, Link};
use sea_orm::{ConnectionTrait, QueryResult};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Payload, SUSPECT_STARTS, Submitted, controls, events,
    reconcile::{self, Mended},
    stream::{GROUP, LANES, Lane, Window},
};
use crate::{
    Error, Result,
    config::RedisConfig,
    tenancy::{Commit, Db, SystemTx, sql},
};

/// Held by the one process that dispatches.
const LOCK: i64 = 0x6f6d_6e69_0001;
/// A stream that never is, named like those that a Redis user of ours may write to.
const NOWHERE: &str = "queue:{omniops-nowhere}";
/// Portions of events that are relayed in one round, so that a flood of them does not keep jobs from being dispatched.
const RELAYED: usize = 4;
/// Errands of one stream that are looked at: more than its window and all workers together hold.
const MOST_SENT: usize = 20_000;
/// Scheduled jobs that are queued in one round.
const DUE: i64 = 5000;

/// Publishes errands. Cloning shares the connections.
#[derive(Clone)]
pub struct Dispatcher {
    db: Db,
    redis: Link,
    publishers: Arc<BTreeMap<Lane, Publisher>>,
    windows: Arc<Mutex<BTreeMap<Lane, Window>>>,
    wake: Arc<Notify>,
    dry: Arc<Notify>,
}

impl Dispatcher {
    /// Connects at the first use, so that a process can start while Redis is away. Call it inside a Tokio runtime.
    pub fn new(db: Db, config: &RedisConfig) -> Result<Self> {
        let address = Address::parse(config.url.expose_secret()).map_err(|e| Error::internal("REDIS_URL", e))?;
        let redis = Link::new(address, Limits::default());
        let publisher = |lane: Lane| (lane, Publisher::new(redis.clone(), &lane.stream()));
        let publishers = LANES.into_iter().map(publisher).collect();
        Ok(Self {
            db,
            redis,
            publishers: Arc::new(publishers),
            windows: Arc::default(),
            wake: Arc::default(),
            dry: Arc::default(),
        })
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<()> {
        let pong = redis::cmd("PING").query_async::<()>(&mut self.redis.clone()).await;
        pong.map_err(|error| away(error.into()))
    }

    /// Whether Redis takes what is published: one that is full answers, and takes nothing.
    pub async fn takes(&self) -> Result<()> {
        let mut add = redis::cmd("XADD");
        // Refused like all that asks for memory, and else nothing, since there is no such stream.
        add.arg(NOWHERE).arg("NOMKSTREAM").arg("*").arg("job").arg("");
        let added = add.query_async::<()>(&mut self.redis.clone()).await;
        added.map_err(|error| away(error.into()))
    }

    /// A connection for live events and small reads.
    pub fn redis(&self) -> Link {
        self.redis.clone()
    }

    /// How full a lane's stream is, and who works on it.
    pub async fn stream(&self, lane: Lane) -> Result<Stats> {
        self.publisher(lane)?.stats(GROUP).await.map_err(away)
    }

    /// Publishes the errands of jobs right after the commit that made them; returns whether Redis is there. What it doesn't
    /// take, [`Dispatcher::tick`] publishes later.
    pub async fn dispatch(&self, made: &[Submitted]) -> bool {
        self.wake();
        let mut errands: BTreeMap<Lane, Vec<Errand>> = BTreeMap::new();
        for errand in made.iter().filter_map(|m| m.errand.as_ref()) {
            errands.entry(Lane::Express).or_default().push(errand.clone());
        }
        if errands.is_empty() {
            return self.takes().await.is_ok();
        }
        let Err(error) = self.publish(&errands).await else {
            return true;
        };
        tracing::warn!(error = error.story(), "jobs are recorded and will be dispatched later");
        false
    }

    /// Puts an errand of the express lane behind those of its kind: its worker has no seat for it.
    pub async fn forward(&self, errand: &Errand) -> Result<()> {
        let lane = Lane::Queue(errand.kind.parse()?);
        self.publish(&BTreeMap::from([(lane, vec![errand.clone()])])).await
    }

    /// Makes [`Dispatcher::idle`] in this process return.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// To be notified when a worker of this process was given less than it had asked for.
    pub fn dry(&self) -> Arc<Notify> {
        self.dry.clone()
    }

    /// Waits until workers of this process run dry though there is more to do, or for `at_most`.
    pub async fn until_dry(&self, at_most: Duration) {
        let dry = async {
            loop {
                self.dry.notified().await;
                // Who waited is given the first errand of many alone, which says nothing.
                if self.is_dry().await.unwrap_or(false) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(at_most, dry).await;
    }

    async fn is_dry(&self) -> Result<bool> {
        let windows = self.windows().clone();
        for (lane, window) in windows {
            if window.is_dry(0) && window.is_dry(self.waiting(lane).await?.1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until something was submitted in this process or workers run dry, or for `at_most`.
    pub async fn idle(&self, at_most: Duration) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = self.until_dry(at_most) => {}
        }
    }

    /// One round, if no other process is at it: jobs whose time has come are queued, streams are filled up, events are put on
    /// their streams. Returns whether the workers may want another round at once.
    pub async fn tick(&self) -> Result<bool> {
        let mut tx = self.db.ledger(Commit::Relaxed).await?;
        if !lock(&tx).await? {
            return Ok(false);
        }
        if queue_due(&tx).await? > 0 {
            // Before any of them is published: a worker that is faster than the commit would find nothing to do.
            tx.commit().await?;
            tx = self.db.ledger(Commit::Relaxed).await?;
            if !lock(&tx).await? {
                return Ok(true);
            }
        }
        let hungry = self.fill(&tx).await?;
        tx.commit().await?;
        let mut redis = self.redis.clone();
        for _ in 0..RELAYED {
            if (events::relay(&self.db, &mut redis).await? as i64) < events::ROUND {
                return Ok(hungry);
            }
        }
        Ok(true)
    }

    /// Mends what crashes left, if no other process is at it.
    pub async fn reconcile(&self) -> Result<Mended> {
        let tx = self.db.system().await?;
        if !lock(&tx).await? {
            return Ok(Mended::default());
        }
        let mended = reconcile::orphans(&tx).await?;
        // Before Redis is asked, which may be away.
        tx.commit().await?;
        if mended != Mended::default() {
            tracing::info!(orphans = mended.orphans, dead = mended.dead, "jobs mended");
            self.wake();
        }
        let tx = self.db.system().await?;
        if lock(&tx).await? {
            self.take_back(&tx).await?;
            // Given back now: a dropped transaction is rolled back some time later, and would keep the next round out until then.
            tx.commit().await?;
        }
        Ok(mended)
    }

    /// Takes back what no worker was given yet of kinds of which more is under way than their limits allow: they were lowered; of the
    /// express lane all, since it is of all kinds. What is within the limits is published by the next round, in turns.
    async fn take_back(&self, tx: &SystemTx) -> Result<()> {
        for (kind, control) in controls::all(&**tx).await? {
            let lane = Lane::Queue(kind);
            let lanes = [lane, Lane::Express];
            let waiting = try_join_all(lanes.map(|lane| self.waiting(lane))).await?;
            if !control.is_limited() || waiting.iter().all(|(_, waiting)| *waiting == 0) {
                continue;
            }
            let sent = [self.sent(lane).await?, self.sent(Lane::Express).await?].concat();
            if controls::is_exceeded(&**tx, kind, control, sent).await? {
                let mut taken = 0;
                for lane in lanes {
                    taken += self.publisher(lane)?.take_back(GROUP).await.map_err(away)?;
                }
                tracing::info!(%lane, errands = taken, event = "errands_taken_back", "more was under way than the queue's limits allow");
                self.wake();
            }
        }
        Ok(())
    }

    async fn fill(&self, tx: &SystemTx) -> Result<bool> {
        let mut rooms = BTreeMap::new();
        let filled = LANES.into_iter().filter(|lane| *lane != Lane::Express);
        for (lane, waiting) in try_join_all(filled.map(|lane| self.waiting(lane))).await? {
            rooms.insert(lane, self.windows().entry(lane).or_default().room(waiting));
        }
        // What is on a stream says nothing about the other lanes, but for those of all kinds.
        let asked = LANES
            .into_iter()
            .filter(|lane| lane.kind().is_none() || rooms.get(lane).is_some_and(|room| *room > 0));
        let sent = try_join_all(asked.map(|lane| self.sent(lane))).await?;
        let errands = next(tx, &rooms, sent.concat()).await?;
        let hungry = self.note(&rooms, &errands);
        self.publish(&errands).await?;
        Ok(hungry)
    }

    /// How many errands of a lane no worker was given yet.
    async fn waiting(&self, lane: Lane) -> Result<(Lane, u64)> {
        Ok((lane, self.stream(lane).await?.waiting))
    }

    /// The jobs whose errands are on a lane's stream.
    async fn sent(&self, lane: Lane) -> Result<Vec<Uuid>> {
        let sent = self.publisher(lane)?.jobs(MOST_SENT).await.map_err(away)?;
        Ok(sent.iter().filter_map(|job| job.parse().ok()).collect())
    }

    /// Tells the windows how the round went; returns whether another one is worthwhile at once.
    fn note(&self, rooms: &BTreeMap<Lane, u64>, errands: &BTreeMap<Lane, Vec<Errand>>) -> bool {
        let mut windows = self.windows();
        let mut hungry = false;
        for (lane, room) in rooms {
            let added = errands.get(lane).map_or(0, Vec::len) as u64;
            let window = windows.entry(*lane).or_default();
            window.filled(*room, added);
            hungry |= window.hungry();
        }
        hungry
    }

    fn windows(&self) -> MutexGuard<'_, BTreeMap<Lane, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish(&self, errands: &BTreeMap<Lane, Vec<Errand>>) -> Result<()> {
        for (lane, errands) in errands {
            self.publisher(*lane)?.publish(errands).await.map_err(away)?;
        }
        Ok(())
    }

    fn publisher(&self, lane: Lane) -> Result<&Publisher> {
        self.publishers
            .get(&lane)
            .ok_or_else(|| Error::internal("dispatching", format!("no stream for {lane}")))
    }
}

/// What is dispatched next, of what is not among the jobs that were `sent` already: in turns between customers, everybody's first
/// job before anybody's second, where what a customer already has running or waiting counts as turns taken. Priority orders each
/// customer's own jobs, and those whose turn it is: were it more, one shop with ten thousand changed products would keep all others waiting.
/// Jobs of a newer build than this one are left to the dispatchers of that. Suspects come first, since they are what was begun; where their kind
/// is limited, they are chosen when all is known that is under way.
async fn next(tx: &SystemTx, rooms: &BTreeMap<Lane, u64>, sent: Vec<Uuid>) -> Result<BTreeMap<Lane, Vec<Errand>>> {
    // A number and no parameter where suspects are looked for: the index of suspects is used only where the planner sees the condition.
    // What waits is looked for in the backlog's own order, all columns of its index named. For any other order the planner would also take an
    // index, or the table, where all jobs that have ever been come before the first that is queued.
    // What was sent is a set that is hashed once: `<> ALL` of a parameter walks through all of it for each row.
    let query = format!("
        WITH RECURSIVE lanes AS (
          SELECT l.kind, l.room, c.max_running, c.max_running_per_customer
          FROM jsonb_to_recordset($1) AS l (kind text, room bigint) LEFT JOIN queue_controls c ON c.kind = l.kind
          WHERE l.room > 0 AND c.paused_at IS NULL),
        owners (kind, customer_id) AS (
          SELECT l.kind, (SELECT j.customer_id FROM jobs j WHERE j.kind = l.kind AND j.state = 'queued'
            AND j.customer_id IS NOT NULL ORDER BY j.customer_id, j.priority DESC, j.run_at, j.id LIMIT 1) FROM lanes l
          UNION ALL
          SELECT o.kind, (SELECT j.customer_id FROM jobs j WHERE j.kind = o.kind AND j.state = 'queued'
            AND j.customer_id > o.customer_id ORDER BY j.customer_id, j.priority DESC, j.run_at, j.id LIMIT 1) FROM owners o WHERE o.customer_id IS NOT NULL),
        under_way AS (
          SELECT kind, customer_id FROM jobs WHERE state = 'running'
          UNION ALL
          SELECT kind, customer_id FROM jobs WHERE id = ANY($3) AND state = 'queued'),
        held AS (SELECT kind, customer_id, count(*) AS n FROM under_way GROUP BY kind, customer_id),
        suspects AS (
          SELECT s.* FROM (
            SELECT w.*, row_number() OVER (PARTITION BY w.kind ORDER BY w.run_at, w.id) AS of_kind,
              row_number() OVER (PARTITION BY w.kind, w.customer_id ORDER BY w.run_at, w.id) AS of_customer
            FROM (
              SELECT j.id, j.kind, j.customer_id, j.payload_version, j.starts, j.run_at FROM jobs j
              WHERE j.state = 'queued' AND j.starts >= {SUSPECT_STARTS} AND j.id NOT IN (SELECT unnest($3::uuid[])) AND j.payload_version <= {version}
                AND NOT EXISTS (SELECT FROM queue_controls c WHERE c.kind = j.kind AND (c.paused_at IS NOT NULL
                  OR coalesce(c.max_running, c.max_running_per_customer) IS NOT NULL AND c.kind NOT IN (SELECT kind FROM lanes)))
              ORDER BY j.run_at LIMIT $2) w) s
          LEFT JOIN lanes l ON l.kind = s.kind
          WHERE (l.max_running IS NULL
              OR s.of_kind + (SELECT coalesce(sum(h.n), 0) FROM held h WHERE h.kind = s.kind) <= l.max_running)
            AND (l.max_running_per_customer IS NULL OR s.customer_id IS NULL
              OR s.of_customer + (SELECT coalesce(sum(h.n), 0) FROM held h WHERE h.kind = s.kind AND h.customer_id = s.customer_id)
                <= l.max_running_per_customer)),
        busy AS (
          SELECT kind, customer_id, count(*) AS n FROM (
            SELECT kind, customer_id FROM under_way UNION ALL SELECT kind, customer_id FROM suspects) u GROUP BY kind, customer_id),
        shares AS (
          SELECT o.kind, o.customer_id, coalesce(b.n, 0) AS busy, least(
              2 * l.room / count(*) OVER (PARTITION BY o.kind) + 8,
              l.room,
              CASE WHEN l.max_running_per_customer IS NOT NULL THEN greatest(0, l.max_running_per_customer - coalesce(b.n, 0)) END) AS most
          FROM owners o JOIN lanes l ON l.kind = o.kind LEFT JOIN busy b ON b.kind = o.kind AND b.customer_id = o.customer_id
          WHERE o.customer_id IS NOT NULL),
        candidates AS (
          SELECT s.kind, n.*, s.busy + n.turn AS place FROM shares s CROSS JOIN LATERAL (
            SELECT j.id, j.customer_id, j.payload_version, j.starts, j.priority, j.run_at,
              row_number() OVER (ORDER BY j.priority DESC, j.run_at, j.id) AS turn
            FROM jobs j WHERE j.kind = s.kind AND j.customer_id = s.customer_id AND j.state = 'queued' AND j.starts < {SUSPECT_STARTS} AND j.id NOT IN (SELECT unnest($3::uuid[]))
              AND j.payload_version <= {version}
            ORDER BY j.priority DESC, j.run_at, j.id LIMIT s.most) n
          UNION ALL
          SELECT l.kind, n.*, 0, 0 FROM lanes l CROSS JOIN LATERAL (
            SELECT j.id, j.customer_id, j.payload_version, j.starts, j.priority, j.run_at FROM jobs j
            WHERE j.kind = l.kind AND j.customer_id IS NULL AND j.state = 'queued' AND j.starts < {SUSPECT_STARTS} AND j.id NOT IN (SELECT unnest($3::uuid[]))
              AND j.payload_version <= {version}
            ORDER BY j.customer_id, j.priority DESC, j.run_at, j.id LIMIT l.room) n),
        ranked AS (
          SELECT *, row_number() OVER (PARTITION BY kind ORDER BY place, priority DESC, run_at, id) AS rank FROM candidates)
        SELECT r.id, r.kind, r.customer_id, r.payload_version, r.starts, r.rank FROM ranked r JOIN lanes l ON l.kind = r.kind
        WHERE r.rank <= least(l.room, CASE WHEN l.max_running IS NOT NULL
          THEN greatest(0, l.max_running - (SELECT coalesce(sum(b.n), 0) FROM busy b WHERE b.kind = l.kind)) END)
        UNION ALL
        SELECT id, kind, customer_id, payload_version, starts, 0 FROM suspects
        ORDER BY rank",
        version = Payload::VERSION,
    );
    let suspects = rooms.get(&Lane::Quarantine).copied().unwrap_or_default() as i64;
    let values = [room_by_kind(rooms).into(), suspects.into(), sent.into()];
    let mut errands: BTreeMap<Lane, Vec<Errand>> = BTreeMap::new();
    for row in tx.query_all_raw(sql(&query, values)).await? {
        let (lane, errand) = errand(&row)?;
        errands.entry(lane).or_default().push(errand);
    }
    Ok(errands)
}

/// How many errands each kind's stream has room for.
fn room_by_kind(rooms: &BTreeMap<Lane, u64>) -> Value {
    rooms
        .iter()
        .filter_map(|(lane, room)| Some(json!({ "kind": lane.kind()?.as_str(), "room": room })))
        .collect()
}

fn errand(row: &QueryResult) -> Result<(Lane, Errand)> {
    let kind: String = row.try_get("", "kind")?;
    let lane = if row.try_get::<i32>("", "starts")? >= SUSPECT_STARTS {
        Lane::Quarantine
    } else {
        Lane::Queue(kind.parse()?)
    };
    let errand = Errand {
        job: row.try_get::<Uuid>("", "id")?.to_string(),
        kind,
        customer: row
            .try_get::<Option<Uuid>>("", "customer_id")?
            .map(|customer| customer.to_string())
            .unwrap_or_default(),
        version: row.try_get::<i32>("", "payload_version")? as u32,
    };
    Ok((lane, errand))
}

/// Queues the jobs whose time has come, the longest overdue first.
async fn queue_due(tx: &SystemTx) -> Result<u64> {
    const QUEUE_DUE: &str = "
        WITH due AS (
          SELECT id FROM jobs WHERE state = 'scheduled' AND run_at <= now() ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED),
        queued AS (
          UPDATE jobs j SET state = 'queued' FROM due WHERE j.id = due.id RETURNING j.id, j.customer_id, j.attempts)
        INSERT INTO job_events (customer_id, job_id, kind, data)
        SELECT customer_id, id, 'queued', jsonb_build_object('attempts', attempts) FROM queued";
    Ok(tx.execute_raw(sql(QUEUE_DUE, [DUE.into()])).await?.rows_affected())
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
