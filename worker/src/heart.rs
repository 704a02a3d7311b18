//! The process's sign of life, and what the ledger says back: jobs to cancel, jobs that others have taken, and jobs that
//! nobody here knows of.
//!
//! The last are claims whose answer never came, and runs whose end could not be recorded. Their worker lives, so nobody else
//! would ever take them: it hands them back itself.
//!
//! Started before the first claim, since a claim is only worth as much as its worker's life; ends after the last settlement.
use domain::{
    Result,
    jobs::{self, Held, Identity, Lease, Outcome},
    lifecycle::Lifecycle,
};
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Context,
    batch::bounded,
    job::{Interrupt, Signal},
};

/// A cancelled job learns of it at the latest after this time.
const LOOK: Duration = Duration::from_secs(1);

/// How often runs are given up that begin while nothing of this process is heard.
const AGAIN: Duration = Duration::from_millis(200);

/// The time since the last beat that was heard after which this process gives up its jobs: others may have them when the lease is over, and what
/// runs needs a moment to end.
fn keeps(lease: Duration) -> Duration {
    lease.saturating_sub((lease / 6).min(Duration::from_secs(1)))
}

/// Knows what this process runs. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Heart {
    worker: Arc<Identity>,
    running: Arc<Mutex<HashMap<Uuid, Running>>>,
    /// When the last beat began that the ledger took.
    heard: watch::Sender<Option<Instant>>,
    /// It has not been heard for so long that it gave up its jobs.
    unheard: Arc<AtomicBool>,
}

struct Running {
    signal: Signal,
    since: Instant,
}

impl Heart {
    pub fn new() -> Self {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let worker = Identity::new(host.unwrap_or_else(|| "unknown".into()), env!("CARGO_PKG_VERSION"));
        Self {
            worker: Arc::new(worker),
            running: Arc::default(),
            heard: watch::Sender::new(None),
            unheard: Arc::default(),
        }
    }

    /// By which claims name this process.
    pub fn worker(&self) -> Uuid {
        self.worker.id
    }

    /// Has `signal` given when the claim is lost or the job cancelled, for as long as the guard lives.
    pub fn watch(&self, lease: Lease, signal: Signal) -> Watch {
        let since = Instant::now();
        self.running().insert(lease.token, Running { signal, since });
        Watch {
            heart: self.clone(),
            token: lease.token,
        }
    }

    /// True while the ledger has not heard this process for so long that it gave up its jobs. Entries that it took would only be kept from others.
    pub fn unheard(&self) -> Arc<AtomicBool> {
        self.unheard.clone()
    }

    /// Time since the last beat began that the ledger took; none before the first.
    pub fn silence(&self) -> Option<Duration> {
        self.heard.borrow().map(|at| at.elapsed())
    }

    /// As if the ledger had taken a beat.
    #[cfg(test)]
    pub fn heard_now(&self) {
        self.heard.send_replace(Some(Instant::now()));
    }

    /// Waits until the ledger takes this process for alive: what it claimed before would be anybody's.
    pub async fn alive(&self, lease: Duration) {
        let heard = |at: &Option<Instant>| at.is_some_and(|at| at.elapsed() < keeps(lease));
        // The sender lives as long as `self`.
        let _ = self.heard.subscribe().wait_for(heard).await;
    }

    /// Beats until `over`. `ready` is cancelled at the first beat that the ledger took.
    pub async fn run(self, ctx: Context, life: Lifecycle, ready: CancellationToken, over: CancellationToken) {
        tokio::select! {
            () = self.beats(&ctx, &life, &ready, &over) => {}
            never = self.give_up(ctx.config.worker.lease) => match never {},
        }
        if let Err(error) = jobs::leave(&ctx.db, self.worker.id).await {
            tracing::debug!(error = error.story(), "the list of workers forgets this one by itself");
        }
    }

    /// Gives up the jobs when this process has not been heard for so long that others may have them soon, however long an answer takes.
    async fn give_up(&self, lease: Duration) -> Infallible {
        let mut heard = self.heard.subscribe();
        loop {
            let Some(at) = *heard.borrow_and_update() else {
                let _ = heard.changed().await;
                continue;
            };
            let mut look = at + keeps(lease);
            let now = Instant::now();
            self.unheard.store(now >= look, SeqCst);
            if now >= look {
                self.running()
                    .values()
                    .for_each(|running| running.signal.give(Interrupt::Lost));
                look = now + AGAIN;
            }
            tokio::select! {
                _ = heard.changed() => {}
                () = sleep_until(look) => {}
            }
        }
    }

    async fn beats(&self, ctx: &Context, life: &Lifecycle, ready: &CancellationToken, over: &CancellationToken) {
        let lease = ctx.config.worker.lease;
        let every = LOOK.min(lease / 4);
        let (mut failing, mut strays) = (false, HashSet::new());
        loop {
            let began = Instant::now();
            let beat = self.beat(ctx, lease, life.is_stopping(), &mut strays);
            match bounded(lease / 2, beat).await {
                Ok(()) => {
                    self.heard.send_replace(Some(began));
                    failing = false;
                    ready.cancel();
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(
                            error = error.story(),
                            "the ledger does not hear this worker; trying until it does"
                        );
                    }
                    failing = true;
                }
            }
            tokio::select! {
                () = over.cancelled() => break,
                () = sleep(every.saturating_sub(began.elapsed())) => {}
            }
        }
    }

    async fn beat(&self, ctx: &Context, lease: Duration, stopping: bool, strays: &mut HashSet<Uuid>) -> Result<()> {
        let began = Instant::now();
        let held = jobs::beat(&ctx.db, &self.worker, lease, stopping).await?;
        let held: HashMap<Uuid, Held> = held.into_iter().map(|held| (held.lease.token, held)).collect();
        let mut unknown: Vec<Lease> = held.values().map(|held| held.lease).collect();
        for (token, running) in self.running().iter() {
            unknown.retain(|lease| lease.token != *token);
            match held.get(token) {
                Some(held) if held.cancel_requested => running.signal.give(Interrupt::Cancelled),
                // What was claimed while the beat was under way is not in its answer.
                None if running.since < began => running.signal.give(Interrupt::Lost),
                Some(_) | None => {}
            }
        }
        // Unknown for one beat is a claim whose answer is on its way.
        let (left, fresh): (Vec<Lease>, Vec<Lease>) =
            unknown.into_iter().partition(|lease| strays.contains(&lease.token));
        *strays = fresh.into_iter().map(|lease| lease.token).collect();
        if !left.is_empty() {
            tracing::warn!(
                jobs = left.len(),
                "jobs that this worker was given and does not run are handed back"
            );
            let ends: Vec<(Lease, Outcome)> = left.into_iter().map(|lease| (lease, Outcome::HandBack)).collect();
            jobs::settle_all(&ctx.db, &ends).await?;
        }
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Uuid, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job under watch.
pub(crate) struct Watch {
    heart: Heart,
    token: Uuid,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.heart.running().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids;
    use tokio::time::timeout;

    const LEASE: Duration = Duration::from_secs(30);

    fn watched(heart: &Heart) -> (Signal, Watch) {
        let signal = Signal::default();
        let lease = Lease {
            job: ids::new_id(),
            token: ids::new_id(),
            attempts: 0,
            max_attempts: 5,
        };
        (signal.clone(), heart.watch(lease, signal))
    }

    /// Whoever claims them then works on them alone.
    #[tokio::test(start_paused = true)]
    async fn jobs_are_given_up_before_others_may_have_them() {
        let heart = Heart::new();
        let (job, _watch) = watched(&heart);
        let giving_up = heart.give_up(LEASE);
        let beats = async {
            for _ in 0..100 {
                heart.heard_now();
                sleep(LOOK).await;
            }
            sleep(LEASE.saturating_sub(3 * LOOK)).await;
            assert_eq!(job.why(), None, "it was heard until a moment ago");
            sleep(LOOK + LOOK / 2).await;
            assert_eq!(job.why(), Some(Interrupt::Lost));
            // A claim whose answer came late.
            let (late, _watch) = watched(&heart);
            sleep(LOOK).await;
            assert_eq!(late.why(), Some(Interrupt::Lost));
            assert!(timeout(LEASE, heart.alive(LEASE)).await.is_err(), "nothing is claimed");
            heart.heard_now();
            let (next, _watch) = watched(&heart);
            heart.alive(LEASE).await;
            sleep(LEASE / 2).await;
            assert_eq!(next.why(), None);
        };
        tokio::select! {
            () = beats => {}
            never = giving_up => match never {},
        }
    }
}
