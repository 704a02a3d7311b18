//! Sites that a crawl should survive without its neighbours noticing: one that drips its bytes, one without end, and one that is
//! always too busy. Written to the socket by hand, since a server of good manners does not do such things.
use anyhow::{Context as _, Result};
use std::{fmt::Write as _, io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::LATENCY;

/// Links of a page.
const LINKS: usize = 200;

/// What is wrong with a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vice {
    /// Its pages come byte by byte.
    Drips,
    /// Each page leads to new ones.
    Endless,
    /// It is too busy to answer.
    Busy,
}

/// A served hostile site. Ends when it is dropped.
pub struct Hostile {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Hostile {
    /// Serves one.
    pub async fn start(vice: Vice) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("binding a hostile site")?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(serve(listener, vice));
        Ok(Self {
            address,
            _server: server,
        })
    }

    /// The start page, which is there in any case.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn serve(listener: TcpListener, vice: Vice) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(async move {
            // A crawler may leave as it likes.
            let _ = answer(BufReader::new(stream), vice).await;
        });
    }
}

async fn answer(mut stream: BufReader<TcpStream>, vice: Vice) -> io::Result<()> {
    let (mut request, mut header) = (String::new(), String::new());
    stream.read_line(&mut request).await?;
    while stream.read_line(&mut header).await? > "\r\n".len() {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut stream = stream.into_inner();
    sleep(LATENCY).await;
    match (path, vice) {
        ("/robots.txt" | "/sitemap.xml", _) => send(&mut stream, "404 Not Found", "").await,
        ("/", _) => send(&mut stream, "200 OK", &page(0)).await,
        (_, Vice::Busy) => send(&mut stream, "503 Service Unavailable", "").await,
        (_, Vice::Drips) => drip(&mut stream).await,
        (_, Vice::Endless) => {
            let number = path.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or_default();
            send(&mut stream, "200 OK", &page(number)).await
        }
    }
}

/// A page that leads to others, which no other page leads to.
fn page(number: usize) -> String {
    let mut html = format!("<title>Page {number}</title><h1>Page {number}</h1><p>This is what page {number} says.</p>");
    for link in 1..=LINKS {
        let _ = write!(
            html,
            "<a href=\"/item/{}\">Next</a> ",
            number.wrapping_mul(LINKS).wrapping_add(link)
        );
    }
    html
}

async fn send(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

async fn drip(stream: &mut TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(b".").await?;
        sleep(Duration::from_millis(500)).await;
    }
}
