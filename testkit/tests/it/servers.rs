//! What a fault does to a server's clients, and that they go on when it is over.
use redis::aio::MultiplexedConnection;
use std::time::Duration;
use testkit::{Kit, Server, eventually};
use tokio::time::timeout;

/// Longer than any answer of a healthy server, in the sense that a test waits for silence.
const SILENCE: Duration = Duration::from_millis(500);

async fn set(redis: &mut MultiplexedConnection, value: &str) -> redis::RedisResult<()> {
    redis::cmd("SET").arg("key").arg(value).exec_async(redis).await
}

async fn get(redis: &mut MultiplexedConnection) -> Option<String> {
    redis::cmd("GET").arg("key").query_async(redis).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_fills_up_forgets_freezes_and_comes_back() {
    let kit = Kit::start().await;
    let mut redis = kit.redis().await;
    set(&mut redis, "one").await.unwrap();

    kit.fill_redis().await;
    let refused = set(&mut redis, "two").await.unwrap_err();
    assert!(refused.to_string().contains("maxmemory"), "{refused}");
    assert_eq!(get(&mut redis).await.as_deref(), Some("one"));
    kit.relieve_redis().await;
    set(&mut redis, "two").await.unwrap();

    let frozen = kit.freeze(Server::Valkey);
    assert!(timeout(SILENCE, get(&mut redis.clone())).await.is_err());
    drop(frozen);
    assert_eq!(get(&mut redis).await.as_deref(), Some("two"));

    kit.kill(Server::Valkey).await;
    set(&mut redis, "three").await.unwrap_err();
    kit.start_again(Server::Valkey).await;
    let mut redis = kit.redis().await;
    assert_eq!(get(&mut redis).await.as_deref(), Some("two"));
    kit.flush_redis().await;
    assert_eq!(get(&mut redis).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_freezes_cuts_its_clients_off_and_comes_back() {
    let kit = Kit::start().await;
    kit.db.ping().await.unwrap();

    let frozen = kit.freeze(Server::Postgres);
    assert!(timeout(SILENCE, kit.db.ping()).await.is_err());
    drop(frozen);
    kit.db.ping().await.unwrap();

    let observer = kit.observer().await;
    let watching = observer.system().await.unwrap();
    let doomed = kit.db.system().await.unwrap();
    assert!(kit.terminate_backends(100).await >= 1);
    doomed.commit().await.unwrap_err();
    watching.commit().await.unwrap();
    kit.db.ping().await.unwrap();

    kit.stop(Server::Postgres).await;
    kit.db.ping().await.unwrap_err();
    kit.start_again(Server::Postgres).await;
    eventually("the pool's recovery", || async { kit.db.ping().await.ok() }).await;
}
