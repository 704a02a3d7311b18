//! The one file that names apalis: a worker for each kind of job, under one monitor.
use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use domain::{
    Error, Result,
    jobs::{GROUP, Kind, LANES, Lane},
    lifecycle::Lifecycle,
};
use queue::{Config, Errand, Queue};
use redis_link::Address;
use secrecy::ExposeSecret;
use std::{io, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use crate::{Context, health::Vitals, run};

/// A queue's task that panics is started again this often in the life of a process; then the liveness probe tells.
const MAX_RESTARTS: usize = 20;

/// Small jobs in one process: most of them wait for somebody's mail server or receiver, and one of those may be slow.
const MAINTENANCE: usize = 8;

/// Shops that one process reads at a time: each is asked one thing after the other.
const SYNCS: usize = 8;

/// How long what is fetched ahead may wait behind what runs.
const PATIENCE: Duration = Duration::from_millis(20);

/// Jobs of the quarantine in one process.
const QUARANTINE: usize = 4;

struct Hands {
    ctx: Context,
    life: Lifecycle,
    lane: Lane,
}

/// Works until the soft stop, and then until the running handlers are through. What was fetched and not begun goes back.
pub(crate) async fn run(ctx: &Context, life: &Lifecycle, vitals: &Vitals) -> Result<()> {
    let address = Address::parse(ctx.config.redis.url.expose_secret()).map_err(|e| Error::internal("REDIS_URL", e))?;
    let mut monitor = Monitor::new();
    for lane in LANES {
        let (address, config, health) = (address.clone(), config_of(ctx, lane), vitals.queue(lane));
        let hands = Arc::new(Hands {
            ctx: ctx.clone(),
            life: life.clone(),
            lane,
        });
        monitor = monitor.register(move |restarts| {
            let queue = Queue::with_health(address.clone(), config.clone(), health.clone());
            WorkerBuilder::new(format!("{lane}-{restarts}"))
                .backend(queue)
                // What is fetched ahead waits for a seat, where the ledger sees that it comes next.
                .concurrency(config.concurrency + config.prefetch)
                .data(hands.clone())
                .build(handle)
        });
    }
    let monitor = monitor.should_restart(|worker, error| {
        tracing::error!(worker = worker.name(), %error, "a queue's worker ended; it is started again");
        worker.restarts() < MAX_RESTARTS
    });
    let stopping = life.stopping();
    let signal = async move {
        stopping.cancelled().await;
        Ok::<(), io::Error>(())
    };
    let ended = monitor.run_with_signal(signal).await;
    ended.map_err(|e| Error::internal("the workers", e.to_string()))
}

/// Jobs of a lane that run at once in a process. Crawls wait for their sites, as many as the setting says; embedding keeps a core busy.
pub(crate) fn concurrency(lane: Lane, crawls: usize) -> usize {
    match lane {
        Lane::Queue(Kind::Scrape) => crawls,
        Lane::Queue(Kind::Embed) => available_parallelism().map_or(1, NonZero::get),
        Lane::Queue(Kind::Sync) => SYNCS,
        Lane::Queue(Kind::Maintenance) => MAINTENANCE,
        // One begins at a time; the others have outlasted the suspicion.
        Lane::Quarantine => QUARANTINE,
    }
}

/// What waits, waits where any free worker can take it, and where a later job of higher priority can still be put before it: nothing is
/// fetched ahead. Only jobs that end within milliseconds have the next ones at hand while claims are under way.
fn config_of(ctx: &Context, lane: Lane) -> Config {
    let concurrency = concurrency(lane, ctx.config.worker.concurrency);
    Config {
        prefetch: if lane == Lane::Quarantine { 0 } else { 2 * concurrency },
        patience: Some(PATIENCE),
        lease: ctx.config.worker.lease,
        group: GROUP.to_owned(),
        ..Config::new(lane.stream(), concurrency)
    }
}

/// Each job is a task of its own, so that jobs use all cores.
async fn handle(errand: Errand, hands: Data<Arc<Hands>>) -> Result<(), BoxDynError> {
    let shared = Arc::clone(&hands);
    let task = hands
        .life
        .spawn(async move { run::errand(&shared.ctx, &shared.life, shared.lane, &errand).await });
    match task.await {
        Ok(Some(done)) => done.map_err(|error| {
            tracing::warn!(
                error = error.story(),
                "the ledger could not be reached; the errand runs again"
            );
            error.into()
        }),
        Ok(None) => Err("cut off by the hard stop".into()),
        Err(error) => Err(error.into()),
    }
}
