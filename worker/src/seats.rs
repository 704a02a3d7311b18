//! The seats of a kind of job, and who may claim a job before there is one.
//!
//! A run waits for its claim. Were nothing claimed without a seat, claims and runs of jobs that take no time would take turns, and each would
//! wait for the other. So where seats have been given back fast of late, the next jobs are claimed while those before them run, by one statement
//! for more of them.
//!
//! What must stay true: no more run than there are seats; where seats are not given back, nothing is claimed without one; and whoever comes by
//! the express lane has the next seat but for one or two who stand there already.
use domain::Result;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::run::stopping;

/// A job is claimed without a seat if as many seats as it needs were given back within this time.
const SOON: Duration = Duration::from_millis(5);
/// Jobs that are claimed without a seat at most, for each seat.
const AHEAD: usize = 2;

/// The seats of a kind in a process.
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    /// Of those who wait, only the first of each line stands where seats are given away, so that who comes by the express lane waits for
    /// these at most.
    unclaimed: Semaphore,
    claimed: Semaphore,
    ahead: Arc<Semaphore>,
    flow: Arc<Flow>,
}

/// What a job is claimed with.
pub(crate) enum Place {
    /// It begins at once.
    Seat(Seat),
    /// It begins when there is a seat.
    Ahead(OwnedSemaphorePermit),
}

/// One of those that run at once. It is free as soon as the handler is through: the next run does not wait until the end of this one is
/// recorded.
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
    flow: Arc<Flow>,
}

impl Seats {
    /// All are free.
    pub fn new(number: usize) -> Self {
        let ahead = AHEAD * number;
        Self {
            free: Arc::new(Semaphore::new(number)),
            unclaimed: Semaphore::new(1),
            claimed: Semaphore::new(1),
            ahead: Arc::new(Semaphore::new(ahead)),
            flow: Arc::new(Flow {
                kept: ahead,
                returned: Mutex::default(),
            }),
        }
    }

    /// The next one that is free.
    pub async fn next(&self) -> Result<Seat> {
        let permit = self.free.clone().acquire_owned().await.map_err(|_| stopping())?;
        Ok(self.seat(permit))
    }

    /// A place to claim a job with: a seat, or the prospect of one.
    pub async fn place(&self) -> Result<Place> {
        let _first = self.unclaimed.acquire().await.map_err(|_| stopping())?;
        if let Some(seat) = self.free_one() {
            return Ok(Place::Seat(seat));
        }
        if self.is_soon(self.waiting() + 1) {
            let ahead = self.ahead.clone().acquire_owned().await.map_err(|_| stopping())?;
            // That may have been a while.
            if let Some(seat) = self.free_one() {
                return Ok(Place::Seat(seat));
            }
            if self.is_soon(self.waiting()) {
                return Ok(Place::Ahead(ahead));
            }
        }
        self.next().await.map(Place::Seat)
    }

    /// Waits with a job in hand for its seat.
    pub async fn begin(&self, ahead: OwnedSemaphorePermit) -> Result<Seat> {
        let _first = self.claimed.acquire().await.map_err(|_| stopping())?;
        let seat = self.next().await;
        drop(ahead);
        seat
    }

    fn free_one(&self) -> Option<Seat> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(self.seat(permit))
    }

    fn seat(&self, permit: OwnedSemaphorePermit) -> Seat {
        Seat {
            _permit: permit,
            flow: self.flow.clone(),
        }
    }

    /// How many have claimed and have no seat.
    fn waiting(&self) -> usize {
        self.flow.kept - self.ahead.available_permits()
    }

    /// Whether so many would have had a seat within [`SOON`]. With all places taken, the next one is only free when somebody is seated.
    fn is_soon(&self, waiting: usize) -> bool {
        self.flow.returned_soon(waiting.min(self.flow.kept))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flow.note();
    }
}

/// When seats were given back, the latest first.
struct Flow {
    /// Times that are kept: one for each job that may be claimed without a seat.
    kept: usize,
    returned: Mutex<VecDeque<Instant>>,
}

impl Flow {
    fn note(&self) {
        let mut returned = self.returned();
        returned.truncate(self.kept - 1);
        returned.push_front(Instant::now());
    }

    /// Whether so many were given back of late.
    fn returned_soon(&self, number: usize) -> bool {
        let oldest = number.saturating_sub(1);
        self.returned().get(oldest).is_some_and(|at| at.elapsed() < SOON)
    }

    fn returned(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use tokio::time::{advance, timeout};

    /// Seats of which all are taken, after so many were given back just now.
    async fn taken(number: usize, returned: usize) -> (Seats, Vec<Seat>) {
        let seats = Seats::new(number);
        for _ in 0..returned {
            drop(seats.next().await.unwrap());
        }
        let mut held = Vec::new();
        for _ in 0..number {
            held.push(seats.next().await.unwrap());
        }
        (seats, held)
    }

    fn ahead(seats: &Seats) -> Option<OwnedSemaphorePermit> {
        match seats.place().now_or_never()?.unwrap() {
            Place::Ahead(ahead) => Some(ahead),
            Place::Seat(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_claim_without_a_seat_as_seats_were_given_back_of_late() {
        let (seats, _held) = taken(2, 3).await;
        let claimed: Vec<_> = (0..5).map_while(|_| ahead(&seats)).collect();
        assert_eq!(claimed.len(), 3);
        let (seats, _held) = taken(2, 100).await;
        let claimed: Vec<_> = (0..100).map_while(|_| ahead(&seats)).collect();
        assert_eq!(claimed.len(), 2 * AHEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_seat_comes_back_nothing_is_claimed_without_one() {
        let (seats, held) = taken(1, 10).await;
        advance(SOON).await;
        assert!(ahead(&seats).is_none());
        let place = seats.place();
        let freed = async {
            advance(SOON).await;
            drop(held);
        };
        assert!(matches!(tokio::join!(place, freed).0.unwrap(), Place::Seat(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_the_prospect_of_a_seat_that_did_not_come_claims_nothing() {
        let (seats, _held) = taken(1, 10).await;
        let claimed: Vec<_> = (0..AHEAD).filter_map(|_| ahead(&seats)).collect();
        let mut place = Box::pin(seats.place());
        assert!(timeout(SOON, &mut place).await.is_err());
        drop(claimed);
        assert!(timeout(SOON, &mut place).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_claimed_begins_when_a_seat_is_free_and_makes_place_for_the_next() {
        let (seats, held) = taken(1, 10).await;
        let mut claimed: Vec<_> = (0..AHEAD).filter_map(|_| ahead(&seats)).collect();
        assert_eq!(claimed.len(), AHEAD);
        assert!(ahead(&seats).is_none(), "one more than there may be");
        let mut next = Box::pin(seats.begin(claimed.remove(0)));
        assert!(timeout(SOON / 4, &mut next).await.is_err(), "two run on one seat");
        drop(held);
        let seat = next.await.unwrap();
        assert!(ahead(&seats).is_some());
        // Who goes gives his place back as well.
        assert!(timeout(SOON / 4, seats.begin(claimed.remove(0))).await.is_err());
        drop(seat);
        assert_eq!(seats.ahead.available_permits(), AHEAD);
        assert!(matches!(seats.place().await.unwrap(), Place::Seat(_)));
    }
}
