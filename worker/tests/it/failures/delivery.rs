//! Errands that come many times, or not at all.
use crate::fleet::{Fleet, work};
use domain::jobs::{Kind, Lane};
use queue::{Errand, Publisher};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

fn publisher(fleet: &Fleet) -> Publisher {
    Publisher::new(fleet.kit.dispatcher.redis(), &Lane::Queue(Kind::Scrape).stream())
}

fn errand(job: Uuid, fleet: &Fleet) -> Errand {
    Errand {
        job: job.to_string(),
        kind: Kind::Scrape.to_string(),
        customer: fleet.customer.id.to_string(),
        version: 1,
    }
}

/// Waits until nothing waits on the stream and nobody holds anything of it.
async fn drained(publisher: &Publisher) {
    eventually("an empty stream", || async {
        let stats = publisher.stats(domain::jobs::GROUP).await.unwrap();
        (stats.waiting + stats.held == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errand_that_comes_fifty_times_to_two_workers_is_run_once() {
    let mut fleet = Fleet::start(2).await;
    let publisher = publisher(&fleet);
    let jobs = fleet.submit(&work(4, 600, 2)).await;
    let copies: Vec<Errand> = (0..200).map(|n| errand(jobs[n % 4], &fleet)).collect();
    publisher.publish(&copies).await.unwrap();
    fleet.assert_each_done_once(&jobs).await;
    // Those that come after the end, too.
    publisher.publish(&copies).await.unwrap();
    drained(&publisher).await;
    assert_eq!(fleet.starts_of(&jobs), 4);
    fleet.assert_each_done_once(&jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_its_effect_and_the_settlement_repeats_nothing() {
    let mut fleet = Fleet::start(2).await;
    let dying = fleet.submit(&[json!({ "do": "die_after_commit" })]).await;
    let innocent = fleet.submit(&work(10, 300, 3)).await;
    let fallen = eventually("a worker's death", || {
        let fallen = fleet.replace_fallen();
        async move { (fallen > 0).then_some(fallen) }
    })
    .await;
    fleet.assert_each_done_once(&[dying.clone(), innocent].concat()).await;
    assert_eq!(
        (fallen, fleet.starts_of(&dying)),
        (1, 2),
        "it dies once, and has no effect the second time"
    );
    fleet.assert_all_live();
}

/// What two leave that publish the same jobs: the process that made them, and a dispatcher that did not see them on the stream yet.
#[tokio::test(flavor = "multi_thread")]
async fn errands_that_were_published_twice_run_once() {
    let mut fleet = Fleet::start(0).await;
    let customer = fleet.customer.clone();
    let made = fleet.record(&customer, &work(40, 200, 1)).await.unwrap();
    let jobs: Vec<Uuid> = made.iter().map(|made| made.id).collect();
    let errands: Vec<Errand> = jobs.iter().map(|job| errand(*job, &fleet)).collect();
    publisher(&fleet).publish(&errands).await.unwrap();
    publisher(&fleet).publish(&errands).await.unwrap();
    fleet.add();
    fleet.add();
    fleet.assert_each_done_once(&jobs).await;
    assert_eq!(fleet.starts_of(&jobs), 40);
}

/// What a process leaves that dies between its commit and putting errands on the stream.
#[tokio::test(flavor = "multi_thread")]
async fn errands_that_were_never_published_are_found_missing() {
    let mut fleet = Fleet::start(2).await;
    let customer = fleet.customer.clone();
    let made = fleet.record(&customer, &work(5, 100, 1)).await.unwrap();
    assert!(
        made.iter().any(|made| made.errand.is_some()),
        "none was to be dispatched at once"
    );
    let jobs: Vec<Uuid> = made.iter().map(|made| made.id).collect();
    fleet.assert_each_done_once(&jobs).await;
}

/// What is left when a connection breaks between the commit of a claim and its answer: the ledger says that a worker runs a job, and
/// the worker, which lives, knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_given_back() {
    const CLAIM: &str =
        "UPDATE jobs SET state = 'running', starts = 1, lease_token = gen_random_uuid(), started_at = now(),
        worker_id = (SELECT id FROM workers ORDER BY id LIMIT 1) WHERE id = $1 AND state = 'queued'";
    let mut fleet = Fleet::start(2).await;
    eventually("both workers' signs of life", || async {
        (fleet.kit.count("SELECT count(*) FROM workers").await == 2).then_some(())
    })
    .await;
    let customer = fleet.customer.clone();
    let made = fleet.record(&customer, &work(5, 100, 1)).await.unwrap();
    let tx = fleet.db.system().await.unwrap();
    for made in &made {
        let claim = Statement::from_sql_and_values(DbBackend::Postgres, CLAIM, [made.id.into()]);
        tx.execute_raw(claim).await.unwrap();
    }
    tx.commit().await.unwrap();
    let jobs: Vec<Uuid> = made.iter().map(|made| made.id).collect();
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// The worker that dispatches is killed over and over.
#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_that_are_killed_leave_nothing_behind() {
    let mut fleet = Fleet::start(3).await;
    let customer = fleet.customer.clone();
    let mut jobs = Vec::new();
    for n in 0..6 {
        let made = fleet.record(&customer, &work(40, 200, 2)).await.unwrap();
        jobs.extend(made.iter().map(|made| made.id));
        fleet.begun(&jobs, 30 * (n + 1)).await;
        fleet.worker(n).crash().await;
        fleet.add();
    }
    fleet.assert_each_done_once(&jobs).await;
}
