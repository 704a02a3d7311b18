//! What the probes say of a worker that lives and does nothing, while the servers that it talks to answer.
use crate::fleet::{Drill, Fleet, PATIENCE, work};
use domain::tenancy::Db;
use sea_orm::ConnectionTrait;
use std::time::Duration;
use testkit::{Server, within};
use tokio::time::{interval, timeout};

/// Whoever asks for probes takes a worker for dead that has not answered by then.
const HUNG: Duration = Duration::from_secs(5);

async fn until(worker: &mut Drill, status: u16) {
    for path in ["/livez", "/readyz"] {
        let address = worker.health().await;
        within(PATIENCE, "the probe's answer", || async {
            let told = crate::fleet::status(&address, path).await;
            (told == Some(status)).then_some(())
        })
        .await;
    }
}

/// An operator's mistake with Redis' users: connections are made, and nothing can be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_not_read_its_queues_is_dead_until_it_may() {
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let mut redis = fleet.kit.redis().await;
    let mut acl = async |rule: &str| {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("default").arg(rule);
        command.exec_async(&mut redis).await.unwrap();
    };
    acl("-xreadgroup").await;
    until(fleet.worker(0), 503).await;
    let jobs = fleet.submit(&work(5, 100, 1)).await;
    acl("+xreadgroup").await;
    until(fleet.worker(0), 200).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// Compose starts again what has ended, and leaves what is unhealthy as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stays_dead_ends_itself() {
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let mut redis = fleet.kit.redis().await;
    let mut refuse = redis::cmd("ACL");
    refuse.arg("SETUSER").arg("default").arg("-xreadgroup");
    refuse.exec_async(&mut redis).await.unwrap();
    let worker = fleet.worker(0);
    within(2 * PATIENCE, "the worker's end", || {
        let ended = worker.process.ended();
        async move { ended }
    })
    .await;
    assert!(worker.process.output().contains("worker_fell"));
}

/// Without a sign of life that the ledger takes, no claim is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_signs_of_life_are_refused_is_dead_until_they_are_taken() {
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let owner = Db::connect_owner(&fleet.kit.config.database).await.unwrap();
    owner
        .execute_unprepared("ALTER TABLE workers RENAME TO workers_away")
        .await
        .unwrap();
    until(fleet.worker(0), 503).await;
    owner
        .execute_unprepared("ALTER TABLE workers_away RENAME TO workers")
        .await
        .unwrap();
    owner.close().await.unwrap();
    until(fleet.worker(0), 200).await;
    let jobs = fleet.submit(&work(5, 100, 1)).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// The reader goes on, and its answers are as good as ever; but nothing is settled, and no lease renewed.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_not_settle_is_dead_until_it_may() {
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let mut redis = fleet.kit.redis().await;
    let mut acl = async |rules: &[&str]| {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("default").arg(rules);
        command.exec_async(&mut redis).await.unwrap();
    };
    acl(&["-xack", "-xpending", "-xclaim"]).await;
    let jobs = fleet.submit(&work(5, 100, 1)).await;
    until(fleet.worker(0), 503).await;
    acl(&["+xack", "+xpending", "+xclaim"]).await;
    until(fleet.worker(0), 200).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// Something that the schema has and should not, or has not and should: signs of life are taken, queues are read, and nothing is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_claims_are_refused_is_dead_until_they_are_taken() {
    const REFUSE: &str =
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no more''; END';
        CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW
        WHEN (OLD.state <> 'running' AND NEW.state = 'running') EXECUTE FUNCTION refuse()";
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let owner = Db::connect_owner(&fleet.kit.config.database).await.unwrap();
    owner.execute_unprepared(REFUSE).await.unwrap();
    let jobs = fleet.submit(&work(5, 100, 1)).await;
    until(fleet.worker(0), 503).await;
    owner.execute_unprepared("DROP TRIGGER refuse ON jobs").await.unwrap();
    owner.close().await.unwrap();
    until(fleet.worker(0), 200).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// Nothing that is due is queued, and nothing that happens is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_rounds_all_fail_is_dead_until_one_succeeds() {
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let owner = Db::connect_owner(&fleet.kit.config.database).await.unwrap();
    for (from, to, status) in [("event_relay", "relay_away", 503), ("relay_away", "event_relay", 200)] {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        owner.execute_unprepared(&rename).await.unwrap();
        until(fleet.worker(0), status).await;
    }
    owner.close().await.unwrap();
    let jobs = fleet.submit(&work(5, 100, 1)).await;
    fleet.assert_each_done_once(&jobs).await;
    fleet.assert_all_live();
}

/// What hangs is as good as away: the worker is excused, and the probe is answered at once, or whoever watches would end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_answered_while_postgres_or_redis_hangs() {
    let mut fleet = Fleet::start(1).await;
    until(fleet.worker(0), 200).await;
    let address = fleet.worker(0).health().await;
    for server in [Server::Postgres, Server::Valkey] {
        let frozen = fleet.kit.freeze(server);
        within(PATIENCE, "an unready worker", || async {
            (crate::fleet::status(&address, "/readyz").await == Some(503)).then_some(())
        })
        .await;
        // For longer than parts may be silent.
        let mut asks = interval(Duration::from_millis(500));
        for _ in 0..25 {
            asks.tick().await;
            let told = timeout(HUNG, crate::fleet::status(&address, "/livez")).await;
            assert_eq!(told, Ok(Some(200)), "{server:?}");
        }
        drop(frozen);
        until(fleet.worker(0), 200).await;
    }
}
