//! Workers that are killed, frozen, and asked to stop.
use crate::fleet::{Fleet, LEASE, PATIENCE, work};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;
use testkit::{Server, eventually, within};
use tokio::time::timeout;

/// What service managers are told to allow: `WORKER_SHUTDOWN_SECONDS` as it is by default, and a little.
const IN_TIME: Duration = Duration::from_secs(25);

/// An orphan is begun again within its lease and five seconds; here is room for a busy machine, and none for another way of finding them.
const IDLE: Duration = Duration::from_secs(LEASE.as_secs() + 3 * 5);

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_killed_worker_are_done_by_another() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(80, 600, 2)).await;
    fleet.effects(30).await;
    let killed = fleet.worker(0);
    killed.busy(4).await;
    killed.crash().await;
    let killed_at = fleet.now().await;
    let killed = fleet.worker(0);
    let (begun, ended) = (killed.journal.count("start"), killed.journal.count("end"));
    assert!(ended < begun, "nothing was in its hands");
    let orphans = fleet.running().await;
    fleet.assert_each_done_once(&jobs).await;
    let again = fleet.started_again(&orphans, killed_at).await;
    println!("orphans were begun again after {again:?}");
    assert!(again <= IDLE, "{again:?}");
}

/// Three lost workers without progress make a dead letter; these jobs make progress in between, so that nobody blames them.
#[tokio::test(flavor = "multi_thread")]
async fn innocent_jobs_survive_any_number_of_killed_workers() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(24, 2000, 10)).await;
    for n in 0..5 {
        let next = fleet.worker(n);
        next.busy(1).await;
        within(PATIENCE, "progress of all that runs", || async {
            let without = "SELECT count(*) FROM jobs WHERE state = 'running' AND starts > 0";
            (fleet.kit.count(without).await == 0).then_some(())
        })
        .await;
        fleet.worker(n).crash().await;
        fleet.add();
    }
    fleet.assert_each_done_once(&jobs).await;
}

/// Row 2 of the failure tests: jobs of one step, which save nothing, and workers that are killed at any moment of them, each when what the
/// one before had begun is through.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_without_progress_survive_workers_that_are_killed_now_and_then() {
    let mut fleet = Fleet::start(2).await;
    let (mut jobs, mut begun) = (Vec::new(), Vec::new());
    for n in 0..5 {
        fleet.ended(&begun).await;
        jobs.extend(fleet.submit(&work(40, 1500, 1)).await);
        let next = fleet.worker(n);
        next.busy(4).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..1000))).await;
        fleet.worker(n).crash().await;
        begun = fleet.running().await;
        fleet.add();
    }
    fleet.assert_each_done_once(&jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_workers_late_writes_are_refused() {
    let mut fleet = Fleet::start(1).await;
    let jobs = fleet.submit(&vec![json!({ "do": "work_deaf", "ms": 4000 }); 8]).await;
    fleet.begun(&jobs, 8).await;
    fleet.worker(0).freeze().await;
    fleet.add();
    fleet.ended(&jobs).await;

    let woken = fleet.worker(0);
    woken.process.thaw();
    eventually("the woken worker's end of its runs", || {
        let ended = woken.journal.count("end");
        async move { (ended == 8).then_some(()) }
    })
    .await;
    // What it goes on with is cut off or refused: the effects are the other worker's.
    let mut late = woken.journal.notes();
    late.retain(|(what, ..)| what == "start");
    for (_, job, token, _) in late {
        let effects = format!("SELECT count(*) FROM drill_effects WHERE token = '{token}'");
        assert_eq!(fleet.kit.count(&effects).await, 0, "a late effect of {job}");
    }
    fleet.assert_each_done_once(&jobs).await;

    // And it is of use again: there is more to do than the other one does in a moment.
    let before = fleet.worker(0).journal.runs().len();
    let more = fleet.submit(&work(200, 200, 1)).await;
    fleet.assert_each_done_once(&more).await;
    assert!(
        fleet.worker(0).journal.runs().len() > before,
        "it takes no jobs any more"
    );
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_stop_gives_its_jobs_away_and_ends_in_order() {
    let hands = [("WORKER_CONCURRENCY", "64".to_owned())];
    let mut fleet = Fleet::start(0).await;
    fleet.add_with(&hands);
    let jobs = fleet.submit(&work(160, 3000, 6)).await;
    fleet.begun(&jobs, 64).await;
    let leaving = fleet.worker(0);
    assert_eq!(leaving.status("/readyz").await, Some(200));

    leaving.stop().await;
    assert_ne!(
        leaving.status("/readyz").await,
        Some(200),
        "it is asked for work no more"
    );
    let begun = leaving.journal.runs().len();
    fleet.add_with(&hands);
    let leaving = fleet.worker(0);
    let ended = timeout(IN_TIME, leaving.process.end()).await;
    assert_eq!(ended.expect("an end in time").code(), Some(0));
    assert!(
        !leaving.process.output().contains("cut off"),
        "it was not through in time"
    );
    assert_eq!(
        leaving.journal.runs().len(),
        begun,
        "it began jobs after it was asked to stop"
    );
    assert!(
        leaving.journal.count("interrupted") > 0,
        "it finished jobs that others could go on with"
    );
    fleet.assert_each_done_once(&jobs).await;
    // Nothing of it counts as a crash or as a failed attempt.
    let rows = fleet.rows(&jobs).await;
    assert!(rows.iter().all(|row| row.attempts == 0), "attempts were counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_a_worker_that_cannot_finish() {
    let mut fleet = Fleet::start(1).await;
    let jobs = fleet.submit(&vec![json!({ "do": "hang_once" }); 5]).await;
    let stuck = fleet.worker(0);
    eventually("jobs that hang", || {
        let hung = stuck.journal.count("hung");
        async move { (hung == 5).then_some(()) }
    })
    .await;
    stuck.stop().await;
    assert_eq!(stuck.process.ended(), None);
    stuck.process.signal(Signal::SIGTERM);
    let ended = stuck.process.end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(stuck.journal.count("end"), 5);
    fleet.add();
    fleet.assert_each_done_once(&jobs).await;
}

/// Neither can be told of the stop, and neither keeps the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_in_time_though_postgres_or_redis_does_not_answer() {
    let mut fleet = Fleet::with(0, &[("WORKER_SHUTDOWN_SECONDS", "3")]).await;
    let jobs = fleet.submit(&work(40, 1500, 3)).await;
    for (n, server) in [Server::Postgres, Server::Valkey].into_iter().enumerate() {
        fleet.add();
        fleet.worker(n).busy(4).await;
        let frozen = fleet.kit.freeze(server);
        let worker = fleet.worker(n);
        worker.stop().await;
        let ended = worker.process.end().await;
        assert_eq!(ended.code(), Some(0), "{server:?}: {ended}");
        drop(frozen);
    }
    fleet.add();
    fleet.assert_each_done_once(&jobs).await;
}
