//! Signs of life of a worker's parts, and what their silence means.
//!
//! A part that ends while the process should work (a panic) takes the process with it: whoever watches over processes starts it
//! again, and one that went on without a part would look alive and do nothing. A part that is silent is dead unless the server that
//! it talks to is away, which starting the process again would not mend.
use domain::{
    Error, Result,
    jobs::{LANES, Lane},
    lifecycle::Lifecycle,
};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

use crate::{heart::Heart, refusals::Refusals};

/// A part that has not moved for this long is dead.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a loop at work shows that it moves.
const TICK: Duration = Duration::from_secs(1);

/// A server whose absence excuses silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    Redis,
}

/// Something that looks dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What, for whoever asks.
    pub what: String,
    /// It is alive after all if this one is away.
    pub unless_away: Option<Server>,
}

impl Finding {
    fn certain(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            unless_away: None,
        }
    }

    fn unless(server: Server, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            unless_away: Some(server),
        }
    }
}

/// Signs of life of the process's parts. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Vitals(Arc<Parts>);

struct Parts {
    life: Lifecycle,
    heart: Heart,
    /// Of claims.
    claims: Refusals,
    /// Of rounds of the maintenance loop, while all servers answer.
    rounds: Refusals,
    born: Instant,
    /// When the queues and the maintenance loop were started: after the first beat that the ledger took.
    begun: OnceLock<Instant>,
    queues: BTreeMap<Lane, queue::Health>,
    ticked: Mutex<Instant>,
    fallen: OnceLock<String>,
}

impl Vitals {
    /// Nothing has begun.
    pub fn new(life: &Lifecycle, heart: &Heart, claims: &Refusals) -> Self {
        let now = Instant::now();
        Self(Arc::new(Parts {
            life: life.clone(),
            heart: heart.clone(),
            claims: claims.clone(),
            rounds: Refusals::default(),
            born: now,
            begun: OnceLock::new(),
            queues: LANES.map(|lane| (lane, queue::Health::default())).into(),
            ticked: Mutex::new(now),
            fallen: OnceLock::new(),
        }))
    }

    /// Where a queue reports.
    pub fn queue(&self, lane: Lane) -> queue::Health {
        self.0.queues.get(&lane).cloned().unwrap_or_default()
    }

    /// The queues and the maintenance loop start now.
    pub fn begin(&self) {
        let _ = self.0.begun.set(Instant::now());
        self.ticked();
    }

    /// Held by a part for as long as it lives.
    pub fn part(&self, name: &'static str) -> Part {
        Part {
            vitals: self.clone(),
            name,
        }
    }

    /// Something has ended that the process can't do without: it ends.
    pub fn fell(&self, what: String) {
        tracing::error!(event = "worker_fell", what, "the process ends, to be started again");
        let _ = self.0.fallen.set(what);
        self.0.life.stop();
    }

    /// An error if the process ends because of a part.
    pub fn verdict(&self) -> Result<()> {
        match self.0.fallen.get() {
            Some(what) => Err(Error::internal("a part of the worker", what.clone())),
            None => Ok(()),
        }
    }

    /// Where the maintenance loop notes its rounds.
    pub fn rounds(&self) -> &Refusals {
        &self.0.rounds
    }

    /// Does a round of the maintenance loop, which may take as long as its own limit says: it lives while it is looked after.
    pub async fn ticking<T>(&self, round: impl Future<Output = T>) -> T {
        let mut round = pin!(round);
        loop {
            self.ticked();
            tokio::select! {
                biased;
                done = &mut round => return done,
                () = sleep(TICK) => {}
            }
        }
    }

    fn ticked(&self) {
        *self.0.ticked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What looks dead.
    pub fn findings(&self) -> Vec<Finding> {
        let parts = &self.0;
        let mut found: Vec<Finding> = parts.fallen.get().cloned().map(Finding::certain).into_iter().collect();
        let unheard = parts.heart.silence().unwrap_or_else(|| parts.born.elapsed());
        if unheard > SILENCE {
            found.push(Finding::unless(
                Server::Postgres,
                "the ledger does not hear this worker",
            ));
        }
        let Some(begun) = parts.begun.get() else {
            return found;
        };
        for (lane, health) in &parts.queues {
            if !health.is_running() && begun.elapsed() > SILENCE {
                found.push(Finding::certain(format!("the {lane} queue's task has ended")));
            }
            if health.reader_silence().is_some_and(|silence| silence > SILENCE) {
                found.push(Finding::unless(
                    Server::Redis,
                    format!("the {lane} queue's reader is silent"),
                ));
            }
            if health.keeper_refused().is_some_and(|refused| refused > SILENCE) {
                found.push(Finding::unless(
                    Server::Redis,
                    format!("the {lane} queue can settle nothing"),
                ));
            }
        }
        if parts.ticked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > SILENCE {
            found.push(Finding::unless(Server::Postgres, "the maintenance loop stands still"));
        }
        if parts.claims.lasted() > SILENCE {
            found.push(Finding::unless(Server::Postgres, "the ledger refuses all claims"));
        }
        if parts.rounds.lasted() > SILENCE {
            found.push(Finding::unless(
                Server::Postgres,
                "every round of the maintenance loop fails",
            ));
        }
        found
    }
}

/// Dropped when a part ends, however that comes about.
pub(crate) struct Part {
    vitals: Vitals,
    name: &'static str,
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.vitals.0.life.is_stopping() {
            self.vitals.fell(format!("{} has ended", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn with(heart: &Heart, claims: &Refusals) -> (Vitals, Lifecycle) {
        let life = Lifecycle::new();
        (Vitals::new(&life, heart, claims), life)
    }

    fn vitals() -> (Vitals, Lifecycle) {
        with(&Heart::new(), &Refusals::default())
    }

    fn told(vitals: &Vitals) -> Vec<String> {
        vitals.findings().into_iter().map(|finding| finding.what).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_that_waits_for_postgres_is_excused_by_it_and_no_queue_is_missed() {
        let (vitals, _) = vitals();
        advance(SILENCE).await;
        assert_eq!(vitals.findings(), []);
        advance(TICK).await;
        let unheard = Finding::unless(Server::Postgres, "the ledger does not hear this worker");
        assert_eq!(vitals.findings(), [unheard]);
    }

    /// However long the leases are that its jobs have.
    #[tokio::test(start_paused = true)]
    async fn a_heart_that_is_not_heard_for_ten_seconds_is_dead() {
        let heart = Heart::new();
        let (known, _) = with(&heart, &Refusals::default());
        let (unknown, _) = vitals();
        advance(SILENCE + TICK).await;
        heart.heard_now();
        assert_eq!(known.findings(), []);
        assert_eq!(told(&unknown), ["the ledger does not hear this worker"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipeline_that_moves_and_is_refused_everything_is_dead_until_it_gets_something() {
        let (heart, claims) = (Heart::new(), Refusals::default());
        let (vitals, _) = with(&heart, &claims);
        vitals.begin();
        let refused = [
            "the ledger refuses all claims",
            "every round of the maintenance loop fails",
        ];
        let found = || {
            let all = told(&vitals);
            refused.map(|what| all.iter().any(|told| told == what))
        };
        for part in [0, 1] {
            let refusals = [&claims, vitals.rounds()][part];
            refusals.refused();
            advance(SILENCE + TICK).await;
            assert_eq!(found(), [false, false], "it failed once");
            refusals.refused();
            assert_eq!(found(), [part == 0, part == 1]);
            refusals.forget();
            assert_eq!(found(), [false, false]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_does_not_run_is_missed_when_it_has_had_time_to_start() {
        let (vitals, _) = vitals();
        vitals.begin();
        assert_eq!(vitals.findings(), []);
        advance(SILENCE + TICK).await;
        let found = vitals.findings();
        for lane in LANES {
            let ended = Finding::certain(format!("the {lane} queue's task has ended"));
            assert!(found.contains(&ended), "{found:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_round_is_alive_and_a_loop_that_is_not_looked_after_is_not() {
        let (vitals, _) = vitals();
        vitals.begin();
        let still = Finding::unless(Server::Postgres, "the maintenance loop stands still");
        let long = vitals.ticking(async {
            sleep(3 * SILENCE).await;
            vitals.findings()
        });
        assert!(!long.await.contains(&still));
        advance(SILENCE + TICK).await;
        assert!(vitals.findings().contains(&still));
    }

    #[tokio::test]
    async fn a_part_that_ends_by_a_panic_ends_the_process() {
        let (vitals, life) = vitals();
        let part = vitals.part("the heart");
        let task = life.spawn(async move {
            let _part = part;
            panic!("a bug in the heart");
        });
        task.await.unwrap_err();
        assert!(life.is_stopping());
        assert_eq!(told(&vitals), ["the heart has ended"]);
        assert!(vitals.verdict().unwrap_err().story().contains("the heart has ended"));
    }

    #[tokio::test]
    async fn parts_that_end_with_the_process_are_no_fault() {
        let (vitals, life) = vitals();
        life.stop();
        drop(vitals.part("the heart"));
        assert_eq!(vitals.findings(), []);
        assert!(vitals.verdict().is_ok());
    }
}
