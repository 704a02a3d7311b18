//! A Redis that is restarted, killed, emptied, frozen or full. The ledger has everything: Redis only makes things start sooner.
use crate::fleet::{Fleet, LEASE, work};
use testkit::{Kit, Server};
use valkey_lab::SERVICE;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_and_a_killed_redis_lose_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(150, 400, 2)).await;
    fleet.effects(30).await;
    fleet.kit.stop(Server::Valkey).await;
    // What runs is finished without Redis.
    let running = fleet.starts_of(&jobs);
    fleet.effects(running).await;
    fleet.kit.start_again(Server::Valkey).await;
    fleet.effects(80).await;
    fleet.kit.kill(Server::Valkey).await;
    fleet.kit.start_again(Server::Valkey).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_is_filled_again_from_the_ledger() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(150, 400, 2)).await;
    for effects in [20, 60, 100] {
        fleet.effects(effects).await;
        fleet.kit.flush_redis().await;
    }
    fleet.assert_each_done_once(&jobs).await;
    // Also where nothing is left to be done but what was lost.
    let last = fleet.submit(&work(3, 100, 1)).await;
    fleet.kit.flush_redis().await;
    fleet.assert_each_done_once(&last).await;
    fleet.assert_all_live();
}

/// Neither the worker comes back nor the errands that it held.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_and_an_emptied_redis_together_lose_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(40, 800, 2)).await;
    fleet.worker(0).busy(4).await;
    fleet.worker(0).crash().await;
    fleet.kit.flush_redis().await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_worker_ends_while_redis_is_frozen() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(100, 400, 2)).await;
    fleet.effects(20).await;
    let frozen = fleet.kit.freeze(Server::Valkey);
    // What is submitted meanwhile is recorded.
    let more = fleet.submit(&work(20, 100, 1)).await;
    tokio::time::sleep(2 * LEASE).await;
    fleet.assert_all_live();
    for n in 0..2 {
        assert_eq!(
            fleet.worker(n).status("/livez").await,
            Some(200),
            "starting it again would mend nothing"
        );
        assert_eq!(fleet.worker(n).status("/readyz").await, Some(503));
    }
    drop(frozen);
    fleet.assert_each_done_once(&[jobs, more].concat()).await;
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_recorded_while_redis_is_full_and_done_when_it_has_room() {
    let mut fleet = Fleet::start(2).await;
    let early = fleet.submit(&work(60, 400, 2)).await;
    fleet.effects(10).await;
    fleet.kit.fill_redis().await;
    let late = fleet.submit(&work(40, 100, 1)).await;
    assert_eq!(fleet.rows(&late).await.len(), 40);
    Kit::relieve_redis(&fleet.kit).await;
    fleet.assert_each_done_once(&[early, late].concat()).await;
    fleet.assert_all_live();
}

/// Errands of an hour ago come again, of jobs that are done by now, and those that were published since are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_restored_from_an_old_backup_loses_and_repeats_no_job() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(150, 400, 2)).await;
    fleet.effects(30).await;
    let backup = fleet.kit.back_up(Server::Valkey).await;
    fleet.effects(90).await;
    let more = fleet.submit(&work(30, 200, 1)).await;
    fleet.kit.restore(&backup).await;
    let last = fleet.submit(&work(10, 100, 1)).await;
    fleet.assert_each_done_once(&[jobs, more, last].concat()).await;
    fleet.assert_all_live();
}

/// Workers that know Redis by a Sentinel alone, and keep to a database of its servers that is not the first.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_by_the_master_that_a_sentinel_names_next() {
    let mut master = valkey_lab::Server::on_port(&[]).await;
    let replica = valkey_lab::Server::replica(&master).await;
    let sentinel = valkey_lab::Server::sentinel(master.port(), &[]).await;
    sentinel.until_replica_is_known().await;
    let url = format!("redis+sentinel://127.0.0.1:{}/{SERVICE}/3", sentinel.port());
    let mut fleet = Fleet::with(2, &[("REDIS_URL", &url)]).await;
    let jobs = fleet.submit(&work(40, 400, 2)).await;
    fleet.effects(20).await;
    let streams: String = master.command("INFO keyspace").await;
    assert!(streams.contains("db3:") && !streams.contains("db0:"), "{streams}");
    master.kill();
    let more = fleet.submit(&work(20, 200, 1)).await;
    fleet.assert_each_done_once(&[jobs, more].concat()).await;
    let told: String = replica.command("INFO replication").await;
    assert!(told.contains("role:master"), "{told}");
    fleet.assert_all_live();
}
