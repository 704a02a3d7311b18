//! Jobs of a moment, which are claimed before there is a seat for them.
use crate::{
    fleet::{Fleet, work},
    support::{Running, World},
};
use async_trait::async_trait;
use domain::{
    Result,
    jobs::{NewJob, Payload, submit_all},
    lifecycle::Lifecycle,
};
use serde_json::json;
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use testkit::eventually;
use worker::{Ending, Handlers, Job, Worker};

/// Ends jobs at once until so many have begun; what begins then waits until it is asked to stop.
#[derive(Default)]
struct Halting {
    until: usize,
    begun: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Handlers for Halting {
    async fn run(&self, job: &Job) -> Result<Ending> {
        self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
        let done = if self.begun.fetch_add(1, SeqCst) < self.until {
            Ok(Ending::Done(json!({})))
        } else {
            job.signal.until(pending()).await
        };
        self.running.fetch_sub(1, SeqCst);
        done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_gives_back_what_it_has_claimed_and_begins_nothing() {
    const SEATS: usize = 2;
    const DONE: usize = 200;
    const ALL: usize = 300;
    let world = World::at("127.0.0.1:9", &[("WORKER_CONCURRENCY", &SEATS.to_string())]).await;
    world.without_the_clock().await;
    let handlers = Arc::new(Halting {
        until: DONE,
        ..Halting::default()
    });
    let mut ctx = world.context();
    ctx.handlers = handlers.clone();
    let tx = world.tx().await;
    let new = vec![NewJob::new(world.customer.id, Payload::Scrape {}); ALL];
    let made = submit_all(&*tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    world.kit.dispatcher.dispatch(&made).await;

    let life = Lifecycle::new();
    let worker = Running::of(life.clone(), life.spawn(Worker::new(ctx, life.clone()).run()));
    eventually("jobs that wait on every seat", || async {
        (handlers.begun.load(SeqCst) == DONE + SEATS).then_some(())
    })
    .await;
    worker.stop().await;

    assert_eq!(handlers.begun.load(SeqCst), DONE + SEATS, "a job began after the stop");
    assert_eq!(handlers.most.load(SeqCst), SEATS);
    let count = async |which: &str| {
        let count = format!("SELECT count(*) FROM jobs WHERE kind = 'scrape' AND {which}");
        world.kit.count(&count).await as usize
    };
    assert_eq!(count("state = 'done'").await, DONE);
    let left = "state = 'queued' AND starts = 0 AND lease_token IS NULL";
    assert_eq!(count(left).await, ALL - DONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_takes_nothing_along_that_it_had_claimed_and_not_begun() {
    let mut fleet = Fleet::start(1).await;
    let jobs = fleet.submit(&work(600, 1, 1)).await;
    fleet.effects(200).await;
    fleet.worker(0).crash().await;
    fleet.add();
    fleet.assert_each_done_once(&jobs).await;
}
