//! What becomes of an entry whose handler does not return `Ok`.

use crate::{
    server::{STREAM, Server, Stream as _, until},
    work::{Work, errand},
    workers::{Worker, config, short_lease},
};
use queue::Config;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_handler_runs_again_after_its_lease() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("fail once", "job")]).await;
    let worker = Worker::start(&server, short_lease(1), &work);
    work.until_begun(1).await;
    // It rests, and does not keep the others waiting.
    server.publish(&[errand("ok", "other")]).await;
    work.until_ended(1).await;
    until("the other is acknowledged", async || server.stats().await.held == 1).await;
    work.until_ended(2).await;
    let jobs: Vec<_> = work.begun().into_iter().map(|errand| errand.job).collect();
    assert_eq!(jobs, ["job", "other", "job"]);
    until("all are acknowledged", async || server.stats().await.held == 0).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_of_one_errand_only() {
    let server = Server::start().await;
    let work = Work::new();
    let worker = Worker::start(&server, short_lease(2), &work);
    server.publish(&[errand("gated", "bystander")]).await;
    work.until_begun(1).await;
    server.publish(&[errand("panic once", "job")]).await;
    work.until_ended(1).await;
    work.open_gate(1);
    work.until_ended(2).await;
    let jobs: Vec<_> = work.begun().into_iter().map(|errand| errand.job).collect();
    assert_eq!(jobs, ["bystander", "job", "job"]);
    worker.assert_unharmed();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_hands_back_what_failed() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("fail once", "job")]).await;
    let worker = Worker::start(&server, config(1), &work);
    work.until_begun(1).await;
    worker.stop().await;
    let stats = server.stats().await;
    assert_eq!((stats.waiting, stats.held, stats.consumers.len()), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_errand_is_deleted() {
    let server = Server::start().await;
    let work = Work::new();
    let key = Config::key(STREAM);
    server.command::<String>(&format!("XADD {key} * job incomplete")).await;
    server.publish(&[errand("ok", "good")]).await;
    let worker = Worker::start(&server, config(1), &work);
    work.until_ended(1).await;
    until("the stream is empty", async || {
        server.command::<u64>(&format!("XLEN {key}")).await == 0
    })
    .await;
    worker.assert_unharmed();
    work.assert_each_once(1);
    worker.stop().await;
}
