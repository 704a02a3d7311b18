//! A worker whose jobs say in their payload what to do: work, hang, panic, crash, eat up the memory. Failure tests run it
//! as processes of their own, with everything else as in the product. `drill JOURNAL`; the configuration is the environment's.
//!
//! An effect is a row of `drill_effects`, which has no unique constraint, so that a doubled one shows. The journal tells what
//! the handlers did, outside of the database, so that it is right also where the database is not.
#![expect(clippy::panic, reason = "it is told to")]
use async_trait::async_trait;
use domain::{
    Error, Result,
    config::Config,
    jobs::Dispatcher,
    lifecycle::{Ended, Lifecycle},
    retrieval::Searcher,
    tenancy::Db,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs::File,
    io::Write as _,
    process::{ExitCode, abort},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::signal::unix::{SignalKind, signal};
use worker::{Context, Ending, Fenced, Handlers, Job, Worker};

/// What a job's payload asks for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Order {
    /// Takes `ms` in `steps`, each of which is saved as progress, and has its effect.
    Work {
        ms: u64,
        #[serde(default = "one")]
        steps: u32,
    },
    /// The same in one step, deaf to every signal: only the fence keeps it from having its effect.
    WorkDeaf { ms: u64 },
    /// The first start hangs for good, deaf to every signal; a later one has its effect.
    HangOnce,
    /// The first start has its effect and then takes the process down, before anybody learns of it.
    DieAfterCommit,
    /// Takes the process down.
    Abort,
    /// Asks for memory until there is no more, which takes the process down.
    Allocate,
    /// Panics.
    Panic,
    /// Will never work.
    Fail,
    /// Does not work until it was tried so many times, and then has its effect.
    Retry { times: i32 },
    /// Ends when it is cancelled.
    Wait,
    /// Waits for a person, and then has its effect.
    Hold,
    /// Gives way for `ms` until its progress says that it did so many times, and then has its effect.
    GiveWay { times: u32, ms: u64 },
}

fn one() -> u32 {
    1
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Progress {
    steps: u32,
    hung: bool,
    effect: bool,
}

struct Drill {
    journal: Arc<Journal>,
}

#[async_trait]
impl Handlers for Drill {
    async fn run(&self, job: &Job) -> Result<Ending> {
        let order: Order = serde_json::from_value(job.row.payload.clone())
            .map_err(|error| Error::conflict("payload_unreadable", error.to_string()))?;
        let run = Run::begin(&self.journal, job);
        let done = run.carry_out(order).await;
        if let Err(error) = &done {
            self.journal.write(error.code(), job);
        }
        done
    }
}

/// One run of a job. It ends when this is dropped, however the handler ends.
struct Run<'a> {
    journal: &'a Journal,
    job: &'a Job,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn begin(journal: &'a Journal, job: &'a Job) -> Self {
        journal.write("start", job);
        let progress = serde_json::from_value(job.row.progress.clone()).unwrap_or_default();
        Self { journal, job, progress }
    }

    async fn carry_out(mut self, order: Order) -> Result<Ending> {
        match order {
            Order::Work { ms, steps } => self.work(Duration::from_millis(ms) / steps, steps).await?,
            Order::WorkDeaf { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Order::HangOnce if self.progress.hung => {}
            Order::HangOnce => {
                self.progress.hung = true;
                self.job.progress(&self.progress).await?;
                self.journal.write("hung", self.job);
                std::future::pending::<()>().await;
            }
            Order::DieAfterCommit if self.progress.effect => {}
            Order::DieAfterCommit => {
                self.take_effect().await?;
                abort();
            }
            Order::Abort => abort(),
            Order::Allocate => take_all_memory(),
            Order::Panic => panic!("the drill was told to panic"),
            Order::Fail => return Err(Error::conflict("drill_failed", "the drill was told to fail")),
            Order::Retry { times } if self.job.row.attempts < times => {
                return Err(Error::unavailable(
                    "drill_unavailable",
                    "the drill was told to be tried again",
                    "told",
                ));
            }
            Order::Wait => self.job.signal.until(std::future::pending()).await?,
            Order::Hold if self.job.row.confirmed_at.is_none() => return Ok(Ending::Hold(json!({ "effect": false }))),
            Order::GiveWay { times, ms } if self.progress.steps < times => {
                self.progress.steps += 1;
                self.job.progress(&self.progress).await?;
                return Ok(Ending::Later(Duration::from_millis(ms)));
            }
            Order::Retry { .. } | Order::Hold | Order::GiveWay { .. } => {}
        }
        if !self.progress.effect {
            self.take_effect().await?;
        }
        Ok(Ending::Done(json!({ "effect": true })))
    }

    async fn work(&mut self, each: Duration, steps: u32) -> Result<()> {
        while self.progress.steps < steps {
            let step = async {
                tokio::time::sleep(each).await;
                Ok(())
            };
            self.job.signal.until(step).await?;
            self.progress.steps += 1;
            if self.progress.steps < steps {
                self.job.progress(&self.progress).await?;
            }
        }
        Ok(())
    }

    /// The effect and the note that it was had are one transaction, as in every handler of the product.
    async fn take_effect(&mut self) -> Result<()> {
        self.progress.effect = true;
        let tx = self.job.write().await?;
        insert_effect(&tx, self.job).await?;
        self.job.progress_within(&tx, &self.progress).await?;
        tx.commit().await
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.journal.write("end", self.job);
    }
}

async fn insert_effect(tx: &Fenced, job: &Job) -> Result<()> {
    let insert = "INSERT INTO drill_effects (job_id, token) VALUES ($1, $2)";
    let values = [job.id().into(), job.row.lease_token.into()];
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, insert, values))
        .await?;
    Ok(())
}

/// Until the allocator gives up, which ends the process.
fn take_all_memory() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 64 << 20]);
    }
}

/// What the handlers did: a line each, `what job token nanoseconds`.
struct Journal(Mutex<File>);

impl Journal {
    fn write(&self, what: &str, job: &Job) {
        self.line(
            what,
            &format!("{} {}", job.id(), job.row.lease_token.unwrap_or_default()),
        );
    }

    /// One write, so that a killed process leaves whole lines. They are in the order of their times: where a process took itself
    /// down, none is later than the last one.
    fn line(&self, what: &str, of: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let written = file.write_all(format!("{what} {of} {now}\n").as_bytes());
        if let Err(error) = written {
            tracing::error!(%error, "the journal can't be written");
            abort();
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(Ended::Clean) => ExitCode::SUCCESS,
        Ok(Ended::Cut) => {
            tracing::warn!("cut off");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the drill failed");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Ended, Box<dyn std::error::Error>> {
    egress::install_crypto();
    let path = std::env::args().nth(1).ok_or("usage: drill JOURNAL [product]")?;
    let product = std::env::args().nth(2).is_some_and(|what| what == "product");
    let journal = Arc::new(Journal(Mutex::new(File::create(path)?)));
    let config = Arc::new(Config::from_env()?);
    domain::telemetry::install(&config.log);
    let life = Lifecycle::new();
    heed_signals(&life)?;
    let db = Db::connect(&config.database).await?;
    let dispatcher = Dispatcher::new(db.clone(), &config.redis)?;
    let searcher = Searcher::new(db.clone(), None).await?;
    let mut ctx = Context::new(config.clone(), db.clone(), dispatcher, searcher)?;
    if !product {
        ctx.handlers = Arc::new(Drill { journal });
    }
    let worker = Worker::new(ctx, life.clone());
    let end_of_process = life.stopping().drop_guard();
    life.spawn(async move {
        let _end = end_of_process;
        if let Err(error) = worker.run().await {
            tracing::error!(error = error.story(), "the worker ended");
        }
    });
    tracing::info!("drill ready");
    life.stopping().cancelled().await;
    let ended = life.shutdown(config.worker.shutdown).await;
    db.close().await;
    Ok(ended)
}

/// As the product does: the first signal asks to stop, the second one does not ask.
fn heed_signals(life: &Lifecycle) -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let life = life.clone();
    let heed = async move {
        term.recv().await;
        life.stop();
        tracing::info!("drill stopping");
        term.recv().await;
        life.kill();
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it must outlive the tracked tasks, to take the second signal"
    )]
    let _untracked = tokio::spawn(heed);
    Ok(())
}
