//! Jobs that may have taken workers down, and do not this time.
use async_trait::async_trait;
use domain::{
    Error, Result,
    jobs::{NewJob, Payload, submit_all},
    lifecycle::{Ended, Lifecycle},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use testkit::eventually;
use worker::{Ending, Handlers, Job, Worker};

use crate::support::World;

/// Runs until it is asked to stop, and then for a moment longer.
#[derive(Default)]
struct Lasting {
    begun: AtomicUsize,
}

#[async_trait]
impl Handlers for Lasting {
    async fn run(&self, job: &Job) -> Result<Ending> {
        self.begun.fetch_add(1, SeqCst);
        job.signal.given().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        Err(Error::conflict("interrupted", "the job was asked to stop"))
    }
}

/// As after a night in which workers were lost twice: what crawls for hours must not keep the other suspects out for as long.
#[tokio::test(flavor = "multi_thread")]
async fn suspects_that_last_make_room_for_the_next_and_are_waited_for_at_a_stop() {
    const SUSPECTS: usize = 10;
    let variables = [("WORKER_CONCURRENCY", "16"), ("WORKER_LEASE_SECONDS", "60")];
    let world = World::at("127.0.0.1:9", &variables).await;
    world.without_the_clock().await;
    let tx = world.kit.db.system().await.unwrap();
    let new = vec![NewJob::new(world.customer.id, Payload::Scrape {}); SUSPECTS];
    submit_all(&*tx, &new).await.unwrap();
    tx.execute_unprepared("UPDATE jobs SET starts = 2").await.unwrap();
    tx.commit().await.unwrap();
    let handlers = Arc::new(Lasting::default());
    let mut ctx = world.context();
    ctx.handlers = handlers.clone();
    ctx.suspicion = Duration::from_millis(50);

    let life = Lifecycle::new();
    let worker = life.spawn(Worker::new(ctx, life.clone()).run());
    eventually("all suspects", || async {
        (handlers.begun.load(SeqCst) == SUSPECTS).then_some(())
    })
    .await;
    life.stop();
    worker.await.unwrap().unwrap().unwrap();
    let handed_back = "SELECT count(*) FROM jobs WHERE kind = 'scrape' AND state = 'queued' AND starts = 0";
    assert_eq!(world.kit.count(handed_back).await as usize, SUSPECTS);
    assert_eq!(life.shutdown(Duration::from_secs(20)).await, Ended::Clean);
}

/// A server that is lost leaves their statements waiting for an answer that never comes.
#[tokio::test]
async fn transactions_of_jobs_can_be_looked_for_by_other_connections() {
    let world = World::at("127.0.0.1:9", &[]).await;
    let tx = world.context().db.tenant(&world.customer).await.unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let row = tx.query_one_raw(Statement::from_string(DbBackend::Postgres, held));
    let held: i64 = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(held, 1);
}
