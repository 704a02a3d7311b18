//! Publishing while Redis is away, and counting.

use crate::{
    server::{STREAM, Server, Stream as _, until},
    work::{Work, errand, errands},
    workers::{Worker, config},
};
use queue::{Config, Error, Stats};

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_fails_while_redis_is_away_and_mends_itself() {
    let mut server = Server::start().await;
    let publisher = server.publisher();
    publisher.publish(&[errand("ok", 1)]).await.unwrap();
    server.kill();
    // The first one may find the connection broken, the second one finds none.
    let first = publisher.publish(&[errand("ok", 2)]).await;
    assert!(matches!(first, Err(Error::Redis(_) | Error::Away(_))), "{first:?}");
    let second = publisher.publish(&[errand("ok", 3)]).await;
    assert!(matches!(second, Err(Error::Away(_))), "{second:?}");
    server.restart().await;
    until("it publishes again", async || {
        publisher.publish(&[errand("ok", 4)]).await.is_ok()
    })
    .await;
    assert_eq!(publisher.stats("workers").await.unwrap().waiting, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_does_not_wait_for_a_redis_that_hangs() {
    let server = Server::start().await;
    let publisher = server.publisher();
    publisher.publish(&[errand("ok", 1)]).await.unwrap();
    server.command::<String>("CLIENT PAUSE 20000 ALL").await;
    assert!(matches!(
        publisher.publish(&[errand("ok", 2)]).await,
        Err(Error::Unanswered(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_was_given_can_be_taken_back() {
    let server = Server::start().await;
    let publisher = server.publisher();
    assert_eq!(publisher.take_back("workers").await.unwrap(), 0, "no stream");
    publisher.publish(&errands("ok", 2500)).await.unwrap();
    assert_eq!(publisher.take_back("workers").await.unwrap(), 2500, "no group");

    let work = Work::new();
    let worker = Worker::start(&server, config(1), &work);
    publisher.publish(&errands("gated", 6)).await.unwrap();
    work.until_begun(1).await;
    assert_eq!(publisher.take_back("workers").await.unwrap(), 5);
    let stats = server.stats().await;
    assert_eq!((stats.waiting, stats.held), (0, 1), "what a worker holds stays");
    publisher.publish(&[errand("ok", "later")]).await.unwrap();
    work.open_gate(1);
    work.until_ended(2).await;
    worker.stop().await;
    assert_eq!(server.stats().await.waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_tell_what_waits_and_who_holds_what() {
    let server = Server::start().await;
    assert_eq!(server.stats().await, Stats::default(), "no stream");

    // 1 s after the epoch.
    let key = Config::key(STREAM);
    server
        .command::<String>(&format!("XADD {key} 1000-1 job old kind gated customer c version 1"))
        .await;
    server.publish(&errands("gated", 2)).await;
    let before = server.stats().await;
    assert_eq!(
        (before.waiting, before.held, before.consumers.len()),
        (3, 0, 0),
        "no group"
    );
    let (seconds, _): (u64, u64) = server.command("TIME").await;
    let age = before.oldest_waiting_ms.unwrap() / 1000;
    assert!(
        (seconds - 60..=seconds).contains(&(age + 1)),
        "{age} s old at {seconds}"
    );

    let work = Work::new();
    let worker = Worker::start(&server, config(1), &work);
    work.until_begun(1).await;
    let stats = server.stats().await;
    assert_eq!((stats.waiting, stats.held), (2, 1));
    assert!(
        stats.oldest_waiting_ms < before.oldest_waiting_ms,
        "the oldest is held now"
    );
    assert_eq!(stats.consumers.len(), 1);
    assert_eq!(stats.consumers[0].pending, 1);

    work.open_gate(3);
    work.until_ended(3).await;
    worker.stop().await;
    let stats = server.stats().await;
    assert_eq!((stats.waiting, stats.held, stats.oldest_waiting_ms), (0, 0, None));
}
