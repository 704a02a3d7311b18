//! Anonymous connections of one address at a time. A connection is anonymous until a request on it brings a valid credential, so an
//! integrator may open as many as it likes; a stranger's that come on top of the number that one address may have get a refusal
//! to read, and those far above it are closed without a word.
//!
//! A trusted proxy's connections are the proxy's own and not counted. What it forwards is counted by request: one that is
//! being answered, a stream of events to its end, is as good as a connection of the client's.
use domain::{config::EdgeConfig, limits::Gate};
use poem::Request;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::Context;

/// So many times the number that is answered are open at most.
const CLOSED_UNHEARD: usize = 10;

/// The anonymous connections of all addresses.
#[derive(Default)]
pub struct Connections {
    most: usize,
    open: Mutex<HashMap<String, usize>>,
}

/// One of them; it ends when this is dropped.
pub struct Connection {
    all: Arc<Connections>,
    group: String,
    /// There were enough already when it was opened.
    surplus: bool,
    counted: AtomicBool,
}

/// Lets connections in.
#[derive(Clone)]
pub struct Doorkeeper {
    gate: Option<Arc<Gate>>,
    edge: Arc<EdgeConfig>,
    all: Arc<Connections>,
}

/// A connection that was let in; counted, unless its address is not.
pub struct Admission(Option<Arc<Connection>>);

impl Doorkeeper {
    /// For the connections of `context`.
    pub fn new(context: &Context) -> Self {
        Self {
            gate: context.gate.clone(),
            edge: context.edge.clone(),
            all: context.connections.clone(),
        }
    }

    /// A connection of `peer` was opened; none if it is to be closed.
    pub fn admit(&self, peer: IpAddr) -> Option<Admission> {
        let is_proxy = self.edge.trusted_proxies.iter().any(|network| network.contains(peer));
        let gate = self.gate.as_ref().filter(|_| !is_proxy);
        match gate.and_then(|gate| gate.group(peer, false)) {
            None => Some(Admission(None)),
            Some(group) => Some(Admission(Some(self.all.enter(group)?))),
        }
    }
}

impl Admission {
    /// Tells a request on which connection it came.
    pub fn note(&self, request: &mut Request) {
        if let Some(connection) = &self.0 {
            request.set_data(connection.clone());
        }
    }
}

impl Connections {
    /// `most` of one address are answered.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            open: Mutex::default(),
        }
    }

    /// One more of this address; none if there are far too many.
    pub fn enter(self: &Arc<Self>, group: String) -> Option<Arc<Connection>> {
        let mut open = self.open();
        let count = open.entry(group.clone()).or_default();
        if *count >= self.most.saturating_mul(CLOSED_UNHEARD) {
            return None;
        }
        *count += 1;
        let surplus = *count > self.most;
        drop(open);
        Some(Arc::new(Connection {
            all: self.clone(),
            group,
            surplus,
            counted: AtomicBool::new(true),
        }))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A request on it brought a valid credential: it is no longer anonymous.
    pub fn vouched(&self) {
        if !self.counted.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut open = self.all.open();
        if let Some(count) = open.get_mut(&self.group) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.group);
            }
        }
    }

    /// Whether it is one too many, now that a stranger speaks on it.
    pub fn is_surplus(&self) -> bool {
        let counted = self.counted.load(Ordering::Relaxed);
        self.surplus
            && counted
            && self
                .all
                .open()
                .get(&self.group)
                .is_some_and(|count| *count > self.all.most)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.vouched();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(all: &Arc<Connections>, group: &str, count: usize) -> Vec<Arc<Connection>> {
        (0..count).map_while(|_| all.enter(group.into())).collect()
    }

    #[test]
    fn those_above_the_number_are_surplus_until_others_end() {
        let all = Arc::new(Connections::new(3));
        let mut connections = open(&all, "a", 5);
        let surplus: Vec<bool> = connections.iter().map(|one| one.is_surplus()).collect();
        assert_eq!(surplus, [false, false, false, true, true]);
        assert!(!open(&all, "b", 1)[0].is_surplus(), "another address");
        // One with a credential makes room, and so does one that ends.
        connections[0].vouched();
        assert!(connections[4].is_surplus());
        connections.remove(1);
        assert!(!connections[3].is_surplus());
        drop(connections);
        assert!(all.open().is_empty());
    }

    #[test]
    fn far_too_many_are_refused_at_once() {
        let all = Arc::new(Connections::new(2));
        let connections = open(&all, "a", 100);
        assert_eq!(connections.len(), 20);
        connections[0].vouched();
        assert!(all.enter("a".into()).is_some());
    }
}
