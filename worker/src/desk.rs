//! Where a process's jobs are claimed and settled, many by one statement, and the seats of those that run.
//!
//! A run that begins waits for its claim, and a claim waits for no disk. A run's end does, but nothing of its own waits for that: its seat is
//! free, and the next run begins meanwhile. So ends go one statement at a time, and what ends during one makes up the next.
use domain::{
    Result,
    jobs::{self, Ask, Claim, LANES, Lane, Lease, Outcome},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Context,
    batch::{Batch, bounded},
    run::stopping,
    runtime,
};

/// Longest wait for the ledger's answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Statements of claims that are under way at a time. While one is at the database, the ends of the runs before it are at the next
/// connection and the worker has its hands full with both; a second one halves the groups and costs more than the wait that it saves.
const CLAIMS: usize = 1;
/// Statements of ends that are under way at a time.
const ENDS: usize = 1;

/// The desk of a process.
pub(crate) struct Desk {
    claims: Batch<Ask, Claim>,
    ends: Batch<(Lease, Outcome), bool>,
    seats: BTreeMap<Lane, Arc<Semaphore>>,
    quarantine: Arc<Semaphore>,
}

impl Desk {
    /// With as many seats for each lane as jobs of it run at once; `crawls` is the setting.
    pub fn new(crawls: usize) -> Self {
        let seats = |lane: Lane| (lane, Arc::new(Semaphore::new(runtime::concurrency(lane, crawls))));
        Self {
            claims: Batch::new(CLAIMS),
            ends: Batch::new(ENDS),
            seats: LANES.into_iter().map(seats).collect(),
            quarantine: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for a seat of the lane.
    pub async fn seat(&self, lane: Lane) -> Result<OwnedSemaphorePermit> {
        let seats = self.seats.get(&lane).ok_or_else(stopping)?;
        seats.clone().acquire_owned().await.map_err(|_| stopping())
    }

    /// Waits for the quarantine's one place.
    pub async fn alone(&self) -> Result<OwnedSemaphorePermit> {
        self.quarantine.clone().acquire_owned().await.map_err(|_| stopping())
    }

    /// Asks for a job.
    pub async fn claim(&self, ctx: &Context, ask: Ask) -> Result<Claim> {
        let claim = |asks: Vec<Ask>| async move {
            let claims = jobs::claim_all(&ctx.db, ctx.heart.worker(), &asks);
            bounded(ANSWER, claims).await
        };
        self.claims.ask(ask, claim).await
    }

    /// Records how a run ended; false if its lease was lost.
    pub async fn settle(&self, ctx: &Context, lease: Lease, outcome: Outcome) -> Result<bool> {
        let settle =
            |ends: Vec<(Lease, Outcome)>| async move { bounded(ANSWER, jobs::settle_all(&ctx.db, &ends)).await };
        self.ends.ask((lease, outcome), settle).await
    }
}
