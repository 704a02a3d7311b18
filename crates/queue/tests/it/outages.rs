//! What Redis can do to a worker: stall, cut connections, die, forget everything. No worker ends, and nothing runs twice.

use crate::{
    server::{STREAM, Server, Stream as _, publisher, until},
    work::{Work, errand, errands},
    workers::{Worker, config, short_lease},
};
use queue::{Config, Errand, Error};
use std::{collections::HashSet, ops::Range, time::Duration};
use valkey_lab::{Mode, Proxy};

/// Enough work for two workers that an outage falls into the middle of it.
struct Load {
    work: Work,
    workers: [Worker; 2],
}

impl Load {
    const JOBS: usize = 600;

    async fn start(url: &str) -> Self {
        let work = Work::new();
        publisher(url).publish(&errands("nap 20", Self::JOBS)).await.unwrap();
        let workers = [0; 2].map(|_| {
            Worker::at(
                url,
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

    /// Waits until no worker has had an answer for so long.
    async fn until_silent_for(&self, duration: Duration) {
        for worker in &self.workers {
            until("the worker hears nothing", async || {
                worker.health.reader_silence().unwrap() >= duration
            })
            .await;
        }
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
    let load = Load::start(&server.url()).await;
    server.freeze();
    load.until_silent_for(Duration::from_millis(1200)).await;
    server.thaw();
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_that_outlasts_every_timeout_doubles_nothing() {
    let server = Server::start().await;
    let load = Load::start(&server.url()).await;
    server.freeze();
    load.until_silent_for(Duration::from_secs(10)).await;
    server.thaw();
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_ten_seconds_doubles_nothing() {
    let server = Server::start().await;
    let load = Load::start(&server.url()).await;
    server.command::<()>("CLIENT PAUSE 10000 ALL").await;
    load.until_silent_for(Duration::from_secs(9)).await;
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_breaks_connections_and_refuses_new_ones_loses_and_doubles_nothing() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let load = Load::start(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    for round in 2..=5 {
        proxy.set(Mode::Closed);
        load.until_silent_for(Duration::from_millis(1500)).await;
        proxy.set(Mode::Open);
        load.work.until_ended(round * Load::JOBS / 8).await;
    }
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_silent_loses_and_doubles_nothing() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let load = Load::start(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    proxy.set(Mode::Silent);
    // Longer than a read and its limit: the workers give up connections of which nobody told them that they are dead.
    load.until_silent_for(Duration::from_secs(6)).await;
    proxy.set(Mode::Open);
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_and_double_nothing() {
    let server = Server::start().await;
    let load = Load::start(&server.url()).await;
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
    for worker in &workers {
        until("no lease was renewed for two of them", async || {
            worker.health.keeper_silence().unwrap() > 2 * short_lease(2).lease
        })
        .await;
    }
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
    let load = Load::start(&server.url()).await;
    server.kill();
    server.restart().await;
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_on_after_a_restart_of_redis() {
    let mut server = Server::start().await;
    let load = Load::start(&server.url()).await;
    for round in 2..=4 {
        server.shut_down();
        server.restart().await;
        load.work.until_ended(round * Load::JOBS / 8).await;
    }
    load.assert_survived(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_takes_no_more_and_workers_make_room() {
    let server = Server::with(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]).await;
    let (publisher, work) = (server.publisher(), Work::new());
    // Large ones, so that it does not take many.
    let large = |jobs: Range<usize>| -> Vec<Errand> {
        let customer = "customer ".repeat(100);
        jobs.map(|job| Errand {
            customer: customer.clone(),
            ..errand("ok", job)
        })
        .collect()
    };
    let mut added = 0;
    let refused = loop {
        match publisher.publish(&large(added..added + 500)).await {
            Ok(()) => added += 500,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    let waiting = server.stats().await.waiting as usize;
    assert!((added..added + 500).contains(&waiting), "{waiting} of {added}");

    // Workers who join now, and who find a script cache that is empty, make room.
    server.command::<()>("SCRIPT FLUSH").await;
    let workers = [0; 2].map(|_| Worker::start(&server, config(8), &work));
    work.until_ended(waiting / 2).await;
    server.command::<u64>("CLIENT KILL TYPE normal").await;
    work.until_ended(waiting).await;
    until("all are acknowledged", async || server.stats().await.held == 0).await;
    work.assert_each_once(waiting);

    // The refused batch is published again: all of it, since nobody knows what was added, so that a part of it runs twice.
    publisher.publish(&large(added..added + 500)).await.unwrap();
    work.until_ended(waiting + 500).await;
    let ran: HashSet<_> = work.begun().into_iter().map(|errand| errand.job).collect();
    assert_eq!(ran.len(), added + 500, "jobs that ran");
    for worker in workers {
        worker.assert_unharmed();
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_a_full_redis_hands_back_what_it_holds() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&errands("gated", 3)).await;
    let prefetching = Config {
        prefetch: 2,
        ..config(1)
    };
    let worker = Worker::start(&server, prefetching, &work);
    until("it holds all", async || server.stats().await.held == 3).await;
    server.command::<()>("CONFIG SET maxmemory 1").await;
    let refused = server.publisher().publish(&[errand("ok", "refused")]).await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    worker.begin_shutdown();
    until("two are handed back", async || server.stats().await.waiting == 2).await;
    work.open_gate(1);
    worker.ended().await;
    let stats = server.stats().await;
    assert_eq!((stats.waiting, stats.held, stats.consumers.len()), (2, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_redis_forgets_everything_and_the_rest_is_published_again() {
    let server = Server::start().await;
    let Load { work, workers } = Load::start(&server.url()).await;
    server.command::<()>("FLUSHALL").await;
    // Among them those that run now, which a ledger would not let run twice.
    let ended = work.ended();
    let unfinished = errands("nap 20", Load::JOBS)
        .into_iter()
        .filter(|errand| !ended.contains(&errand.job));
    server.publish(&unfinished.collect::<Vec<Errand>>()).await;
    until("each job has ended", async || work.ended().len() == Load::JOBS).await;
    until("nothing is left", async || {
        let stats = server.stats().await;
        (stats.waiting, stats.held) == (0, 0)
    })
    .await;
    for worker in workers {
        worker.assert_unharmed();
        worker.stop().await;
    }
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

/// Connections are made and answer, but not with entries: that is no sign of life.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_refused_is_silent_until_it_is_let_in() {
    let server = Server::start().await;
    let work = Work::new();
    // Longer than the waits between its attempts, in which it looked alive if making a connection counted.
    let long = Duration::from_secs(8);
    // From the first on: something else has the queue's name.
    server
        .command::<()>(&format!("SET {} taken", Config::key(STREAM)))
        .await;
    let worker = Worker::start(&server, config(1), &work);
    let silent = async || worker.health.reader_silence().is_some_and(|silence| silence > long);
    until("a silent reader", silent).await;
    server.command::<()>(&format!("DEL {}", Config::key(STREAM))).await;
    server.publish(&[errand("ok", 1)]).await;
    work.until_ended(1).await;
    assert!(!silent().await);
    // And later.
    server.command::<()>("ACL SETUSER default -xreadgroup").await;
    until("a silent reader again", silent).await;
    server.command::<()>("ACL SETUSER default +xreadgroup").await;
    server.publish(&[errand("ok", 2)]).await;
    work.until_ended(2).await;
    assert!(!silent().await);
    worker.assert_unharmed();
    worker.stop().await;
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
