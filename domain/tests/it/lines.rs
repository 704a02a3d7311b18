//! The connections of the ledger's own statements.
use domain::{
    Error,
    jobs::{self, Identity},
    tenancy::Db,
};
use futures::future::join_all;
use sea_orm::ConnectionTrait;
use std::time::Duration;
use testkit::{Catalogue, Kit, Server, eventually};
use tokio::time::timeout;

/// The sessions whose last statement recorded ends.
const SESSIONS: &str = "FROM pg_stat_activity WHERE datname = current_database()
    AND query LIKE '%WITH written AS%' AND query NOT LIKE '%pg_stat_activity%'";

#[tokio::test]
async fn statements_one_after_the_other_have_one_session_and_another_when_it_has_ended() {
    let kit = Kit::start().await;
    let catalogue = Catalogue::of(&kit).await;
    for _ in 0..20 {
        jobs::settle_all(&kit.db, &[]).await.unwrap();
    }
    assert_eq!(catalogue.count(&format!("SELECT count(*) {SESSIONS}")).await, 1);
    let end = format!("SELECT count(pg_terminate_backend(pid, 5000)) {SESSIONS}");
    assert_eq!(catalogue.count(&end).await, 1);
    // What was used a moment ago is believed to live.
    let _ = jobs::settle_all(&kit.db, &[]).await;
    for _ in 0..3 {
        jobs::settle_all(&kit.db, &[]).await.unwrap();
    }
    // What is kept is closed with the pool.
    kit.db.clone().close().await;
    assert!(jobs::settle_all(&kit.db, &[]).await.is_err());
}

/// An address that has moved, a router that has lost its state: connections that answer no more, and do not end either. A pool that waited for each of
/// them would have none left after a few, though new ones are to be had.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_answer_no_more_are_given_up_and_new_ones_take_their_places() {
    let kit = Kit::start().await;
    let (wire, variables) = kit.wire(Server::Postgres);
    let db = Db::connect(&kit.config_with(&variables).database).await.unwrap();
    let worker = Identity::new("test", "0");
    let beat = || jobs::beat(&db, &worker, Duration::from_mins(5), false);
    let catalogue = Catalogue::of(&kit).await;
    eventually("several connections", || async {
        // They are all after one row.
        let _ = join_all((0..8).map(|_| beat())).await;
        let sessions = "SELECT count(*) FROM pg_stat_activity
            WHERE query LIKE '%WITH beat AS%' AND query NOT LIKE '%pg_stat_activity%'";
        (catalogue.count(sessions).await >= 4).then_some(())
    })
    .await;
    for opened in join_all((0..3).map(|_| db.ping())).await {
        opened.unwrap();
    }
    wire.forget();
    let given_up = join_all((0..8).map(|_| timeout(Duration::from_secs(1), beat()))).await;
    assert!(given_up.iter().any(Result::is_err), "a dead connection has answered");
    eventually("a beat by a new connection", || async { beat().await.ok() }).await;
    // Nobody waits for these, and nothing but the answer tells that they are dead.
    let opened = timeout(Duration::from_mins(2), db.ping()).await;
    assert!(opened.is_ok_and(|opened| opened.is_ok()), "no transaction is opened");
    drop(wire);
}

/// A server that is lost while it works on a statement: who waits for its answer sends nothing, so that nothing tells. Jobs would wait, of workers that live.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_transaction_is_gone_is_given_up_and_one_that_takes_its_time_is_not() {
    const AT_WORK: &str = "FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(%'";
    let kit = Kit::start().await;
    let (wire, variables) = kit.wire(Server::Postgres);
    let lost = Db::connect(&kit.config_with(&variables).database).await.unwrap();
    let catalogue = Catalogue::of(&kit).await;
    let work = async |db: Db, seconds: u32| {
        let tx = db.system().await.unwrap();
        let sleep = format!("SELECT pg_sleep({seconds})");
        tx.execute_unprepared(&sleep).await.map_err(Error::from)
    };
    let fault = async {
        let at_work = format!("SELECT count(*) {AT_WORK}");
        eventually("both at work", || async {
            (catalogue.count(&at_work).await == 2).then_some(())
        })
        .await;
        wire.forget();
        let end = format!("SELECT count(pg_terminate_backend(pid, 5000)) {AT_WORK} AND query LIKE '%(86400)'");
        assert_eq!(catalogue.count(&end).await, 1);
    };
    let lost = timeout(Duration::from_mins(2), work(lost.traced(), 86_400));
    let (lost, slow, ()) = tokio::join!(lost, work(kit.db.clone().traced(), 20), fault);
    let told = lost.map(|lost| lost.unwrap_err().code().to_owned());
    assert_eq!(told.as_deref(), Ok("database_unavailable"));
    slow.unwrap();
    drop(wire);
}
