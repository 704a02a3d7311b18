//! A place where no server is.
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

/// A port of this machine at which nobody listens, nor can while this lives: another test may get one that a server has left.
pub struct Closed {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Closed {
    /// Takes a free port.
    #[expect(clippy::new_without_default, reason = "it takes a port")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a loopback port");
        Self {
            address: socket.local_addr().expect("an address"),
            _socket: socket,
        }
    }

    /// `host:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A URL there.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
