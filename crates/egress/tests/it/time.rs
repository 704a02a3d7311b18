//! Servers that take their time: silence ends a fetch, and so does endless dripping.

use std::{io::Write, time::Duration};

use egress::{Client, Error, Limits, Lookup, Phase};
use futures::future::BoxFuture;

use crate::support::{Server, dawdle, drip, get, limits, policy, until_closed};

fn client(server: &Server, limits: Limits) -> Client {
    let mut policy = policy(&[server.place()]);
    policy.limits = limits;
    Client::new(policy).unwrap()
}

fn silence_ends_it() -> Limits {
    Limits {
        read_timeout: Duration::from_millis(300),
        ..limits()
    }
}

fn dripping_ends() -> Limits {
    Limits {
        read_timeout: Duration::from_mins(1),
        total_timeout: Duration::from_millis(600),
        ..limits()
    }
}

async fn phase(server: &Server, limits: Limits) -> Phase {
    let error = get(&client(server, limits), server.url("/")).await.unwrap_err();
    assert!(error.is_retryable());
    match error {
        Error::Timeout { host, phase } => {
            assert_eq!(host, server.place().to_string());
            phase
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let server = Server::start(|_, stream| until_closed(stream));
    assert_eq!(phase(&server, silence_ends_it()).await, Phase::Read);
}

#[tokio::test]
async fn a_body_that_falls_silent_is_left() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning")?;
        until_closed(stream)
    });
    assert_eq!(phase(&server, silence_ends_it()).await, Phase::Read);
}

#[tokio::test]
async fn a_dripping_body_ends_with_the_total_time() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")?;
        drip(stream, b"x")
    });
    assert_eq!(phase(&server, dripping_ends()).await, Phase::Total);
}

#[tokio::test]
async fn a_dripping_head_ends_with_the_total_time() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        drip(stream, b"A: b\r\n")
    });
    assert_eq!(phase(&server, dripping_ends()).await, Phase::Total);
}

#[tokio::test]
async fn all_redirects_share_the_total_time() {
    let server = Server::start(|_, stream| {
        dawdle(stream, Duration::from_millis(250))?;
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    });
    assert_eq!(phase(&server, dripping_ends()).await, Phase::Total);
}

struct NeverAnswers;

impl Lookup for NeverAnswers {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<std::net::IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_silent_resolver_is_left() {
    let mut policy = policy(&[]);
    policy.limits.connect_timeout = Duration::from_millis(300);
    let client = Client::with_lookup(policy, std::sync::Arc::new(NeverAnswers)).unwrap();
    let error = get(&client, "http://shop.test/".parse().unwrap()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                phase: Phase::Connect,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "shop.test:80: connecting took too long");
}
