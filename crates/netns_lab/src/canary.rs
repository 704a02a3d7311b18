//! Listeners that must not be reached.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    time::{Duration, Instant},
};

/// Somebody reached a canary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Where.
    pub address: SocketAddr,
    /// `tcp` or `udp`.
    pub transport: &'static str,
}

/// Listeners on several addresses and ports, by TCP and UDP. Connections and datagrams wait in the kernel's queues, so none is
/// missed.
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

    /// Who knocked since the last call.
    pub fn hits(&self) -> Vec<Hit> {
        let mut hits = Vec::new();
        for listener in &self.tcp {
            let address = listener.local_addr().unwrap();
            while knocked(listener.accept()) {
                hits.push(Hit {
                    address,
                    transport: "tcp",
                });
            }
        }
        for socket in &self.udp {
            let address = socket.local_addr().unwrap();
            while knocked(socket.recv_from(&mut [0; 1])) {
                hits.push(Hit {
                    address,
                    transport: "udp",
                });
            }
        }
        hits
    }

    /// Waits until somebody has knocked: for the control, in which somebody must.
    pub fn wait_for_hit(&self, patience: Duration) -> Vec<Hit> {
        let begun = Instant::now();
        loop {
            let hits = self.hits();
            if !hits.is_empty() {
                return hits;
            }
            assert!(begun.elapsed() < patience, "nobody knocked on any canary");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Fails the test if anybody knocked.
    #[track_caller]
    pub fn assert_untouched(&self) {
        let hits = self.hits();
        assert!(hits.is_empty(), "canaries were reached: {hits:?}");
    }
}

fn knocked<T>(result: io::Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => panic!("a canary failed: {error}"),
    }
}
