//! Everything at once, at random. The seed is printed; `OMNIOPS_SOAK_SEED` repeats its choices, `OMNIOPS_SOAK_SECONDS` goes on for
//! longer.
#![expect(clippy::print_stdout, reason = "a failure is repeated from what was printed")]
use crate::fleet::{Fleet, LEASE};
use domain::{config::environment, jobs};
use entity::job;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{str::FromStr, time::Duration};
use testkit::{Kit, Server};
use tokio::time::Instant;
use uuid::Uuid;

/// Workers at any time.
const WORKERS: usize = 3;

fn variable<T: FromStr>(name: &str) -> Option<T> {
    environment().get(name)?.parse().ok()
}

/// Any sort of job that does not take its worker down.
fn order(rng: &mut StdRng) -> Value {
    match rng.random_range(0..10) {
        0 => json!({ "do": "fail" }),
        1 => json!({ "do": "retry", "times": rng.random_range(1..3) }),
        2 => json!({ "do": "panic", "max_attempts": 2 }),
        3 => json!({ "do": "wait" }),
        4 => json!({ "do": "work_deaf", "ms": rng.random_range(50..800) }),
        _ => json!({ "do": "work", "ms": rng.random_range(20..1500), "steps": rng.random_range(1..5) }),
    }
}

struct Soak {
    fleet: Fleet,
    rng: StdRng,
    submitted: Vec<Uuid>,
    /// Those that end only when they are cancelled.
    waiting: Vec<Uuid>,
}

impl Soak {
    async fn submit(&mut self) {
        let number = self.rng.random_range(1..25);
        let orders: Vec<Value> = (0..number).map(|_| order(&mut self.rng)).collect();
        let customer = self.fleet.customer.clone();
        // While the database is away there is no job, and the caller is told.
        if let Ok(ids) = self.fleet.try_submit(&customer, &orders).await {
            let waits = ids.iter().zip(&orders).filter(|(_, order)| order["do"] == "wait");
            self.waiting.extend(waits.map(|(id, _)| *id));
            self.submitted.extend(ids);
        }
    }

    async fn cancel(&mut self, number: usize) {
        for _ in 0..number.min(self.waiting.len()) {
            let n = self.rng.random_range(0..self.waiting.len());
            let job = self.waiting.swap_remove(n);
            if !self.try_cancel(job).await {
                self.waiting.push(job);
            }
        }
    }

    async fn try_cancel(&self, job: Uuid) -> bool {
        let Ok(tx) = self.fleet.db.tenant(&self.fleet.customer).await else {
            return false;
        };
        match jobs::cancel(&tx, job).await {
            Ok(_) => tx.commit().await.is_ok(),
            Err(error) => error.code() == "job_ended",
        }
    }

    /// One thing goes wrong.
    async fn hurt(&mut self) {
        let fault = self.rng.random_range(0..10);
        let pause = Duration::from_millis(self.rng.random_range(100..2500));
        println!("fault {fault} for {} ms", pause.as_millis());
        let victim = self.rng.random_range(0..WORKERS);
        let kit: &Kit = &self.fleet.kit;
        match fault {
            0 => {
                self.fleet.living(victim).crash().await;
                self.fleet.add();
            }
            1 => self.freeze(victim, pause + LEASE).await,
            2 => {
                self.fleet.living(victim).stop().await;
                self.fleet.add();
            }
            3 => kit.flush_redis().await,
            4 => drop(kit.terminate_backends(8).await),
            5 => {
                kit.kill(Server::Valkey).await;
                tokio::time::sleep(pause).await;
                kit.start_again(Server::Valkey).await;
            }
            6 => {
                kit.stop(Server::Postgres).await;
                tokio::time::sleep(pause).await;
                kit.start_again(Server::Postgres).await;
            }
            7 => {
                kit.kill(Server::Postgres).await;
                kit.start_again(Server::Postgres).await;
            }
            8 => {
                let _frozen = kit.freeze(Server::Valkey);
                tokio::time::sleep(pause).await;
            }
            _ => {
                kit.fill_redis().await;
                tokio::time::sleep(pause).await;
                kit.relieve_redis().await;
            }
        }
    }

    async fn freeze(&mut self, victim: usize, pause: Duration) {
        let worker = self.fleet.living(victim);
        worker.freeze().await;
        tokio::time::sleep(pause).await;
        worker.process.thaw();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_every_job_ends_once() {
    let seed = variable("OMNIOPS_SOAK_SEED").unwrap_or_else(rand::random::<u64>);
    let length = Duration::from_secs(variable("OMNIOPS_SOAK_SECONDS").unwrap_or(45));
    println!("OMNIOPS_SOAK_SEED={seed}");
    let mut soak = Soak {
        fleet: Fleet::start(WORKERS).await,
        rng: StdRng::seed_from_u64(seed),
        submitted: vec![],
        waiting: vec![],
    };
    let end = Instant::now() + length;
    while Instant::now() < end {
        for _ in 0..3 {
            soak.submit().await;
            let pause = soak.rng.random_range(50..400);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        soak.cancel(5).await;
        soak.hurt().await;
    }
    soak.cancel(usize::MAX).await;
    let Soak {
        mut fleet, submitted, ..
    } = soak;
    let rows = fleet.ended(&submitted).await;
    assert_eq!(rows.len(), submitted.len(), "jobs are lost");
    for row in &rows {
        assert!(as_told(row), "{row:?}\n{:#?}", fleet.story(row.id).await);
        let ends = fleet.ends_of(row.id).await;
        assert_eq!(ends, 1, "{row:?}\n{:#?}", fleet.story(row.id).await);
    }
    fleet.assert_effects(&rows).await;
    fleet.assert_one_hand();
    fleet.assert_all_live();
    println!("{} jobs in {} runs", submitted.len(), fleet.runs().len());
}

/// Whether a job ended as its order says.
fn as_told(row: &job::Model) -> bool {
    let code = row.error.as_ref().map(|error| error["code"].clone());
    match row.payload["do"].as_str() {
        Some("fail") => row.state == "failed",
        Some("panic") => row.state == "dead" && code == Some(json!("panic")),
        Some("wait") => row.state == "cancelled",
        _ => row.state == "done",
    }
}
