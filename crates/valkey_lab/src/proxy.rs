//! The network between a client and a server, for tests that cut it.

use crate::{Authority, Server};
use std::{io, net::Ipv4Addr, path::PathBuf, pin::pin};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// What gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Open,
    /// Connections end, and new ones end as soon as they are made.
    Closed,
    /// Nothing, and nobody is told: connections are kept and made, but carry nothing. Those of this time stay dead afterwards, as
    /// behind a firewall that has forgotten them.
    Silent,
}

/// How to reach the server itself.
#[derive(Clone)]
enum Upstream {
    Socket(PathBuf),
    Port(u16),
}

impl Upstream {
    fn of(server: &Server) -> Self {
        match server.port {
            Some(port) => Self::Port(port),
            None => Self::Socket(server.socket()),
        }
    }
}

/// A port of loopback in front of a server.
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    task: AbortHandle,
}

impl Proxy {
    /// Passes plain TCP on.
    pub async fn to(server: &Server) -> Self {
        Self::new(server, None).await
    }

    /// Terminates TLS as the host `name`, with a certificate of `authority`.
    pub async fn tls(server: &Server, authority: &Authority, name: &str) -> Self {
        Self::new(server, Some(authority.acceptor(name))).await
    }

    #[expect(clippy::disallowed_methods, reason = "aborted on drop")]
    async fn new(server: &Server, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, modes) = watch::channel(Mode::Open);
        let task = tokio::spawn(listen(listener, Upstream::of(server), tls, modes)).abort_handle();
        Self { port, mode, task }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what gets through, for connections that exist, too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, server: Upstream, tls: Option<TlsAcceptor>, modes: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let pass = pass(client, server.clone(), tls.clone());
        connections.spawn(gate(pass, modes.clone()));
    }
}

/// Drives a connection for as long as the mode lets it, and keeps it, dead, while it is to be silent.
async fn gate(pass: impl Future<Output = io::Result<()>>, mut modes: watch::Receiver<Mode>) {
    let mut pass = pin!(pass);
    tokio::select! {
        biased;
        _ = modes.wait_for(|mode| *mode != Mode::Open) => {}
        _ = &mut pass => return,
    }
    let _ = modes.wait_for(|mode| *mode == Mode::Closed).await;
}

async fn pass(client: TcpStream, server: Upstream, tls: Option<TlsAcceptor>) -> io::Result<()> {
    match tls {
        Some(tls) => carry(tls.accept(client).await?, server).await,
        None => carry(client, server).await,
    }
}

async fn carry(mut client: impl AsyncRead + AsyncWrite + Unpin, server: Upstream) -> io::Result<()> {
    let copied = match server {
        Upstream::Socket(path) => copy_bidirectional(&mut client, &mut UnixStream::connect(path).await?).await,
        Upstream::Port(port) => {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            copy_bidirectional(&mut client, &mut server).await
        }
    };
    copied.map(|_| ())
}
