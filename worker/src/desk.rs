//! Where a process's jobs are claimed and settled, many by one statement, and the seats of those that run.
//!
//! A run that begins waits for its claim, and a claim waits for no disk. A run's end does, but nothing of its own waits for that: its seat is
//! free, and the next run begins meanwhile. So ends go one statement at a time, and what ends during one makes up the next.
use domain::{
    Result,
    jobs::{self, Ask, Claim, Kind, Lane, Lease, Outcome, QUEUES, Settled},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Context,
    batch::{Batch, bounded},
    run::stopping,
    runtime,
    seats::{Place, Seat, Seats},
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
    ends: Batch<(Lease, Outcome), Settled>,
    seats: BTreeMap<Kind, Seats>,
    quarantined: Seats,
    quarantine: Arc<Semaphore>,
}

impl Desk {
    /// With as many seats for each lane as jobs of it run at once; `crawls` is the setting.
    pub fn new(crawls: usize) -> Self {
        let seats = |lane| Seats::new(runtime::concurrency(lane, crawls));
        Self {
            claims: Batch::new(CLAIMS),
            ends: Batch::new(ENDS),
            seats: QUEUES.map(|kind| (kind, seats(Lane::Queue(kind)))).into(),
            quarantined: seats(Lane::Quarantine),
            quarantine: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for a place with which a job of the kind that came by the lane can be claimed. Where jobs are short, that need not be a seat yet.
    pub async fn place(&self, lane: Lane, kind: Kind) -> Result<Place> {
        match lane {
            Lane::Quarantine => self.quarantined.next().await.map(Place::Seat),
            Lane::Express => self.seat(kind).await.map(Place::Seat),
            Lane::Queue(_) => self.seats(kind)?.place().await,
        }
    }

    /// Waits for a seat of the kind.
    pub async fn seat(&self, kind: Kind) -> Result<Seat> {
        self.seats(kind)?.next().await
    }

    /// Waits for the seat of a job that was claimed before there was one.
    pub async fn begin(&self, kind: Kind, ahead: OwnedSemaphorePermit) -> Result<Seat> {
        self.seats(kind)?.begin(ahead).await
    }

    fn seats(&self, kind: Kind) -> Result<&Seats> {
        self.seats.get(&kind).ok_or_else(stopping)
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

    /// Records how a run ended; false if its lease was lost, an error also where somebody else holds the job's row.
    pub async fn settle(&self, ctx: &Context, lease: Lease, outcome: Outcome) -> Result<bool> {
        let settle =
            |ends: Vec<(Lease, Outcome)>| async move { bounded(ANSWER, jobs::settle_all(&ctx.db, &ends)).await };
        self.ends.ask((lease, outcome), settle).await?.recorded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::Mutex;
    use tokio::task::yield_now;

    #[tokio::test]
    async fn who_comes_by_the_express_lane_waits_behind_one_of_the_usual_way_at_most() {
        let desk = Desk::new(1);
        let usual = Lane::Queue(Kind::Scrape);
        let held = desk.place(usual, Kind::Scrape).await.unwrap();
        let seated = Mutex::new(Vec::new());
        let run = async |lane: Lane| {
            let _seat = match desk.place(lane, Kind::Scrape).await.unwrap() {
                Place::Seat(seat) => seat,
                Place::Ahead(ahead) => desk.begin(Kind::Scrape, ahead).await.unwrap(),
            };
            seated.lock().unwrap().push(lane);
        };
        let all = join_all([usual, usual, usual, Lane::Express].map(&run));
        let free = async {
            yield_now().await;
            drop(held);
        };
        tokio::join!(all, free);
        assert_eq!(seated.into_inner().unwrap(), [usual, Lane::Express, usual, usual]);
    }
}
