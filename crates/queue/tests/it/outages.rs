//! What Redis can do to a worker: stall, cut connections, die, forget everything. No worker ends, and nothing runs twice.

use crate::{
    server::{STREAM, Server, Stream as _, until},
    work::{Work, errand, errands},
    workers::{Worker, config, short_lease},
};
use queue::Config;
use std::time::Duration;
use tokio::time::sleep;

/// Enough work for two workers that an outage falls into the middle of it.
struct Load {
    work: Work,
    workers: [Worker; 2],
}

impl Load {
    const JOBS: usize = 600;

    async fn start(server: &Server) -> Self {
        let work = Work::new();
        server.publish(&errands("nap 20", Self::JOBS)).await;
        let workers = [0; 2].map(|_| {
            Worker::start(
                server,
                Config {
                    prefetch: 4,
                    ..config(4)
                },
                &work,
            )
        });
        work.until_ended(Self::JOBS / 8).await;
        Self { work, workers }
    }

    /// Fails unless all jobs ran once, by workers that were never restarted, and nothing is left in Redis.
    async fn assert_survived(self, server: &Server) {
        self.work.until_ended(Self::JOBS).await;
        for worker in self.workers {
            worker.assert_unharmed();
            worker.stop().await;
        }
        self.work.assert_each_once(Self::JOBS);
        let stats = server.stats().await;
        assert_eq!((stats.waiting, stats.held), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stall_goes_unnoticed() {
    let server = Server::start().await;
    let load = Load::start(&server).await;
    server.stall(Duration::from_millis(1200)).await;
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_that_outlasts_every_timeout_doubles_nothing() {
    let server = Server::start().await;
    let load = Load::start(&server).await;
    server.stall(Duration::from_secs(5)).await;
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_and_double_nothing() {
    let server = Server::start().await;
    let load = Load::start(&server).await;
    for round in 2..=7 {
        server.command::<u64>("CLIENT KILL TYPE normal").await;
        load.work.until_ended(round * Load::JOBS / 8).await;
    }
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_cut_off_is_handed_back() {
    let server = Server::start().await;
    let work = Work::new();
    let worker = Worker::start(&server, config(1), &work);
    server.publish(&[errand("gated", "running")]).await;
    work.until_begun(1).await;
    // What a read leaves behind whose answer never arrives: an entry that the worker holds and does not know.
    let (key, consumer) = (Config::key(STREAM), server.stats().await.consumers.remove(0).name);
    server.publish(&[errand("ok", "cut off")]).await;
    server
        .command::<redis::Value>(&format!("XREADGROUP GROUP workers {consumer} STREAMS {key} >"))
        .await;
    assert_eq!(server.stats().await.held, 2);
    server.command::<u64>("CLIENT KILL TYPE normal").await;
    until("one is handed back", async || server.stats().await.waiting == 1).await;
    work.open_gate(1);
    work.until_ended(2).await;
    work.assert_each_once(2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_lease_takes_nothing_from_the_living() {
    let mut server = Server::start().await;
    let work = Work::new();
    let workers = [0; 2].map(|_| Worker::start(&server, short_lease(2), &work));
    server.publish(&errands("gated", 2)).await;
    work.until_begun(2).await;
    server.kill();
    sleep(2 * short_lease(2).lease).await;
    server.restart().await;
    // Each of them has looked for orphans.
    until("two passes are through", async || server.calls("xautoclaim").await >= 4).await;
    work.open_gate(2);
    work.until_ended(2).await;
    work.assert_each_once(2);
    for worker in workers {
        worker.assert_unharmed();
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_on_after_a_crash_of_redis() {
    let mut server = Server::start().await;
    let load = Load::start(&server).await;
    server.kill();
    server.restart().await;
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stops_while_redis_is_away() {
    let mut server = Server::start().await;
    let work = Work::new();
    server.publish(&errands("gated", 2)).await;
    let worker = Worker::start(
        &server,
        Config {
            prefetch: 1,
            ..config(1)
        },
        &work,
    );
    work.until_begun(1).await;
    server.kill();
    // The second one may begin before the stop reaches the worker.
    work.open_gate(2);
    worker.stop().await;
    work.assert_none_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_start_while_redis_is_away() {
    let mut server = Server::start().await;
    server.publish(&[errand("ok", "job")]).await;
    server.kill();
    let work = Work::new();
    let worker = Worker::start(&server, config(1), &work);
    server.restart().await;
    work.until_ended(1).await;
    worker.assert_unharmed();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_errands_run_after_redis_has_forgotten_everything() {
    let key = Config::key(STREAM);
    let losses = [
        "FLUSHALL".to_owned(),
        format!("DEL {key}"),
        format!("XGROUP DESTROY {key} workers"),
    ];
    let server = Server::start().await;
    let work = Work::new();
    let worker = Worker::start(&server, config(2), &work);
    for (loss, line) in losses.iter().enumerate() {
        // Once while a handler runs and the reader waits in Redis.
        server.publish(&[errand("gated", format!("during {loss}"))]).await;
        work.until_begun(2 * loss + 1).await;
        server.wait_for_blocked_reader().await;
        server.command::<redis::Value>(line).await;
        server.publish(&[errand("ok", format!("after {loss}"))]).await;
        work.until_begun(2 * loss + 2).await;
        work.open_gate(1);
        work.until_ended(2 * loss + 2).await;
    }
    worker.assert_unharmed();
    worker.stop().await;
}
