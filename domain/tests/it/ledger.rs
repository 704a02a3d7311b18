//! The job ledger: one claim, fenced work, an ending that is recorded once.
use domain::{
    error,
    jobs::{self, Ask, Claim, Claimed, Filter, Identity, JobError, MaintenanceTask, NewJob, Outcome, Payload, state},
    tenancy::Customer,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use std::time::Duration;
use testkit::{Kit, eventually};
use uuid::Uuid;

const LEASE: Duration = Duration::from_mins(10);
const SCRAPE: &str = "queue:{omniops-scrape}";
const EXPRESS: &str = "queue:{omniops-express}";
const QUARANTINE: &str = "queue:{omniops-quarantine}";

async fn submit(kit: &Kit, customer: &Customer, key: Option<&str>) -> jobs::Submitted {
    let tx = kit.db.tenant(customer).await.unwrap();
    let mut job = NewJob::new(customer.id, Payload::Scrape {});
    job.dedupe_key = key.map(str::to_owned);
    let submitted = jobs::submit(&*tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    submitted
}

async fn submit_many(kit: &Kit, customer: &Customer, count: usize) -> Vec<jobs::Submitted> {
    let tx = kit.db.tenant(customer).await.unwrap();
    let new = vec![NewJob::new(customer.id, Payload::Scrape {}); count];
    let made = jobs::submit_all(&*tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    made
}

/// A worker that is alive.
async fn worker(kit: &Kit) -> Identity {
    let worker = Identity::new("test", "0");
    jobs::beat(&kit.db, &worker, LEASE, false).await.unwrap();
    worker
}

async fn ask(kit: &Kit, worker: &Identity, job: Uuid, quarantined: bool) -> Claim {
    let asks = [Ask { job, quarantined }];
    jobs::claim_all(&kit.db, worker.id, &asks).await.unwrap().pop().unwrap()
}

/// Takes the job by whichever lane it may come.
async fn claim(kit: &Kit, worker: &Identity, job: Uuid) -> Claimed {
    let claim = match ask(kit, worker, job, false).await {
        Claim::Stale => ask(kit, worker, job, true).await,
        claim => claim,
    };
    match claim {
        Claim::Run(claimed) => *claimed,
        other => panic!("expected a claim, got {other:?}"),
    }
}

async fn state_of(kit: &Kit, customer: &Customer, job: Uuid) -> entity::job::Model {
    jobs::get(&kit.db.tenant(customer).await.unwrap(), job).await.unwrap()
}

async fn execute(kit: &Kit, statement: &str) {
    let tx = kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// All workers have been silent for longer than their leases.
async fn silence(kit: &Kit) {
    execute(kit, "UPDATE workers SET alive_until = now() - interval '1 minute'").await;
}

/// What waits for its time has waited long enough.
async fn time_comes(kit: &Kit) {
    execute(kit, "UPDATE jobs SET run_at = now() WHERE state = 'scheduled'").await;
}

async fn length(kit: &Kit, stream: &str) -> u64 {
    let mut redis = kit.dispatcher.redis();
    redis::cmd("XLEN").arg(stream).query_async(&mut redis).await.unwrap()
}

#[tokio::test]
async fn a_job_is_claimed_once_and_ends_once() {
    let kit = Kit::start().await;
    let worker = worker(&kit).await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let claimed = claim(&kit, &worker, job).await;
    assert_eq!(claimed.customer.as_ref(), Some(&customer));
    assert!(matches!(ask(&kit, &worker, job, true).await, Claim::Stale));
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
    assert!(matches!(ask(&kit, &worker, job, true).await, Claim::Stale));
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_can_write_nothing() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let (frozen, other) = (worker(&kit).await, Identity::new("test", "0"));
    let zombie = claim(&kit, &frozen, job).await;
    silence(&kit).await;
    jobs::beat(&kit.db, &other, LEASE, false).await.unwrap();
    let heir = claim(&kit, &other, job).await;
    assert_ne!(zombie.lease, heir.lease);

    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::fence(&*tx, zombie.lease).await.unwrap_err().code(), "lease_lost");
    assert!(jobs::save_progress(&*tx, zombie.lease, &json!({})).await.is_err());
    let late = jobs::settle(&kit.db, zombie.lease, &Outcome::Done(json!({}))).await;
    assert_eq!(late.unwrap_err().code(), "lease_lost");
    jobs::fence(&*kit.db.tenant(&customer).await.unwrap(), heir.lease)
        .await
        .unwrap();
    // The frozen worker thaws: it lives again, and learns that it holds nothing.
    assert_eq!(jobs::beat(&kit.db, &frozen, LEASE, false).await.unwrap(), []);
    let held = jobs::beat(&kit.db, &other, LEASE, false).await.unwrap();
    assert_eq!(
        held.iter().map(|h| (h.lease.job, h.lease.token)).collect::<Vec<_>>(),
        [(job, heir.lease.token)]
    );
}

#[tokio::test]
async fn a_worker_that_was_frozen_and_robbed_of_nothing_goes_on() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let frozen = worker(&kit).await;
    let claimed = claim(&kit, &frozen, job).await;
    silence(&kit).await;
    let held = jobs::beat(&kit.db, &frozen, LEASE, false).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(kit.dispatcher.reconcile().await.unwrap().orphans, 0);
    jobs::settle(&kit.db, claimed.lease, &Outcome::Done(json!({})))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_job_that_takes_its_workers_down_is_a_dead_letter_and_one_that_moves_on_is_not() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (poison, innocent) = (
        submit(&kit, &customer, None).await.id,
        submit(&kit, &customer, None).await.id,
    );
    for round in 0..jobs::MAX_STARTS {
        let worker = worker(&kit).await;
        claim(&kit, &worker, poison).await;
        let Claim::Run(claimed) = ask(&kit, &worker, innocent, false).await else {
            panic!("an innocent job in quarantine")
        };
        let tx = kit.db.tenant(&customer).await.unwrap();
        let progress = json!({ "done": round });
        jobs::save_progress(&*tx, claimed.lease, &progress).await.unwrap();
        tx.commit().await.unwrap();
        silence(&kit).await;
    }
    let worker = worker(&kit).await;
    assert!(matches!(ask(&kit, &worker, poison, true).await, Claim::Dead));
    let row = state_of(&kit, &customer, poison).await;
    assert_eq!(
        (row.state.as_str(), row.error.unwrap()["code"].as_str()),
        (state::DEAD, Some("worker_crashed"))
    );
    claim(&kit, &worker, innocent).await;

    let tx = kit.db.tenant(&customer).await.unwrap();
    let again = jobs::retry(&tx, poison).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((again.state.as_str(), again.starts), (state::QUEUED, 0));
}

#[tokio::test]
async fn a_retry_waits_for_its_time_and_the_last_one_is_a_dead_letter() {
    let kit = Kit::start().await;
    let worker = worker(&kit).await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let error = || JobError::new("http_503", "the site is busy");
    for attempt in 1..=5 {
        let lease = claim(&kit, &worker, job).await.lease;
        jobs::settle(&kit.db, lease, &Outcome::Retry(error(), Some(Duration::ZERO)))
            .await
            .unwrap();
        let row = state_of(&kit, &customer, job).await;
        assert_eq!(row.attempts, attempt);
        if attempt < 5 {
            assert_eq!(row.state, state::SCHEDULED);
            assert!(
                matches!(ask(&kit, &worker, job, true).await, Claim::Stale),
                "its time has not come"
            );
            time_comes(&kit).await;
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
    let worker = worker(&kit).await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let first = submit(&kit, &a, Some("https://a.example/")).await;
    let second = submit(&kit, &a, Some("https://a.example/")).await;
    assert!(first.fresh && !second.fresh && first.id == second.id);
    assert!(
        submit(&kit, &b, Some("https://a.example/")).await.fresh,
        "keys of two customers do not meet"
    );
    let lease = claim(&kit, &worker, first.id).await.lease;
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
    assert!(submit(&kit, &a, Some("https://a.example/")).await.fresh);
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_tells_what_runs() {
    let kit = Kit::start().await;
    let worker = worker(&kit).await;
    let customer = kit.customer("a.example").await;
    let (waiting, running) = (
        submit(&kit, &customer, None).await.id,
        submit(&kit, &customer, None).await.id,
    );
    let lease = claim(&kit, &worker, running).await.lease;
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::cancel(&tx, waiting).await.unwrap().state, state::CANCELLED);
    assert_eq!(jobs::cancel(&tx, running).await.unwrap().state, state::RUNNING);
    tx.commit().await.unwrap();
    assert!(matches!(ask(&kit, &worker, waiting, true).await, Claim::Stale));
    let held = jobs::beat(&kit.db, &worker, LEASE, false).await.unwrap();
    assert_eq!(
        held.iter()
            .map(|h| (h.lease.job, h.cancel_requested))
            .collect::<Vec<_>>(),
        [(running, true)]
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

/// A change of the whole index may hold its job for minutes.
#[tokio::test]
async fn a_cancel_does_not_wait_for_a_job_that_is_held_for_long() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let change = kit.db.system().await.unwrap();
    let hold = format!("SELECT FROM jobs WHERE id = '{job}' FOR SHARE");
    change.execute_unprepared(&hold).await.unwrap();
    let tx = kit.db.tenant(&customer).await.unwrap();
    let refused = jobs::cancel(&tx, job).await.unwrap_err();
    assert_eq!(refused.code(), "job_busy");
    assert!(matches!(refused.kind(), error::Kind::Unavailable { .. }));
    drop(tx);
    change.commit().await.unwrap();
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::cancel(&tx, job).await.unwrap().state, state::CANCELLED);
}

/// What is asked for by a person must not wait until the night in which the clock would have had it.
#[tokio::test]
async fn a_job_that_waits_comes_as_soon_and_as_early_as_its_latest_twin_asks() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let submit = async |priority: i16, wait: time::Duration| {
        let new = NewJob {
            priority,
            run_at: Some(kit.clock().now() + wait),
            dedupe_key: Some("twin".into()),
            ..NewJob::new(customer.id, Payload::Scrape {})
        };
        let tx = kit.db.tenant(&customer).await.unwrap();
        let made = jobs::submit(&*tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        made.id
    };
    let (hour, day) = (time::Duration::HOUR, time::Duration::DAY);
    let job = submit(jobs::SOON, day).await;
    assert_eq!(submit(jobs::BULK, 2 * day).await, job);
    let waits =
        "SELECT count(*) FROM jobs WHERE state = 'scheduled' AND priority = 5 AND run_at > now() + interval '12 hours'";
    assert_eq!(kit.count(waits).await, 1, "a twin puts nothing off");
    assert_eq!(submit(jobs::NOW, hour).await, job);
    let sooner = "SELECT count(*) FROM jobs WHERE priority = 10 AND run_at < now() + interval '2 hours'";
    assert_eq!(kit.count(sooner).await, 1);
    assert_eq!(submit(jobs::BULK, -hour).await, job);
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(
        kit.count("SELECT count(*) FROM jobs WHERE state = 'queued' AND priority = 10")
            .await,
        1
    );
    // What has failed waits for a reason.
    let failed = format!(
        "UPDATE jobs SET state = 'scheduled', error = '{{}}', run_at = now() + interval '1 hour' WHERE id = '{job}'"
    );
    let tx = kit.db.system().await.unwrap();
    tx.execute_unprepared(&failed).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(submit(jobs::NOW, -hour).await, job);
    assert_eq!(kit.count("SELECT count(*) FROM jobs WHERE run_at > now()").await, 1);
}

/// The cancel comes while the job's transaction is open: what that starts is not yet to be seen.
#[tokio::test]
async fn a_cancel_meets_what_its_job_starts_at_that_moment() {
    let kit = Kit::start().await;
    let worker = worker(&kit).await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer, None).await.id;
    let lease = claim(&kit, &worker, job).await.lease;
    let tx = kit.db.tenant(&customer).await.unwrap();
    jobs::fence(&*tx, lease).await.unwrap();
    assert!(!jobs::is_cancelled(&tx, job).await.unwrap());
    let child = NewJob {
        parent: Some(job),
        ..NewJob::new(customer.id, Payload::Scrape {})
    };
    let child = jobs::submit(&*tx, &child).await.unwrap().id;
    let cancel = eventually("a cancel that is not put off", || async {
        let tx = kit.db.tenant(&customer).await.unwrap();
        match jobs::cancel(&tx, job).await {
            Err(error) if error.code() == "job_busy" => return None,
            cancelled => drop(cancelled.unwrap()),
        }
        tx.commit().await.unwrap();
        Some(())
    });
    let end = async {
        eventually("a cancel that waits", || async {
            (kit.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0).then_some(())
        })
        .await;
        tx.commit().await.unwrap();
    };
    tokio::join!(cancel, end);
    assert_eq!(state_of(&kit, &customer, child).await.state, state::CANCELLED);
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert!(jobs::is_cancelled(&tx, job).await.unwrap());
}

#[tokio::test]
async fn a_long_job_gives_way_to_other_customers_whatever_is_urgent_to_whom() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let long = submit(&kit, &a, None).await.id;
    execute(&kit, "UPDATE jobs SET state = 'running', priority = 5").await;
    let long = state_of(&kit, &a, long).await;
    for (customer, priority, waits) in [(&a, 0, false), (&a, 5, true), (&b, 0, true), (&b, 10, true)] {
        let other = submit(&kit, customer, None).await.id;
        let waiting = format!(
            "UPDATE jobs SET priority = {priority}, run_at = now() - interval '5 seconds' WHERE id = '{other}'"
        );
        execute(&kit, &waiting).await;
        let told = jobs::others_wait(&kit.db, &long).await.unwrap();
        assert_eq!(told, waits, "{} with {priority}", customer.domain);
        execute(&kit, &format!("DELETE FROM jobs WHERE id = '{other}'")).await;
    }
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
async fn a_cancelled_job_never_runs_again_however_its_run_ends() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let error = || JobError::new("http_503", "the site is busy");
    for outcome in [
        Outcome::HandBack,
        Outcome::Retry(error(), None),
        Outcome::Fault(error()),
        Outcome::Hold(json!({})),
        Outcome::Later(Duration::ZERO),
        Outcome::Later(Duration::from_mins(1)),
    ] {
        let worker = worker(&kit).await;
        let job = submit(&kit, &customer, None).await.id;
        let lease = claim(&kit, &worker, job).await.lease;
        let tx = kit.db.tenant(&customer).await.unwrap();
        jobs::cancel(&tx, job).await.unwrap();
        tx.commit().await.unwrap();
        jobs::settle(&kit.db, lease, &outcome).await.unwrap();
        assert_eq!(
            state_of(&kit, &customer, job).await.state,
            state::CANCELLED,
            "{outcome:?}"
        );
    }
    let worker = worker(&kit).await;
    let job = submit(&kit, &customer, None).await.id;
    claim(&kit, &worker, job).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    jobs::cancel(&tx, job).await.unwrap();
    tx.commit().await.unwrap();
    silence(&kit).await;
    kit.dispatcher.reconcile().await.unwrap();
    assert_eq!(
        state_of(&kit, &customer, job).await.state,
        state::CANCELLED,
        "with its worker gone"
    );
}

#[tokio::test]
async fn a_fault_of_ours_counts_as_a_start_and_ends_in_quarantine() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let job = submit(&kit, &customer, None).await.id;
    for start in 1..=jobs::MAX_STARTS {
        let claimed = claim(&kit, &worker, job).await;
        assert_eq!(claimed.job.starts, start);
        let fault = Outcome::Fault(JobError::new("panic", "a fault of ours"));
        jobs::settle(&kit.db, claimed.lease, &fault).await.unwrap();
        if start < jobs::MAX_STARTS {
            assert_eq!(state_of(&kit, &customer, job).await.state, state::SCHEDULED);
            execute(&kit, "UPDATE jobs SET run_at = now()").await;
            let mut redis = kit.dispatcher.redis();
            redis::cmd("DEL")
                .arg(SCRAPE)
                .query_async::<()>(&mut redis)
                .await
                .unwrap();
            kit.dispatcher.tick().await.unwrap();
            let quarantined = start == jobs::MAX_STARTS - 1;
            assert_eq!(length(&kit, QUARANTINE).await, u64::from(quarantined));
            if quarantined {
                assert!(matches!(ask(&kit, &worker, job, false).await, Claim::Stale));
            }
        }
    }
    let dead = state_of(&kit, &customer, job).await;
    assert_eq!((dead.state.as_str(), dead.attempts), (state::DEAD, 0));
    assert_eq!(dead.error.unwrap()["code"], "panic");
}

#[tokio::test]
async fn many_jobs_end_in_one_statement_and_one_that_was_lost_spoils_none() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let made = submit_many(&kit, &customer, 5).await;
    let asks: Vec<Ask> = made
        .iter()
        .chain(&made[..1])
        .map(|made| Ask {
            job: made.id,
            quarantined: false,
        })
        .collect();
    let claims = jobs::claim_all(&kit.db, worker.id, &asks).await.unwrap();
    let leases: Vec<_> = claims
        .into_iter()
        .filter_map(|claim| match claim {
            Claim::Run(claimed) => Some(claimed.lease),
            _ => None,
        })
        .collect();
    assert_eq!(leases.len(), 5, "the sixth asks for the first job a second time");
    let mut ends: Vec<_> = leases
        .iter()
        .map(|lease| (*lease, Outcome::Done(json!({ "text": "a\0b" }))))
        .collect();
    ends[2].0.token = Uuid::nil();
    ends[3].1 = Outcome::Fail(JobError::new("robots_refused", "no"));
    let settled = jobs::settle_all(&kit.db, &ends).await.unwrap();
    let settled: Vec<bool> = settled.into_iter().map(|end| end.recorded().unwrap()).collect();
    assert_eq!(settled, [true, true, false, true, true]);
    let of = |state: &str| format!("SELECT count(*) FROM jobs WHERE state = '{state}'");
    let counts = [
        kit.count(&of("done")).await,
        kit.count(&of("failed")).await,
        kit.count(&of("running")).await,
    ];
    assert_eq!(counts, [3, 1, 1]);
    assert_eq!(
        kit.count("SELECT count(*) FROM job_events WHERE kind IN ('done', 'failed')")
            .await,
        4
    );
}

#[tokio::test]
async fn the_system_has_jobs_of_its_own_that_no_customer_sees() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let mut new = NewJob::system(Payload::Maintenance {
        task: MaintenanceTask::Retention,
    });
    new.dedupe_key = Some("retention".into());
    let tx = kit.db.system().await.unwrap();
    let made = jobs::submit_all(&*tx, &[new.clone(), new]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(made[0].fresh && !made[1].fresh && made[0].id == made[1].id);
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::get(&tx, made[0].id).await.unwrap_err().code(), "not_found");
    kit.dispatcher.tick().await.unwrap();
    assert!(claim(&kit, &worker, made[0].id).await.customer.is_none());
}

#[tokio::test]
async fn errands_lost_with_redis_are_dispatched_again_and_orphans_are_queued() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let made = submit(&kit, &customer, None).await;
    let job = made.id;
    assert!(kit.dispatcher.dispatch(&[made]).await);
    assert_eq!(length(&kit, EXPRESS).await, 1);
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(
        length(&kit, SCRAPE).await,
        0,
        "what is on one lane is not published on another"
    );
    let mut redis = kit.dispatcher.redis();
    redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(length(&kit, SCRAPE).await, 1);
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(length(&kit, SCRAPE).await, 1, "what is there is not published again");

    let worker = worker(&kit).await;
    claim(&kit, &worker, job).await;
    silence(&kit).await;
    assert_eq!(kit.dispatcher.reconcile().await.unwrap().orphans, 1);
    assert_eq!(state_of(&kit, &customer, job).await.state, state::QUEUED);
    jobs::beat(&kit.db, &worker, LEASE, false).await.unwrap();
    claim(&kit, &worker, job).await;
    silence(&kit).await;
    assert_eq!(kit.dispatcher.reconcile().await.unwrap().orphans, 1);
    redis::cmd("DEL")
        .arg(SCRAPE)
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(
        length(&kit, QUARANTINE).await,
        1,
        "who took two workers down goes into quarantine"
    );
    assert!(matches!(ask(&kit, &worker, job, false).await, Claim::Stale));
}

#[tokio::test]
async fn an_errand_that_was_lost_from_a_busy_stream_is_missed_all_the_same() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let lost = submit(&kit, &customer, None).await;
    assert!(lost.errand.is_some(), "it was to be published at once");
    let waiting = submit_many(&kit, &customer, 3).await;
    kit.dispatcher.dispatch(&waiting).await;
    assert_eq!(length(&kit, EXPRESS).await, 3);
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(on_stream(&kit).await, [(lost.id, customer.id)]);
}

#[tokio::test]
async fn few_jobs_start_at_once_and_many_wait_for_the_dispatcher() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let made = submit_many(&kit, &customer, 100).await;
    let direct = made.iter().filter(|made| made.errand.is_some()).count();
    assert_eq!(direct, 16);
    assert!(submit(&kit, &customer, None).await.errand.is_none());
    let other = kit.customer("b.example").await;
    assert!(
        submit(&kit, &other, None).await.errand.is_some(),
        "another customer's jobs don't count"
    );
    execute(
        &kit,
        "INSERT INTO queue_controls (kind, max_running) VALUES ('scrape', 5)",
    )
    .await;
    let third = kit.customer("c.example").await;
    assert!(
        submit(&kit, &third, None).await.errand.is_none(),
        "a limit is the dispatcher's to keep"
    );
}

/// The jobs whose errands are on the stream of crawls, and whose they are, in order.
async fn on_stream(kit: &Kit) -> Vec<(Uuid, Uuid)> {
    let mut redis = kit.dispatcher.redis();
    let mut range = redis::cmd("XRANGE");
    let range: redis::streams::StreamRangeReply = range
        .arg(SCRAPE)
        .arg("-")
        .arg("+")
        .query_async(&mut redis)
        .await
        .unwrap();
    let id = |entry: &redis::streams::StreamId, name| entry.get::<String>(name).unwrap().parse().unwrap();
    range
        .ids
        .iter()
        .map(|entry| (id(entry, "job"), id(entry, "customer")))
        .collect()
}

/// What the dispatcher chooses: whose it is and of which priority, in order.
async fn dispatched(kit: &Kit) -> Vec<(Uuid, i16)> {
    kit.dispatcher.tick().await.unwrap();
    let mut found = Vec::new();
    for (job, customer) in on_stream(kit).await {
        let priority = format!("SELECT priority::bigint FROM jobs WHERE id = '{job}'");
        found.push((customer, kit.count(&priority).await as i16));
    }
    found
}

#[tokio::test]
async fn a_customer_with_many_jobs_does_not_delay_another_s_few_and_interactive_work_comes_first() {
    let kit = Kit::start().await;
    let (big, small) = (kit.customer("big.example").await, kit.customer("small.example").await);
    // What is submitted within a limit's reach is not dispatched at once, so the dispatcher chooses among all.
    execute(
        &kit,
        "INSERT INTO queue_controls (kind, max_running) VALUES ('scrape', 1000)",
    )
    .await;
    submit_many(&kit, &big, 500).await;
    submit_many(&kit, &small, 3).await;
    let tx = kit.db.tenant(&big).await.unwrap();
    let mut urgent = NewJob::new(big.id, Payload::Scrape {});
    urgent.priority = 10;
    jobs::submit(&*tx, &urgent).await.unwrap();
    tx.commit().await.unwrap();
    let order = dispatched(&kit).await;
    assert_eq!(order.len(), 16, "a small window at first");
    assert_eq!(order[0], (big.id, 10));
    let turns: Vec<Uuid> = order[1..7].iter().map(|(customer, _)| *customer).collect();
    assert_eq!(turns.iter().filter(|id| **id == small.id).count(), 3, "{turns:?}");
    // What the big one has in flight counts as turns taken.
    let worker = worker(&kit).await;
    for (job, customer) in on_stream(&kit).await {
        if customer == big.id {
            claim(&kit, &worker, job).await;
        } else {
            let lease = claim(&kit, &worker, job).await.lease;
            jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
        }
    }
    let mut redis = kit.dispatcher.redis();
    redis::cmd("DEL")
        .arg(SCRAPE)
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    submit_many(&kit, &small, 5).await;
    let next = dispatched(&kit).await;
    assert!(next[..5].iter().all(|(customer, _)| *customer == small.id), "{next:?}");
}

/// A shop's webhooks, say, of ten thousand products that have changed.
#[tokio::test]
async fn one_customer_s_urgent_jobs_take_turns_with_the_usual_ones_of_another() {
    let kit = Kit::start().await;
    let (many, few) = (kit.customer("many.example").await, kit.customer("few.example").await);
    execute(
        &kit,
        "INSERT INTO queue_controls (kind, max_running) VALUES ('scrape', 1000)",
    )
    .await;
    submit_many(&kit, &many, 500).await;
    execute(&kit, "UPDATE jobs SET priority = 10").await;
    submit_many(&kit, &few, 5).await;
    let order = dispatched(&kit).await;
    let first: Vec<Uuid> = order[..10].iter().map(|(customer, _)| *customer).collect();
    assert_eq!(first.iter().filter(|id| **id == few.id).count(), 5, "{order:?}");
    assert_eq!(
        order[0],
        (many.id, 10),
        "priority decides between those whose turn it is"
    );
}

/// During an upgrade, a dispatcher of the older build leaves them to the newer one's.
#[tokio::test]
async fn jobs_of_a_newer_build_are_not_dispatched() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let made = submit_many(&kit, &customer, 4).await;
    let of = |version: u32, ids: &[jobs::Submitted]| {
        let ids: Vec<String> = ids.iter().map(|made| format!("'{}'", made.id)).collect();
        format!(
            "UPDATE jobs SET payload_version = {version}, starts = CASE WHEN id = {} THEN 2 ELSE 0 END WHERE id IN ({})",
            ids[0],
            ids.join(",")
        )
    };
    execute(&kit, &of(Payload::VERSION + 1, &made[..2])).await;
    execute(&kit, &of(Payload::VERSION - 1, &made[3..])).await;
    kit.dispatcher.tick().await.unwrap();
    let sent: Vec<Uuid> = on_stream(&kit).await.into_iter().map(|(job, _)| job).collect();
    assert_eq!(sent, [made[2].id]);
    assert_eq!(length(&kit, QUARANTINE).await, 1, "the older one is a suspect here");
    execute(&kit, &of(Payload::VERSION, &made[..2])).await;
    kit.dispatcher.tick().await.unwrap();
    assert_eq!((length(&kit, SCRAPE).await, length(&kit, QUARANTINE).await), (2, 2));
}

#[tokio::test]
async fn limits_that_are_lowered_take_back_what_no_worker_was_given() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    submit_many(&kit, &a, 30).await;
    submit_many(&kit, &b, 1).await;
    let sent = async || {
        kit.dispatcher.reconcile().await.unwrap();
        kit.dispatcher.tick().await.unwrap();
        let sent = on_stream(&kit).await;
        let of_a = sent.iter().filter(|(_, whose)| *whose == a.id).count();
        (sent.len(), of_a)
    };
    assert!(sent().await.0 > 10);
    let operator = jobs::Operator::named("cli");
    let limit = async |all: Option<i32>, each: Option<i32>| {
        jobs::limit_queue(&kit.db, jobs::Kind::Scrape, all, each, operator)
            .await
            .unwrap();
    };
    limit(None, Some(3)).await;
    assert_eq!(sent().await, (4, 3));
    limit(Some(3), Some(3)).await;
    assert_eq!(sent().await, (3, 2));
    // What fits stays where it is.
    let before = on_stream(&kit).await;
    limit(Some(4), Some(3)).await;
    assert_eq!(sent().await, (4, 3));
    assert!(on_stream(&kit).await.starts_with(&before));
    limit(Some(1), None).await;
    assert_eq!(sent().await.0, 1);
}

#[tokio::test]
async fn limits_that_are_lowered_take_back_what_was_to_start_at_once() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let made = submit_many(&kit, &customer, 10).await;
    assert!(kit.dispatcher.dispatch(&made).await);
    assert_eq!(length(&kit, EXPRESS).await, 10);
    let operator = jobs::Operator::named("cli");
    jobs::limit_queue(&kit.db, jobs::Kind::Scrape, None, Some(2), operator)
        .await
        .unwrap();
    kit.dispatcher.reconcile().await.unwrap();
    kit.dispatcher.tick().await.unwrap();
    assert_eq!((length(&kit, EXPRESS).await, length(&kit, SCRAPE).await), (0, 2));
}

/// After a day without Redis there are millions, and every process is asked for its metrics every few seconds.
#[tokio::test]
async fn events_that_wait_to_be_told_are_counted_up_to_a_bound() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    submit(&kit, &customer, None).await;
    let lag = async || jobs::events_lag(&*kit.db.system().await.unwrap()).await.unwrap();
    assert_eq!(lag().await, 1);
    let many = format!(
        "INSERT INTO job_events (customer_id, job_id, kind, data)
         SELECT customer_id, id, 'progress', '{{}}' FROM jobs, generate_series(1, {})",
        jobs::MOST_LAG + 10
    );
    execute(&kit, &many).await;
    assert_eq!(lag().await, jobs::MOST_LAG);
}

#[tokio::test]
async fn limits_hold_and_a_paused_queue_starts_nothing() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let worker = worker(&kit).await;
    execute(
        &kit,
        "INSERT INTO queue_controls (kind, max_running, max_running_per_customer) VALUES ('scrape', 5, 3)",
    )
    .await;
    submit_many(&kit, &a, 20).await;
    submit_many(&kit, &b, 20).await;
    let count = async |customer: &Customer| {
        let sent = on_stream(&kit).await;
        sent.iter().filter(|(_, whose)| *whose == customer.id).count()
    };
    kit.dispatcher.tick().await.unwrap();
    kit.dispatcher.tick().await.unwrap();
    let counts = [count(&a).await, count(&b).await];
    assert_eq!((counts[0] + counts[1], counts[0].max(counts[1])), (5, 3));

    execute(&kit, "UPDATE queue_controls SET paused_at = now(), max_running = NULL").await;
    let (job, _) = on_stream(&kit).await[0];
    assert!(
        matches!(ask(&kit, &worker, job, false).await, Claim::Stale),
        "an errand that is already out"
    );
    assert!(submit(&kit, &a, None).await.errand.is_none());
    let before = count(&a).await + count(&b).await;
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(count(&a).await + count(&b).await, before);
    execute(&kit, "UPDATE queue_controls SET paused_at = NULL").await;
    kit.dispatcher.tick().await.unwrap();
    let Claim::Run(_) = ask(&kit, &worker, job, false).await else {
        panic!("the queue goes on")
    };
}

/// Two workers lost them; where they come from the quarantine, they run like others of their kind.
#[tokio::test]
async fn suspects_are_begun_within_the_limits_of_their_kind() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let operator = jobs::Operator::named("cli");
    let limit = async |all: Option<i32>, each: Option<i32>| {
        jobs::limit_queue(&kit.db, jobs::Kind::Scrape, all, each, operator)
            .await
            .unwrap();
    };
    limit(Some(3), Some(2)).await;
    submit_many(&kit, &a, 6).await;
    submit_many(&kit, &b, 6).await;
    let suspects = format!("UPDATE jobs SET starts = 2 WHERE customer_id = '{}'", a.id);
    execute(&kit, &suspects).await;
    let lengths = async || {
        kit.dispatcher.tick().await.unwrap();
        (length(&kit, QUARANTINE).await, length(&kit, SCRAPE).await)
    };
    assert_eq!(lengths().await, (2, 1), "two of one customer, and three in all");
    assert_eq!(lengths().await, (2, 1), "what is on its way counts");
    limit(Some(3), None).await;
    assert_eq!(lengths().await, (2, 1));
    limit(None, None).await;
    let (quarantined, others) = lengths().await;
    assert!(quarantined == 6 && others >= 5, "{quarantined}, {others}");
}

/// Before any of their errands is published, so that no worker is faster than the commit.
#[tokio::test]
async fn jobs_whose_time_has_come_are_queued_and_orphans_mended_while_redis_is_away() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let orphan = submit(&kit, &customer, None).await.id;
    claim(&kit, &worker, orphan).await;
    let due = submit(&kit, &customer, None).await.id;
    execute(&kit, &format!("UPDATE jobs SET state = 'scheduled' WHERE id = '{due}'")).await;
    jobs::limit_queue(&kit.db, jobs::Kind::Scrape, Some(1), None, jobs::Operator::named("cli"))
        .await
        .unwrap();
    kit.services.stop_server(local_services::Server::Valkey).unwrap();
    silence(&kit).await;
    kit.dispatcher.tick().await.unwrap_err();
    assert_eq!(state_of(&kit, &customer, due).await.state, state::QUEUED);
    // The transaction of the round that failed keeps its lock until it is rolled back, and the next round passes until then.
    eventually("a round that asks Redis", || async {
        kit.dispatcher.reconcile().await.err()
    })
    .await;
    assert_eq!(state_of(&kit, &customer, orphan).await.state, state::QUEUED);
    kit.services.start_server(local_services::Server::Valkey).unwrap();
    eventually("the dispatcher to reconnect", || async {
        kit.dispatcher.tick().await.ok()
    })
    .await;
    assert_eq!(length(&kit, SCRAPE).await, 1);
}

#[tokio::test]
async fn a_flood_of_due_jobs_is_queued_in_portions_and_redis_stays_small() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let due = format!(
        "INSERT INTO jobs (id, customer_id, kind, payload, state, run_at)
         SELECT gen_random_uuid(), '{}', 'scrape', '{{}}', 'scheduled', now() - interval '1 second' FROM generate_series(1, 30000)",
        customer.id
    );
    execute(&kit, &due).await;
    while kit.count("SELECT count(*) FROM jobs WHERE state = 'scheduled'").await > 0 {
        kit.dispatcher.tick().await.unwrap();
        assert!(
            length(&kit, SCRAPE).await <= 16,
            "nobody works, so nothing more is put on the stream"
        );
    }
    assert_eq!(
        kit.count("SELECT count(*) FROM jobs WHERE state = 'queued'").await,
        30_000
    );
}

#[tokio::test]
async fn jobs_are_recorded_while_redis_is_away_and_dispatched_when_it_is_back() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    kit.services.stop_server(local_services::Server::Valkey).unwrap();
    let made = submit(&kit, &customer, None).await;
    let job = made.id;
    assert!(!kit.dispatcher.dispatch(&[made]).await);
    kit.services.start_server(local_services::Server::Valkey).unwrap();
    eventually("the dispatcher to reconnect", || async {
        kit.dispatcher.tick().await.ok()
    })
    .await;
    let sent = on_stream(&kit).await;
    assert_eq!(sent, [(job, customer.id)]);
}

#[tokio::test]
async fn the_events_of_a_job_go_with_it_and_with_its_customer() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let gone = submit_many(&kit, &a, 2).await;
    submit(&kit, &a, None).await;
    submit(&kit, &b, None).await;
    execute(&kit, &format!("DELETE FROM jobs WHERE id = '{}'", gone[0].id)).await;
    assert_eq!(kit.count("SELECT count(*) FROM job_events").await, 3);
    execute(&kit, &format!("DELETE FROM customer_configs WHERE id = '{}'", a.id)).await;
    assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 1);
    assert_eq!(kit.count("SELECT count(*) FROM job_events").await, 1);
}

/// A job of `customer` that waits for a person's word.
async fn held(kit: &Kit, customer: &Customer, key: Option<&str>) -> Uuid {
    let worker = worker(kit).await;
    let job = submit(kit, customer, key).await.id;
    let lease = claim(kit, &worker, job).await.lease;
    jobs::settle(&kit.db, lease, &Outcome::Hold(json!({ "gone": 40 })))
        .await
        .unwrap();
    job
}

async fn confirm(kit: &Kit, customer: &Customer, job: Uuid) -> domain::Result<entity::job::Model> {
    let tx = kit.db.tenant(customer).await.unwrap();
    let by = jobs::Operator {
        actor: "key:1",
        ip: None,
    };
    let confirmed = jobs::confirm(&tx, job, by).await?;
    tx.commit().await.unwrap();
    Ok(confirmed)
}

/// The kinds and details of a job's events in order.
async fn told(kit: &Kit, job: Uuid) -> Vec<(String, serde_json::Value)> {
    let tx = kit.db.system().await.unwrap();
    let find = format!("SELECT kind, data FROM job_events WHERE job_id = '{job}' ORDER BY id");
    let rows = tx
        .query_all_raw(Statement::from_string(DbBackend::Postgres, find))
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.try_get("", "kind").unwrap(), row.try_get("", "data").unwrap()))
        .collect()
}

#[tokio::test]
async fn a_held_job_has_no_worker_and_goes_on_when_a_person_says_so() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let job = held(&kit, &customer, None).await;
    let row = state_of(&kit, &customer, job).await;
    assert_eq!(
        (
            row.state.as_str(),
            row.result,
            row.lease_token,
            row.worker_id,
            row.starts
        ),
        (state::NEEDS_CONFIRMATION, Some(json!({ "gone": 40 })), None, None, 0)
    );
    let worker = worker(&kit).await;
    assert!(matches!(ask(&kit, &worker, job, true).await, Claim::Stale));
    silence(&kit).await;
    assert_eq!(kit.dispatcher.reconcile().await.unwrap(), jobs::Mended::default());
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(
        length(&kit, SCRAPE).await,
        0,
        "nothing is dispatched that waits for a person"
    );
    assert_eq!(confirm(&kit, &other, job).await.unwrap_err().code(), "not_found");

    let confirmed = confirm(&kit, &customer, job).await.unwrap();
    assert_eq!(confirmed.state, state::QUEUED);
    let again = confirm(&kit, &customer, job).await.unwrap();
    assert_eq!(again.confirmed_at, confirmed.confirmed_at, "a twin changes nothing");
    let events = told(&kit, job).await;
    assert_eq!(
        events[2..],
        [
            ("needs_confirmation".into(), json!({ "result": { "gone": 40 } })),
            ("queued".into(), json!({ "reason": "confirmed" }))
        ]
    );
    let audited = "SELECT count(*) FROM audit_logs WHERE action = 'job.confirmed' AND actor = 'key:1'";
    assert_eq!(kit.count(audited).await, 1);

    jobs::beat(&kit.db, &worker, LEASE, false).await.unwrap();
    let claimed = claim(&kit, &worker, job).await;
    assert!(claimed.job.confirmed_at.is_some());
    assert_eq!(claimed.job.result, Some(json!({ "gone": 40 })), "what was confirmed");
    let retry = Outcome::Retry(JobError::new("http_503", "busy"), None);
    jobs::settle(&kit.db, claimed.lease, &retry).await.unwrap();
    time_comes(&kit).await;
    kit.dispatcher.tick().await.unwrap();
    let claimed = claim(&kit, &worker, job).await;
    assert!(
        claimed.job.confirmed_at.is_some() && claimed.job.result.is_some(),
        "a retry asks nobody again"
    );
    // Something else has come up since: that was not confirmed.
    jobs::settle(&kit.db, claimed.lease, &Outcome::Hold(json!({ "gone": 90 })))
        .await
        .unwrap();
    let row = state_of(&kit, &customer, job).await;
    assert_eq!((row.confirmed_at, row.result), (None, Some(json!({ "gone": 90 }))));
}

#[tokio::test]
async fn only_what_is_held_is_confirmed() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let refused = async |job| confirm(&kit, &customer, job).await.unwrap_err().code() == "job_not_held";
    let job = submit(&kit, &customer, None).await.id;
    assert!(refused(job).await, "queued");
    let lease = claim(&kit, &worker, job).await.lease;
    assert!(refused(job).await, "running");
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
    assert!(refused(job).await, "done");

    let job = held(&kit, &customer, None).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::cancel(&tx, job).await.unwrap().state, state::CANCELLED);
    tx.commit().await.unwrap();
    assert!(refused(job).await, "cancelled");
    let tx = kit.db.tenant(&customer).await.unwrap();
    jobs::retry(&tx, job).await.unwrap();
    tx.commit().await.unwrap();
    assert!(refused(job).await, "started again from the beginning");

    let job = held(&kit, &customer, None).await;
    confirm(&kit, &customer, job).await.unwrap();
    let lease = claim(&kit, &worker, job).await.lease;
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
    assert_eq!(
        confirm(&kit, &customer, job).await.unwrap().state,
        state::DONE,
        "a late twin of the confirmation"
    );
}

#[tokio::test]
async fn two_confirmations_at_once_are_one() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = held(&kit, &customer, None).await;
    let all = futures::future::join_all((0..8).map(|_| confirm(&kit, &customer, job))).await;
    assert!(all.iter().all(Result::is_ok));
    let queued = told(&kit, job).await;
    let queued = queued.iter().filter(|(_, data)| data["reason"] == "confirmed");
    assert_eq!(queued.count(), 1);
    assert_eq!(
        kit.count("SELECT count(*) FROM audit_logs WHERE action = 'job.confirmed'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_new_request_takes_the_place_of_a_held_job() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let key = Some("https://a.example/");
    let (waiting, foreign) = (held(&kit, &a, key).await, held(&kit, &b, key).await);
    let made = submit(&kit, &a, key).await;
    assert!(made.fresh && made.id != waiting);
    let row = state_of(&kit, &a, waiting).await;
    assert_eq!(
        (row.state.as_str(), row.error.unwrap()["code"].as_str()),
        (state::CANCELLED, Some("superseded"))
    );
    let reason = json!({ "reason": "a new request took its place", "superseded_by": made.id });
    assert_eq!(told(&kit, waiting).await.last().unwrap(), &("cancelled".into(), reason));
    assert_eq!(state_of(&kit, &b, foreign).await.state, state::NEEDS_CONFIRMATION);
    // Confirmed, it is a twin like any other.
    confirm(&kit, &b, foreign).await.unwrap();
    let twin = submit(&kit, &b, key).await;
    assert!(!twin.fresh && twin.id == foreign);
}

#[tokio::test]
async fn of_two_requests_that_supersede_one_held_job_one_is_made() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = held(&kit, &customer, Some("key")).await;
    let all = futures::future::join_all((0..8).map(|_| submit(&kit, &customer, Some("key")))).await;
    assert_eq!(all.iter().filter(|made| made.fresh).count(), 1);
    assert!(all.iter().all(|made| made.id == all[0].id && made.id != job));
}

#[tokio::test]
async fn a_job_that_gives_way_keeps_its_progress_and_waits_behind_the_others() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let (job, behind) = (
        submit(&kit, &customer, None).await.id,
        submit(&kit, &customer, None).await.id,
    );
    for _ in 0..2 * jobs::MAX_STARTS {
        let lease = claim(&kit, &worker, job).await.lease;
        let tx = kit.db.tenant(&customer).await.unwrap();
        jobs::save_progress(&*tx, lease, &json!({ "done": 3 })).await.unwrap();
        tx.commit().await.unwrap();
        jobs::settle(&kit.db, lease, &Outcome::Later(Duration::ZERO))
            .await
            .unwrap();
    }
    let row = state_of(&kit, &customer, job).await;
    assert_eq!(
        (row.state.as_str(), row.attempts, row.starts, row.progress),
        (state::QUEUED, 0, 0, json!({ "done": 3 }))
    );
    let last = told(&kit, job).await.pop().unwrap();
    assert_eq!(last, ("queued".into(), json!({ "reason": "it gave way" })));
    kit.dispatcher.tick().await.unwrap();
    let order: Vec<Uuid> = on_stream(&kit).await.into_iter().map(|(job, _)| job).collect();
    assert_eq!(order, [behind, job]);

    let lease = claim(&kit, &worker, job).await.lease;
    let later = Outcome::Later(Duration::from_mins(10));
    jobs::settle(&kit.db, lease, &later).await.unwrap();
    let row = state_of(&kit, &customer, job).await;
    assert_eq!((row.state.as_str(), row.attempts, row.starts), (state::SCHEDULED, 0, 0));
    let due = format!(
        "SELECT count(*) FROM jobs WHERE id = '{job}' AND run_at BETWEEN now() + interval '300 seconds' AND now() + interval '600 seconds'"
    );
    assert_eq!(kit.count(&due).await, 1);
    let last = told(&kit, job).await.pop().unwrap();
    assert_eq!(
        last,
        ("scheduled".into(), json!({ "reason": "it gave way", "in_ms": 600_000 }))
    );
}
