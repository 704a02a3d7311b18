//! A Postgres that is restarted, killed, and that ends connections at random.
use crate::fleet::{Fleet, LEASE, work};
use std::time::Duration;
use testkit::Server;

/// Connections that others hold: as many as there is room for beside the workers', of 200.
const IDLE: u32 = 120;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_loses_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(100, 500, 2)).await;
    fleet.effects(20).await;
    fleet.kit.stop(Server::Postgres).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fleet.kit.start_again(Server::Postgres).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// Longer than the lease: every worker believes that it lost its jobs, and none was given away, since nobody could.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_postgres_that_outlasts_the_leases_loses_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(60, 1000, 4)).await;
    fleet.effects(10).await;
    fleet.kit.stop(Server::Postgres).await;
    tokio::time::sleep(2 * LEASE).await;
    fleet.kit.start_again(Server::Postgres).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// A lease is for workers that are lost. No errand rests for one because a database was away: these would outlast the test.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_as_soon_as_postgres_is_back_however_long_the_leases_are() {
    let mut fleet = Fleet::with(
        2,
        &[("WORKER_LEASE_SECONDS", "120"), ("DATABASE_POOL_CONNECT_SECONDS", "1")],
    )
    .await;
    let jobs = fleet.submit(&work(100, 500, 2)).await;
    fleet.effects(20).await;
    fleet.kit.stop(Server::Postgres).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    fleet.kit.start_again(Server::Postgres).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// Its last commits may be lost with it where they need not be durable; then so is everything that came of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_loses_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(100, 500, 2)).await;
    for effects in [20, 50] {
        fleet.effects(effects).await;
        fleet.kit.kill(Server::Postgres).await;
        fleet.kit.start_again(Server::Postgres).await;
    }
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_postgres_loses_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(60, 500, 2)).await;
    fleet.effects(10).await;
    let frozen = fleet.kit.freeze(Server::Postgres);
    tokio::time::sleep(2 * LEASE).await;
    drop(frozen);
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_at_random_beside_many_idle_ones_lose_no_job() {
    let mut fleet = Fleet::start(2).await;
    let idle = fleet.kit.idle_connections(IDLE).await;
    let jobs = fleet.submit(&work(250, 300, 3)).await;
    fleet.effects(5).await;
    let mut ended = 0;
    for _ in 0..30 {
        ended += fleet.kit.terminate_backends(2).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(ended >= 30, "{ended} connections");
    fleet.assert_each_done_once(&jobs).await;
    drop(idle);
    fleet.assert_all_live();
}

/// A network that loses everything, and then comes back with what it held up.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_cut_off_from_postgres_keeps_no_job() {
    let mut fleet = Fleet::start(0).await;
    let (mut wire, variables) = fleet.kit.wire(Server::Postgres);
    fleet.add_with(&variables);
    let jobs = fleet.submit(&work(40, 1000, 4)).await;
    fleet.begun(&jobs, 8).await;
    wire.stall();
    fleet.worker(0).journal.cut();
    fleet.add();
    fleet.ended(&jobs).await;
    wire.mend();
    fleet.assert_each_done_once(&jobs).await;
    wire.cut().await;
    wire.mend();
    let more = fleet.submit(&work(60, 200, 1)).await;
    fleet.assert_each_done_once(&more).await;
    fleet.assert_all_live();
}

/// Workers live on that hold jobs which it knows otherwise, and Redis has errands of jobs that it does not know. What was done since is done
/// again, and had its effect once, since the effects are forgotten with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_restored_from_an_old_backup_does_once_what_it_knows_of() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(100, 400, 2)).await;
    fleet.effects(30).await;
    let backup = fleet.kit.back_up(Server::Postgres).await;
    fleet.effects(60).await;
    let unknown = fleet.submit(&work(30, 400, 2)).await;
    fleet.kit.restore(&backup).await;
    let last = fleet.submit(&work(10, 100, 1)).await;
    // A job that was begun since may be given to another worker while the first one learns that it is not its own.
    fleet.assert_each_done_once_by_any_clock(&[jobs, last].concat()).await;
    assert!(fleet.rows(&unknown).await.is_empty());
    fleet.assert_all_live();
}
