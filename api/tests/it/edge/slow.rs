//! Clients that are slow, silent, or too many, over real sockets.
use api::Pace;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::app::App;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_mins(1);

/// A connection to the API, byte by byte.
pub struct Wire(TcpStream);

impl Wire {
    pub async fn to(app: &App) -> Self {
        let anywhere = ([127, 0, 0, 1], 0).into();
        Self::connect(api::serve(app.context.clone(), anywhere).await.unwrap()).await
    }

    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Writes what the other side still takes.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// One answer with a body of known length.
    pub async fn answer(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_none_or(|length| body.len() >= length.parse().unwrap()) {
                    return text;
                }
            }
            let read = tokio::time::timeout(LONG, self.0.read_buf(&mut bytes)).await;
            assert_ne!(read.expect("an answer").unwrap(), 0, "it ended early: {text}");
        }
    }

    /// Everything until the other side closes.
    async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(LONG, self.0.read_to_end(&mut bytes)).await;
        // A reset is an end as well.
        let _ = read.expect("the other side closes");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The head of an answer, in lower case.
pub fn head_of(answer: &str) -> String {
    answer.split("\r\n\r\n").next().unwrap_or_default().to_lowercase()
}

/// A server in a hurry.
async fn hurried(app: &App) -> SocketAddr {
    let short = Duration::from_secs(1);
    let pace = Pace {
        head: short,
        idle: short,
        body_start: short,
        body_rate: 1 << 20,
        body_total: 2 * short,
        ..Pace::default()
    };
    api::serve_at(app.context.clone(), ([127, 0, 0, 1], 0).into(), pace)
        .await
        .unwrap()
}

#[tokio::test]
async fn heads_that_do_not_come_end_their_connections() {
    let app = App::start().await;
    let server = hurried(&app).await;
    for said in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /api/health HTTP/1.1\r\n",
        "GET /api/health HTTP/1.1\r\nhost: a\r\nx-slow: ",
    ] {
        let mut wire = Wire::connect(server).await;
        wire.write(said.as_bytes()).await;
        let told = wire.rest().await;
        assert!(!told.contains(" 200 "), "{said}: {told}");
    }
    // A connection that stays open is closed when nothing follows.
    let mut wire = Wire::connect(server).await;
    wire.write(b"GET /api/health HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(wire.answer().await.contains(" 200 "));
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_body_that_drips_is_refused_and_read_no_further() {
    let app = App::start().await;
    let server = hurried(&app).await;
    let mut wire = Wire::connect(server).await;
    wire.write(
        b"POST /api/chat HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    )
    .await;
    let told = wire.rest().await;
    assert!(
        told.starts_with("HTTP/1.1 408") && told.contains("body_too_slow"),
        "{told}"
    );
    // The same in pieces, of which each comes in time.
    let mut wire = Wire::connect(server).await;
    wire.write(
        b"POST /api/chat HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n",
    )
    .await;
    let (read, mut write) = wire.0.into_split();
    let drip = async {
        while write.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut told = String::new();
    let mut read = tokio::io::BufReader::new(read);
    let heard = async {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains("body_too_slow") {
            if read.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
        told = String::from_utf8_lossy(&bytes).into_owned();
    };
    tokio::select! {
        () = heard => {}
        () = async { drip.await; std::future::pending().await } => {}
        () = tokio::time::sleep(LONG) => panic!("it goes on"),
    }
    assert!(told.starts_with("HTTP/1.1 408"), "{told}");
}

#[tokio::test]
async fn a_body_that_nothing_takes_is_not_waited_for() {
    let app = App::start().await;
    for (path, status) in [
        ("/nothing", 404),
        ("/api/nothing", 404),
        ("/api/health", 405),
        ("/docs", 405),
    ] {
        let mut wire = Wire::to(&app).await;
        wire.write(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nx").as_bytes())
            .await;
        let told = wire.answer().await;
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {told}");
    }
}

#[tokio::test]
async fn heads_beyond_every_measure_are_refused_before_they_are_kept() {
    let app = App::start().await;
    let server = hurried(&app).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(100_000));
    let headed = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: 1\r\n".repeat(200));
    for sent in [long, headed, many] {
        let mut sender = Wire::connect(server).await;
        sender.write(sent.as_bytes()).await;
        let told = sender.rest().await;
        // What is not read any more may come back as a reset.
        assert!(told.starts_with("HTTP/1.1 431") || told.is_empty(), "{told}");
    }
    let mut wire = Wire::connect(server).await;
    wire.write(
        format!(
            "GET /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            "x".repeat(9000)
        )
        .as_bytes(),
    )
    .await;
    let told = wire.rest().await;
    assert!(
        told.starts_with("HTTP/1.1 414") && told.contains("url_too_long"),
        "{told}"
    );
}

#[tokio::test]
async fn connections_are_as_many_as_there_is_room_for() {
    let app = App::with(&[("MAX_CONNECTIONS", "16"), ("LIMITS", "off")]).await;
    let server = api::serve(app.context.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut wire = Wire::connect(server).await;
        wire.write(b"GET /api/health HTTP/1.1\r\nhost: a\r\n\r\n").await;
        wire.answer().await;
        open.push(wire);
    }
    let told = Wire::connect(server).await.rest().await;
    assert!(
        told.starts_with("HTTP/1.1 503") && told.contains("Retry-After"),
        "{told}"
    );
    drop(open.pop());
    testkit::eventually("room for another", || async {
        let mut wire = Wire::connect(server).await;
        wire.write(b"GET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
        wire.rest().await.contains(" 200 ").then_some(())
    })
    .await;
}
