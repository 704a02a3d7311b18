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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Context,
    batch::bounded,
    job::{Interrupt, Signal},
};

/// A cancelled job learns of it at the latest after this time.
const LOOK: Duration = Duration::from_secs(1);

/// Knows what this process runs. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Heart {
    worker: Arc<Identity>,
    running: Arc<Mutex<HashMap<Uuid, Running>>>,
    /// When the last beat began that the ledger took.
    heard: watch::Sender<Option<Instant>>,
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
        let heard = |at: &Option<Instant>| at.is_some_and(|at| at.elapsed() < lease);
        // The sender lives as long as `self`.
        let _ = self.heard.subscribe().wait_for(heard).await;
    }

    /// Beats until `over`. `ready` is cancelled at the first beat that the ledger took.
    pub async fn run(self, ctx: Context, life: Lifecycle, ready: CancellationToken, over: CancellationToken) {
        let lease = ctx.config.worker.lease;
        let (every, mut told) = (LOOK.min(lease / 4), Instant::now());
        let (mut failing, mut strays) = (false, HashSet::new());
        loop {
            let began = Instant::now();
            let beat = self.beat(&ctx, lease, life.is_stopping(), &mut strays);
            match bounded(lease / 2, beat).await {
                Ok(()) => {
                    told = began;
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
                    if told.elapsed() > lease {
                        self.running()
                            .values()
                            .for_each(|running| running.signal.give(Interrupt::Lost));
                    }
                }
            }
            tokio::select! {
                () = over.cancelled() => break,
                () = tokio::time::sleep(every.saturating_sub(began.elapsed())) => {}
            }
        }
        if let Err(error) = jobs::leave(&ctx.db, self.worker.id).await {
            tracing::debug!(error = error.story(), "the list of workers forgets this one by itself");
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
