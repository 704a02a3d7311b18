//! From the publisher to the handler while nothing goes wrong.

use crate::{
    server::{STREAM, Server, Stream as _, until},
    work::{Work, errand, errands},
    workers::{Worker, config},
};
use queue::{Config, Errand};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_errand_arrives_as_it_was_published_and_leaves_nothing_behind() {
    let server = Server::start().await;
    let work = Work::new();
    let errand = Errand {
        customer: "Müller & Söhne".to_owned(),
        version: u32::MAX,
        ..errand("ok", "job")
    };
    server.publish(std::slice::from_ref(&errand)).await;
    let worker = Worker::start(&server, config(1), &work);
    work.until_ended(1).await;
    worker.stop().await;
    assert_eq!(work.begun(), [errand]);
    assert_eq!(server.command::<u64>(&format!("XLEN {}", Config::key(STREAM))).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_more_than_ten_thousand_drains_once() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&errands("nap 0", 12_000)).await;
    assert_eq!(server.stats().await.waiting, 12_000);
    let worker = Worker::start(
        &server,
        Config {
            prefetch: 64,
            ..config(64)
        },
        &work,
    );
    work.until_ended(12_000).await;
    worker.assert_unharmed();
    worker.stop().await;
    work.assert_each_once(12_000);
    assert_eq!(server.command::<u64>(&format!("XLEN {}", Config::key(STREAM))).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_stream() {
    let server = Server::start().await;
    let work = Work::new();
    let workers = [0; 2].map(|_| Worker::start(&server, config(1), &work));
    server.publish(&errands("gated", 2)).await;
    // One worker alone could not run both.
    work.until_begun(2).await;
    work.open_gate(2);
    work.until_ended(2).await;
    for worker in workers {
        worker.stop().await;
    }
    work.assert_each_once(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_waits_in_redis_instead_of_asking() {
    let server = Server::start().await;
    let work = Work::new();
    let for_ever = Duration::from_mins(10);
    let worker = Worker::start(
        &server,
        Config {
            block: for_ever,
            lease: 20 * for_ever,
            ..config(1)
        },
        &work,
    );
    server.wait_for_blocked_reader().await;
    for job in 1..=3 {
        server.publish(&[errand("ok", job)]).await;
        work.until_ended(job).await;
        server.wait_for_blocked_reader().await;
    }
    // One read for each errand and the one that is blocked now; a server may count a blocked read when it ends as well.
    let reads = server.calls("xreadgroup").await;
    assert!((3..=8).contains(&reads), "{reads} reads for 3 errands");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_waits_in_redis_while_the_worker_has_no_room() {
    let server = Server::start().await;
    let work = Work::new();
    let worker = Worker::start(&server, config(2), &work);
    server.publish(&errands("gated", 5)).await;
    work.until_begun(2).await;
    let stats = server.stats().await;
    assert_eq!((stats.waiting, stats.held), (3, 2));
    work.open_gate(5);
    work.until_ended(5).await;
    until("all are acknowledged", async || server.stats().await.held == 0).await;
    work.assert_each_once(5);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefetch_of_one_takes_one_beyond_those_that_run() {
    let server = Server::start().await;
    let work = Work::new();
    let prefetching = Config {
        prefetch: 1,
        ..config(2)
    };
    let worker = Worker::start(&server, prefetching, &work);
    server.publish(&errands("gated", 6)).await;
    for ended in 0..3 {
        until("it holds three", async || server.stats().await.held == 3).await;
        work.until_begun(ended + 2).await;
        assert_eq!(server.stats().await.waiting as usize, 3 - ended);
        work.open_gate(1);
        work.until_ended(ended + 1).await;
    }
    work.open_gate(3);
    work.until_ended(6).await;
    work.assert_each_once(6);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_fetched_ahead_while_handlers_end_within_the_patience() {
    for patience in [Duration::from_mins(10), Duration::ZERO] {
        let server = Server::start().await;
        let work = Work::new();
        let paced = Config {
            prefetch: 4,
            patience: Some(patience),
            ..config(2)
        };
        let worker = Worker::start(&server, paced, &work);
        server.publish(&errands("gated", 20)).await;
        until("as many as run", async || server.stats().await.held == 2).await;
        work.until_begun(2).await;
        assert_eq!(server.stats().await.held, 2, "nothing has ended yet");
        work.open_gate(8);
        work.until_begun(10).await;
        if patience.is_zero() {
            until("as many as run", async || server.stats().await.held == 2).await;
        } else {
            until("more than run", async || server.stats().await.held > 2).await;
        }
        work.open_gate(10);
        work.until_ended(18).await;
        work.open_gate(2);
        work.until_ended(20).await;
        work.assert_each_once(20);
        worker.stop().await;
    }
}
