//! What the tests' handlers do, and a record of what they did. An errand's kind says how its handler behaves.

use crate::server::until;
use apalis::prelude::{BoxDynError, Data};
use queue::Errand;
use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::Semaphore, time::sleep};

#[derive(Clone)]
pub struct Work {
    record: Arc<Record>,
}

struct Record {
    begun: Mutex<Vec<Errand>>,
    ended: Mutex<Vec<String>>,
    gate: Semaphore,
}

/// An errand whose handler behaves as `kind` says; see [`handle`].
pub fn errand(kind: &str, job: impl Display) -> Errand {
    Errand {
        job: job.to_string(),
        kind: kind.to_owned(),
        customer: "customer".to_owned(),
        version: 1,
    }
}

pub fn errands(kind: &str, count: usize) -> Vec<Errand> {
    (0..count).map(|job| errand(kind, job)).collect()
}

/// `ok`: nothing. `nap 50`: sleeps so many ms. `gated`: waits until the test opens the gate. `fail once`, `panic once`: does so
/// the first time.
pub async fn handle(errand: Errand, work: Data<Work>) -> Result<(), BoxDynError> {
    let first = work.begin(&errand);
    match errand.kind.split_once(' ').unwrap_or((&errand.kind, "")) {
        ("nap", ms) => sleep(Duration::from_millis(ms.parse()?)).await,
        ("gated", _) => work.record.gate.acquire().await?.forget(),
        ("fail", _) if first => return Err("first time".into()),
        ("panic", _) if first => panic!("first time"),
        ("ok" | "fail" | "panic", _) => {}
        (kind, _) => panic!("unknown kind {kind}"),
    }
    work.record.ended.lock().unwrap().push(errand.job);
    Ok(())
}

impl Work {
    pub fn new() -> Self {
        let record = Record {
            begun: Mutex::default(),
            ended: Mutex::default(),
            gate: Semaphore::new(0),
        };
        Self {
            record: Arc::new(record),
        }
    }

    /// Lets so many gated handlers finish.
    pub fn open_gate(&self, handlers: usize) {
        self.record.gate.add_permits(handlers);
    }

    /// All errands that a handler was called for, in order.
    pub fn begun(&self) -> Vec<Errand> {
        self.record.begun.lock().unwrap().clone()
    }

    /// The jobs that are done.
    pub fn ended(&self) -> HashSet<String> {
        self.record.ended.lock().unwrap().iter().cloned().collect()
    }

    pub async fn until_begun(&self, count: usize) {
        until(&format!("{count} handlers have begun"), async || {
            self.record.begun.lock().unwrap().len() >= count
        })
        .await;
    }

    pub async fn until_ended(&self, count: usize) {
        until(&format!("{count} handlers have ended"), async || {
            self.record.ended.lock().unwrap().len() >= count
        })
        .await;
    }

    /// Fails unless `count` different jobs ran, each of them once.
    pub fn assert_each_once(&self, count: usize) {
        assert_eq!(self.assert_none_twice(), count, "jobs that ran");
    }

    /// Fails when a job ran more than once; says how many ran.
    pub fn assert_none_twice(&self) -> usize {
        let mut runs = HashMap::<_, usize>::new();
        for errand in self.record.begun.lock().unwrap().iter() {
            *runs.entry(errand.job.clone()).or_default() += 1;
        }
        let ran = runs.len();
        runs.retain(|_, runs| *runs != 1);
        assert!(runs.is_empty(), "ran more than once: {runs:?}");
        ran
    }

    fn begin(&self, errand: &Errand) -> bool {
        let mut begun = self.record.begun.lock().unwrap();
        let first = !begun.iter().any(|earlier| earlier.job == errand.job);
        begun.push(errand.clone());
        first
    }
}
