//! How transactions begin: in one round trip, on a connection that lives, and on none that did not open as it was told to.
use domain::{
    Error,
    tenancy::{Session, SystemTx},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::ExposeSecret;
use sqlx::{Connection as _, PgPool, postgres::PgPoolOptions};
use testkit::{Catalogue, Kit};

async fn one(db: &impl ConnectionTrait, sql: &str) -> i32 {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// A pool of one connection that nothing but transactions tests.
async fn alone(kit: &Kit) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    options.connect(kit.config.database.url.expose_secret()).await.unwrap()
}

#[tokio::test]
async fn connections_that_postgres_has_ended_cost_no_transaction_and_no_alarm() {
    let kit = Kit::with(&[("DATABASE_POOL_MAX", "5")]).await;
    let customer = kit.customer("a.example").await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(kit.db.tenant(&customer).await.unwrap());
    }
    let mut sessions = Vec::new();
    for tx in open {
        sessions.push(one(&*tx, "SELECT pg_backend_pid()").await);
        tx.commit().await.unwrap();
    }
    let ended = format!("SELECT count(pg_terminate_backend(pid)) FROM unnest(ARRAY{sessions:?}) pid");
    assert_eq!(Catalogue::of(&kit).await.count(&ended).await, 5);
    kit.db.ping().await.unwrap();
    for _ in 0..10 {
        let tx = kit.db.tenant(&customer).await.unwrap();
        assert!(!sessions.contains(&one(&*tx, "SELECT pg_backend_pid()").await));
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_whose_transaction_did_not_open_is_never_lent_again() {
    let kit = Kit::start().await;
    let pool = alone(&kit).await;
    let first = Session::begin(&pool, "BEGIN", None).await.unwrap();
    let session = one(&first, "SELECT pg_backend_pid()").await;
    first.commit().await.unwrap();
    let same = Session::begin(&pool, "BEGIN", None).await.unwrap();
    assert_eq!(one(&same, "SELECT pg_backend_pid()").await, session);
    drop(same);
    // It has begun, and is not what was asked for.
    assert!(
        Session::begin(&pool, "BEGIN; SET LOCAL ROLE nobody_at_all", None)
            .await
            .is_err()
    );
    let next = Session::begin(&pool, "BEGIN", None).await.unwrap();
    assert_ne!(one(&next, "SELECT pg_backend_pid()").await, session);
}

#[tokio::test]
async fn nobody_waits_for_a_rollback_and_it_is_one() {
    let kit = Kit::start().await;
    let pool = alone(&kit).await;
    let dropped = Session::begin(&pool, "BEGIN", None).await.unwrap();
    dropped
        .execute_unprepared("CREATE TEMPORARY TABLE left_behind (n integer)")
        .await
        .unwrap();
    drop(dropped);
    let connection = pool.acquire().await.unwrap();
    assert!(!connection.is_in_transaction());
    drop(connection);
    let next = Session::begin(&pool, "BEGIN", None).await.unwrap();
    assert_eq!(one(&next, "SELECT count(to_regclass('left_behind'))::int").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_way_in_a_deadlock_is_told_to_try_again() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let lock = |id| format!("SELECT FROM customer_configs WHERE id = '{id}' FOR UPDATE");
    let (first, second) = (kit.db.system().await.unwrap(), kit.db.system().await.unwrap());
    first.execute_unprepared(&lock(a.id)).await.unwrap();
    second.execute_unprepared(&lock(b.id)).await.unwrap();
    let cross = async |tx: SystemTx, id| {
        let done = tx.execute_unprepared(&lock(id)).await;
        // Whoever is left goes on once the other has ended.
        drop(tx);
        done.map_err(Error::from)
    };
    let (one, other) = tokio::join!(cross(first, b.id), cross(second, a.id));
    let ((Err(gave_way), Ok(_)) | (Ok(_), Err(gave_way))) = (one, other) else {
        panic!("one of them had to give way");
    };
    assert_eq!(gave_way.code(), "database_busy");
}
