//! A fleet of drill processes (`src/bin/drill.rs`) on one installation, what is done to them, and the account of it all: every job
//! ended as it should, every effect was had once, no job was in two hands at the same time.
use domain::{
    Result,
    jobs::{self, Dispatcher, NewJob, Payload, Submitted},
    tenancy::{Customer, Db, TenantTx},
};
use entity::job;
use nix::sys::signal::Signal;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::{Duration, SystemTime},
};
use testkit::{ENDING, Folder, Kit, Process, eventually, program, within};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::journal::{Journal, Run, nanoseconds};

/// Seconds after which a silent worker's jobs are another's.
pub const LEASE: Duration = Duration::from_secs(6);
/// Jobs at once of one worker.
pub const HANDS: usize = 8;
/// The longest wait for what must come.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// What a worker says that was asked to end.
const STOPPING: &str = "drill stopping";

const TABLES: &str = "
    CREATE TABLE drill_effects (job_id uuid NOT NULL, token uuid, at timestamptz NOT NULL DEFAULT clock_timestamp());
    GRANT SELECT, INSERT ON drill_effects TO omniops_app, omniops_system";

/// Processes, their installation, and a customer.
pub struct Fleet {
    /// Dropped first, so that no worker misses its servers.
    workers: Vec<Drill>,
    pub customer: Customer,
    /// The test's own look at the ledger; not touched by what is done to other connections.
    pub db: Db,
    dispatcher: Dispatcher,
    folder: Folder,
    variables: Vec<(String, String)>,
    pub kit: Kit,
}

/// One worker process, alive or dead.
pub struct Drill {
    pub process: Process,
    pub journal: Journal,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Living,
    /// It was asked to end.
    Leaving,
    /// Its end is in its journal.
    Dead,
}

impl Drill {
    /// Waits until so many jobs are in its hands.
    pub async fn busy(&self, at_least: usize) {
        eventually("a worker at work", || async {
            // Read in this order: a job may begin and end meanwhile.
            let ended = self.journal.count("end");
            let going_on = self.journal.count("start") - ended;
            (going_on >= at_least).then_some(())
        })
        .await;
    }

    /// Kills it, if it has not taken itself down at this moment.
    pub async fn crash_if_alive(&mut self) {
        if self.process.ended().is_some() {
            self.bury();
        } else {
            self.process.end_by(Signal::SIGKILL).await;
            self.state = State::Dead;
            self.journal.cut();
        }
    }

    /// Kills it with SIGKILL.
    pub async fn crash(&mut self) {
        self.process.crash().await;
        self.state = State::Dead;
        self.journal.cut();
    }

    /// Stops it where it stands. Its handlers' runs count as over: they do nothing until it is thawed, and their jobs may be given
    /// to others meanwhile.
    pub async fn freeze(&mut self) {
        self.process.freeze().await;
        self.journal.cut();
    }

    /// Whether it is dead, or was asked to end.
    pub fn is_fallen(&mut self) -> bool {
        self.state != State::Living || self.process.ended().is_some()
    }

    /// Asks it to stop, and waits until it has understood.
    pub async fn stop(&mut self) {
        self.state = State::Leaving;
        self.process.signal(Signal::SIGTERM);
        self.process.says(STOPPING).await;
    }

    /// The same for one that may take itself down at this moment, or that has just been started and does not heed signals yet.
    pub async fn stop_if_alive(&mut self) {
        self.state = State::Leaving;
        if self.process.ended().is_none() {
            self.process.signal(Signal::SIGTERM);
        }
        within(ENDING, STOPPING, || {
            let heeded = self.process.output().contains(STOPPING) || self.process.ended().is_some();
            async move { heeded.then_some(()) }
        })
        .await;
    }

    /// Takes down in its journal that it has taken itself down, if it has.
    fn bury(&mut self) {
        if self.state != State::Dead && self.process.ended().is_some() {
            self.state = State::Dead;
            self.journal.cut_at_last_note();
        }
    }

    /// Where its health server listens.
    pub async fn health(&mut self) -> String {
        let line = self.process.says("health server").await;
        let told: Value = serde_json::from_str(&line).unwrap();
        told["address"]
            .as_str()
            .unwrap()
            .trim_start_matches("socket://")
            .to_owned()
    }

    /// Status of a path of its health server; none when it does not answer.
    pub async fn status(&mut self, path: &str) -> Option<u16> {
        let address = self.health().await;
        status(&address, path).await
    }
}

impl Fleet {
    /// As many workers as asked for.
    pub async fn start(workers: usize) -> Self {
        Self::with(workers, &[]).await
    }

    /// The same with further variables.
    pub async fn with(workers: usize, variables: &[(&str, &str)]) -> Self {
        let lease = LEASE.as_secs().to_string();
        let kit = Kit::with(&[("WORKER_LEASE_SECONDS", &lease)]).await;
        let owner = Db::connect_owner(&kit.config.database).await.unwrap();
        owner.execute_unprepared(TABLES).await.unwrap();
        owner.close().await.unwrap();
        let db = kit.observer().await;
        let mut fleet = Self {
            workers: Vec::new(),
            customer: kit.customer("drill.test").await,
            dispatcher: Dispatcher::new(db.clone(), &kit.config.redis).unwrap(),
            db,
            folder: Folder::new(),
            variables: variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            kit,
        };
        for _ in 0..workers {
            fleet.add();
        }
        fleet
    }

    /// Starts another worker.
    pub fn add(&mut self) -> &mut Drill {
        self.add_with(&[])
    }

    /// Starts another worker with further variables.
    pub fn add_with(&mut self, variables: &[(&str, String)]) -> &mut Drill {
        let mut command = program(Path::new(env!("CARGO_BIN_EXE_drill")));
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        self.add_by(command)
    }

    /// Starts another worker by a command of which only the journal is missing.
    pub fn add_by(&mut self, mut command: std::process::Command) -> &mut Drill {
        let file = |ending: &str| self.folder.path().join(format!("{}.{ending}", self.workers.len()));
        let chosen: HashMap<_, _> = command
            .get_envs()
            .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
            .collect();
        let hands = HANDS.to_string();
        command
            .arg(file("journal"))
            .envs(&self.kit.variables)
            .env("WORKER_CONCURRENCY", hands)
            .env("DATABASE_POOL_CONNECT_SECONDS", "5")
            .env("LOG_LEVEL", "info,worker=debug,domain=debug,queue=debug")
            .env("WORKER_HEALTH", "127.0.0.1:0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (name, value) in chosen {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        self.workers.push(Drill {
            journal: Journal::new(file("journal")),
            process: Process::spawn(command, file("log")),
            state: State::Living,
        });
        self.last()
    }

    pub fn worker(&mut self, n: usize) -> &mut Drill {
        &mut self.workers[n]
    }

    fn last(&mut self) -> &mut Drill {
        self.workers.last_mut().unwrap()
    }

    /// How many workers took themselves down since the last look.
    pub fn bury_fallen(&mut self) -> usize {
        let mut fallen = 0;
        for worker in self.workers.iter_mut().filter(|worker| worker.state == State::Living) {
            worker.bury();
            fallen += usize::from(worker.state == State::Dead);
        }
        fallen
    }

    /// Starts another worker in place of each that took itself down; returns how many did.
    pub fn replace_fallen(&mut self) -> usize {
        let fallen = self.bury_fallen();
        for _ in 0..fallen {
            self.add();
        }
        fallen
    }

    /// One of those that live and were not asked to stop.
    pub fn living(&mut self, n: usize) -> &mut Drill {
        let mut living: Vec<&mut Drill> = self
            .workers
            .iter_mut()
            .filter(|worker| worker.state == State::Living)
            .collect();
        let n = n % living.len();
        living.swap_remove(n)
    }

    /// Every worker lives that was not killed or asked to end.
    pub fn assert_all_live(&mut self) {
        for worker in self.workers.iter_mut().filter(|worker| worker.state == State::Living) {
            let ended = worker.process.ended();
            assert_eq!(ended, None, "a worker has ended");
        }
    }

    /// A transaction of the fleet's customer.
    pub async fn tx(&self) -> TenantTx {
        self.db.tenant(&self.customer).await.unwrap()
    }

    /// Submits a job for each order, and dispatches what may start at once.
    pub async fn submit(&self, orders: &[Value]) -> Vec<Uuid> {
        self.try_submit(&self.customer, orders).await.unwrap()
    }

    /// The same for any customer, at a time when it may fail; then there is no job.
    pub async fn try_submit(&self, customer: &Customer, orders: &[Value]) -> Result<Vec<Uuid>> {
        let made = self.record(customer, orders).await?;
        self.dispatcher.dispatch(&made).await;
        Ok(made.iter().map(|made| made.id).collect())
    }

    /// Writes jobs without dispatching them, as a process does that dies after its commit. `priority` and `key` of an order are the job's.
    pub async fn record(&self, customer: &Customer, orders: &[Value]) -> Result<Vec<Submitted>> {
        const ORDER: &str = "UPDATE jobs SET payload = o.payload, max_attempts = coalesce((o.payload->>'max_attempts')::int, max_attempts)
            FROM jsonb_to_recordset($1) AS o (id uuid, payload jsonb) WHERE jobs.id = o.id";
        let new = |order: &Value| NewJob {
            priority: order["priority"].as_i64().unwrap_or_default() as i16,
            dedupe_key: order["key"].as_str().map(str::to_owned),
            ..NewJob::new(customer.id, Payload::Scrape {})
        };
        let new: Vec<NewJob> = orders.iter().map(new).collect();
        let tx = self.db.tenant(customer).await?;
        let made = jobs::submit_all(&*tx, &new).await?;
        let told = made.iter().zip(orders).filter(|(made, _)| made.fresh);
        let told: Vec<Value> = told
            .map(|(made, order)| json!({ "id": made.id, "payload": order }))
            .collect();
        let told = Statement::from_sql_and_values(DbBackend::Postgres, ORDER, [Value::Array(told).into()]);
        tx.execute_raw(told).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// The rows of these jobs.
    pub async fn rows(&self, ids: &[Uuid]) -> Vec<job::Model> {
        let tx = self.db.system().await.unwrap();
        let of = job::Column::Id.is_in(ids.iter().copied());
        job::Entity::find().filter(of).all(&*tx).await.unwrap()
    }

    /// Waits until so many jobs had their effect.
    pub async fn effects(&self, at_least: usize) {
        within(PATIENCE, "effects", || async {
            let had: usize = self.effects_by_job().await.values().sum();
            (had >= at_least).then_some(())
        })
        .await;
    }

    /// Waits until all of these jobs have ended, and returns them.
    pub async fn ended(&self, ids: &[Uuid]) -> Vec<job::Model> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let rows = self.rows(ids).await;
            let live: Vec<_> = rows.iter().filter(|row| !jobs::state::is_final(&row.state)).collect();
            if live.is_empty() {
                return rows;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "waited {} s for the end of {} jobs; {} are left, among them {:#?}",
                PATIENCE.as_secs(),
                ids.len(),
                live.len(),
                live[0]
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the end of these jobs, and asserts that each was done, had its effect once, and was never in two hands.
    pub async fn assert_each_done_once(&mut self, ids: &[Uuid]) {
        self.assert_each_done_once_by_any_clock(ids).await;
        self.assert_one_hand();
    }

    /// The same for workers whose clocks don't agree: the ledger alone is asked.
    pub async fn assert_each_done_once_by_any_clock(&mut self, ids: &[Uuid]) {
        let rows = self.ended(ids).await;
        assert_eq!(rows.len(), ids.len(), "jobs are lost");
        for row in &rows {
            assert_eq!(row.state, "done", "{row:?}");
        }
        self.assert_effects(&rows).await;
    }

    /// Every job that is done had its effect once, and no other job had more than one.
    pub async fn assert_effects(&self, rows: &[job::Model]) {
        let effects = self.effects_by_job().await;
        for row in rows {
            let had = effects.get(&row.id).copied().unwrap_or_default();
            let wrong = if row.state == "done" { had != 1 } else { had > 1 };
            assert!(!wrong, "{had} effects of {row:?}\n{:#?}", self.story(row.id).await);
        }
    }

    async fn effects_by_job(&self) -> BTreeMap<Uuid, usize> {
        let query = "SELECT job_id, count(*) FROM drill_effects GROUP BY job_id";
        let tx = self.db.system().await.unwrap();
        let rows = tx
            .query_all_raw(Statement::from_string(DbBackend::Postgres, query))
            .await
            .unwrap();
        let pair = |row: &sea_orm::QueryResult| {
            let count: i64 = row.try_get_by_index(1).unwrap();
            (row.try_get_by_index(0).unwrap(), count as usize)
        };
        rows.iter().map(pair).collect()
    }

    /// A job's events, for a failing test's message.
    pub async fn story(&self, job: Uuid) -> Vec<String> {
        let query = "SELECT at || ' ' || kind || ' ' || data FROM job_events WHERE job_id = $1 ORDER BY id";
        let tx = self.db.system().await.unwrap();
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, query, [job.into()]);
        let rows = tx.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// How many times a job ended.
    pub async fn ends_of(&self, job: Uuid) -> usize {
        self.told_of(job, jobs::state::is_final).await
    }

    /// How many times the ledger gave a job to a worker. The worker may have been lost before it began.
    pub async fn claims_of(&self, job: Uuid) -> usize {
        self.told_of(job, |word| word == "started").await
    }

    async fn told_of(&self, job: Uuid, what: impl Fn(&str) -> bool) -> usize {
        let story = self.story(job).await;
        let words = story.iter().filter_map(|line| line.split(' ').nth(2));
        words.filter(|word| what(word)).count()
    }

    /// The jobs that the ledger says some worker runs.
    pub async fn running(&self) -> Vec<Uuid> {
        let tx = self.db.system().await.unwrap();
        let running = job::Column::State.eq(jobs::state::RUNNING);
        let rows = job::Entity::find().filter(running).all(&*tx).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }

    /// The database's time.
    pub async fn now(&self) -> OffsetDateTime {
        let tx = self.db.system().await.unwrap();
        let now = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp()");
        let row = tx.query_one_raw(now).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// The longest time from `since` to the next start of one of these jobs that was started again.
    pub async fn started_again(&self, ids: &[Uuid], since: OffsetDateTime) -> Duration {
        const AGAIN: &str = "
            SELECT coalesce(extract(epoch FROM max(first) - $2), 0)::float8 FROM (
              SELECT min(at) AS first FROM job_events WHERE job_id = ANY($1) AND kind = 'started' AND at > $2 GROUP BY job_id) AS starts";
        let tx = self.db.system().await.unwrap();
        let values = [ids.to_vec().into(), since.into()];
        let again = Statement::from_sql_and_values(DbBackend::Postgres, AGAIN, values);
        let row = tx.query_one_raw(again).await.unwrap().unwrap();
        Duration::from_secs_f64(row.try_get_by_index(0).unwrap())
    }

    /// Every run of every worker, dead ones too, in the order of their beginning.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.workers.iter().flat_map(|worker| worker.journal.runs()).collect();
        runs.sort_by_key(|run| run.start);
        runs
    }

    /// How often the workers began one of these jobs.
    pub fn starts_of(&self, ids: &[Uuid]) -> usize {
        self.runs().iter().filter(|run| ids.contains(&run.job)).count()
    }

    /// Waits until so many runs of these jobs have begun.
    pub async fn begun(&self, ids: &[Uuid], at_least: usize) {
        within(PATIENCE, "begun jobs", || async {
            (self.starts_of(ids) >= at_least).then_some(())
        })
        .await;
    }

    /// No job was in two hands at the same time: a run had ended, or its worker was dead or frozen, before the next one began.
    pub fn assert_one_hand(&mut self) {
        for worker in self.workers.iter_mut().filter(|worker| worker.state == State::Leaving) {
            worker.bury();
        }
        let now = nanoseconds(SystemTime::now());
        let mut last: HashMap<Uuid, Run> = HashMap::new();
        for run in self.runs() {
            if let Some(earlier) = last.insert(run.job, run) {
                let end = earlier.end.unwrap_or(now);
                let both = end.saturating_sub(run.start);
                assert!(both == 0, "a job was in two hands for {both} ns:\n{earlier:?}\n{run:?}");
            }
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // They need not end in order, and frozen ones could not.
        for worker in &mut self.workers {
            if worker.process.ended().is_none() {
                worker.process.signal(Signal::SIGKILL);
            }
        }
    }
}

/// `n` jobs that take about `ms`, in `steps`; not all the same, so that at any time some are in the middle.
pub fn work(n: usize, ms: u64, steps: u32) -> Vec<Value> {
    let each = |n: usize| json!({ "do": "work", "ms": ms / 2 + ms * (n as u64 % 11) / 10, "steps": steps });
    (0..n).map(each).collect()
}

/// Status of a GET; none when nobody answers.
pub async fn status(address: &str, path: &str) -> Option<u16> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
