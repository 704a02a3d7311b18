//! A wire in front of a real server: a loopback port that leads to it, and that a test cuts, stalls and mends.
//!
//! It works on bytes, so that it is the same for Postgres, Redis and HTTP. At most one buffer of each direction is kept here
//! while the wire is stalled; the rest waits in the kernel, as it does behind a real network that loses everything.
use futures::{StreamExt, stream::FuturesUnordered};
use std::{io, net::SocketAddr, path::PathBuf};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
};

const BUFFER: usize = 16 << 10;

/// Where a wire leads.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A server's socket file.
    Unix(PathBuf),
    /// A server's port.
    Tcp(SocketAddr),
}

#[derive(Clone, Copy, Default)]
struct State {
    stalled: bool,
    /// How often all connections were forgotten.
    forgotten: usize,
}

/// The wire. It is whole at first, and dropping it cuts it for good.
pub struct Wire {
    upstream: Upstream,
    address: SocketAddr,
    /// Bound and never listening: it keeps the port ours while the wire is cut.
    _port: TcpSocket,
    state: watch::Sender<State>,
    carrier: Option<JoinHandle<()>>,
}

impl Wire {
    /// A wire that leads to a server.
    pub fn to(upstream: Upstream) -> Self {
        let port = socket(([127, 0, 0, 1], 0).into());
        let mut wire = Self {
            upstream,
            address: port.local_addr().expect("the port's address"),
            _port: port,
            state: watch::Sender::default(),
            carrier: None,
        };
        wire.mend();
        wire
    }

    /// The loopback port that leads to the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection and refuses new ones. Nothing goes through any more when this returns.
    pub async fn cut(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.abort();
            let _ = carrier.await;
        }
    }

    /// Goes on taking connections, and lets no byte through in either direction: what is sent is neither lost nor answered.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled = true);
    }

    /// Lets no byte of today's connections through any more, for ever and without a word to anybody, as when an address moves to another machine. New
    /// ones are as good as ever.
    pub fn forget(&self) {
        self.state.send_modify(|state| state.forgotten += 1);
    }

    /// Makes the wire whole. What a stall has held up goes through.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the wire")]
    pub fn mend(&mut self) {
        self.state.send_modify(|state| state.stalled = false);
        if self.carrier.is_none() {
            let listener = socket(self.address).listen(128).expect("a listening port");
            let (upstream, state) = (self.upstream.clone(), self.state.subscribe());
            self.carrier = Some(tokio::spawn(carry_all(listener, upstream, state)));
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(carrier) = &self.carrier {
            carrier.abort();
        }
    }
}

/// A socket at an address that others of ours may share.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseport(true).expect("a port to share");
    socket.bind(address).expect("a loopback port");
    socket
}

/// All connections are parts of this one task, so that its end is the end of them all.
async fn carry_all(listener: TcpListener, upstream: Upstream, state: watch::Receiver<State>) {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            client = listener.accept() => {
                if let Ok((client, _)) = client {
                    let way = Way { state: state.clone(), made: state.borrow().forgotten };
                    connections.push(carry(client, upstream.clone(), way));
                }
            }
            Some(_) = connections.next() => {}
        }
    }
}

/// What a connection knows of its wire.
#[derive(Clone)]
struct Way {
    state: watch::Receiver<State>,
    /// How often connections had been forgotten when it was made.
    made: usize,
}

impl Way {
    /// Waits until a byte can go through.
    async fn open(&mut self) {
        let made = self.made;
        // The sender goes with the wire, and this task with it.
        let _ = self
            .state
            .wait_for(|state| !state.stalled && state.forgotten == made)
            .await;
    }
}

/// One connection. Whatever goes wrong with it is its end, which both sides notice.
async fn carry(client: TcpStream, upstream: Upstream, mut way: Way) -> io::Result<()> {
    way.open().await;
    client.set_nodelay(true)?;
    match upstream {
        Upstream::Unix(path) => join(client, UnixStream::connect(path).await?, way).await,
        Upstream::Tcp(address) => join(client, TcpStream::connect(address).await?, way).await,
    }
}

async fn join(client: TcpStream, server: impl AsyncRead + AsyncWrite, way: Way) -> io::Result<()> {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::try_join!(
        pass(from_client, to_server, way.clone()),
        pass(from_server, to_client, way),
    )?;
    Ok(())
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut way: Way) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        way.open().await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
