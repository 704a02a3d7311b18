//! Local servers that do exactly what a test says, byte by byte, and listeners that must not be reached.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use egress::{Client, Error, HostPort, Limits, Lookup, Policy, Request, Response};
use futures::future::BoxFuture;
use tokio::net::TcpSocket;
use url::Url;

/// A server on a free port of 127.0.0.1. It hands the head of each connection's one request to the handler.
pub struct Server {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(handler: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::on((Ipv4Addr::LOCALHOST, 0).into(), handler)
    }

    /// The same, somewhere else.
    pub fn on(
        address: SocketAddr,
        handler: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen) = (Arc::new(handler), heads.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, seen) = (handler.clone(), seen.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Ok(head) = read_head(&stream) {
                        seen.lock().unwrap().push(head.clone());
                        // The client hangs up whenever it has seen enough.
                        let _ = handler(&head, &mut stream);
                    }
                });
            }
        });
        Self { port, heads }
    }

    /// Answers every request with these bytes.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| stream.write_all(&answer))
    }

    /// Redirects every request there.
    pub fn redirecting(status: u16, location: &str) -> Self {
        Self::answering(format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ))
    }

    pub fn url(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.port).parse().unwrap()
    }

    pub fn place(&self) -> HostPort {
        format!("127.0.0.1:{}", self.port).parse().unwrap()
    }

    /// The heads of the requests so far, lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn read_head(stream: &TcpStream) -> io::Result<String> {
    // Not a byte beyond the head: the body is the handler's.
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head.to_lowercase())
}

/// Blocks until the client hangs up.
pub fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).map(|_| ())
}

/// A server's slowness: lets `time` pass, or less if the client hangs up, which is an error.
pub fn dawdle(stream: &mut TcpStream, time: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(time))?;
    match stream.read(&mut [0]) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// `bytes` over and over, one at a time, until the client hangs up.
pub fn drip(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes.iter().cycle() {
        stream.write_all(&[*byte])?;
        dawdle(stream, Duration::from_millis(20))?;
    }
    Ok(())
}

/// A complete response with these header lines and this body.
pub fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A port of 127.0.0.1 at which nobody listens, nor can while this lives.
pub struct Closed(TcpSocket);

impl Closed {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self(socket)
    }

    pub fn place(&self) -> HostPort {
        self.0.local_addr().unwrap().to_string().parse().unwrap()
    }
}

/// A listener that counts who knocks. Connections wait in its queue, so none is missed.
pub struct Canary(TcpListener);

impl Canary {
    pub fn new() -> Self {
        Self::of(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    /// Two on one port, of 127.0.0.1 and of `[::1]`.
    pub fn pair() -> (Self, Self) {
        loop {
            let first = Self::new();
            // Somebody else may have the second one.
            if let Ok(second) = TcpListener::bind((Ipv6Addr::LOCALHOST, first.port())) {
                return (first, Self::of(second));
            }
        }
    }

    fn of(listener: TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    #[track_caller]
    pub fn assert_untouched(&self) {
        let knock = self.0.accept().map(|(_, peer)| peer);
        assert_eq!(
            knock.unwrap_err().kind(),
            io::ErrorKind::WouldBlock,
            "somebody connected to the canary"
        );
    }
}

/// Names with given addresses; counts the questions.
#[derive(Default)]
pub struct Names {
    addresses: HashMap<String, Vec<IpAddr>>,
    pub asked: AtomicUsize,
}

impl Names {
    pub fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let addresses = names
            .iter()
            .map(|(name, list)| ((*name).to_owned(), list.iter().map(|a| a.parse().unwrap()).collect()))
            .collect();
        Arc::new(Self {
            addresses,
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Names {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.addresses.get(name).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// Short clocks, so that a test of a silent server does not take a minute, and a small body.
pub fn limits() -> Limits {
    Limits {
        max_body_bytes: 64 * 1024,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(10),
        ..Limits::default()
    }
}

pub fn policy(allow: &[HostPort]) -> Policy {
    Policy {
        allow: allow.to_vec(),
        limits: limits(),
        user_agent: "test-agent/1".to_owned(),
    }
}

/// A client that may reach these servers and nothing else on this machine.
pub fn client(servers: &[&Server]) -> Client {
    let allow: Vec<_> = servers.iter().map(|server| server.place()).collect();
    Client::new(policy(&allow)).unwrap()
}

pub async fn get(client: &Client, url: Url) -> Result<Response, Error> {
    client.fetch(Request::get(url)).await
}
