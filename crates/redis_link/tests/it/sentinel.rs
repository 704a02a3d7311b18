//! A link through a Sentinel that replaces a killed master.

use crate::{LIMITS, get, is_unsent, link, ping, set};
use redis::cmd;
use redis_link::{Address, Link};
use valkey_lab::{Authority, Proxy, SERVICE, Server, until};

#[tokio::test]
async fn a_link_follows_the_new_master() {
    let mut master = Server::on_port(&[]).await;
    let replica = Server::replica(&master).await;
    let sentinel = Server::sentinel(master.port(), &[]).await;
    sentinel.until_replica_is_known().await;
    // The first two Sentinels are away.
    let url = format!(
        "redis+sentinel://127.0.0.1:1,localhost:2,127.0.0.1:{}/{SERVICE}/2",
        sentinel.port()
    );
    let address = Address::parse(&url).unwrap();
    let link = Link::new(address.clone(), LIMITS);
    set(&link, "first").await.unwrap();
    let mut conn = address.dedicated(LIMITS).await.unwrap();
    let port: (String, u16) = cmd("CONFIG")
        .arg("GET")
        .arg("port")
        .query_async(&mut conn)
        .await
        .unwrap();
    assert_eq!(port.1, master.port());
    let copied: u64 = cmd("WAIT")
        .arg(1)
        .arg(20_000)
        .query_async(&mut link.clone())
        .await
        .unwrap();
    assert_eq!(copied, 1);

    master.kill();
    until("the new master takes writes", async || {
        set(&link, "second").await.is_ok()
    })
    .await;
    assert_eq!(
        replica.command::<String>("INFO replication").await.lines().nth(1),
        Some("role:master")
    );
    assert_eq!(get(&link).await.unwrap().as_deref(), Some("second"));
    let mut conn = address.dedicated(LIMITS).await.unwrap();
    let port: (String, u16) = cmd("CONFIG")
        .arg("GET")
        .arg("port")
        .query_async(&mut conn)
        .await
        .unwrap();
    assert_eq!(port.1, replica.port());
}

#[tokio::test]
async fn a_link_leaves_a_master_that_was_made_a_replica() {
    let master = Server::on_port(&[]).await;
    let replica = Server::replica(&master).await;
    let sentinel = Server::sentinel(master.port(), &[]).await;
    sentinel.until_replica_is_known().await;
    let link = link(&format!("redis+sentinel://127.0.0.1:{}/{SERVICE}", sentinel.port()));
    set(&link, "before").await.unwrap();
    // A Sentinel that finds no replica to its liking gives a failover up, also in the middle of it: it is asked again. The
    // failover ends the connections of clients, the test's as well.
    until("the other one is master", async || {
        let told = replica.try_command::<String>("INFO replication").await;
        if told.is_ok_and(|told| told.contains("role:master")) {
            return true;
        }
        let failover = format!("SENTINEL FAILOVER {SERVICE}");
        let _ = sentinel.try_command::<()>(&failover).await;
        false
    })
    .await;
    until("it takes writes", async || {
        let kept = async || {
            replica
                .try_command::<String>("GET key")
                .await
                .is_ok_and(|kept| kept == "after")
        };
        set(&link, "after").await.is_ok() && kept().await
    })
    .await;
}

#[tokio::test]
async fn a_readonly_answer_makes_a_link_look_for_the_master_again() {
    let server = Server::on_port(&[]).await;
    let link = link(&server.url());
    let first = crate::connection(&link).await.unwrap();
    server.command::<()>("REPLICAOF 127.0.0.1 1").await;
    assert_eq!(set(&link, "x").await.unwrap_err().code(), Some("READONLY"));
    server.command::<()>("REPLICAOF NO ONE").await;
    until("it takes writes", async || set(&link, "y").await.is_ok()).await;
    assert_ne!(crate::connection(&link).await.unwrap(), first);
}

#[tokio::test]
async fn sentinels_and_servers_have_passwords_of_their_own() {
    let master = Server::on_port(&[]).await;
    let sentinel = Server::sentinel(master.port(), &["requirepass watch"]).await;
    master.command::<()>("ACL SETUSER app on >word ~* +@all").await;
    let url = |who: &str, parameters: &str| {
        format!(
            "redis+sentinel://{who}127.0.0.1:{}/{SERVICE}{parameters}",
            sentinel.port()
        )
    };
    set(&link(&url("app:word@", "?sentinel_password=watch")), "x")
        .await
        .unwrap();
    for (url, expected) in [
        (url("app:word@", ""), "NOAUTH"),
        (url("app:word@", "?sentinel_password=wrong"), "authentication failed"),
        (url("app:wrong@", "?sentinel_password=watch"), "WRONGPASS"),
        (url("", "?sentinel_password=watch").replace(SERVICE, "nobody"), "nobody"),
    ] {
        let refused = ping(&link(&url)).await;
        assert!(is_unsent(&refused), "{url}: {refused:?}");
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("=w"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_sentinel_that_hangs_holds_nobody_up() {
    let master = Server::on_port(&[]).await;
    let hung = Server::sentinel(master.port(), &[]).await;
    let sentinel = Server::sentinel(master.port(), &[]).await;
    hung.freeze();
    let url = format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/{SERVICE}",
        hung.port(),
        sentinel.port()
    );
    set(&link(&url), "x").await.unwrap();
}

#[tokio::test]
async fn tls_is_spoken_with_the_sentinel_and_with_the_master() {
    let (master, authority) = (Server::start().await, Authority::new());
    let to_master = Proxy::tls(&master, &authority, "127.0.0.1").await;
    // The Sentinel cannot reach it there, and names it all the same.
    let sentinel = Server::sentinel(to_master.port(), &[]).await;
    let to_sentinel = Proxy::tls(&sentinel, &authority, "localhost").await;
    let url = |ca: &Authority| {
        let (port, ca) = (to_sentinel.port(), ca.pem());
        format!("rediss+sentinel://localhost:{port}/{SERVICE}?ca={}", ca.display())
    };
    set(&link(&url(&authority)), "x").await.unwrap();
    assert_eq!(master.command::<String>("GET key").await, "x");
    let refused = set(&link(&url(&Authority::new())), "y").await;
    assert!(is_unsent(&refused), "{refused:?}");
}
