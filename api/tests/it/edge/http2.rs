//! HTTP/2 by hand (RFC 9113): the server says its limits first, and ends a connection that only opens and resets.
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::app::App;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_mins(1);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// A PING's or SETTINGS' answer.
const ACK: u8 = 0x1;
/// Ends the stream, and the head.
const WHOLE: u8 = 0x5;

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    bytes.extend_from_slice(payload);
    bytes
}

/// `GET /api/health`.
fn head() -> Vec<u8> {
    asking("/api/health")
}

/// `GET` of a path by the static table of HPACK and literals (RFC 7541).
fn asking(path: &str) -> Vec<u8> {
    let path = path.as_bytes();
    let mut head = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    head.extend_from_slice(path);
    head.extend_from_slice(&[0x01, 1, b'a']);
    head
}

struct Peer(TcpStream);

impl Peer {
    async fn greet(server: SocketAddr) -> Self {
        let mut peer = Self(TcpStream::connect(server).await.unwrap());
        peer.write(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        peer
    }

    async fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame; none when the connection has ended.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = tokio::time::timeout(LONG, self.0.read_exact(&mut head)).await;
        read.expect("a frame or an end").ok()?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

async fn server(app: &App) -> SocketAddr {
    api::serve(app.context.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_limits_of_http2_are_told_first_and_a_request_is_answered() {
    let app = App::start().await;
    let mut peer = Peer::greet(server(&app).await).await;
    let told = peer.until(SETTINGS).await.unwrap().payload;
    let setting = |id: u16| {
        let found = told.chunks_exact(6).find(|one| one[..2] == id.to_be_bytes());
        found.map(|one| u32::from_be_bytes([one[2], one[3], one[4], one[5]]))
    };
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_MAX_HEADER_LIST_SIZE.
    assert_eq!((setting(3), setting(6)), (Some(32), Some(32 * 1024)));
    peer.write(&frame(HEADERS, WHOLE, 1, &head())).await;
    let answer = peer.until(HEADERS).await.unwrap();
    // `:status: 200` of the static table.
    assert_eq!((answer.stream, answer.payload[0]), (1, 0x88));
}

#[tokio::test]
async fn a_connection_that_only_opens_and_resets_is_ended() {
    let app = App::start().await;
    let mut peer = Peer::greet(server(&app).await).await;
    let flood: Vec<u8> = (0..2000u32)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            [
                frame(HEADERS, WHOLE, stream, &head()),
                frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()),
            ]
            .concat()
        })
        .collect();
    peer.write(&flood).await;
    let end = peer.until(GOAWAY).await;
    if let Some(end) = end {
        // ENHANCE_YOUR_CALM.
        assert_eq!(end.payload[4..8], 11u32.to_be_bytes());
    }
    while peer.next().await.is_some() {}
}

/// A stream without a window: everything is asked for, and nothing of it is ever taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_cost_little_and_end_their_connection() {
    const CONNECTIONS: u32 = 8;
    const KIB_EACH: u64 = 256;
    let app = App::start().await;
    let pace = api::Pace {
        reader: Duration::from_secs(8),
        ..api::Pace::default()
    };
    let server = api::serve_at(app.context.clone(), ([127, 0, 0, 1], 0).into(), pace)
        .await
        .unwrap();
    // Once, so that what is made for all is made.
    let paths = ["/docs", "/openapi.yaml", "/embed.js"];
    for path in paths {
        app.get(path).send().await.expect(200);
    }
    let before = resident();
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut peer = Peer(TcpStream::connect(server).await.unwrap());
        // SETTINGS_INITIAL_WINDOW_SIZE of nothing.
        peer.write(&[PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])].concat())
            .await;
        for stream in 0..30u32 {
            let path = paths[stream as usize % paths.len()];
            peer.write(&frame(HEADERS, WHOLE, 2 * stream + 1, &asking(path))).await;
        }
        for _ in 0..30 {
            peer.until(HEADERS).await.expect("the head of an answer");
        }
        peers.push(peer);
    }
    let each = resident().saturating_sub(before) / u64::from(CONNECTIONS);
    eprintln!("{each} KiB for each connection with 30 answers that nobody takes");
    assert!(each <= 30 * KIB_EACH / 4, "{each} KiB each");
    // Whatever is said meanwhile.
    for mut peer in peers {
        while let Some(frame_in) = peer.next().await {
            if frame_in.kind == PING && frame_in.payload.len() == 8 {
                peer.write(&frame(PING, ACK, 0, &frame_in.payload)).await;
            }
        }
    }
}

/// The memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
