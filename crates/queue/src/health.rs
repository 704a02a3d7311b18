//! Signs of life for a liveness probe, and one log line for each outage instead of one for each attempt.
//!
//! Written by the reader and the keeper, read by whoever answers the probe.

use redis::RedisError;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// A view of a queue's own task. Clones see the same queue; one handle can serve the restarts of a worker
/// ([`Queue::with_health`](crate::Queue::with_health)).
///
/// A healthy reader answers at least once in `block`, a healthy keeper once in a third of `lease`.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    reader: Beat,
    keeper: Beat,
    running: AtomicUsize,
}

impl Health {
    /// Whether the task that reads and keeps leases lives: false before the worker starts, after it ended, and after a panic.
    pub fn is_running(&self) -> bool {
        self.0.running.load(SeqCst) > 0
    }

    /// Time since Redis last gave the reader what it asks for, or, until it first did, since the worker started; `None` before that.
    pub fn reader_silence(&self) -> Option<Duration> {
        self.0.reader.silence()
    }

    /// The same for the keeper.
    pub fn keeper_silence(&self) -> Option<Duration> {
        self.0.keeper.silence()
    }

    /// For how long Redis has refused the keeper, or not answered it; `None` while it does what the keeper asks. A worker whose keeper is
    /// refused settles nothing and renews no lease, though its reader may well go on.
    pub fn keeper_refused(&self) -> Option<Duration> {
        self.0.keeper.pulse().failing.map(|since| since.elapsed())
    }

    pub(crate) fn reader(&self) -> &Beat {
        &self.0.reader
    }

    pub(crate) fn keeper(&self) -> &Beat {
        &self.0.keeper
    }

    /// Counts as running until the guard is dropped, also by a panic. A count, because the task of a worker that Monitor
    /// restarts may still be leaving when its successor starts.
    pub(crate) fn run(&self) -> Running {
        self.0.running.fetch_add(1, SeqCst);
        self.0.reader.begins();
        self.0.keeper.begins();
        Running(self.clone())
    }
}

pub(crate) struct Running(Health);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, SeqCst);
    }
}

/// How one conversation with Redis goes.
#[derive(Debug, Default)]
pub(crate) struct Beat(Mutex<Pulse>);

#[derive(Debug, Default)]
struct Pulse {
    /// The last answer, or the beginning.
    answered: Option<Instant>,
    /// Since when there was none.
    failing: Option<Instant>,
}

impl Beat {
    /// Silence counts from now on, unless it does already.
    fn begins(&self) {
        self.pulse().answered.get_or_insert_with(Instant::now);
    }

    pub(crate) fn answered(&self) {
        let mut pulse = self.pulse();
        if pulse.failing.is_some() {
            tracing::info!("Redis answers again");
        }
        *pulse = Pulse {
            answered: Some(Instant::now()),
            failing: None,
        };
    }

    pub(crate) fn failed(&self, who: &'static str, error: &RedisError) {
        let mut pulse = self.pulse();
        if pulse.failing.is_some() {
            tracing::debug!(who, %error, "Redis still fails");
        } else {
            tracing::warn!(who, %error, "Redis fails; trying until it answers");
        }
        pulse.failing.get_or_insert_with(Instant::now);
    }

    fn silence(&self) -> Option<Duration> {
        self.pulse().answered.map(|answered| answered.elapsed())
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
