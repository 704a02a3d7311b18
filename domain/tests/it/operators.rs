//! What operators see and do: figures, dead letters, pauses and limits, and forgetting.
use domain::{
    jobs::{
        self, Ask, Claim, DeadFilter, Identity, JobError, Kind, Lane, MaintenanceTask, NewJob, Operator, Outcome,
        Payload, WorkerState,
        retention::{self, Retention},
        state,
    },
    tenancy::{Customer, Db},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use std::time::Duration;
use testkit::{Kit, eventually};
use uuid::Uuid;

const LEASE: Duration = Duration::from_mins(10);
const DAY: i64 = 24 * 3600;

fn operator() -> Operator<'static> {
    Operator {
        actor: "admin",
        ip: Some("192.0.2.1"),
    }
}

async fn sql(kit: &Kit, text: &str) {
    let tx = kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn submit(kit: &Kit, customer: &Customer, key: Option<&str>) -> Uuid {
    let tx = kit.db.tenant(customer).await.unwrap();
    let mut job = NewJob::new(customer.id, Payload::Scrape {});
    job.dedupe_key = key.map(str::to_owned);
    let submitted = jobs::submit(&*tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    submitted.id
}

async fn worker(kit: &Kit, host: &str) -> Identity {
    let identity = Identity::new(host, "1.2.3");
    jobs::beat(&kit.db, &identity, LEASE, false).await.unwrap();
    identity
}

async fn try_claim(kit: &Kit, worker: &Identity, job: Uuid) -> Claim {
    let ask = Ask {
        job,
        quarantined: false,
    };
    jobs::claim_all(&kit.db, worker.id, &[ask]).await.unwrap().remove(0)
}

async fn claim(kit: &Kit, worker: &Identity, job: Uuid) -> jobs::Claimed {
    match try_claim(kit, worker, job).await {
        Claim::Run(claimed) => *claimed,
        other => panic!("expected a claim, got {other:?}"),
    }
}

/// A job that used up its attempts.
async fn dead(kit: &Kit, customer: &Customer, key: Option<&str>, code: &str) -> Uuid {
    let id = submit(kit, customer, key).await;
    sql(
        kit,
        &format!(
            "UPDATE jobs SET state = 'dead', attempts = 5, starts = 1, finished_at = now(),
               error = '{{\"code\": \"{code}\", \"message\": \"it was so\"}}' WHERE id = '{id}'"
        ),
    )
    .await;
    id
}

/// Errands of crawls that wait for a worker.
async fn on_stream(kit: &Kit) -> u64 {
    let lane = Lane::Queue(Kind::Scrape);
    kit.dispatcher.stream(lane).await.unwrap().waiting
}

async fn state_of(kit: &Kit, job: Uuid) -> String {
    let tx = kit.db.system().await.unwrap();
    let find = format!("SELECT state FROM jobs WHERE id = '{job}'");
    let row = tx
        .query_one_raw(Statement::from_string(DbBackend::Postgres, find))
        .await;
    row.unwrap().unwrap().try_get("", "state").unwrap()
}

async fn audited(kit: &Kit, action: &str) -> i64 {
    let count =
        format!("SELECT count(*) FROM audit_logs WHERE action = '{action}' AND actor = 'admin' AND ip = '192.0.2.1'");
    kit.count(&count).await
}

#[tokio::test]
async fn figures_tell_queues_customers_and_workers_apart() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let mut of_a = Vec::new();
    for _ in 0..5 {
        of_a.push(submit(&kit, &a, None).await);
    }
    submit(&kit, &b, None).await;
    dead(&kit, &b, None, "http_503").await;
    sql(
        &kit,
        "UPDATE jobs SET run_at = now() - interval '90 seconds' WHERE state = 'queued'",
    )
    .await;
    let (alive, stopping, lost) = (
        worker(&kit, "one").await,
        worker(&kit, "two").await,
        worker(&kit, "three").await,
    );
    claim(&kit, &alive, of_a[0]).await;
    let retried = claim(&kit, &alive, of_a[1]).await;
    let retry = Outcome::Retry(JobError::new("http_503", "busy"), Some(Duration::from_mins(5)));
    jobs::settle(&kit.db, retried.lease, &retry).await.unwrap();
    let held = claim(&kit, &alive, of_a[2]).await;
    jobs::settle(&kit.db, held.lease, &Outcome::Hold(json!({})))
        .await
        .unwrap();
    jobs::beat(&kit.db, &stopping, LEASE, true).await.unwrap();
    sql(
        &kit,
        &format!(
            "UPDATE workers SET alive_until = now() - interval '1 minute' WHERE id = '{}'",
            lost.id
        ),
    )
    .await;
    kit.dispatcher.tick().await.unwrap();
    jobs::pause_queue(&kit.db, Kind::Embed, operator()).await.unwrap();

    let seen = jobs::overview(&kit.db, &kit.dispatcher, None).await.unwrap();
    let queue = |kind| seen.queues.iter().find(|q| q.kind == kind).unwrap();
    let scrape = queue(Kind::Scrape);
    let counts = (
        scrape.depth,
        scrape.scheduled,
        scrape.retries,
        scrape.running,
        scrape.needs_confirmation,
        scrape.dead,
    );
    assert_eq!(counts, (3, 1, 1, 1, 1, 1));
    assert!((80.0..3600.0).contains(&scrape.oldest_seconds), "{scrape:?}");
    assert!(scrape.control.paused_at.is_none() && queue(Kind::Embed).control.paused_at.is_some());
    assert_eq!(queue(Kind::Maintenance).depth, 0);

    let customers: Vec<_> = seen
        .customers
        .iter()
        .map(|c| (c.domain.as_deref(), c.depth, c.running, c.dead))
        .collect();
    assert_eq!(customers, [(Some("a.example"), 2, 1, 0), (Some("b.example"), 1, 0, 1)]);

    let workers: Vec<_> = seen
        .workers
        .iter()
        .map(|w| (w.host.as_str(), w.state, w.running.len()))
        .collect();
    let wanted = [
        ("one", WorkerState::Alive, 1),
        ("two", WorkerState::Stopping, 0),
        ("three", WorkerState::Lost, 0),
    ];
    assert_eq!(workers, wanted);
    let running = &seen.workers[0].running[0];
    assert_eq!(
        (running.job_id, running.kind.as_str(), running.customer_id),
        (of_a[0], "scrape", Some(a.id))
    );
    assert_eq!(
        (seen.workers[0].pid, seen.workers[0].version.as_str()),
        (std::process::id() as i32, "1.2.3")
    );

    let lag = seen.lag.unwrap();
    assert!(lag.iter().any(|l| l.lane == "scrape" && l.held == 0) && seen.lag_missing.is_none());
}

#[tokio::test]
async fn the_lag_is_what_the_streams_hold() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let new = vec![NewJob::new(customer.id, Payload::Scrape {}); 3];
    let made = jobs::submit_all(&*tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    assert!(kit.dispatcher.dispatch(&made).await);
    let seen = jobs::overview(&kit.db, &kit.dispatcher, None).await.unwrap();
    let lag = seen.lag.unwrap();
    let waiting: Vec<_> = lag.iter().map(|l| (l.lane.as_str(), l.waiting)).collect();
    assert_eq!(
        waiting,
        [
            ("scrape", 0),
            ("embed", 0),
            ("sync", 0),
            ("maintenance", 0),
            ("express", 3),
            ("quarantine", 0)
        ]
    );
}

#[tokio::test]
async fn without_redis_the_ledgers_figures_are_told_and_why_the_others_are_not() {
    let kit = Kit::with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let customer = kit.customer("a.example").await;
    submit(&kit, &customer, None).await;
    let seen = jobs::overview(&kit.db, &kit.dispatcher, None).await.unwrap();
    assert_eq!((seen.queues[0].depth, seen.lag), (1, None));
    assert_eq!(seen.lag_missing.as_deref(), Some("Redis does not answer"));
}

#[tokio::test]
async fn figures_cost_the_same_however_many_jobs_have_ended() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let id = customer.id;
    sql(
        &kit,
        &format!(
            "INSERT INTO jobs (id, customer_id, kind, payload, state, finished_at)
             SELECT gen_random_uuid(), '{id}', 'scrape', '{{}}', 'done', now() FROM generate_series(1, 100000)"
        ),
    )
    .await;
    for _ in 0..3 {
        submit(&kit, &customer, None).await;
    }
    dead(&kit, &customer, None, "x").await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared("ANALYZE jobs").await.unwrap();
    let scans = async |of: &str| {
        let read = format!("SELECT coalesce(sum({of}), 0)::bigint FROM pg_stat_user_tables WHERE relname = 'jobs'");
        let row = owner
            .query_one_raw(Statement::from_string(DbBackend::Postgres, read))
            .await;
        row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
    };
    // Statements of the pool's sessions are counted when these are idle.
    let settled = eventually("the counters of the inserts", || async {
        let before = (scans("seq_scan").await, scans("idx_scan").await);
        tokio::time::sleep(Duration::from_millis(1200)).await;
        (before == (scans("seq_scan").await, scans("idx_scan").await)).then_some(before)
    })
    .await;
    let seen = jobs::overview(&kit.db, &kit.dispatcher, None).await.unwrap();
    assert_eq!((seen.queues[0].depth, seen.queues[0].dead), (3, 1));
    jobs::list_dead(&kit.db, &DeadFilter::default(), None, 10)
        .await
        .unwrap();
    eventually("the counters of the figures", || async {
        (scans("idx_scan").await > settled.1).then_some(())
    })
    .await;
    assert_eq!(scans("seq_scan").await, settled.0, "the whole table was read");
}

#[tokio::test]
async fn dead_letters_are_listed_with_their_reason_and_filtered() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let first = dead(&kit, &a, None, "http_503").await;
    let second = dead(&kit, &b, None, "unreachable").await;
    submit(&kit, &a, None).await;
    let ids = async |filter: &DeadFilter, after, limit| -> Vec<Uuid> {
        let letters = jobs::list_dead(&kit.db, filter, after, limit).await.unwrap();
        letters.iter().map(|letter| letter.job.id).collect()
    };
    let all = DeadFilter::default();
    assert_eq!(ids(&all, None, 10).await, [second, first]);
    assert_eq!(ids(&all, None, 1).await, [second]);
    assert_eq!(ids(&all, Some(second), 1).await, [first]);
    let of_a = DeadFilter {
        customer: Some(a.id),
        ..all.clone()
    };
    assert_eq!(ids(&of_a, None, 10).await, [first]);
    let unreachable = DeadFilter {
        code: Some("unreachable".into()),
        ..all.clone()
    };
    assert_eq!(ids(&unreachable, None, 10).await, [second]);
    let embed = DeadFilter {
        kind: Some(Kind::Embed),
        ..all.clone()
    };
    assert!(ids(&embed, None, 10).await.is_empty());
    let letter = &jobs::list_dead(&kit.db, &of_a, None, 10).await.unwrap()[0];
    assert_eq!((letter.domain.as_deref(), letter.job.attempts), (Some("a.example"), 5));
    assert_eq!(letter.job.error.as_ref().unwrap()["code"], "http_503");
}

#[tokio::test]
async fn a_replayed_dead_letter_begins_its_tries_again_and_is_told_and_audited() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let id = dead(&kit, &customer, Some("k"), "http_503").await;
    let job = jobs::replay_dead(&kit.db, id, operator()).await.unwrap();
    assert_eq!((job.state.as_str(), job.attempts, job.starts), (state::QUEUED, 0, 0));
    assert!(job.error.is_none() && job.finished_at.is_none());
    let told = "SELECT count(*) FROM job_events WHERE kind = 'queued' AND data->>'reason' = 'replayed'";
    assert_eq!((kit.count(told).await, audited(&kit, "job.replayed").await), (1, 1));
    kit.dispatcher.tick().await.unwrap();
    claim(&kit, &worker(&kit, "one").await, id).await;

    let again = jobs::replay_dead(&kit.db, id, operator()).await.unwrap_err();
    assert_eq!(again.code(), "job_not_dead");
    let unknown = jobs::replay_dead(&kit.db, Uuid::nil(), operator()).await.unwrap_err();
    assert_eq!(unknown.code(), "not_found");
}

#[tokio::test]
async fn a_job_with_a_live_twin_is_not_run_again() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let id = dead(&kit, &customer, Some("k"), "http_503").await;
    let twin = submit(&kit, &customer, Some("k")).await;
    let refused = jobs::replay_dead(&kit.db, id, operator()).await.unwrap_err();
    assert_eq!(refused.code(), "job_has_live_twin");
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::retry(&tx, id).await.unwrap_err().code(), "job_has_live_twin");
    drop(tx);
    assert_eq!(state_of(&kit, id).await, state::DEAD);
    let lease = claim(&kit, &worker(&kit, "one").await, twin).await.lease;
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::retry(&tx, id).await.unwrap().state, state::QUEUED);
}

#[tokio::test]
async fn many_dead_letters_are_replayed_and_twins_are_passed_over() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let free = [
        dead(&kit, &a, None, "http_503").await,
        dead(&kit, &a, None, "http_503").await,
    ];
    let of_one_key = [
        dead(&kit, &a, Some("k"), "http_503").await,
        dead(&kit, &a, Some("k"), "http_503").await,
    ];
    let other_key = dead(&kit, &b, Some("k"), "http_503").await;
    let with_twin = dead(&kit, &a, Some("live"), "http_503").await;
    submit(&kit, &a, Some("live")).await;
    let other_code = dead(&kit, &a, None, "worker_crashed").await;
    let filter = DeadFilter {
        code: Some("http_503".into()),
        ..DeadFilter::default()
    };

    let one = jobs::replay_all_dead(&kit.db, &filter, 1, operator()).await.unwrap();
    assert_eq!((one.replayed, one.skipped, one.remaining), (1, 1, 5));
    assert_eq!(state_of(&kit, free[0]).await, state::QUEUED, "the first that died");
    let rest = jobs::replay_all_dead(&kit.db, &filter, 1000, operator()).await.unwrap();
    assert_eq!((rest.replayed, rest.skipped, rest.remaining), (3, 2, 2));
    for id in [free[1], of_one_key[0], other_key] {
        assert_eq!(state_of(&kit, id).await, state::QUEUED);
    }
    for id in [of_one_key[1], with_twin, other_code] {
        assert_eq!(state_of(&kit, id).await, state::DEAD);
    }
    let none = jobs::replay_all_dead(&kit.db, &filter, 1000, operator()).await.unwrap();
    assert_eq!((none.replayed, none.remaining), (0, 2));
    let told = "SELECT count(*) FROM job_events WHERE kind = 'queued' AND data->>'reason' = 'replayed'";
    assert_eq!((kit.count(told).await, audited(&kit, "queue.replayed").await), (4, 3));
    let much = jobs::replay_all_dead(&kit.db, &filter, 1001, operator())
        .await
        .unwrap_err();
    assert!(much.public_message().starts_with("limit: "));
}

#[tokio::test]
async fn a_twin_made_in_the_middle_of_a_replay_is_passed_over_too() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let twin_of = dead(&kit, &customer, Some("k"), "http_503").await;
    let free = dead(&kit, &customer, None, "http_503").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let mut job = NewJob::new(customer.id, Payload::Scrape {});
    job.dedupe_key = Some("k".into());
    jobs::submit(&*tx, &job).await.unwrap();

    let filter = DeadFilter::default();
    let replay = jobs::replay_all_dead(&kit.db, &filter, 1000, operator());
    let commit = async {
        eventually("the replay to meet the twin", || async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            (kit.count(waiting).await > 0).then_some(())
        })
        .await;
        tx.commit().await.unwrap();
    };
    let (done, ()) = tokio::join!(replay, commit);
    let done = done.unwrap();
    assert_eq!((done.replayed, done.skipped, done.remaining), (1, 1, 1));
    assert_eq!(state_of(&kit, free).await, state::QUEUED);
    assert_eq!(state_of(&kit, twin_of).await, state::DEAD);
}

#[tokio::test]
async fn jobs_of_the_system_have_twins_too() {
    let kit = Kit::start().await;
    let submit = async || {
        let tx = kit.db.system().await.unwrap();
        let task = MaintenanceTask::Retention;
        let mut job = NewJob::system(Payload::Maintenance { task });
        job.dedupe_key = Some("k".into());
        let made = jobs::submit(&*tx, &job).await.unwrap();
        tx.commit().await.unwrap();
        made
    };
    submit().await;
    sql(&kit, "UPDATE jobs SET state = 'dead', finished_at = now()").await;
    let (live, same) = (submit().await, submit().await);
    assert!(live.fresh && !same.fresh && live.id == same.id);
    let done = jobs::replay_all_dead(&kit.db, &DeadFilter::default(), 10, operator())
        .await
        .unwrap();
    assert_eq!((done.replayed, done.skipped, done.remaining), (0, 1, 1));
}

#[tokio::test]
async fn a_paused_queue_begins_nothing_and_lets_what_runs_end() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (running, dispatched) = (submit(&kit, &customer, None).await, submit(&kit, &customer, None).await);
    let worker = worker(&kit, "one").await;
    let lease = claim(&kit, &worker, running).await.lease;
    let paused = jobs::pause_queue(&kit.db, Kind::Scrape, operator()).await.unwrap();
    let again = jobs::pause_queue(&kit.db, Kind::Scrape, operator()).await.unwrap();
    assert!(paused.paused_at.is_some() && paused == again);

    assert!(matches!(try_claim(&kit, &worker, dispatched).await, Claim::Stale));
    let later = submit(&kit, &customer, None).await;
    kit.dispatcher.tick().await.unwrap();
    assert_eq!(on_stream(&kit).await, 0);
    jobs::settle(&kit.db, lease, &Outcome::Done(json!({}))).await.unwrap();
    assert_eq!(state_of(&kit, running).await, state::DONE);

    let resumed = jobs::resume_queue(&kit.db, Kind::Scrape, operator()).await.unwrap();
    assert_eq!(resumed.paused_at, None);
    kit.dispatcher.tick().await.unwrap();
    for job in [dispatched, later] {
        claim(&kit, &worker, job).await;
    }
    assert_eq!(
        (
            audited(&kit, "queue.paused").await,
            audited(&kit, "queue.resumed").await
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn limits_bound_what_is_dispatched_and_are_lifted_again() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let limit = async |all, each| jobs::limit_queue(&kit.db, Kind::Scrape, all, each, operator()).await;
    let set = limit(Some(5), Some(2)).await.unwrap();
    assert_eq!((set.max_running, set.max_running_per_customer), (Some(5), Some(2)));
    for _ in 0..6 {
        submit(&kit, &a, None).await;
        submit(&kit, &b, None).await;
    }
    let dispatched = async || {
        kit.dispatcher.tick().await.unwrap();
        on_stream(&kit).await
    };
    assert_eq!(dispatched().await, 4, "two of each customer");
    limit(Some(5), None).await.unwrap();
    assert_eq!(dispatched().await, 5);
    limit(None, None).await.unwrap();
    assert_eq!(dispatched().await, 12);
    for (all, each) in [(Some(0), None), (None, Some(-1))] {
        assert!(
            limit(all, each)
                .await
                .unwrap_err()
                .public_message()
                .contains("at least 1")
        );
    }
    assert_eq!(jobs::queue_named("scrape").unwrap(), Kind::Scrape);
    assert_eq!(jobs::queue_named("scrapes").unwrap_err().code(), "not_found");
    assert_eq!(audited(&kit, "queue.limited").await, 3);
}

/// The id of a job that was made this many seconds ago.
fn id_of_age(kit: &Kit, seconds: i64) -> Uuid {
    let at = kit.clock().now().unix_timestamp() - seconds;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, at as u64, 0))
}

/// A job of this age in this state, with an event and a decision about a URL of the same age.
async fn old(kit: &Kit, customer: &Customer, state: &str, days: i64, parent: Option<Uuid>) -> Uuid {
    let id = id_of_age(kit, days * DAY + 60);
    let at = format!("now() - interval '{days} days 1 minute'");
    let parent = parent.map_or("NULL".to_owned(), |p| format!("'{p}'"));
    let customer = customer.id;
    sql(
        kit,
        &format!(
            "INSERT INTO jobs (id, customer_id, parent_id, kind, payload, state, created_at, finished_at)
             VALUES ('{id}', '{customer}', {parent}, 'scrape', '{{}}', '{state}', {at}, {at})"
        ),
    )
    .await;
    sql(
        kit,
        &format!(
            "INSERT INTO job_events (customer_id, job_id, kind, data, at) VALUES ('{customer}', '{id}', '{state}', '{{}}', {at})"
        ),
    )
    .await;
    sql(
        kit,
        &format!(
            "INSERT INTO scrape_jobs (job_id, customer_id, start_url, mode, max_pages, max_depth)
             VALUES ('{id}', '{customer}', 'https://a.example/', 'static', 1, 1)"
        ),
    )
    .await;
    sql(
        kit,
        &format!(
            "INSERT INTO job_urls (job_id, customer_id, url, decision, depth, via, at)
             VALUES ('{id}', '{customer}', 'https://a.example/', 'new', 0, 'spider', {at})"
        ),
    )
    .await;
    id
}

async fn exists(kit: &Kit, table: &str, column: &str, id: Uuid) -> bool {
    kit.count(&format!("SELECT count(*) FROM {table} WHERE {column} = '{id}'"))
        .await
        > 0
}

#[tokio::test]
async fn what_was_kept_long_enough_is_forgotten_and_nothing_else() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    let gone = [
        old(&kit, &a, "done", 31, None).await,
        old(&kit, &a, "failed", 31, None).await,
        old(&kit, &a, "cancelled", 400, None).await,
        old(&kit, &a, "dead", 91, None).await,
    ];
    let live = old(&kit, &a, "running", 200, None).await;
    let child_of_live = old(&kit, &a, "done", 100, Some(live)).await;
    let parent_of_live = old(&kit, &a, "done", 100, None).await;
    let live_child = old(&kit, &a, "needs_confirmation", 99, Some(parent_of_live)).await;
    let kept = [
        live,
        child_of_live,
        parent_of_live,
        old(&kit, &a, "done", 29, None).await,
        old(&kit, &a, "dead", 89, None).await,
    ];
    let young = old(&kit, &a, "done", 6, None).await;
    for (key, age) in [("old", "25 hours"), ("new", "23 hours")] {
        let id = a.id;
        let insert = format!(
            "INSERT INTO idempotency_keys (customer_id, key, request_hash, answer, created_at) VALUES ('{id}', '{key}', '', 'null', now() - interval '{age}')"
        );
        sql(&kit, &insert).await;
    }

    let swept = retention::sweep(&kit.db, &Retention::default()).await.unwrap();
    assert_eq!((swept.jobs, swept.events, swept.idempotency_keys), (4, 9, 1));
    // Those of the job of 29 days, of the one of 6, and of the one that waits to be confirmed stay.
    assert_eq!(swept.urls, 8);
    for id in gone {
        assert!(!exists(&kit, "jobs", "id", id).await);
    }
    for id in kept {
        assert!(exists(&kit, "jobs", "id", id).await);
        assert!(!exists(&kit, "job_events", "job_id", id).await);
    }
    for table in ["job_events", "job_urls"] {
        for job in [young, live_child] {
            assert!(exists(&kit, table, "job_id", job).await, "{table}");
        }
    }
    assert!(exists(&kit, "jobs", "id", live_child).await);
    assert_eq!(
        kit.count("SELECT count(*) FROM idempotency_keys WHERE key = 'new'")
            .await,
        1
    );
    let again = retention::sweep(&kit.db, &Retention::default()).await.unwrap();
    assert_eq!(again, retention::Swept::default());

    // Once the live ones have ended, nothing holds the others.
    sql(
        &kit,
        "UPDATE jobs SET state = 'done' WHERE state IN ('running', 'needs_confirmation')",
    )
    .await;
    assert_eq!(retention::sweep(&kit.db, &Retention::default()).await.unwrap().jobs, 4);
}

#[tokio::test]
async fn more_than_a_batch_is_forgotten_in_one_sweep() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    let parent = old(&kit, &a, "done", 40, None).await;
    let (id, customer) = (parent, a.id);
    sql(
        &kit,
        &format!(
            "INSERT INTO job_events (customer_id, job_id, kind, data, at)
             SELECT '{customer}', '{id}', 'progress', '{{}}', now() - interval '40 days' FROM generate_series(1, 10001)"
        ),
    )
    .await;
    let prefix = &parent.to_string()[..18];
    sql(
        &kit,
        &format!(
            "INSERT INTO jobs (id, customer_id, kind, payload, state, finished_at)
             SELECT ('{prefix}-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{customer}', 'embed', '{{}}', 'done', now() - interval '40 days'
             FROM generate_series(1, 5001) n"
        ),
    )
    .await;
    let swept = retention::sweep(&kit.db, &Retention::default()).await.unwrap();
    assert_eq!((swept.jobs, swept.events), (5002, 10_002));
    assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 0);
}

#[tokio::test]
async fn a_system_job_is_nobodys_and_a_tenant_does_not_see_it() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.system().await.unwrap();
    let task = MaintenanceTask::Retention;
    jobs::submit(&*tx, &NewJob::system(Payload::Maintenance { task }))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let seen = jobs::overview(&kit.db, &kit.dispatcher, None).await.unwrap();
    assert_eq!(
        (seen.customers[0].customer_id, seen.customers[0].kind.as_str()),
        (None, "maintenance")
    );
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(jobs::list(&tx, &jobs::Filter::default(), 10).await.unwrap(), []);
}

/// However many customers have more to do.
#[tokio::test]
async fn a_customer_with_nothing_but_failures_is_found() {
    let kit = Kit::start().await;
    for n in 0..21 {
        let busy = kit.customer(&format!("busy-{n}.example")).await;
        submit(&kit, &busy, None).await;
    }
    let quiet = kit.customer("quiet.example").await;
    dead(&kit, &quiet, None, "unreachable").await;
    let later = submit(&kit, &quiet, None).await;
    sql(
        &kit,
        &format!(
            "UPDATE jobs SET state = 'scheduled', error = '{{\"code\": \"database_unavailable\"}}',
             run_at = now() + interval '1 hour' WHERE id = '{later}'"
        ),
    )
    .await;
    let told = async |asked| {
        let seen = jobs::overview(&kit.db, &kit.dispatcher, asked).await.unwrap();
        seen.customers
    };
    assert!(
        told(None)
            .await
            .iter()
            .all(|customer| customer.customer_id != Some(quiet.id))
    );
    let found = told(Some(quiet.id)).await;
    let figures = (found.len(), found[0].dead, found[0].scheduled, found[0].retries);
    assert_eq!(figures, (1, 1, 1, 1), "{found:?}");
}
