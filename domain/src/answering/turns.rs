//! Who is answered first when more ask than processors can answer at once.
//!
//! Questions that come together and share the processors fairly all get their answers late: each when the last of them would have been
//! ready anyway. So they take turns: whoever came first is searched for first, at full speed, and those who ask on and on fall into
//! step with each other instead of asking together for ever. A turn is what costs processor time before a model writes; who waits
//! for a model has none.
//!
//! A customer waits in a line of its own for the common one, so that a customer's thousand questions are a few in the line that the
//! others stand in. A turn ends when it is dropped, as it is when its visitor leaves.
use std::{
    collections::HashMap,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use uuid::Uuid;

use crate::{Error, Result};

/// Turns at a time for each processor: while one waits for the database, another one may compute.
const PER_PROCESSOR: usize = 2;
/// The longest wait for a turn.
const LONGEST: Duration = Duration::from_secs(30);
/// Customers whose lines are kept although nobody stands in them.
const LINES: usize = 1000;

/// The turns of a process. Cloning shares them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Inner>);

struct Inner {
    at_once: usize,
    common: Arc<Semaphore>,
    lines: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

/// A turn; others get theirs when it is dropped.
pub(super) struct Turn {
    _common: Option<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// As many as this machine's processors can serve.
    pub fn new() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get) * PER_PROCESSOR)
    }

    fn of(at_once: usize) -> Self {
        Self(Arc::new(Inner {
            at_once,
            common: Arc::new(Semaphore::new(at_once)),
            lines: Mutex::default(),
        }))
    }

    /// Waits for the customer's turn.
    pub async fn take(&self, customer: Uuid) -> Turn {
        // Nobody closes the semaphores; without a turn there would be an answer all the same.
        let own = self.line(customer).acquire_owned().await.ok();
        let common = self.0.common.clone().acquire_owned().await.ok();
        Turn {
            _common: common,
            _own: own,
        }
    }

    /// The same, but not for ever: who waits that long has left, or should be told.
    pub async fn take_soon(&self, customer: Uuid) -> Result<Turn> {
        let message = "too many ask at once; please ask again in a moment";
        let late = |elapsed| Error::unavailable("too_busy", message, elapsed);
        timeout(LONGEST, self.take(customer)).await.map_err(late)
    }

    fn line(&self, customer: Uuid) -> Arc<Semaphore> {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LINES {
            // Who stands in a line, or has a turn, holds it.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let new = || Arc::new(Semaphore::new(self.0.at_once));
        lines.entry(customer).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    const BUSY: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[tokio::test]
    async fn the_first_to_come_is_the_first_to_be_served() {
        let turns = Turns::of(1);
        let first = turns.take(BUSY).await;
        let mut second = Box::pin(turns.take(BUSY));
        let mut third = Box::pin(turns.take(BUSY));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut third).now_or_never().is_none());
        assert!(second.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_too_long_is_told() {
        let turns = Turns::of(1);
        let first = turns.take(BUSY).await;
        let late = turns.take_soon(OTHER).await.err().map(|error| error.code());
        assert_eq!(late, Some("too_busy"));
        drop(first);
        assert!(turns.take_soon(OTHER).await.is_ok());
    }

    #[tokio::test]
    async fn who_leaves_leaves_the_turn_to_the_next() {
        let turns = Turns::of(1);
        let first = turns.take(BUSY).await;
        let mut gone = Box::pin(turns.take(BUSY));
        let mut next = Box::pin(turns.take(BUSY));
        assert!((&mut gone).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(gone);
        drop(first);
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_customer_with_many_questions_does_not_fill_the_line_of_the_others() {
        let turns = Turns::of(2);
        let first = [turns.take(BUSY).await, turns.take(BUSY).await];
        let mut flood: Vec<_> = (0..100).map(|_| Box::pin(turns.take(BUSY))).collect();
        for one in &mut flood {
            assert!(one.now_or_never().is_none());
        }
        let mut other = Box::pin(turns.take(OTHER));
        assert!((&mut other).now_or_never().is_none());
        drop(first);
        assert!(other.now_or_never().is_some(), "before the hundred");
    }
}
