//! What becomes of a link when the server or the network between goes away.

use crate::{LIMITS, connection, get, is_unsent, link, ping, set};
use redis_link::{Address, Limits, Link};
use std::time::{Duration, Instant};
use valkey_lab::{Mode, Proxy, Server, ends, until};

#[tokio::test]
async fn a_link_needs_no_network_until_it_is_used_and_then_waits_no_longer_than_its_limit() {
    let proxy = Proxy::to(&Server::start().await).await;
    proxy.set(Mode::Silent);
    let link = link(&format!("redis://user:secret@127.0.0.1:{}", proxy.port()));
    let began = Instant::now();
    // Many who wait at once wait no longer: one after the other, it would be twenty times the limit.
    let answers = ends(
        "all have an answer",
        futures::future::join_all((0..20).map(|_| ping(&link))),
    )
    .await;
    assert!(began.elapsed() < 15 * LIMITS.connect, "{:?}", began.elapsed());
    assert!(answers.iter().all(is_unsent), "{answers:?}");
    until("it says where and why", async || {
        let error = ping(&link).await.unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        error.contains("127.0.0.1") && error.contains("no answer within 2s")
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_connection_that_has_been_missing_for_longer_than_the_limit() {
    let server = Server::start().await;
    let link = link(&server.url());
    ping(&link).await.unwrap();
    server.freeze();
    until("nothing is sent any more", async || is_unsent(&ping(&link).await)).await;
    // If each of them waited, this would take half an hour.
    ends("all have an answer", async {
        for _ in 0..1000 {
            assert!(is_unsent(&ping(&link).await));
        }
    })
    .await;
    server.thaw();
    until("it answers", async || ping(&link).await.is_ok()).await;
}

#[tokio::test]
async fn an_idle_link_notices_a_restart_and_the_next_command_succeeds() {
    let mut server = Server::start().await;
    let link = link(&server.url());
    set(&link, "before").await.unwrap();
    server.kill();
    server.restart().await;
    until("it has connected again by itself", async || {
        server.command::<String>("CLIENT LIST").await.contains("resp=3")
    })
    .await;
    assert_eq!(get(&link).await.unwrap().as_deref(), Some("before"));
}

#[tokio::test]
async fn a_link_fails_while_the_server_is_away_and_works_when_it_is_back() {
    let mut server = Server::start().await;
    let link = link(&server.url());
    ping(&link).await.unwrap();
    server.kill();
    until("nothing is sent any more", async || is_unsent(&ping(&link).await)).await;
    let error = ping(&link).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    server.restart().await;
    until("it answers", async || ping(&link).await.is_ok()).await;
}

#[tokio::test]
async fn a_command_waits_for_a_server_that_comes_back_within_the_limit() {
    let mut server = Server::start().await;
    let patient = Limits {
        connect: Duration::from_secs(40),
        ..LIMITS
    };
    let link = Link::new(Address::parse(&server.url()).unwrap(), patient);
    server.kill();
    let (answer, ()) = tokio::join!(set(&link, "late"), server.restart());
    answer.unwrap();
}

#[tokio::test]
async fn a_stalled_server_costs_each_caller_its_limit_and_no_more() {
    let server = Server::start().await;
    let link = link(&server.url());
    ping(&link).await.unwrap();
    server.freeze();
    let error = ping(&link).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(is_unsent(&ping(&link).await), "it is not used again");
    server.thaw();
    until("it answers", async || ping(&link).await.is_ok()).await;
}

#[tokio::test]
async fn a_link_gives_up_a_connection_that_went_silent() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let link = link(&format!("redis://127.0.0.1:{}", proxy.port()));
    let first = connection(&link).await.unwrap();
    proxy.set(Mode::Silent);
    assert!(ping(&link).await.is_err());
    proxy.set(Mode::Open);
    // The old one stays dead.
    until("it answers", async || ping(&link).await.is_ok()).await;
    assert_ne!(connection(&link).await.unwrap(), first);
}

#[tokio::test]
async fn a_link_survives_a_network_that_is_cut() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let link = link(&format!("redis://127.0.0.1:{}", proxy.port()));
    for round in 0..5 {
        until("it answers", async || set(&link, &round.to_string()).await.is_ok()).await;
        proxy.set(Mode::Closed);
        until("it fails", async || ping(&link).await.is_err()).await;
        proxy.set(Mode::Open);
    }
    until("it answers", async || get(&link).await == Ok(Some("4".to_owned()))).await;
}

#[tokio::test]
async fn a_cut_costs_one_new_connection_however_many_notice_it() {
    let server = Server::start().await;
    let link = link(&server.url());
    ping(&link).await.unwrap();
    let before = server.calls("hello").await;
    server.freeze();
    let answers = futures::future::join_all((0..50).map(|_| ping(&link))).await;
    assert!(answers.iter().all(Result::is_err));
    server.thaw();
    until("it answers", async || ping(&link).await.is_ok()).await;
    let made = server.calls("hello").await - before;
    // Attempts of the frozen time that were given up may be among them; one for each who noticed it would be fifty.
    assert!((1..=20).contains(&made), "{made} connections");
}

#[tokio::test]
async fn a_link_that_is_dropped_stops_trying() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let link = link(&format!("redis://127.0.0.1:{}", proxy.port()));
    ping(&link).await.unwrap();
    drop(link);
    until("its connection is gone", async || {
        !server.command::<String>("CLIENT LIST").await.contains("resp=3")
    })
    .await;
}
