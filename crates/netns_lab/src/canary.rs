//! Listeners that must not be reached.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
};

/// Somebody reached a canary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Where.
    pub address: SocketAddr,
    /// `tcp` or `udp`.
    pub transport: &'static str,
}

/// Listeners on several addresses and ports, by TCP and UDP. What reaches them waits in the kernel's queues, so none is missed.
pub struct Canaries {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Canaries {
    /// Listens on each port of each address.
    pub fn on(addresses: &[IpAddr], ports: &[u16]) -> Self {
        let places: Vec<SocketAddr> = addresses
            .iter()
            .flat_map(|address| ports.iter().map(|port| SocketAddr::new(*address, *port)))
            .collect();
        let tcp = places.iter().map(|place| {
            let listener = TcpListener::bind(place).unwrap_or_else(|error| panic!("a canary on {place}: {error}"));
            listener.set_nonblocking(true).unwrap();
            listener
        });
        let udp = places.iter().map(|place| {
            let socket = UdpSocket::bind(place).unwrap_or_else(|error| panic!("a canary on {place}: {error}"));
            socket.set_nonblocking(true).unwrap();
            socket
        });
        Self {
            tcp: tcp.collect(),
            udp: udp.collect(),
        }
    }

    /// Who knocked since the last call. Each listener is knocked on by the lab itself and answers, so that none is asleep, and what
    /// the kernel still had under way has arrived.
    pub fn hits(&self) -> Vec<Hit> {
        let mut hits = Vec::new();
        for listener in &self.tcp {
            let address = listener.local_addr().unwrap();
            let knocks =
                tcp_knocks(listener, address).unwrap_or_else(|error| panic!("the canary on {address}: {error}"));
            hits.extend(vec![
                Hit {
                    address,
                    transport: "tcp"
                };
                knocks
            ]);
        }
        for socket in &self.udp {
            let address = socket.local_addr().unwrap();
            let knocks = udp_knocks(socket, address).unwrap_or_else(|error| panic!("the canary on {address}: {error}"));
            hits.extend(vec![
                Hit {
                    address,
                    transport: "udp"
                };
                knocks
            ]);
        }
        hits
    }

    /// Fails the test if anybody knocked.
    #[track_caller]
    pub fn assert_untouched(&self) {
        let hits = self.hits();
        assert!(hits.is_empty(), "canaries were reached: {hits:?}");
    }
}

/// Connections other than the lab's own.
fn tcp_knocks(listener: &TcpListener, address: SocketAddr) -> io::Result<usize> {
    // The queue first: where it is full, the lab's own connection would wait for ever.
    let mut knocks = waiting(|| listener.accept())?;
    let own = TcpStream::connect(address)?;
    listener.set_nonblocking(false)?;
    while listener.accept()?.1 != own.local_addr()? {
        knocks += 1;
    }
    listener.set_nonblocking(true)?;
    Ok(knocks + waiting(|| listener.accept())?)
}

/// Datagrams other than the lab's own.
fn udp_knocks(socket: &UdpSocket, address: SocketAddr) -> io::Result<usize> {
    let mut knocks = waiting(|| socket.recv_from(&mut [0; 1]))?;
    let own = UdpSocket::bind(SocketAddr::new(address.ip(), 0))?;
    own.send_to(b"x", address)?;
    socket.set_nonblocking(false)?;
    while socket.recv_from(&mut [0; 1])?.1 != own.local_addr()? {
        knocks += 1;
    }
    socket.set_nonblocking(true)?;
    Ok(knocks + waiting(|| socket.recv_from(&mut [0; 1]))?)
}

/// How many there are at this moment.
fn waiting<T>(next: impl Fn() -> io::Result<T>) -> io::Result<usize> {
    let mut count = 0;
    loop {
        match next() {
            Ok(_) => count += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}
