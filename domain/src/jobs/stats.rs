//! How the queues stand: by kind and by customer from the ledger, and what is on the streams from Redis.
//!
//! Every count reads a partial index of jobs that are live or dead, so that the jobs which have ended cost nothing, however many they
//! are. While Redis is away its part is missing and says why; the ledger's figures are there all the same.
use futures::future::join_all;
use metrics::gauge;
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashMap;
use uuid::Uuid;

use super::{Control, Dispatcher, Kind, LANES, Lane, QUEUES, Worker, WorkerState, controls, workers};
use crate::{
    Result,
    tenancy::{Db, SystemTx, sql},
};

/// Customers that [`overview`] names.
const TOP: usize = 20;

/// Events that are counted as not announced at most.
pub const MOST_LAG: i64 = 100_000;

/// What the ledger says about one queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStats {
    /// The queue's kind of jobs.
    pub kind: Kind,
    /// Jobs that could run now.
    pub depth: i64,
    /// Jobs that wait for their time.
    pub scheduled: i64,
    /// Those of them that have failed before.
    pub retries: i64,
    /// Jobs that run.
    pub running: i64,
    /// Jobs that wait for a person's confirmation.
    pub needs_confirmation: i64,
    /// Dead letters.
    pub dead: i64,
    /// How long the oldest runnable job has waited, in seconds.
    pub oldest_seconds: f64,
    /// What holds the queue back.
    pub control: Control,
}

/// What one customer has in one queue.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerStats {
    /// The customer; none for the system's own jobs.
    pub customer_id: Option<Uuid>,
    /// Its primary domain.
    pub domain: Option<String>,
    /// The queue's kind of jobs.
    pub kind: String,
    /// Jobs that could run now.
    pub depth: i64,
    /// Jobs that wait for their time.
    pub scheduled: i64,
    /// Those of them that have failed before.
    pub retries: i64,
    /// Jobs that run.
    pub running: i64,
    /// Jobs that wait for a person's confirmation.
    pub needs_confirmation: i64,
    /// Dead letters.
    pub dead: i64,
    /// How long the oldest runnable job has waited, in seconds.
    pub oldest_seconds: f64,
}

/// Errands in Redis: what of the ledger's jobs the workers can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The queue's kind, `express` or `quarantine`.
    pub lane: String,
    /// Errands that no worker was given yet.
    pub waiting: u64,
    /// Errands that workers hold.
    pub held: u64,
}

/// Everything that an operator looks at first.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Every queue, also the empty ones.
    pub queues: Vec<QueueStats>,
    /// Errands by lane: the queues, the express lane and the quarantine; none while Redis is away.
    pub lag: Option<Vec<Lag>>,
    /// Why there is no lag.
    pub lag_missing: Option<String>,
    /// Who has most jobs waiting, at most 20; or the customer that was asked about.
    pub customers: Vec<CustomerStats>,
    /// The workers that have been heard of within the last hour.
    pub workers: Vec<Worker>,
}

#[derive(FromQueryResult)]
struct Row {
    kind: String,
    customer_id: Option<Uuid>,
    depth: i64,
    scheduled: i64,
    retries: i64,
    running: i64,
    needs_confirmation: i64,
    dead: i64,
    oldest: Option<f64>,
}

/// Every queue, also the empty ones.
pub async fn queue_stats(db: &Db) -> Result<Vec<QueueStats>> {
    let tx = db.system().await?;
    let rows = rows(&tx).await?;
    Ok(by_queue(&rows, &controls::all(&*tx).await?))
}

/// The queues with their lag, the customers with most work waiting, or only the one that is `asked` about, and the workers.
pub async fn overview(db: &Db, dispatcher: &Dispatcher, asked: Option<Uuid>) -> Result<Overview> {
    let lag = join_all(LANES.map(|lane| lag(dispatcher, lane)));
    let (ledger, lag) = tokio::join!(ledger(db, asked), lag);
    let (queues, customers, workers) = ledger?;
    let lag: Result<Vec<Lag>> = lag.into_iter().collect();
    let lag_missing = lag.as_ref().err().map(|error| error.public_message().to_owned());
    Ok(Overview {
        queues,
        lag: lag.ok(),
        lag_missing,
        customers,
        workers,
    })
}

async fn ledger(db: &Db, asked: Option<Uuid>) -> Result<(Vec<QueueStats>, Vec<CustomerStats>, Vec<Worker>)> {
    let tx = db.system().await?;
    let rows = rows(&tx).await?;
    let queues = by_queue(&rows, &controls::all(&*tx).await?);
    Ok((queues, by_customer(&tx, rows, asked).await?, workers::all(&*tx).await?))
}

async fn lag(dispatcher: &Dispatcher, lane: Lane) -> Result<Lag> {
    let stats = dispatcher.stream(lane).await?;
    Ok(Lag {
        lane: lane.to_string(),
        waiting: stats.waiting,
        held: stats.held,
    })
}

async fn rows(tx: &SystemTx) -> Result<Vec<Row>> {
    // Five states, five partial indexes: one condition for all of them would read the whole table.
    const COUNT: &str = "
        WITH live AS (
          SELECT kind, customer_id, 'queued' AS state, false AS again, run_at FROM jobs WHERE state = 'queued'
          UNION ALL
          SELECT kind, customer_id, 'scheduled', attempts > 0 OR error IS NOT NULL, NULL FROM jobs WHERE state = 'scheduled'
          UNION ALL
          SELECT kind, customer_id, 'running', false, NULL FROM jobs WHERE state = 'running'
          UNION ALL
          SELECT kind, customer_id, 'needs_confirmation', false, NULL FROM jobs WHERE state = 'needs_confirmation'
          UNION ALL
          SELECT kind, customer_id, 'dead', false, NULL FROM jobs WHERE state = 'dead')
        SELECT kind, customer_id, count(*) FILTER (WHERE state = 'queued') AS depth,
          count(*) FILTER (WHERE state = 'scheduled') AS scheduled, count(*) FILTER (WHERE again) AS retries,
          count(*) FILTER (WHERE state = 'running') AS running,
          count(*) FILTER (WHERE state = 'needs_confirmation') AS needs_confirmation,
          count(*) FILTER (WHERE state = 'dead') AS dead, extract(epoch FROM now() - min(run_at))::float8 AS oldest
        FROM live GROUP BY kind, customer_id";
    Ok(Row::find_by_statement(sql(COUNT, [])).all(&**tx).await?)
}

fn by_queue(rows: &[Row], controls: &HashMap<Kind, Control>) -> Vec<QueueStats> {
    let of = |kind: Kind| {
        let rows = || rows.iter().filter(move |row| row.kind == kind.as_str());
        let sum = |field: fn(&Row) -> i64| rows().map(field).sum();
        QueueStats {
            kind,
            depth: sum(|r| r.depth),
            scheduled: sum(|r| r.scheduled),
            retries: sum(|r| r.retries),
            running: sum(|r| r.running),
            needs_confirmation: sum(|r| r.needs_confirmation),
            dead: sum(|r| r.dead),
            oldest_seconds: rows().filter_map(|r| r.oldest).fold(0.0, f64::max),
            control: controls.get(&kind).copied().unwrap_or_default(),
        }
    };
    QUEUES.map(of).into()
}

async fn by_customer(tx: &SystemTx, mut rows: Vec<Row>, asked: Option<Uuid>) -> Result<Vec<CustomerStats>> {
    rows.retain(|row| asked.is_none() || row.customer_id == asked);
    rows.sort_by_key(|row| {
        std::cmp::Reverse((row.depth, row.running, row.scheduled, row.needs_confirmation, row.dead))
    });
    rows.truncate(TOP);
    let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.customer_id).collect();
    let find = "SELECT id, domain FROM customer_configs WHERE id = ANY($1)";
    let mut domains: HashMap<Uuid, String> = HashMap::new();
    for row in tx.query_all_raw(sql(find, [ids.into()])).await? {
        domains.insert(row.try_get("", "id")?, row.try_get("", "domain")?);
    }
    let named = rows.into_iter().map(|row| CustomerStats {
        domain: row.customer_id.and_then(|id| domains.get(&id).cloned()),
        customer_id: row.customer_id,
        kind: row.kind,
        depth: row.depth,
        scheduled: row.scheduled,
        retries: row.retries,
        running: row.running,
        needs_confirmation: row.needs_confirmation,
        dead: row.dead,
        oldest_seconds: row.oldest.unwrap_or_default().max(0.0),
    });
    Ok(named.collect())
}

/// Sets the gauges of the connections, the queues, the workers and the events, for whoever renders the metrics. Every process that is asked
/// tells the same; a dashboard takes the greatest.
pub async fn measure(db: &Db) -> Result<()> {
    // Worth knowing most of all where the next line waits in vain.
    db.measure();
    let tx = db.system().await?;
    let queues = by_queue(&rows(&tx).await?, &controls::all(&*tx).await?);
    let workers = workers::all(&*tx).await?;
    let lag = events_lag(&*tx).await?;
    for queue in &queues {
        let name = queue.kind.as_str();
        gauge!("omniops_queue_depth", "queue" => name).set(queue.depth as f64);
        gauge!("omniops_queue_oldest_seconds", "queue" => name).set(queue.oldest_seconds);
        gauge!("omniops_queue_running", "queue" => name).set(queue.running as f64);
        gauge!("omniops_queue_scheduled", "queue" => name).set(queue.scheduled as f64);
        gauge!("omniops_queue_retries", "queue" => name).set(queue.retries as f64);
        gauge!("omniops_queue_needs_confirmation", "queue" => name).set(queue.needs_confirmation as f64);
        gauge!("omniops_queue_dead", "queue" => name).set(queue.dead as f64);
        gauge!("omniops_queue_paused", "queue" => name).set(f64::from(u8::from(queue.control.paused_at.is_some())));
    }
    for state in WorkerState::ALL {
        let count = workers.iter().filter(|worker| worker.state == state).count();
        gauge!("omniops_workers", "state" => state.as_str()).set(count as f64);
    }
    gauge!("omniops_events_lag").set(lag as f64);
    Ok(())
}

/// How many events are not announced yet. After a long outage of Redis there are millions: that many are not counted by every process for
/// every scrape, while they are being announced.
pub async fn events_lag(tx: &impl ConnectionTrait) -> Result<i64> {
    const LAG: &str = "
        SELECT count(*) AS lag FROM (
          SELECT FROM event_relay r CROSS JOIN LATERAL (
            SELECT FROM job_events e WHERE (e.xid, e.id) > (r.xid, r.event_id) LIMIT $1) e) l";
    let lag = tx.query_one_raw(sql(LAG, [MOST_LAG.into()])).await?;
    Ok(lag.map(|row| row.try_get("", "lag")).transpose()?.unwrap_or_default())
}

/// Sets the gauges of the streams. While Redis is away they keep what they said last, which is told by other figures.
pub async fn measure_streams(dispatcher: &Dispatcher) {
    for lag in join_all(LANES.map(|lane| lag(dispatcher, lane)))
        .await
        .into_iter()
        .flatten()
    {
        for (state, errands) in [("waiting", lag.waiting), ("held", lag.held)] {
            gauge!("omniops_queue_errands", "queue" => lag.lane.clone(), "state" => state).set(errands as f64);
        }
    }
}
