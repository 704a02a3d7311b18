//! A filtering forward proxy on a loopback port, for a program that opens connections by itself: a browser.
//!
//! Every request in absolute form and every `CONNECT` goes through [`Guard::check`] and one [`Guard::resolve`], and
//! is dialled at exactly an address that was checked; a connection that is used again for another host is judged again. So
//! the browser reaches what [`crate::Client`] would reach, and nothing else.
//!
//! - Plain HTTP is taken apart and put together again: `Host` and path come from the URL that was judged, the body's framing is set
//!   anew, headers of the connection and of proxies stay behind, and no connection outside serves two requests.
//! - `CONNECT` (https, web sockets) becomes a tunnel whose content is not looked at.
//! - Whatever the proxy answers itself, a refusal (403) or a failure (502, 504), carries `Proxy-Status` (RFC 9209) with
//!   [`Error::code`] as its details. A site cannot forge it. The newest of them are kept for [`Proxy::take_refusals`].
//! - Only connections of one user's processes are served (Linux): see [`Limits::user`].
//!
//! What must stay true: no byte goes outside but through [`Shared::dial`]; heads, silences, bytes, lifetimes and the number of connections
//! are bounded on both sides; when [`Proxy`] is gone, so are its port and its connections.
//!
//! A Chromium is to be started with `--proxy-server=http://ADDR` *and* `--proxy-bypass-list=<-loopback>`, since it goes
//! past its proxy for loopback addresses otherwise.

mod bounded;
mod headers;
mod peer;
mod refusal;
mod serve;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use self::{bounded::Bounded, refusal::Record};
use crate::{
    dial::dial,
    error::Error,
    guard::{Checked, Guard},
};

pub use self::refusal::Refusal;

/// Bounds of a [`Proxy`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// The user id whose processes may connect (Linux); `None` for the one that this process runs as.
    pub user: Option<u32>,
    /// Connections of the browser at once; more wait.
    pub max_connections: usize,
    /// Bytes of a request's or an answer's head.
    pub max_header_bytes: usize,
    /// Bytes that one connection to the outside carries, both ways together.
    pub max_connection_bytes: u64,
    /// Name resolution and TCP together.
    pub connect_timeout: Duration,
    /// Until a request's head is complete, and from there until the answer's head is.
    pub head_timeout: Duration,
    /// The longest silence of a connection, in both directions.
    pub idle_timeout: Duration,
    /// The longest life of a connection, however busy.
    pub lifetime: Duration,
    /// Refusals kept.
    pub max_refusals: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            user: None,
            max_connections: 100,
            max_header_bytes: 64 * 1024,
            max_connection_bytes: 256 * 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            lifetime: Duration::from_mins(10),
            max_refusals: 100,
        }
    }
}

/// A running proxy. Dropping it closes the port and ends all connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// Ends when the last task has.
    ended: mpsc::Receiver<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and serves by the rules of `guard`. Must be called within a tokio runtime.
    pub async fn start(guard: Guard, limits: Limits) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Setup(format!("the proxy cannot listen on 127.0.0.1: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            guard,
            record: Record::new(limits.max_refusals),
            limits,
        });
        let (running, ended) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone(), running));
        Ok(Self {
            address,
            shared,
            tasks,
            ended,
        })
    }

    /// Where it listens, for `--proxy-server`.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What it refused, or failed to reach, since the last call; oldest first, at most [`Limits::max_refusals`].
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.shared.record.take()
    }

    /// Closes the port, ends all connections, and returns when that has happened.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
        // Nobody sends; the channel closes with the last connection.
        let _ = self.ended.recv().await;
    }
}

/// What all connections of a proxy know.
struct Shared {
    guard: Guard,
    limits: Limits,
    record: Record,
}

impl Shared {
    /// The one way out.
    async fn dial(&self, checked: &Checked) -> Result<Bounded<TcpStream>, Error> {
        let stream = dial(&self.guard, checked, self.limits.connect_timeout).await?;
        let limits = &self.limits;
        Ok(Bounded::new(stream, limits.max_connection_bytes, limits.idle_timeout))
    }
}

/// Accepts connections, never more at once than the limit; those beyond wait in the listener's queue.
async fn accept(listener: TcpListener, shared: Arc<Shared>, running: mpsc::Sender<()>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= shared.limits.max_connections.max(1) {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (shared, running) = (shared.clone(), running.clone());
                    connections.spawn(async move {
                        serve::connection(shared, stream, peer).await;
                        drop(running);
                    });
                }
                // Out of file descriptors, most likely: asking again at once would only burn time.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
