//! Wires that are stalled, cut and mended, in front of every kind of server.
use domain::{jobs::Dispatcher, tenancy::Db};
use std::{io::ErrorKind, time::Duration};
use testkit::{Kit, Server, Upstream, Wire, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SILENCE: Duration = Duration::from_millis(200);

/// A server that answers each byte with itself, and its wire.
#[expect(clippy::disallowed_methods, reason = "the task ends with the test")]
async fn echo() -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Wire::to(Upstream::Tcp(listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    wire
}

async fn answer(client: &mut TcpStream) -> Vec<u8> {
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    answer.to_vec()
}

#[tokio::test]
async fn a_stalled_wire_takes_what_is_sent_and_gives_it_when_mended() {
    let mut wire = echo().await;
    let mut early = TcpStream::connect(wire.address()).await.unwrap();
    early.write_all(b"hi").await.unwrap();
    assert_eq!(answer(&mut early).await, b"hi");

    wire.stall();
    let mut late = TcpStream::connect(wire.address()).await.unwrap();
    for client in [&mut early, &mut late] {
        client.write_all(b"ho").await.unwrap();
        assert!(timeout(SILENCE, client.read_u8()).await.is_err());
    }
    wire.mend();
    assert_eq!(answer(&mut early).await, b"ho");
    assert_eq!(answer(&mut late).await, b"ho");
}

#[tokio::test]
async fn a_stalled_wire_keeps_no_more_than_its_buffers() {
    let wire = echo().await;
    wire.stall();
    let mut client = TcpStream::connect(wire.address()).await.unwrap();
    let flood = async {
        let (piece, mut sent) = (vec![0; 1 << 16], 0);
        while let Ok(Ok(())) = timeout(SILENCE, client.write_all(&piece)).await {
            sent += piece.len();
        }
        sent
    };
    let sent = flood.await;
    assert!(sent < 64 << 20, "{sent} bytes went into a stalled wire");
}

#[tokio::test]
async fn a_cut_wire_breaks_refuses_and_keeps_its_port() {
    let mut wire = echo().await;
    let mut client = TcpStream::connect(wire.address()).await.unwrap();
    client.write_all(b"hi").await.unwrap();
    assert_eq!(answer(&mut client).await, b"hi");

    wire.cut().await;
    assert!(matches!(client.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    let refused = TcpStream::connect(wire.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    wire.mend();
    let mut client = TcpStream::connect(wire.address()).await.unwrap();
    client.write_all(b"ho").await.unwrap();
    assert_eq!(answer(&mut client).await, b"ho");
}

#[tokio::test]
async fn a_server_that_goes_takes_its_connections_along() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Wire::to(Upstream::Tcp(listener.local_addr().unwrap()));
    let mut client = TcpStream::connect(wire.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    drop((server, listener));
    assert!(matches!(client.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_redis_are_reached_over_a_wire() {
    let kit = Kit::start().await;
    let (mut to_postgres, postgres) = kit.wire(Server::Postgres);
    let (mut to_redis, redis) = kit.wire(Server::Valkey);
    let mut config = kit.config_with(&[postgres, redis].concat());
    config.database.connect = Duration::from_secs(2);
    let db = Db::connect(&config.database).await.unwrap();
    let dispatcher = Dispatcher::new(db.clone(), &config.redis).unwrap();
    db.ping().await.unwrap();
    dispatcher.ping().await.unwrap();

    to_redis.stall();
    assert_eq!(dispatcher.ping().await.unwrap_err().code(), "redis_unavailable");
    to_postgres.cut().await;
    db.ping().await.unwrap_err();

    to_redis.mend();
    to_postgres.mend();
    eventually("a mended wire to Redis", || async { dispatcher.ping().await.ok() }).await;
    eventually("a mended wire to Postgres", || async { db.ping().await.ok() }).await;
}
