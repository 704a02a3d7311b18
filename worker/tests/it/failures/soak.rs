//! Everything at once, at random, and the same choices at every run: `OMNIOPS_SOAK_SEED` makes others, and `OMNIOPS_SOAK_SECONDS` goes on
//! for longer.
#![expect(clippy::print_stdout, reason = "a failure is repeated from what was printed")]
use crate::fleet::{Fleet, LEASE, PATIENCE};
use domain::{
    config::environment,
    jobs::{self, Kind, Operator},
    tenancy::Customer,
};
use entity::job;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use std::{collections::HashSet, str::FromStr, time::Duration};
use testkit::{Server, Wire, eventually, within};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Workers at any time, besides two behind wires.
const WORKERS: usize = 3;
/// A job in so many takes its worker down, three times.
const ABORTS: u32 = 150;

fn variable<T: FromStr>(name: &str) -> Option<T> {
    environment().get(name)?.parse().ok()
}

/// Any sort of job.
fn order(rng: &mut StdRng) -> Value {
    let mut order = match rng.random_range(0..10) {
        0 => json!({ "do": "fail" }),
        1 => json!({ "do": "retry", "times": rng.random_range(1..3) }),
        2 => json!({ "do": "panic", "max_attempts": 2 }),
        3 => json!({ "do": "wait" }),
        4 => json!({ "do": "work_deaf", "ms": rng.random_range(50..800) }),
        _ => json!({ "do": "work", "ms": rng.random_range(20..1500), "steps": rng.random_range(1..5) }),
    };
    if rng.random_range(0..ABORTS) == 0 {
        order = json!({ "do": "abort" });
    }
    order["priority"] = rng.random_range(0..3).into();
    if rng.random_range(0..5) == 0 {
        order["key"] = format!("key {}", rng.random_range(0..20)).into();
    }
    order
}

struct Soak {
    fleet: Fleet,
    rng: StdRng,
    customers: [Customer; 2],
    /// One in front of Postgres, one in front of Valkey; behind each was one worker at the beginning.
    wires: [Wire; 2],
    submitted: HashSet<Uuid>,
    /// Those that end only when they are cancelled, and whose they are.
    waiting: Vec<(Uuid, usize)>,
    /// When the time of a schedule was made to come, and how often.
    due: Option<OffsetDateTime>,
    ticks: usize,
}

impl Soak {
    async fn start(seed: u64) -> Self {
        let mut fleet = Fleet::start(0).await;
        let mut wires = Vec::new();
        for server in [Server::Postgres, Server::Valkey] {
            let (wire, variables) = fleet.kit.wire(server);
            fleet.add_with(&variables);
            wires.push(wire);
        }
        for _ in 0..WORKERS {
            fleet.add();
        }
        let customers = [fleet.customer.clone(), fleet.kit.customer("other.test").await];
        Self {
            fleet,
            rng: StdRng::seed_from_u64(seed),
            customers,
            wires: wires.try_into().ok().unwrap(),
            submitted: HashSet::new(),
            waiting: Vec::new(),
            due: None,
            ticks: 0,
        }
    }

    async fn submit(&mut self) {
        let number = self.rng.random_range(1..25);
        let orders: Vec<Value> = (0..number).map(|_| order(&mut self.rng)).collect();
        let whose = self.rng.random_range(0..2);
        // While the database is away there is no job, and the caller is told.
        let Ok(ids) = self.fleet.try_submit(&self.customers[whose], &orders).await else {
            return;
        };
        for (id, order) in ids.into_iter().zip(&orders) {
            // A key that is under way makes no job.
            if self.submitted.insert(id) && order["do"] == "wait" {
                self.waiting.push((id, whose));
            }
        }
    }

    async fn cancel(&mut self, number: usize) {
        for _ in 0..number.min(self.waiting.len()) {
            let n = self.rng.random_range(0..self.waiting.len());
            let (job, whose) = self.waiting.swap_remove(n);
            if !self.try_cancel(job, whose).await {
                self.waiting.push((job, whose));
            }
        }
    }

    async fn try_cancel(&self, job: Uuid, whose: usize) -> bool {
        let Ok(tx) = self.fleet.db.tenant(&self.customers[whose]).await else {
            return false;
        };
        match jobs::cancel(&tx, job).await {
            Ok(_) => tx.commit().await.is_ok(),
            Err(error) => error.code() == "job_ended",
        }
    }

    /// Makes the time of a schedule of the system's come, if it has fired since that was done last: it must have fired, not been passed over.
    async fn tick(&mut self) -> domain::Result<()> {
        const FIRED: &str = "SELECT last_run_at, clock_timestamp() AS now FROM schedules WHERE name = 'nightly retention' AND next_run_at > now() FOR UPDATE";
        const DUE: &str = "UPDATE schedules SET next_run_at = clock_timestamp() WHERE name = 'nightly retention'";
        let statement = |text: &str| Statement::from_string(DbBackend::Postgres, text);
        let tx = self.fleet.db.system().await?;
        let Some(row) = tx.query_one_raw(statement(FIRED)).await? else {
            return Ok(());
        };
        let (last, now): (Option<OffsetDateTime>, OffsetDateTime) =
            (row.try_get("", "last_run_at")?, row.try_get("", "now")?);
        assert!(
            last >= self.due,
            "a time of a schedule was lost: due {:?}, fired {last:?}",
            self.due
        );
        tx.execute_raw(statement(DUE)).await?;
        tx.commit().await?;
        (self.due, self.ticks) = (Some(now), self.ticks + 1);
        Ok(())
    }

    /// Waits until the last time has fired.
    async fn await_tick(&mut self) {
        let (fleet, due) = (&self.fleet, self.due);
        within(PATIENCE, "the schedule's time", || async {
            let last = "SELECT last_run_at FROM schedules WHERE name = 'nightly retention'";
            let tx = fleet.db.system().await.unwrap();
            let row = tx
                .query_one_raw(Statement::from_string(DbBackend::Postgres, last))
                .await
                .unwrap()
                .unwrap();
            let last: Option<OffsetDateTime> = row.try_get("", "last_run_at").unwrap();
            (last >= due).then_some(())
        })
        .await;
    }

    /// One thing goes wrong, or two at once.
    async fn hurt(&mut self) {
        let fault = self.rng.random_range(0..13);
        let pause = Duration::from_millis(self.rng.random_range(100..2500));
        println!("fault {fault} for {} ms", pause.as_millis());
        self.fleet.replace_fallen();
        match fault {
            0 | 1 => self.lose_a_worker().await,
            2 => self.freeze(pause + LEASE).await,
            3 => self.fleet.kit.flush_redis().await,
            4 => drop(self.fleet.kit.terminate_backends(8).await),
            5 => {
                self.fleet.kit.kill(Server::Valkey).await;
                self.meanwhile(pause).await;
                self.fleet.kit.start_again(Server::Valkey).await;
            }
            6 => {
                self.fleet.kit.stop(Server::Postgres).await;
                self.meanwhile(pause).await;
                self.fleet.kit.start_again(Server::Postgres).await;
            }
            7 => {
                self.fleet.kit.kill(Server::Postgres).await;
                self.fleet.kit.start_again(Server::Postgres).await;
            }
            8 => {
                let _frozen = self.fleet.kit.freeze(Server::Valkey);
                self.meanwhile(pause).await;
            }
            9 => {
                self.fleet.kit.fill_redis().await;
                self.meanwhile(pause).await;
                self.fleet.kit.relieve_redis().await;
            }
            10 => self.pause(pause).await,
            _ => self.cut_off(fault - 11, pause).await,
        }
    }

    /// Half of the time, a worker goes while something else is wrong.
    async fn meanwhile(&mut self, pause: Duration) {
        if self.rng.random_range(0..2) == 0 {
            self.lose_a_worker().await;
        }
        sleep(pause).await;
    }

    async fn lose_a_worker(&mut self) {
        let victim = self.rng.random_range(0..WORKERS);
        let killed = self.rng.random_range(0..2) == 0;
        let worker = self.fleet.living(victim);
        if killed || worker.is_fallen() {
            worker.crash_if_alive().await;
        } else {
            worker.stop_if_alive().await;
        }
        self.fleet.add();
    }

    async fn freeze(&mut self, pause: Duration) {
        let victim = self.rng.random_range(0..WORKERS);
        let worker = self.fleet.living(victim);
        if worker.is_fallen() {
            return;
        }
        worker.freeze().await;
        sleep(pause).await;
        worker.process.thaw();
    }

    async fn pause(&mut self, pause: Duration) {
        let by = Operator::named("test");
        if jobs::pause_queue(&self.fleet.db, Kind::Scrape, by).await.is_ok() {
            self.meanwhile(pause).await;
        }
        eventually("an end of the pause", || async {
            jobs::resume_queue(&self.fleet.db, Kind::Scrape, by).await.ok()
        })
        .await;
    }

    /// A worker hears nothing of a server for longer than its lease, or loses all its connections.
    async fn cut_off(&mut self, n: usize, pause: Duration) {
        if self.rng.random_range(0..2) == 0 {
            self.wires[n].cut().await;
        } else {
            self.wires[n].stall();
            if n == 0 && !self.fleet.worker(0).is_fallen() {
                self.fleet.worker(0).journal.cut();
            }
            self.meanwhile(pause + LEASE).await;
        }
        self.wires[n].mend();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_every_job_ends_once() {
    let seed: u64 = variable("OMNIOPS_SOAK_SEED").unwrap_or(1);
    let length = Duration::from_secs(variable("OMNIOPS_SOAK_SECONDS").unwrap_or(45));
    println!("OMNIOPS_SOAK_SEED={seed}");
    let mut soak = Soak::start(seed).await;
    let end = Instant::now() + length;
    while Instant::now() < end {
        for _ in 0..3 {
            soak.submit().await;
            let pause = soak.rng.random_range(50..400);
            sleep(Duration::from_millis(pause)).await;
        }
        soak.cancel(5).await;
        // While the database is away nobody looks at the clock.
        let _ = soak.tick().await;
        soak.hurt().await;
    }
    soak.cancel(usize::MAX).await;
    let submitted: Vec<Uuid> = soak.submitted.iter().copied().collect();
    let rows = soak.ended(&submitted).await;
    soak.tick().await.unwrap();
    soak.await_tick().await;
    println!("{} times of a schedule", soak.ticks);
    let fleet = &mut soak.fleet;
    let mut innocents = 0;
    assert_eq!(rows.len(), submitted.len(), "jobs are lost");
    for row in &rows {
        let claims = fleet.claims_of(row.id).await;
        innocents += usize::from(is_crashed(row) && row.payload["do"] != "abort");
        assert!(
            as_told(row, claims),
            "{claims} claims of {row:?}\n{:#?}",
            fleet.story(row.id).await
        );
        let ends = fleet.ends_of(row.id).await;
        assert_eq!(ends, 1, "{row:?}\n{:#?}", fleet.story(row.id).await);
    }
    println!("{innocents} jobs were lost three times with workers that were killed beside them");
    assert!(innocents <= 3 + rows.len() / 20, "of {}", rows.len());
    fleet.assert_effects(&rows).await;
    fleet.assert_one_hand();
    fleet.assert_all_live();
    println!("{} jobs in {} runs", submitted.len(), fleet.runs().len());
}

impl Soak {
    /// Waits for the end of all jobs, some of which still take workers down.
    async fn ended(&mut self, submitted: &[Uuid]) -> Vec<job::Model> {
        let aborts = |rows: &[job::Model]| {
            let live = rows.iter().filter(|row| !jobs::state::is_final(&row.state));
            live.filter(|row| row.payload["do"] == "abort").count()
        };
        let deadline = Instant::now() + 2 * PATIENCE;
        while aborts(&self.fleet.rows(submitted).await) > 0 && Instant::now() < deadline {
            self.fleet.replace_fallen();
            sleep(Duration::from_millis(200)).await;
        }
        let rows = self.fleet.ended(submitted).await;
        self.fleet.replace_fallen();
        rows
    }
}

fn is_crashed(row: &job::Model) -> bool {
    let code = row.error.as_ref().map(|error| &error["code"]);
    row.state == "dead" && code == Some(&"worker_crashed".into())
}

/// Whether a job ended as its order says, or was given to three workers that were lost.
fn as_told(row: &job::Model, claims: usize) -> bool {
    let code = row.error.as_ref().and_then(|error| error["code"].as_str());
    let crashed = is_crashed(row) && claims >= 3;
    let told = match row.payload["do"].as_str() {
        Some("fail") => row.state == "failed",
        Some("panic") => row.state == "dead" && code == Some("panic"),
        Some("wait") => row.state == "cancelled",
        Some("abort") => false,
        _ => row.state == "done",
    };
    told || crashed
}
