//! Redis that stops, freezes, fills up, and comes back.

use super::{DAY, ask, blocks, from, link, settings};
use limits::{Limiter, Settings, Verdict};
use std::time::Duration;
use valkey_lab::{Server, ends, until};

/// Soon tired of waiting, and soon back.
fn quick(server: &Server) -> Limiter {
    let settings = Settings {
        deadline: Duration::from_millis(250),
        retry: Duration::from_millis(50),
        blocks: blocks(),
        ..settings()
    };
    Limiter::new(link(&server.url()), &settings)
}

/// How many of `times` are let through while the process is alone.
async fn let_through_alone(limiter: &Limiter, times: usize) -> usize {
    let ask = ask(&[("everybody", DAY)]);
    let mut through = 0;
    for _ in 0..times {
        let decision = limiter.check(&ask).await;
        assert!(decision.alone);
        through += usize::from(decision.answer.verdict == Verdict::Allowed);
    }
    through
}

#[tokio::test]
async fn without_redis_a_process_keeps_the_whole_limit_by_itself() {
    let mut server = Server::start().await;
    let limiter = quick(&server);
    until("Redis counts", async || {
        !limiter.check(&ask(&[("other", DAY)])).await.alone
    })
    .await;
    server.kill();
    until("it is noticed", async || {
        limiter.check(&ask(&[("other", DAY)])).await.alone
    })
    .await;
    assert_eq!(let_through_alone(&limiter, 300).await, 100);
    assert!(limiter.is_alone());
    server.restart().await;
    until("Redis counts again", async || {
        !limiter.check(&ask(&[("other", DAY)])).await.alone
    })
    .await;
    assert!(!limiter.is_alone());
}

#[tokio::test]
async fn a_frozen_redis_keeps_nobody_waiting() {
    let server = Server::start().await;
    let limiter = quick(&server);
    limiter.check(&ask(&[("everybody", DAY)])).await;
    server.freeze();
    until("it is noticed", async || {
        limiter.check(&ask(&[("other", DAY)])).await.alone
    })
    .await;
    // If each of them waited for the deadline, this would take hours.
    let through = ends("all have an answer", async {
        futures::future::join_all((0..100_000).map(|_| async {
            let decision = limiter.check(&ask(&[("flood", DAY)])).await;
            decision.alone && decision.answer.verdict == Verdict::Allowed
        }))
        .await
    })
    .await;
    assert_eq!(through.into_iter().filter(|through| *through).count(), 100);
    server.thaw();
    until("Redis counts again", async || {
        !limiter.check(&ask(&[("other", DAY)])).await.alone
    })
    .await;
}

#[tokio::test]
async fn a_full_redis_is_as_good_as_none() {
    let server = Server::start().await;
    let limiter = quick(&server);
    limiter.check(&ask(&[("everybody", DAY)])).await;
    server.command::<()>("CONFIG SET maxmemory 1").await;
    until("it is noticed", async || {
        limiter.check(&ask(&[("other", DAY)])).await.alone
    })
    .await;
    assert_eq!(let_through_alone(&limiter, 150).await, 100);
}

#[tokio::test]
async fn a_process_alone_blocks_as_well() {
    let mut server = Server::start().await;
    let limiter = quick(&server);
    server.kill();
    let flood = from("203.0.113.9", "2000/1d");
    until("it is noticed", async || limiter.check(&flood).await.alone).await;
    for _ in 0..1000 {
        limiter.check(&flood).await;
    }
    let verdict = limiter.check(&flood).await.answer.verdict;
    assert!(matches!(verdict, Verdict::Blocked { .. }), "{verdict:?}");
    assert_eq!(
        limiter.check(&from("203.0.113.10", DAY)).await.answer.verdict,
        Verdict::Allowed
    );
}
