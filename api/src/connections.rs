//! Anonymous connections of one address at a time. A connection is anonymous until a request on it brings a valid credential; from
//! then on it is its customer's, of whom each may have more. What comes on top of the number gets a refusal to read, and what is far
//! above it is closed without a word: one address, and one customer, leave room for the others whatever they do. Whoever has a
//! whole /48 has many addresses and is held against a number of its own.
//!
//! A trusted proxy's connections are the proxy's own and not counted. What it forwards is counted by request: one that is
//! being answered, a stream of events to its end, is as good as a connection of the client's.
use domain::{
    config::EdgeConfig,
    limits::{Gate, OF_SITE, site},
};
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
const CLOSED_UNHEARD: usize = 2;

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
    /// What it is counted as since a credential was shown on it.
    known: Mutex<Option<Arc<Connection>>>,
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
        let of = |open: &HashMap<String, usize>, name: &str| open.get(name).copied().unwrap_or_default();
        let site = site(&group);
        let full = |site: &String| of(&open, site) >= self.most.saturating_mul(OF_SITE as usize);
        let count = of(&open, &group) + 1;
        if count > self.most.saturating_mul(CLOSED_UNHEARD) || site.as_ref().is_some_and(full) {
            return None;
        }
        for name in [Some(group.clone()), site].into_iter().flatten() {
            *open.entry(name).or_default() += 1;
        }
        drop(open);
        Some(Arc::new(Connection {
            all: self.clone(),
            group,
            surplus: count > self.most,
            counted: AtomicBool::new(true),
            known: Mutex::default(),
        }))
    }

    fn leave(&self, group: &str) {
        let mut open = self.open();
        for name in [Some(group.to_owned()), site(group)].into_iter().flatten() {
            if let Some(count) = open.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&name);
                }
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A request on it brought a valid credential: it is no longer anonymous, but one of `whose` among those that are `known`. False if
    /// there are too many of these.
    pub fn vouched(&self, known: &Arc<Connections>, whose: String) -> bool {
        let mut own = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_none() {
            *own = known.enter(whose);
            if own.is_some() {
                self.uncount();
            }
        }
        own.as_ref().is_some_and(|own| !own.is_surplus())
    }

    fn uncount(&self) {
        if self.counted.swap(false, Ordering::Relaxed) {
            self.all.leave(&self.group);
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
        self.uncount();
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
        let known = Arc::new(Connections::new(1));
        assert!(connections[0].vouched(&known, "shop".into()));
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
        assert_eq!(connections.len(), 4);
        let known = Arc::new(Connections::new(1));
        assert!(connections[0].vouched(&known, "shop".into()));
        assert!(all.enter("a".into()).is_some());
    }

    #[test]
    fn a_credential_makes_a_connection_its_customer_s_who_may_have_so_many() {
        let (all, known) = (Arc::new(Connections::new(10)), Arc::new(Connections::new(2)));
        let mut connections = open(&all, "a", 8);
        let fit = |one: &Arc<Connection>, whose: &str| one.vouched(&known, whose.into());
        let fits: Vec<bool> = connections[..6].iter().map(|one| fit(one, "shop")).collect();
        assert_eq!(fits, [true, true, false, false, false, false]);
        assert!(fit(&connections[6], "other"), "another customer");
        assert!(
            fit(&connections[0], "shop") && fit(&connections[0], "other"),
            "it is counted once"
        );
        connections.remove(0);
        connections.drain(..3);
        assert!(fit(&connections[3], "shop"), "those that ended make room");
        drop(connections);
        assert!(all.open().is_empty() && known.open().is_empty());
    }

    #[test]
    fn many_networks_of_one_site_are_not_as_many_addresses() {
        let all = Arc::new(Connections::new(2));
        let networks: Vec<String> = (0..100).map(|n| format!("2001:db8:1:{n:x}::/64")).collect();
        let opened: Vec<_> = networks.iter().map_while(|group| all.enter(group.clone())).collect();
        assert_eq!(opened.len(), 32);
        assert!(all.enter("2001:db8:2::/64".into()).is_some(), "another site");
        drop(opened);
        assert!(all.open().is_empty());
    }
}
