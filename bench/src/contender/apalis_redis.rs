//! The crate apalis-redis, with what is known to hold it back put right: a poll interval (it wakes on its heartbeat only), a
//! batch as large as the concurrency, an answer limit above the default 500 ms, a name for each start.
//!
//! More than about 8,000 due jobs stop its fetch script, so the driver queues fewer for it.
use anyhow::{Result, anyhow};
use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use apalis_core::backend::{
    TaskSink as _,
    ext::poll_strategy::{PollSnapshot, PollStrategy, PollWith},
};
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use redis::{Client, aio::ConnectionManagerConfig};
use serde::{Deserialize, Serialize};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use uuid::Uuid;

use super::{Publish, Tally};
use crate::protocol::{Line, Order};

/// How often an idle worker looks.
const POLL: Duration = Duration::from_millis(5);
/// It takes a worker for dead after so many heartbeats.
const MISSED: u64 = 3;

/// The data of a job: the same fields as an errand of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    job: String,
    kind: String,
    customer: String,
    version: u32,
}

/// Pushes tasks.
#[derive(Clone)]
pub struct Outlet {
    storage: RedisStorage<Task>,
    customer: Uuid,
}

impl Outlet {
    /// Connects.
    pub async fn new(order: &Order) -> Result<Self> {
        Ok(Self {
            storage: storage(order).await?,
            customer: Uuid::now_v7(),
        })
    }
}

impl Publish for Outlet {
    async fn publish(&mut self, jobs: usize) -> Result<Vec<String>> {
        let job = |_| Task {
            job: Uuid::now_v7().to_string(),
            kind: "scrape".to_owned(),
            customer: self.customer.to_string(),
            version: 1,
        };
        let jobs: Vec<Task> = (0..jobs).map(job).collect();
        let ids = jobs.iter().map(|job| job.job.clone()).collect();
        self.storage.push_bulk(jobs).await.map_err(|error| anyhow!("{error}"))?;
        Ok(ids)
    }
}

/// Handles tasks.
pub async fn work(order: &Order) -> Result<()> {
    let storage = storage(order).await?;
    let (tally, concurrency) = (Tally::new(order), order.concurrency);
    let name = format!("bench-{}", Uuid::now_v7());
    Line::Ready.emit();
    let monitor = Monitor::new().register(move |restarts| {
        WorkerBuilder::new(format!("{name}-{restarts}"))
            .backend(PollWith::new(storage.clone(), Ticks::default()))
            .concurrency(concurrency)
            .data(tally.clone())
            .build(handle)
    });
    Ok(monitor.run().await?)
}

/// Wakes the worker every [`POLL`]. The crate's own `poll_with_interval` does so until an answer comes in at the moment when the
/// interval ends: then its next timer is not watched by anybody, and the worker sleeps until its next heartbeat.
#[derive(Debug, Default)]
struct Ticks(Option<Pin<Box<Sleep>>>);

impl PollStrategy for Ticks {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(POLL)));
        while timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(Instant::now() + POLL);
        }
        Poll::Pending
    }
}

async fn storage(order: &Order) -> Result<RedisStorage<Task>> {
    let limits = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    let client = Client::open(order.redis_url.as_str())?;
    let conn: ConnectionManager = client.get_connection_manager_with_config(limits).await?;
    let mut config = Config::default()
        .queue(&order.queue)
        .batch_size(order.concurrency.max(10));
    config.heartbeat_interval = Duration::from_millis(order.lease_ms / MISSED);
    config.missed_heartbeats = MISSED as usize;
    Ok(RedisStorage::new(conn).with_config(config))
}

async fn handle(task: Task, tally: Data<Arc<Tally>>) -> Result<(), BoxDynError> {
    tally.handle(&task.job).await;
    Ok(())
}
