//! The job ledger: one claim, fenced work, an ending that is recorded once.
use domain::{
    jobs::{self, Claim, Claimed, Filter, JobError, Kind, NewJob, Outcome, Payload, Renewal, state},
    tenancy::Customer,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use std::time::Duration;
use testkit::Kit;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(30);

async fn submit(kit: &Kit, customer: &Customer, key: Option<&str>) -> jobs::Submitted {
    let tx = kit.db.tenant(customer).await.unwrap();
    let mut job = NewJob::new(customer.id, Payload::Scrape {});
    job.dedupe_key = key.map(str::to_owned);
    let submitted = jobs::submit(&*tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    submitted
}

async fn claim(kit: &Kit, job: Uuid) -> Claimed {
    match jobs::claim(&kit.db, job, LEASE).await.unwrap() {
        Claim::Run(claimed) => *claimed,
        other => panic!("expected a claim, got {other:?}"),
    }
}

async fn state_of(kit: &Kit, customer: &Customer, job: Uuid) -> entity::job::Model {
    jobs::get(&kit.db.tenant(customer).await.unwrap(), job).await.unwrap()
}

async fn expire_leases(kit: &Kit) {
    let tx = kit.db.system().await.unwrap();
    let expire = "UPDATE jobs SET lease_until = now() - interval '1 minute' WHERE state = 'running'";
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, expire))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_job_is_claimed_once_and_ends_once() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let claimed = claim(&kit, job).await;
    assert!(matches!(jobs::claim(&kit.db, job, LEASE).await.unwrap(), Claim::Stale));
    jobs::settle(&kit.db, claimed.lease, &Outcome::Done(json!({ "pages": 3 })))
        .await
        .unwrap();
    let row = state_of(&kit, &customer, job).await;
    assert_eq!(
        (row.state.as_str(), row.result.unwrap()["pages"].as_i64()),
        (state::DONE, Some(3))
    );
    let again = jobs::settle(&kit.db, claimed.lease, &Outcome::Cancelled)
        .await
        .unwrap_err();
    assert_eq!(again.code(), "lease_lost");
    assert!(matches!(jobs::claim(&kit.db, job, LEASE).await.unwrap(), Claim::Stale));
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_can_write_nothing() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let zombie = claim(&kit, job).await;
    expire_leases(&kit).await;
    let heir = claim(&kit, job).await;
    assert_ne!(zombie.lease, heir.lease);

    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::fence(&*tx, zombie.lease).await.unwrap_err().code(), "lease_lost");
    assert!(jobs::save_progress(&*tx, zombie.lease, &json!({})).await.is_err());
    assert_eq!(jobs::renew(&kit.db, zombie.lease, LEASE).await.unwrap(), Renewal::Lost);
    assert!(
        jobs::settle(&kit.db, zombie.lease, &Outcome::Done(json!({})))
            .await
            .is_err()
    );
    jobs::fence(&*kit.db.tenant(&customer).await.unwrap(), heir.lease)
        .await
        .unwrap();
    assert_eq!(jobs::renew(&kit.db, heir.lease, LEASE).await.unwrap(), Renewal::Held);
}

#[tokio::test]
async fn a_job_that_takes_its_workers_down_is_a_dead_letter_and_one_that_moves_on_is_not() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (poison, innocent) = (
        submit(&kit, &customer, None).await.id,
        submit(&kit, &customer, None).await.id,
    );
    for _ in 0..jobs::MAX_STARTS {
        claim(&kit, poison).await;
        let lease = claim(&kit, innocent).await.lease;
        let tx = kit.db.tenant(&customer).await.unwrap();
        jobs::save_progress(&*tx, lease, &json!({ "done": 1 })).await.unwrap();
        tx.commit().await.unwrap();
        expire_leases(&kit).await;
    }
    assert!(matches!(
        jobs::claim(&kit.db, poison, LEASE).await.unwrap(),
        Claim::Dead
    ));
    let row = state_of(&kit, &customer, poison).await;
    assert_eq!(
        (row.state.as_str(), row.error.unwrap()["code"].as_str()),
        (state::DEAD, Some("worker_crashed"))
    );
    claim(&kit, innocent).await;

    let tx = kit.db.tenant(&customer).await.unwrap();
    let again = jobs::retry(&tx, poison).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((again.state.as_str(), again.starts), (state::QUEUED, 0));
}

#[tokio::test]
async fn a_retry_waits_for_its_time_and_the_last_one_is_a_dead_letter() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let error = || JobError::new("http_503", "the site is busy");
    for attempt in 1..=5 {
        let lease = claim(&kit, job).await.lease;
        jobs::settle(&kit.db, lease, &Outcome::Retry(error(), Some(Duration::ZERO)))
            .await
            .unwrap();
        let row = state_of(&kit, &customer, job).await;
        assert_eq!(row.attempts, attempt);
        if attempt < 5 {
            assert_eq!(row.state, state::SCHEDULED);
            assert!(
                matches!(jobs::claim(&kit.db, job, LEASE).await.unwrap(), Claim::Stale),
                "its time has not come"
            );
            kit.dispatcher.tick().await.unwrap();
        } else {
            assert_eq!(
                (row.state.as_str(), row.error.unwrap()["code"].as_str()),
                (state::DEAD, Some("http_503"))
            );
        }
    }
}

#[tokio::test]
async fn a_live_job_with_the_same_key_is_returned_instead_of_a_second_one() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let first = submit(&kit, &a, Some("https://a.example/")).await;
    let second = submit(&kit, &a, Some("https://a.example/")).await;
    assert!(first.fresh && !second.fresh && first.id == second.id);
    assert!(
        submit(&kit, &b, Some("https://a.example/")).await.fresh,
        "keys of two customers do not meet"
    );
    let lease = claim(&kit, first.id).await.lease;
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
    assert!(submit(&kit, &a, Some("https://a.example/")).await.fresh);
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_tells_what_runs() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (waiting, running) = (
        submit(&kit, &customer, None).await.id,
        submit(&kit, &customer, None).await.id,
    );
    let lease = claim(&kit, running).await.lease;
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::cancel(&tx, waiting).await.unwrap().state, state::CANCELLED);
    assert_eq!(jobs::cancel(&tx, running).await.unwrap().state, state::RUNNING);
    tx.commit().await.unwrap();
    assert!(matches!(
        jobs::claim(&kit.db, waiting, LEASE).await.unwrap(),
        Claim::Stale
    ));
    assert_eq!(
        jobs::renew(&kit.db, lease, LEASE).await.unwrap(),
        Renewal::CancelRequested
    );
    jobs::settle(&kit.db, lease, &Outcome::Cancelled).await.unwrap();
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::cancel(&tx, running).await.unwrap_err().code(), "job_ended");
    let cancelled = Filter {
        state: Some("cancelled".into()),
        ..Filter::default()
    };
    assert_eq!(jobs::list(&tx, &cancelled, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_rolled_back_with_its_cause_never_existed() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    jobs::submit(&*tx, &NewJob::new(customer.id, Payload::Scrape {}))
        .await
        .unwrap();
    drop(tx);
    assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 0);
    assert_eq!(kit.count("SELECT count(*) FROM job_events").await, 0);
}

#[tokio::test]
async fn errands_lost_with_redis_are_dispatched_again_and_orphans_are_queued() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    assert!(kit.dispatcher.nudge(&[job]).await);
    let mut redis = kit.dispatcher.redis();
    let waiting = |redis: &mut redis::aio::ConnectionManager| {
        let mut redis = redis.clone();
        async move {
            redis::cmd("XLEN")
                .arg("queue:{omniops-scrape}")
                .query_async::<u64>(&mut redis)
                .await
                .unwrap()
        }
    };
    assert_eq!(waiting(&mut redis).await, 1);
    redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    assert_eq!(
        kit.dispatcher.reconcile().await.unwrap().errands,
        0,
        "too fresh to be called lost"
    );
    let tx = kit.db.system().await.unwrap();
    let age = "UPDATE jobs SET dispatched_at = now() - interval '1 minute'";
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, age))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kit.dispatcher.reconcile().await.unwrap().errands, 1);
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(waiting(&mut redis).await, 1);

    claim(&kit, job).await;
    expire_leases(&kit).await;
    assert_eq!(kit.dispatcher.reconcile().await.unwrap().orphans, 1);
    assert_eq!(state_of(&kit, &customer, job).await.state, state::QUEUED);
}

#[tokio::test]
async fn a_customer_with_many_jobs_does_not_delay_another_s_few() {
    let kit = Kit::start().await;
    let (big, small) = (kit.customer("big.example").await, kit.customer("small.example").await);
    let tx = kit.db.tenant(&big).await.unwrap();
    for _ in 0..(jobs::WINDOW + 50) {
        jobs::submit(&*tx, &NewJob::new(big.id, Payload::Scrape {}))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let few = submit(&kit, &small, None).await.id;
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(
        kit.count("SELECT count(*) FROM jobs WHERE dispatched_at IS NOT NULL")
            .await,
        jobs::WINDOW as i64
    );
    assert!(state_of(&kit, &small, few).await.dispatched_at.is_some());
}

#[tokio::test]
async fn jobs_are_recorded_while_redis_is_away_and_dispatched_when_it_is_back() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    kit.services.stop_server(local_services::Server::Valkey).unwrap();
    let job = submit(&kit, &customer, None).await.id;
    assert!(!kit.dispatcher.nudge(&[job]).await);
    assert!(state_of(&kit, &customer, job).await.dispatched_at.is_none());
    kit.services.start_server(local_services::Server::Valkey).unwrap();
    testkit::eventually("the dispatcher to reconnect", || async {
        kit.dispatcher.tick().await.ok()?;
        state_of(&kit, &customer, job).await.dispatched_at
    })
    .await;
}

#[tokio::test]
async fn events_reach_a_live_reader_in_order_and_a_late_one_resumes() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let mut reader = kit.live().reader(&customer, job, 0);
    assert_eq!(reader.next().await.unwrap().kind, "queued");
    let lease = claim(&kit, job).await.lease;
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({ "ok": true })))
        .await
        .unwrap();
    kit.dispatcher.tick().await.unwrap();
    let started = reader.next().await.unwrap();
    let done = reader.next().await.unwrap();
    assert_eq!((started.kind.as_str(), done.kind.as_str()), ("started", "done"));
    assert_eq!(done.data["result"]["ok"], json!(true));
    let mut late = kit.live().reader(&customer, job, started.id);
    assert_eq!(late.next().await.unwrap().id, done.id);
    assert_eq!(
        jobs::queue_stats(&kit.db)
            .await
            .unwrap()
            .iter()
            .find(|q| q.kind == Kind::Scrape)
            .unwrap()
            .depth,
        0
    );
}
