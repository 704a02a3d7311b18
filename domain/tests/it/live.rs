//! Live events: announced in order, followed without a gap or a double, whatever happens to Redis meanwhile.
use domain::{
    jobs::{self, Ask, Claim, Claimed, EventReader, Identity, Live, NewJob, Outcome, Payload},
    lifecycle::Ended,
    tenancy::{Customer, Db},
};
use rand::Rng;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use testkit::{Kit, Server, eventually};
use uuid::Uuid;

/// Only ends a wait for what never comes.
const PATIENCE: Duration = Duration::from_mins(1);

async fn submit(kit: &Kit, customer: &Customer) -> Uuid {
    let tx = kit.db.tenant(customer).await.unwrap();
    let job = NewJob::new(customer.id, Payload::Scrape {});
    let id = jobs::submit(&*tx, &job).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

async fn worker(kit: &Kit) -> Uuid {
    let worker = Identity::new("test", "0");
    jobs::beat(&kit.db, &worker, PATIENCE * 10, false).await.unwrap();
    worker.id
}

async fn claim(kit: &Kit, worker: Uuid, job: Uuid) -> Claimed {
    let ask = Ask {
        job,
        quarantined: false,
    };
    match jobs::claim_all(&kit.db, worker, &[ask]).await.unwrap().pop() {
        Some(Claim::Run(claimed)) => *claimed,
        other => panic!("expected a claim, got {other:?}"),
    }
}

async fn execute<const N: usize>(kit: &Kit, text: &str, values: [Value; N]) {
    let tx = kit.db.system().await.unwrap();
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
    tx.execute_raw(statement).await.unwrap();
    tx.commit().await.unwrap();
}

/// Writes an event as everything does that writes one: after the job's row.
async fn tell(kit: &Kit, customer: &Customer, job: Uuid, kind: &str) {
    let tx = kit.db.tenant(customer).await.unwrap();
    lock_job(&*tx, job).await;
    jobs::record(&*tx, Some(customer.id), job, kind, json!({}))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn lock_job(tx: &impl ConnectionTrait, job: Uuid) {
    let lock = "SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE";
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, [job.into()]);
    tx.execute_raw(lock).await.unwrap();
}

async fn relay(kit: &Kit) -> usize {
    let mut redis = kit.dispatcher.redis();
    jobs::relay(&kit.db, &mut redis).await.unwrap()
}

async fn relay_all(kit: &Kit) -> usize {
    let mut sum = 0;
    loop {
        match relay(kit).await {
            0 => return sum,
            n => sum += n,
        }
    }
}

async fn ids(kit: &Kit, job: Uuid) -> Vec<i64> {
    let tx = kit.db.system().await.unwrap();
    let query = "SELECT id FROM job_events WHERE job_id = $1 ORDER BY id";
    let query = Statement::from_sql_and_values(DbBackend::Postgres, query, [job.into()]);
    let rows = tx.query_all_raw(query).await.unwrap();
    rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

/// The announcements on a customer's stream: the jobs that each of them names, by their ids.
async fn announced(kit: &Kit, customer: &Customer) -> Vec<Vec<Uuid>> {
    let mut redis = kit.dispatcher.redis();
    let mut range = redis::cmd("XRANGE");
    range.arg(jobs::stream_key(customer.id)).arg("-").arg("+");
    let found: redis::streams::StreamRangeReply = range.query_async(&mut redis).await.unwrap();
    let named = |entry: &redis::streams::StreamId| {
        let jobs: String = entry.get("job").unwrap();
        let mut jobs: Vec<Uuid> = jobs.split(' ').map(|job| job.parse().unwrap()).collect();
        jobs.sort_unstable();
        jobs
    };
    found.ids.iter().map(named).collect()
}

async fn connections(kit: &Kit) -> usize {
    let mut redis = kit.dispatcher.redis();
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST");
    list.query_async::<String>(&mut redis).await.unwrap().lines().count()
}

async fn next(reader: &mut EventReader) -> Option<jobs::Event> {
    tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap()
}

async fn kinds(reader: &mut EventReader) -> Vec<String> {
    let mut kinds = Vec::new();
    while let Some(event) = next(reader).await {
        kinds.push(event.kind);
    }
    kinds
}

#[tokio::test]
async fn a_job_is_followed_to_its_end_and_resumed() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let job = submit(&kit, &customer).await;
    let live = kit.live(&kit.life());
    let mut reader = live.reader(&customer, job, 0);
    assert_eq!(next(&mut reader).await.unwrap().kind, "queued");
    let worker = worker(&kit).await;
    let lease = claim(&kit, worker, job).await.lease;
    let done = Outcome::Done(json!({ "ok": true }));
    jobs::settle(&kit.db, lease, &done).await.unwrap();
    relay_all(&kit).await;
    let started = next(&mut reader).await.unwrap();
    let done = next(&mut reader).await.unwrap();
    assert_eq!((started.kind.as_str(), done.kind.as_str()), ("started", "done"));
    assert_eq!((done.job_id, &done.data["result"]["ok"]), (job, &json!(true)));
    assert_eq!(next(&mut reader).await, None);

    let mut late = live.reader(&customer, job, started.id);
    assert_eq!(next(&mut late).await.unwrap().id, done.id);
    assert_eq!(next(&mut late).await, None);
    let mut foreign = live.reader(&other, job, 0);
    assert_eq!(foreign.next().await.unwrap_err().code(), "not_found");

    let tx = kit.db.tenant(&customer).await.unwrap();
    let submitted = submit(&kit, &customer).await;
    jobs::cancel(&tx, submitted).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        kinds(&mut live.reader(&customer, submitted, 0)).await,
        ["queued", "cancelled"]
    );
}

#[tokio::test]
async fn announcements_wait_for_older_transactions_and_name_each_job_once() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let (slow, quick, third) = (submit(&kit, &a).await, submit(&kit, &a).await, submit(&kit, &b).await);
    assert_eq!(relay_all(&kit).await, 3);
    let tx = kit.db.tenant(&a).await.unwrap();
    lock_job(&*tx, slow).await;
    jobs::record(&*tx, Some(a.id), slow, "progress", json!({}))
        .await
        .unwrap();
    tell(&kit, &a, quick, "progress").await;
    tell(&kit, &b, third, "progress").await;
    assert_eq!(relay_all(&kit).await, 0, "an older transaction may still bring events");
    tx.commit().await.unwrap();
    assert_eq!(relay_all(&kit).await, 3);
    assert_eq!(relay_all(&kit).await, 0);

    assert_eq!(announced(&kit, &a).await, [[slow, quick], [slow, quick]]);
    assert_eq!(announced(&kit, &b).await, [[third], [third]]);
    let mut redis = kit.dispatcher.redis();
    let mut ttl = redis::cmd("TTL");
    let seconds: i64 = ttl.arg(jobs::stream_key(a.id)).query_async(&mut redis).await.unwrap();
    assert!(seconds > 6 * 24 * 3600 && seconds <= 7 * 24 * 3600, "{seconds}");
}

#[tokio::test]
async fn two_relays_at_once_and_a_lost_cursor_make_doubles_at_most() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    for _ in 0..50 {
        tell(&kit, &customer, job, "progress").await;
    }
    tokio::join!(relay_all(&kit), relay_all(&kit), relay_all(&kit));
    execute(&kit, "DELETE FROM event_relay", []).await;
    tell(&kit, &customer, job, "progress").await;
    assert_eq!(
        relay_all(&kit).await,
        52,
        "without a cursor everything is announced again"
    );
    let told = announced(&kit, &customer).await;
    assert!(told.len() >= 2 && told.iter().all(|jobs| *jobs == [job]), "{told:?}");
    assert_eq!(relay_all(&kit).await, 0);
}

#[tokio::test]
async fn a_database_from_another_cluster_is_healed() {
    const AHEAD: &str = "pg_current_xact_id()::text::bigint + 1000000";
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    let restored = format!("UPDATE job_events SET xid = ({AHEAD})::text::xid8");
    let cursor = format!("UPDATE event_relay SET xid = ({AHEAD})::text::xid8, event_id = 1");
    let settled = async |expected: usize, why: &str| {
        assert_eq!(relay_all(&kit).await, expected, "{why}");
        let ahead = "SELECT count(*) FROM job_events WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";
        assert_eq!(kit.count(ahead).await, 0);
        assert_eq!(relay_all(&kit).await, 0);
    };
    settled(1, "the first").await;

    tell(&kit, &customer, job, "progress").await;
    execute(&kit, &restored, []).await;
    settled(2, "events from the future").await;
    execute(&kit, &cursor, []).await;
    tell(&kit, &customer, job, "progress").await;
    settled(3, "a cursor from the future").await;
    execute(&kit, &restored, []).await;
    execute(&kit, &cursor, []).await;
    tell(&kit, &customer, job, "progress").await;
    settled(4, "both").await;
    tell(&kit, &customer, job, "progress").await;
    settled(1, "and then as ever").await;
}

#[tokio::test]
async fn of_a_hundred_thousand_events_the_relay_reads_the_next_thousand_only() {
    const EVENTS: i64 = 100_000;
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    relay_all(&kit).await;
    let fill = "INSERT INTO job_events (customer_id, job_id, kind, data)
                SELECT $1, $2, 'progress', jsonb_build_object('done', n) FROM generate_series(1, $3) n";
    execute(&kit, fill, [customer.id.into(), job.into(), EVENTS.into()]).await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    // Without statistics, and with them.
    for prepare in ["SELECT 1", "ANALYZE job_events"] {
        owner.execute_unprepared(prepare).await.unwrap();
        let before = reads(&kit).await;
        assert_eq!(relay(&kit).await, 1000);
        let after = eventually("the statistics", || async {
            let now = reads(&kit).await;
            (now.index >= before.index + 1000).then_some(now)
        })
        .await;
        // Reading on and sorting afterwards would read them all.
        assert!(after.index < before.index + 1100, "{before:?} {after:?}");
        assert_eq!(after.whole, before.whole, "scans of the whole table");
    }
}

/// Entries read in the relay's index, and scans of the whole table.
#[derive(Debug)]
struct Reads {
    index: i64,
    whole: i64,
}

async fn reads(kit: &Kit) -> Reads {
    let index = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'idx_job_events_relay'";
    let whole = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'job_events'";
    Reads {
        index: kit.count(index).await,
        whole: kit.count(whole).await,
    }
}

#[tokio::test]
async fn readers_share_two_connections_that_close_with_the_last_one() {
    let kit = Kit::start().await;
    let process = kit.life();
    let live = kit.live(&process);
    relay_all(&kit).await;
    let before = connections(&kit).await;
    let mut readers = Vec::new();
    for name in ["a.example", "b.example", "c.example"] {
        let customer = kit.customer(name).await;
        for _ in 0..10 {
            let mut reader = live.reader(&customer, submit(&kit, &customer).await, 0);
            assert_eq!(next(&mut reader).await.unwrap().kind, "queued");
            readers.push(reader);
        }
    }
    assert_eq!(live.readers(), 30);
    let open = async |n: usize| (connections(&kit).await == before + n).then_some(());
    eventually("the hub's connections", || open(2)).await;
    readers.truncate(1);
    assert_eq!(live.readers(), 1);
    readers.clear();
    assert_eq!(live.readers(), 0);
    eventually("the hub to go", || open(0)).await;

    let customer = kit.customer("d.example").await;
    let mut again = live.reader(&customer, submit(&kit, &customer).await, 0);
    assert_eq!(next(&mut again).await.unwrap().kind, "queued");
    eventually("the hub to come again", || open(2)).await;
    assert_eq!(
        process.shutdown(PATIENCE).await,
        Ended::Clean,
        "the hub heeds the soft stop"
    );
    eventually("the hub to go at the stop", || open(0)).await;
}

/// An event comes while the reader waits already.
async fn meet(kit: &Kit, customer: &Customer, job: Uuid, reader: &mut EventReader, announced: bool) {
    let tell = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        tell(kit, customer, job, "progress").await;
        if announced {
            relay_all(kit).await;
        }
    };
    let (told, ()) = tokio::join!(next(reader), tell);
    assert_eq!(told.unwrap().kind, "progress");
}

/// So often that looking now and then would take longer than the patience.
async fn woken(kit: &Kit, customer: &Customer, job: Uuid, reader: &mut EventReader) {
    const TIMES: usize = 30;
    let each = async {
        for _ in 0..TIMES {
            meet(kit, customer, job, reader, true).await;
        }
    };
    tokio::time::timeout(PATIENCE, each).await.unwrap();
}

#[tokio::test]
async fn announcements_wake_readers_and_without_redis_they_look_by_themselves() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    let live = kit.live(&kit.life());
    let mut reader = live.reader(&customer, job, 0);
    assert_eq!(next(&mut reader).await.unwrap().kind, "queued");
    woken(&kit, &customer, job, &mut reader).await;

    kit.stop(Server::Valkey).await;
    for _ in 0..3 {
        meet(&kit, &customer, job, &mut reader, false).await;
    }
    let mut second = live.reader(&customer, job, 0);
    assert_eq!(next(&mut second).await.unwrap().kind, "queued");
    kit.start_again(Server::Valkey).await;
    let relayed = async || {
        let mut redis = kit.dispatcher.redis();
        jobs::relay(&kit.db, &mut redis).await.ok()
    };
    eventually("the relay to reconnect", relayed).await;
    woken(&kit, &customer, job, &mut reader).await;

    let frozen = kit.freeze(Server::Valkey);
    for _ in 0..3 {
        meet(&kit, &customer, job, &mut reader, false).await;
    }
    drop(frozen);
    eventually("the relay to be answered", relayed).await;
    woken(&kit, &customer, job, &mut reader).await;
}

#[tokio::test]
async fn a_reader_that_nobody_polls_holds_no_connection() {
    let kit = Kit::with(&[("DATABASE_POOL_MAX", "1")]).await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    let live = kit.live(&kit.life());
    for _ in 0..20 {
        let mut reader = live.reader(&customer, job, 0);
        let mut stuck = Box::pin(reader.next());
        assert!(futures::poll!(&mut stuck).is_pending());
        // As far as it comes by itself.
        tokio::task::yield_now().await;
        let _ = futures::poll!(&mut stuck);
        assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 1);
    }
}

#[tokio::test]
async fn long_histories_are_read_page_by_page() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    let fill = "INSERT INTO job_events (customer_id, job_id, kind, data)
                SELECT $1, $2, 'progress', jsonb_build_object('text', repeat('x', CASE WHEN n % 100 = 0 THEN 200000 ELSE n END))
                FROM generate_series(1, 1000) n";
    execute(&kit, fill, [customer.id.into(), job.into()]).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    jobs::cancel(&tx, job).await.unwrap();
    tx.commit().await.unwrap();
    let mut reader = kit.live(&kit.life()).reader(&customer, job, 0);
    let mut seen = Vec::new();
    while let Some(event) = next(&mut reader).await {
        seen.push(event.id);
    }
    assert_eq!(seen, ids(&kit, job).await);
    assert_eq!(seen.len(), 1002);
}

/// Follows a job through lost connections until it has ended and `over` was said.
async fn follow(live: &Live, customer: &Customer, job: Uuid, over: &AtomicBool) -> Vec<i64> {
    let mut seen = vec![0];
    loop {
        let mut reader = live.reader(customer, job, seen[seen.len() - 1]);
        let events = rand::rng().random_range(1..20);
        for _ in 0..events {
            let was_over = over.load(Ordering::SeqCst);
            match next(&mut reader).await {
                Some(event) => seen.push(event.id),
                None if was_over => return seen.split_off(1),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// One run of a job in which progress, a cancel and the end meet.
async fn run(kit: &Kit, customer: &Customer, worker: Uuid, job: Uuid) {
    let lease = claim(kit, worker, job).await.lease;
    let progress = async |writer: usize| {
        for done in 0..25 {
            let tx = kit.db.tenant(customer).await.unwrap();
            let progress = json!({ "writer": writer, "done": done });
            if jobs::save_progress(&*tx, lease, &progress).await.is_ok() {
                tx.commit().await.unwrap();
            }
        }
    };
    let cancel = async {
        let pause = rand::rng().random_range(0..100);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let tx = kit.db.tenant(customer).await.unwrap();
        if jobs::cancel(&tx, job).await.is_ok() {
            tx.commit().await.unwrap();
        }
    };
    let end = async {
        let pause = rand::rng().random_range(50..150);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // As a worker does: while the writers hold the job's row one after the other, its end waits for another time.
        eventually("the end to be recorded", || async {
            match jobs::settle(&kit.db, lease, &Outcome::Cancelled).await {
                Err(error) if error.code() == "database_busy" => None,
                settled => {
                    settled.unwrap();
                    Some(())
                }
            }
        })
        .await;
    };
    tokio::join!(progress(1), progress(2), progress(3), cancel, end);
}

/// What Redis must be able to suffer, with the announcements going on.
async fn trouble(kit: &Kit, customer: &Customer, over: &AtomicBool) {
    let announce = async {
        let mut redis = kit.dispatcher.redis();
        while !over.load(Ordering::SeqCst) {
            let _ = jobs::relay(&kit.db, &mut redis).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let hurt = async {
        while !over.load(Ordering::SeqCst) {
            let mut redis = kit.dispatcher.redis();
            let mut trim = redis::cmd("XTRIM");
            trim.arg(jobs::stream_key(customer.id)).arg("MAXLEN").arg(0);
            let _ = trim.query_async::<i64>(&mut redis).await;
            tokio::time::sleep(Duration::from_millis(70)).await;
            let _ = redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await;
            tokio::time::sleep(Duration::from_millis(70)).await;
            kit.kill(Server::Valkey).await;
            kit.start_again(Server::Valkey).await;
        }
    };
    tokio::join!(announce, hurt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gap_and_no_double_with_racing_writers_reconnects_and_a_redis_that_forgets() {
    const RUNS: usize = 8;
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let job = submit(&kit, &customer).await;
    let worker = worker(&kit).await;
    let live = kit.live(&kit.life());
    let over = AtomicBool::new(false);
    let work = async {
        for n in 1..=RUNS {
            Box::pin(run(&kit, &customer, worker, job)).await;
            if n < RUNS {
                let tx = kit.db.tenant(&customer).await.unwrap();
                jobs::retry(&tx, job).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
        over.store(true, Ordering::SeqCst);
    };
    let reader = || follow(&live, &customer, job, &over);
    let readers = futures::future::join_all((0..5).map(|_| reader()));
    let ((), (), seen) = tokio::join!(work, trouble(&kit, &customer, &over), readers);
    let all = ids(&kit, job).await;
    assert!(all.len() > 2 * RUNS, "{}", all.len());
    for seen in seen {
        assert_eq!(seen, all);
    }
    assert_eq!(live.readers(), 0);
}
