//! The one file that names apalis: a worker for each kind of job, under one monitor.
use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use domain::{
    Error, Result,
    jobs::{GROUP, Kind, LANES, Lane, QUEUES},
    lifecycle::Lifecycle,
};
use queue::{Config, Errand, Queue};
use redis_link::Address;
use secrecy::ExposeSecret;
use std::{
    collections::VecDeque,
    io,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::task::TaskTracker;

use crate::{Context, run, vitals::Vitals};

/// Queues' tasks that panic are started again this often in a minute; then the process ends, and whoever watches over it starts it anew.
const RESTARTS: usize = 5;
const MINUTE: Duration = Duration::from_mins(1);

/// Small jobs in one process: most of them wait for somebody's mail server or receiver, and one of those may be slow.
const MAINTENANCE: usize = 8;

/// Shops that one process reads at a time: each is asked one thing after the other.
const SYNCS: usize = 8;

/// How long what is fetched ahead may wait behind what runs.
const PATIENCE: Duration = Duration::from_millis(20);

/// Errands of the express lane that wait for a seat in one process.
const EXPRESS: usize = 32;

/// Jobs of the quarantine in one process.
const QUARANTINE: usize = 4;

struct Hands {
    ctx: Arc<Context>,
    life: Lifecycle,
    lane: Lane,
    /// The runs of the quarantine, some of which outlast their errands.
    suspects: TaskTracker,
}

/// Works until the soft stop, and then until the running handlers are through. What was fetched and not begun goes back.
pub(crate) async fn run(ctx: &Arc<Context>, life: &Lifecycle, vitals: &Vitals) -> Result<()> {
    let address = Address::parse(ctx.config.redis.url.expose_secret()).map_err(|e| Error::internal("REDIS_URL", e))?;
    let mut monitor = Monitor::new();
    let (restarts, fallible, suspects) = (Restarts::default(), vitals.clone(), TaskTracker::new());
    for lane in LANES {
        let (address, config, health) = (address.clone(), config_of(ctx, lane), vitals.queue(lane));
        let hands = Arc::new(Hands {
            ctx: ctx.clone(),
            life: life.clone(),
            lane,
            suspects: suspects.clone(),
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
    let monitor = monitor.should_restart(move |worker, error| {
        tracing::error!(worker = worker.name(), %error, "a queue's worker ended");
        let again = restarts.allow();
        if !again {
            fallible.fell(format!("{}, started again too often, has ended", worker.name()));
        }
        again
    });
    let stopping = life.stopping();
    let signal = async move {
        stopping.cancelled().await;
        Ok::<(), io::Error>(())
    };
    let ended = monitor.run_with_signal(signal).await;
    if life.is_stopping() {
        suspects.close();
        suspects.wait().await;
    }
    ended.map_err(|e| Error::internal("the workers", e.to_string()))
}

/// When queues' tasks were started again, of late.
#[derive(Default)]
struct Restarts(Mutex<VecDeque<Instant>>);

impl Restarts {
    /// Notes another one, unless there were too many.
    fn allow(&self) -> bool {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while times.front().is_some_and(|at| at.elapsed() >= MINUTE) {
            times.pop_front();
        }
        let again = times.len() < RESTARTS;
        if again {
            times.push_back(Instant::now());
        }
        again
    }
}

/// Jobs of a lane that run at once in a process. Crawls wait for their sites, as many as the setting says; embedding keeps a core busy.
pub(crate) fn concurrency(lane: Lane, crawls: usize) -> usize {
    match lane {
        Lane::Queue(Kind::Scrape) => crawls,
        Lane::Queue(Kind::Embed) => available_parallelism().map_or(1, NonZero::get),
        Lane::Queue(Kind::Sync) => SYNCS,
        Lane::Queue(Kind::Maintenance) => MAINTENANCE,
        // As many as have seats, and some that wait for one.
        Lane::Express => {
            let seats = QUEUES.map(|kind| concurrency(Lane::Queue(kind), crawls));
            seats.iter().sum::<usize>() + EXPRESS
        }
        // One begins at a time; the others have outlasted the suspicion, and wait for a seat of their kind.
        Lane::Quarantine => QUARANTINE,
    }
}

/// What waits, waits where any free worker can take it, and where a later job of higher priority can still be put before it: nothing is
/// fetched ahead. Only jobs that end within milliseconds have the next ones at hand while claims are under way.
fn config_of(ctx: &Context, lane: Lane) -> Config {
    let concurrency = concurrency(lane, ctx.config.worker.concurrency);
    Config {
        prefetch: if lane.kind().is_some() { 2 * concurrency } else { 0 },
        patience: Some(PATIENCE),
        dry: lane.kind().map(|_| ctx.dispatcher.dry()),
        rests: Some(ctx.heart.unheard()),
        lease: ctx.config.worker.lease,
        group: GROUP.to_owned(),
        ..Config::new(lane.stream(), concurrency)
    }
}

/// Each job is a task of its own, so that jobs use all cores.
async fn handle(errand: Errand, hands: Data<Arc<Hands>>) -> Result<(), BoxDynError> {
    let shared = Arc::clone(&hands);
    let suspicion = (hands.lane == Lane::Quarantine).then(|| (hands.suspects.token(), oneshot::channel()));
    let (suspect, cleared, over) = match suspicion {
        Some((suspect, (cleared, over))) => (Some(suspect), Some(cleared), Some(over)),
        None => (None, None, None),
    };
    // In a box: what a task is made of is copied several times on its way into the runtime and out of it.
    let work = Box::pin(async move {
        let _suspect = suspect;
        run::errand(&shared.ctx, &shared.life, shared.lane, &errand, cleared).await
    });
    let mut task = hands.life.spawn(work);
    let ended = match over {
        None => task.await,
        Some(over) => tokio::select! {
            biased;
            ended = &mut task => ended,
            // The task goes on, and makes room for the next suspect.
            Ok(()) = over => return Ok(()),
        },
    };
    match ended {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn panics_now_and_then_are_mended_for_ever_and_many_in_a_row_are_not() {
        let restarts = Restarts::default();
        for _ in 0..100 {
            assert!(restarts.allow());
            tokio::time::advance(MINUTE / 4).await;
        }
        let in_a_row = (0..100).take_while(|_| restarts.allow()).count();
        assert_eq!(in_a_row, RESTARTS - 3);
        tokio::time::advance(MINUTE).await;
        assert!(restarts.allow());
    }
}
