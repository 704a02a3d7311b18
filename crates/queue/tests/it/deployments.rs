//! The ways in which Redis is run: with users, behind TLS, in a database of its own, as a Cluster, with Sentinels.

use crate::{
    server::{STREAM, Server, Stream as _, publisher, until},
    work::{Work, errand, errands},
    workers::{Worker, config, short_lease},
};
use queue::{Config, PERMISSIONS};
use valkey_lab::{Authority, Proxy, SERVICE};

/// Does everything that a queue does, so that a right that is missing, or a key that is in another slot, shows.
async fn exercise(server: &Server, url: &str) {
    let (work, publisher) = (Work::new(), publisher(url));
    publisher
        .publish(&[errand("ok", 1), errand("fail once", 2)])
        .await
        .unwrap();
    let worker = Worker::at(
        url,
        Config {
            prefetch: 1,
            ..short_lease(2)
        },
        &work,
    );
    // The one that failed is reclaimed after its lease.
    work.until_ended(2).await;
    publisher.publish(&errands("gated", 4)).await.unwrap();
    work.until_begun(5).await;
    let renewals = server.calls("xclaim").await;
    until("a lease is renewed", async || server.calls("xclaim").await > renewals).await;

    // A new connection looks for strays, and ends the one before.
    let consumer = publisher.stats("workers").await.unwrap().consumers.remove(0).name;
    let reader = reader(server, &consumer).await;
    server.command::<u64>(&format!("CLIENT KILL ID {reader}")).await;
    until("the reader is back", async || {
        server
            .command::<String>("CLIENT LIST")
            .await
            .contains(&format!(" name={consumer} "))
    })
    .await;

    worker.begin_shutdown();
    until("what has not begun is handed back", async || {
        publisher.stats("workers").await.unwrap().waiting == 2
    })
    .await;
    // While the gate is shut, it can't have ended yet.
    worker.assert_unharmed();
    work.open_gate(4);
    worker.ended().await;
    assert_eq!(publisher.stats("workers").await.unwrap().consumers, []);
    let heir = Worker::at(url, config(1), &work);
    work.until_ended(6).await;
    heir.stop().await;
    assert_eq!(publisher.stats("workers").await.unwrap().waiting, 0);
}

/// The number of the connection with this name.
async fn reader(server: &Server, name: &str) -> String {
    let clients: String = server.command("CLIENT LIST").await;
    let line = clients.lines().find(|line| line.contains(&format!(" name={name} ")));
    line.unwrap().split(['=', ' ']).nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_the_permissions_that_are_listed_and_no_others() {
    let server = Server::start().await;
    let list = PERMISSIONS.split_whitespace().collect::<Vec<_>>();
    let user = format!(
        "ACL SETUSER app on >secret resetkeys ~queue:* resetchannels -@all {}",
        list.join(" ")
    );
    server.command::<()>(&user).await;
    exercise(&server, &format!("{}?user=app&pass=secret&db=1", server.url())).await;
    let denied: Vec<redis::Value> = server.command("ACL LOG").await;
    assert_eq!(denied, []);
    for permission in &list {
        let command = permission.trim_start_matches('+');
        // For Sentinel, and asked for before the user is known.
        if command != "role" {
            assert!(server.calls(command).await > 0, "{command} is not needed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_works_over_tls_in_a_database_of_its_own() {
    let (server, authority) = (Server::start().await, Authority::new());
    let proxy = Proxy::tls(&server, &authority, "localhost").await;
    let url = format!("rediss://localhost:{}/5?ca={}", proxy.port(), authority.pem().display());
    exercise(&server, &url).await;
    let keyspace: String = server.command("INFO keyspace").await;
    assert!(
        keyspace.contains("db5:keys=1,") && !keyspace.contains("db0:"),
        "{keyspace}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_works_on_a_cluster() {
    let server = Server::on_port(&["--cluster-enabled", "yes"]).await;
    server.command::<()>("CLUSTER ADDSLOTSRANGE 0 16383").await;
    until("the cluster is up", async || {
        server
            .command::<String>("CLUSTER INFO")
            .await
            .contains("cluster_state:ok")
    })
    .await;
    exercise(&server, &server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_publishers_follow_the_new_master() {
    let mut master = Server::on_port(&[]).await;
    let replica = Server::replica(&master).await;
    let sentinel = Server::sentinel(master.port(), &[]).await;
    sentinel.until_replica_is_known().await;
    let url = format!("redis+sentinel://127.0.0.1:{}/{SERVICE}", sentinel.port());
    let (work, publisher) = (Work::new(), publisher(&url));
    let worker = Worker::at(&url, config(2), &work);
    publisher.publish(&errands("gated", 4)).await.unwrap();
    work.until_begun(2).await;
    until("the replica has it all", async || {
        let pending: redis::RedisResult<(u64, String, String, redis::Value)> = replica
            .try_command(&format!("XPENDING {} workers", Config::key(STREAM)))
            .await;
        pending.is_ok_and(|(held, ..)| held == 2)
    })
    .await;

    master.kill();
    until("the publisher reaches the new master", async || {
        publisher.publish(&[errand("ok", "after")]).await.is_ok()
    })
    .await;
    work.open_gate(4);
    work.until_ended(5).await;
    until("all are acknowledged there", async || {
        let stats = replica.stats().await;
        (stats.waiting, stats.held) == (0, 0)
    })
    .await;
    worker.assert_unharmed();
    worker.stop().await;
    let runs = work.begun().into_iter().filter(|errand| errand.job != "after").count();
    assert_eq!(runs, 4, "those that ran when the master died ran once");
}
