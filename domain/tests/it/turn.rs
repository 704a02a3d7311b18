//! What a worker says to the ledger: which runs ended and which jobs it wants, many by one statement.
use domain::{
    jobs::{
        self, Ask, Claim, Identity, NewJob, Outcome, Payload,
        Settled::{Busy, Lost, Recorded},
    },
    tenancy::Customer,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use std::time::Duration;
use testkit::Kit;
use uuid::Uuid;

async fn worker(kit: &Kit) -> Identity {
    let worker = Identity::new("test", "0");
    jobs::beat(&kit.db, &worker, Duration::from_mins(5), false)
        .await
        .unwrap();
    worker
}

async fn submit(kit: &Kit, customer: &Customer, count: usize) -> Vec<Uuid> {
    let tx = kit.db.tenant(customer).await.unwrap();
    let new = vec![NewJob::new(customer.id, Payload::Scrape {}); count];
    let made = jobs::submit_all(&*tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    made.into_iter().map(|made| made.id).collect()
}

fn ask(job: Uuid) -> Ask {
    Ask {
        job,
        quarantined: false,
    }
}

async fn execute(kit: &Kit, text: &str) {
    let tx = kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn claim(kit: &Kit, worker: &Identity, jobs: &[Uuid]) -> Vec<jobs::Lease> {
    let asks: Vec<Ask> = jobs.iter().copied().map(ask).collect();
    let claims = jobs::claim_all(&kit.db, worker.id, &asks).await.unwrap();
    let leases = claims.into_iter().filter_map(|claim| match claim {
        Claim::Run(claimed) => Some(claimed.lease),
        _ => None,
    });
    leases.collect()
}

/// Which of the jobs are ours.
fn ours(claims: &[Claim]) -> Vec<bool> {
    claims.iter().map(|claim| matches!(claim, Claim::Run(_))).collect()
}

#[tokio::test]
async fn what_ends_and_what_begins_are_answered_in_their_order() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let jobs = submit(&kit, &customer, 6).await;
    let leases = claim(&kit, &worker, &jobs[..3]).await;
    let lost = jobs::Lease {
        token: Uuid::nil(),
        ..leases[1]
    };
    let ends = [
        (leases[2], Outcome::HandBack),
        (lost, Outcome::Done(json!({}))),
        (leases[0], Outcome::Done(json!({ "text": "a\0b" }))),
    ];
    assert_eq!(
        jobs::settle_all(&kit.db, &ends).await.unwrap(),
        [Recorded, Lost, Recorded]
    );
    // One has ended, and the last one is held by its run.
    let asks = [jobs[5], jobs[0], jobs[3], jobs[1]].map(ask);
    let claims = jobs::claim_all(&kit.db, worker.id, &asks).await.unwrap();
    assert_eq!(ours(&claims), [true, false, true, false]);
    let Claim::Run(claimed) = &claims[0] else {
        panic!("not ours")
    };
    assert_eq!((claimed.job.id, claimed.customer.as_ref()), (jobs[5], Some(&customer)));
    let states = "SELECT string_agg(state, ' ' ORDER BY id) FROM jobs";
    let tx = kit.db.system().await.unwrap();
    let row = tx
        .query_one_raw(Statement::from_string(DbBackend::Postgres, states))
        .await
        .unwrap();
    let states: String = row.unwrap().try_get_by_index(0).unwrap();
    assert_eq!(states, "done running queued running queued running");
    let events = |job: Uuid| format!("SELECT count(*) FROM job_events WHERE job_id = '{job}'");
    assert_eq!(kit.count(&events(jobs[0])).await, 3, "queued, started, done");
    assert_eq!(kit.count(&events(jobs[5])).await, 2, "queued, started");
}

#[tokio::test]
async fn a_frozen_worker_s_open_transaction_holds_nobody_up() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (frozen, other) = (worker(&kit).await, worker(&kit).await);
    let jobs = submit(&kit, &customer, 3).await;
    let leases = claim(&kit, &frozen, &jobs[..1]).await;
    let open = kit.db.tenant(&customer).await.unwrap();
    jobs::fence(&*open, leases[0]).await.unwrap();
    let dead = format!(
        "UPDATE workers SET alive_until = now() - interval '1 minute' WHERE id = '{}'",
        frozen.id
    );
    execute(&kit, &dead).await;

    let mine = claim(&kit, &other, &jobs[1..2]).await;
    let ends = [(mine[0], Outcome::Done(json!({})))];
    let asks = [jobs[0], jobs[2]].map(ask);
    assert_eq!(jobs::settle_all(&kit.db, &ends).await.unwrap(), [Recorded]);
    let claims = jobs::claim_all(&kit.db, other.id, &asks).await.unwrap();
    assert_eq!(ours(&claims), [false, true], "what is locked is left to another time");
    open.commit().await.unwrap();
    assert_eq!(claim(&kit, &other, &jobs[..1]).await.len(), 1);
}

/// A value that Postgres takes and this build can't hold: what is claimed by the same statement must not go down with it.
#[tokio::test]
async fn a_job_that_cannot_be_read_keeps_no_other_from_being_claimed() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let jobs = submit(&kit, &customer, 3).await;
    let spoil = format!("UPDATE jobs SET created_at = 'infinity' WHERE id = '{}'", jobs[1]);
    execute(&kit, &spoil).await;
    for start in 1..=jobs::MAX_STARTS {
        let asked = |job: &Uuid| Ask {
            job: *job,
            quarantined: true,
        };
        let asks: Vec<Ask> = jobs.iter().map(asked).collect();
        let claims = jobs::claim_all(&kit.db, worker.id, &asks).await.unwrap();
        assert_eq!(ours(&claims), [start == 1, false, start == 1]);
        execute(&kit, "UPDATE jobs SET state = 'queued' WHERE state = 'scheduled'").await;
    }
    let dead = "SELECT count(*) FROM jobs WHERE state = 'dead' AND error->>'code' = 'payload_unreadable'";
    assert_eq!(kit.count(dead).await, 1);
}

/// As somebody at a prompt does, or the deletion of a customer, for as long as it takes. Were the rows waited for, it would be for that long, and no job
/// of anybody be claimed meanwhile.
#[tokio::test]
async fn rows_that_others_hold_keep_neither_claims_nor_ends_of_other_jobs_waiting() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    let jobs = submit(&kit, &customer, 22).await;
    let running = claim(&kit, &worker, &jobs[1..2]).await[0];
    let held = kit.db.system().await.unwrap();
    for job in &jobs[..2] {
        let change = format!("UPDATE jobs SET priority = 1 WHERE id = '{job}'");
        held.execute_unprepared(&change).await.unwrap();
    }
    for some in jobs[2..].chunks(5) {
        let asks: Vec<Ask> = [&jobs[..1], some].concat().into_iter().map(ask).collect();
        let claims = jobs::claim_all(&kit.db, worker.id, &asks).await.unwrap();
        assert_eq!(ours(&claims), [false, true, true, true, true, true]);
        let mut ends = vec![(running, Outcome::Done(json!({})))];
        for claim in claims {
            if let Claim::Run(claimed) = claim {
                ends.push((claimed.lease, Outcome::Done(json!({}))));
            }
        }
        let lost = jobs::Lease {
            token: Uuid::nil(),
            ..ends[1].0
        };
        ends.push((lost, Outcome::HandBack));
        let settled = jobs::settle_all(&kit.db, &ends[..6]).await.unwrap();
        assert_eq!(settled, [Busy, Recorded, Recorded, Recorded, Recorded, Recorded]);
        let settled = jobs::settle_all(&kit.db, &[ends[0].clone(), ends[6].clone()])
            .await
            .unwrap();
        assert_eq!(settled, [Busy, Lost]);
    }
    let told = jobs::beat(&kit.db, &worker, Duration::from_mins(5), false)
        .await
        .unwrap();
    assert_eq!(told.len(), 1, "what can't be settled is still ours");
    held.commit().await.unwrap();
    let end = [(running, Outcome::Done(json!({})))];
    assert_eq!(jobs::settle_all(&kit.db, &end).await.unwrap(), [Recorded]);
    assert_eq!(claim(&kit, &worker, &jobs[..1]).await.len(), 1);
}

/// The planner takes the indexes of few rows only where it sees their conditions: in parameters it sees nothing. And an index of all jobs
/// that would give an order is as good to it as the backlog's.
#[tokio::test]
async fn neither_claims_nor_ends_nor_rounds_of_the_dispatcher_read_the_jobs_of_the_past() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let worker = worker(&kit).await;
    // The tables were analysed while all of them waited, so that a queued job seems to be found soon in any order.
    let past = format!(
        "INSERT INTO jobs (id, customer_id, kind, payload, state)
         SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN '{}'::uuid END, CASE WHEN n % 2 = 0 THEN 'scrape' ELSE 'maintenance' END,
           '{{}}', 'queued' FROM generate_series(1, 20000) n",
        customer.id
    );
    execute(&kit, &past).await;
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared("ANALYZE jobs").await.unwrap();
    let end = "UPDATE jobs SET state = 'done', finished_at = now()";
    owner.execute_unprepared(end).await.unwrap();
    owner.close().await.unwrap();
    let ended = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs'";
    testkit::eventually("the statistics", || async {
        (kit.count(ended).await >= 20_000).then_some(())
    })
    .await;
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'jobs'";
    let fetches = "SELECT coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'jobs'";
    let (before, read_before) = (kit.count(scans).await, kit.count(fetches).await);
    let jobs = submit(&kit, &customer, 20).await;
    kit.dispatcher.tick().await.unwrap();
    let leases = claim(&kit, &worker, &jobs).await;
    assert!(
        claim(&kit, &worker, &jobs[..1]).await.is_empty(),
        "which looks for those that used up their starts"
    );
    let ends: Vec<_> = leases.iter().map(|lease| (*lease, Outcome::Done(json!({})))).collect();
    jobs::settle_all(&kit.db, &ends).await.unwrap();
    kit.dispatcher.tick().await.unwrap();
    kit.dispatcher.reconcile().await.unwrap();
    // Of both ticks, the claim and the reconciler, which look for suspects each.
    let looks = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'idx_jobs_suspects'";
    testkit::eventually("the statistics", || async {
        (kit.count(looks).await >= 4).then_some(())
    })
    .await;
    let read = kit.count(fetches).await - read_before;
    assert!(read < 2000, "{read} jobs were read for 20");
    assert_eq!(kit.count(scans).await, before, "scans of the whole table");
}
