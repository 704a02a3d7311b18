//! A circuit breaker: after several failures in a row nobody waits for the provider for a while; then one call tries.
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use breaker::{Breaker, State};
//! let breaker = Arc::new(Breaker::default());
//! match breaker.enter() {
//!     Ok(permit) => permit.fail(Some(Duration::from_secs(30))), // the provider asked to be left alone
//!     Err(_rest) => unreachable!("it was closed"),
//! }
//! assert_eq!(breaker.state(), State::Open);
//! assert!(breaker.enter().is_err());
//! ```
//!
//! A call enters and settles as a success or a failure; one that is dropped says nothing about the provider. Only calls that
//! entered while the circuit was closed count towards opening it, so that stragglers neither open nor close it.
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Failures in a row that open the circuit.
const FAILURES: u32 = 5;
/// The first rest; each failed try doubles it.
const FIRST_REST: Duration = Duration::from_secs(10);
/// The longest rest, whatever the provider wishes.
const LONGEST_REST: Duration = Duration::from_mins(2);

/// What the circuit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// One call at a time, until one has succeeded.
    HalfOpen,
    /// Nothing.
    Open,
}

/// The circuit of one model.
#[derive(Debug)]
pub struct Breaker(Mutex<Circuit>);

#[derive(Debug)]
struct Circuit {
    /// Failures in a row while closed.
    failures: u32,
    rest: Duration,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Closed,
    /// Until then nobody is let through, and then one.
    Open(Instant),
    /// One has been let through.
    Trying,
}

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new(Circuit::closed()))
    }
}

impl Circuit {
    fn closed() -> Self {
        Self {
            failures: 0,
            rest: FIRST_REST,
            at: At::Closed,
        }
    }

    fn open(&mut self, at_least: Option<Duration>) {
        let rest = at_least.unwrap_or_default().max(self.rest).min(LONGEST_REST);
        self.at = At::Open(Instant::now() + rest);
        self.rest = (self.rest * 2).min(LONGEST_REST);
    }
}

impl Breaker {
    /// Lets a call through, or says how long the circuit stays open.
    pub fn enter(self: &Arc<Self>) -> Result<Permit, Duration> {
        let mut circuit = self.lock();
        let tries = match circuit.at {
            At::Closed => false,
            At::Open(until) if until <= Instant::now() => {
                circuit.at = At::Trying;
                true
            }
            At::Open(until) => return Err(until - Instant::now()),
            At::Trying => return Err(circuit.rest),
        };
        let breaker = self.clone();
        Ok(Permit {
            breaker,
            tries,
            settled: false,
        })
    }

    /// What it lets through now.
    pub fn state(&self) -> State {
        match self.lock().at {
            At::Closed => State::Closed,
            At::Open(until) if until > Instant::now() => State::Open,
            At::Open(_) | At::Trying => State::HalfOpen,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was let through. Dropped without a word, it says nothing about the provider.
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    tries: bool,
    settled: bool,
}

impl Permit {
    /// The provider did its work.
    pub fn succeed(mut self) {
        self.settled = true;
        let mut circuit = self.breaker.lock();
        match circuit.at {
            At::Trying if self.tries => *circuit = Circuit::closed(),
            At::Closed => circuit.failures = 0,
            _ => {}
        }
    }

    /// The provider did not. `wish` is how long it wants to be left alone: longer than its caller could wait.
    pub fn fail(mut self, wish: Option<Duration>) {
        self.settled = true;
        let mut circuit = self.breaker.lock();
        match circuit.at {
            At::Trying if self.tries => circuit.open(wish),
            At::Closed => {
                circuit.failures += 1;
                if circuit.failures >= FAILURES || wish.is_some() {
                    circuit.open(wish);
                }
            }
            _ => {}
        }
    }
}

impl Drop for Permit {
    /// Whoever tried has left: the next one tries.
    fn drop(&mut self) {
        let mut circuit = self.breaker.lock();
        if self.tries && !self.settled && matches!(circuit.at, At::Trying) {
            circuit.at = At::Open(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn fail(breaker: &Arc<Breaker>, times: u32) {
        for _ in 0..times {
            breaker.enter().unwrap().fail(None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_one_that_tries_closes_it() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, FAILURES - 1);
        breaker.enter().unwrap().succeed();
        fail(&breaker, FAILURES - 1);
        assert_eq!(breaker.state(), State::Closed, "not in a row");
        fail(&breaker, 1);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.enter().unwrap_err(), FIRST_REST);
        advance(FIRST_REST).await;
        assert_eq!(breaker.state(), State::HalfOpen);
        let one = breaker.enter().unwrap();
        assert!(breaker.enter().is_err(), "only one tries");
        one.succeed();
        assert_eq!(breaker.state(), State::Closed);
        fail(&breaker, FAILURES - 1);
        assert_eq!(breaker.state(), State::Closed, "it counts from the beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_try_doubles_the_rest_up_to_its_limit() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, FAILURES);
        let mut rests = Vec::new();
        for _ in 0..6 {
            let rest = breaker.enter().unwrap_err();
            rests.push(rest.as_secs());
            advance(rest).await;
            fail(&breaker, 1);
        }
        assert_eq!(rests, [10, 20, 40, 80, 120, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_tries_and_leaves_makes_room_for_the_next() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, FAILURES);
        advance(FIRST_REST).await;
        drop(breaker.enter().unwrap());
        breaker.enter().unwrap().succeed();
        assert_eq!(breaker.state(), State::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_s_wish_is_kept_at_once_within_the_limit() {
        let breaker = Arc::new(Breaker::default());
        breaker.enter().unwrap().fail(Some(Duration::from_mins(1)));
        assert_eq!(breaker.enter().unwrap_err(), Duration::from_mins(1));
        let breaker = Arc::new(Breaker::default());
        breaker.enter().unwrap().fail(Some(Duration::from_hours(24)));
        assert_eq!(breaker.enter().unwrap_err(), LONGEST_REST);
    }

    #[tokio::test(start_paused = true)]
    async fn stragglers_neither_open_nor_close_it() {
        let breaker = Arc::new(Breaker::default());
        let (late, later) = (breaker.enter().unwrap(), breaker.enter().unwrap());
        fail(&breaker, FAILURES);
        late.succeed();
        assert_eq!(breaker.state(), State::Open);
        advance(FIRST_REST).await;
        let one = breaker.enter().unwrap();
        later.fail(None);
        one.succeed();
        assert_eq!(breaker.state(), State::Closed);
    }
}
