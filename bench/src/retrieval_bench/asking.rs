//! Searches from several clients at once, and how long they take.
//!
//! A closed loop: each client asks its next question as soon as it has its answer, so that latency is what a search costs times the
//! clients, shared by the cores. An open loop: questions come by chance at a rate, whether or not the ones before have been answered, as
//! those of visitors do; each is timed from when it came.
use anyhow::{Result, ensure};
use domain::{
    retrieval::{Mode, Searcher},
    tenancy::Customer,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{cpu, queue_bench::Stores, stats::percentile};

/// Passages of an answer.
const WANTED: usize = 12;

/// What is asked, and of whom.
#[derive(Clone)]
pub struct Asking {
    searcher: Searcher,
    pub customers: Arc<[Customer]>,
    questions: Arc<[String]>,
    turns: Arc<Semaphore>,
}

/// Searches of one kind.
#[derive(Default)]
pub struct Asked {
    ms: Vec<f64>,
    seconds: f64,
    /// ms of processor time.
    servers: f64,
    own: f64,
}

impl Asking {
    pub fn new(searcher: Searcher, customers: Vec<Customer>, questions: Arc<[String]>) -> Self {
        Self {
            searcher,
            customers: customers.into(),
            questions,
            turns: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    /// The same, of which so many are answered at once and the others wait, the first first.
    pub fn in_turns(&self, at_once: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            ..self.clone()
        }
    }

    /// The same with another searcher.
    pub fn by(&self, searcher: Searcher) -> Self {
        Self {
            searcher,
            ..self.clone()
        }
    }

    /// Asks each customer once, one after the other.
    pub async fn each(&self) -> Result<()> {
        for customer in self.customers.iter() {
            self.searcher
                .search(customer, &self.questions[0], Mode::Hybrid, WANTED)
                .await?;
        }
        Ok(())
    }

    /// `clients` that ask without a pause.
    pub async fn closed(&self, stores: &Stores, mode: Mode, clients: usize, time: Duration) -> Result<Asked> {
        let (begun, before) = (Instant::now(), used(stores));
        let mut asking = JoinSet::new();
        for client in 0..clients {
            let asker = self.clone();
            asking.spawn(async move {
                let mut random = StdRng::seed_from_u64(client as u64);
                let mut ms = Vec::new();
                while begun.elapsed() < time {
                    ms.push(asker.ask(&mut random, mode, Instant::now()).await?);
                }
                anyhow::Ok(ms)
            });
        }
        gather(asking, stores, begun, before).await
    }

    /// Searches that come by chance, so many a second on the mean (a Poisson process).
    pub async fn open(&self, stores: &Stores, mode: Mode, rate: f64, time: Duration) -> Result<Asked> {
        let (begun, before) = (Instant::now(), used(stores));
        let (mut random, mut at, mut asking) = (StdRng::seed_from_u64(9), 0.0, JoinSet::new());
        loop {
            at -= (1.0 - random.random::<f64>()).ln() / rate;
            if at > time.as_secs_f64() {
                break;
            }
            let comes = begun + Duration::from_secs_f64(at);
            tokio::time::sleep_until(comes.into()).await;
            let (asker, mut random) = (self.clone(), StdRng::seed_from_u64(random.random()));
            asking.spawn(async move { Ok(vec![asker.ask(&mut random, mode, comes).await?]) });
        }
        gather(asking, stores, begun, before).await
    }

    /// Milliseconds from `since` to the answer of some question.
    async fn ask(&self, random: &mut StdRng, mode: Mode, since: Instant) -> Result<f64> {
        let customer = &self.customers[random.random_range(0..self.customers.len())];
        let question = &self.questions[random.random_range(0..self.questions.len())];
        let _turn = self.turns.acquire().await?;
        let found = self.searcher.search(customer, question, mode, WANTED).await?;
        ensure!(
            (found.mode == "hybrid") == (mode == Mode::Hybrid),
            "a search was {}",
            found.mode
        );
        Ok(since.elapsed().as_secs_f64() * 1000.0)
    }
}

async fn gather(
    mut asking: JoinSet<Result<Vec<f64>>>,
    stores: &Stores,
    begun: Instant,
    before: (f64, f64),
) -> Result<Asked> {
    let mut ms = Vec::new();
    while let Some(client) = asking.join_next().await {
        ms.extend(client??);
    }
    let after = used(stores);
    Ok(Asked {
        ms,
        seconds: begun.elapsed().as_secs_f64(),
        servers: (after.0 - before.0) / 1000.0,
        own: (after.1 - before.1) / 1000.0,
    })
}

/// µs that the servers and this process have used.
fn used(stores: &Stores) -> (f64, f64) {
    (stores.cpu(), cpu::precise())
}

impl Asked {
    /// Takes the searches of another round as well.
    pub fn add(&mut self, round: Self) {
        self.ms.extend(round.ms);
        self.seconds += round.seconds;
        self.servers += round.servers;
        self.own += round.own;
    }

    /// Milliseconds that so many of a hundred took at most.
    pub fn percentile(&self, percent: u8) -> f64 {
        let mut sorted = self.ms.clone();
        sorted.sort_by(f64::total_cmp);
        percentile(&sorted, percent).unwrap_or_default()
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.ms.len() as f64 / self.seconds
    }

    /// ms of processor time that a search takes: in the servers, and here.
    pub fn costs(&self) -> (f64, f64) {
        let searches = self.ms.len() as f64;
        (self.servers / searches, self.own / searches)
    }
}
