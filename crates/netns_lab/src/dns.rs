//! A DNS server (RFC 1035, as much as a stub resolver needs) whose answers may change with every question, with a TTL of 0.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// Runs until the process ends.
pub struct Dns(Arc<Mutex<Zone>>);

#[derive(Default)]
struct Zone {
    /// By name: what the first question gets, the second and so on; the last one stays.
    turns: HashMap<String, Vec<Vec<String>>>,
    asked: Vec<(String, u16)>,
}

impl Dns {
    /// Serves on `address`.
    pub fn start(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let served = zone.clone();
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let reply = served
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .reply(&question[..length]);
                if let Some(reply) = reply {
                    // Whoever is gone does not need it.
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        Self(zone)
    }

    /// Gives `name` these addresses of either family, or, where one is no address, that name as its alias (CNAME).
    pub fn answer(&self, name: &str, addresses: &[&str]) {
        self.turns(name, &[addresses]);
    }

    /// Gives `name` one answer after the other: the n-th question of each type (A and AAAA are asked side by side) gets the
    /// n-th answer, and all further ones the last.
    pub fn turns(&self, name: &str, turns: &[&[&str]]) {
        let owned = |list: &&[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        let turns = turns.iter().map(owned).collect();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .turns
            .insert(name.to_owned(), turns);
    }

    /// How often the IPv4 addresses of `name` were asked for.
    pub fn asked(&self, name: &str) -> usize {
        let zone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        zone.asked
            .iter()
            .filter(|(asked, kind)| asked == name && *kind == A)
            .count()
    }

    /// Every name that was asked for, once.
    pub fn names(&self) -> Vec<String> {
        let zone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = zone.asked.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Zone {
    /// The reply to one message; `None` for what is no question.
    fn reply(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let header = message.get(..12)?;
        let (name, end) = read_name(message)?;
        let kind = u16::from_be_bytes(message.get(end..end + 2)?.try_into().ok()?);
        let question = message.get(12..end + 4)?;
        let known = self.turns.contains_key(&name);
        let mut answers = Vec::new();
        self.collect(&name, kind, &mut answers, 0);

        let mut reply = header[..2].to_vec();
        // A recursive server's authoritative word; 3 says that there is no such name.
        reply.extend([0x85, if known { 0x80 } else { 0x83 }]);
        reply.extend([0, 1]);
        reply.extend(u16::try_from(answers.len()).ok()?.to_be_bytes());
        reply.extend([0; 4]);
        reply.extend(question);
        reply.extend(answers.concat());
        Some(reply)
    }

    /// The records for `name`, and those for its aliases after them.
    fn collect(&mut self, name: &str, kind: u16, answers: &mut Vec<Vec<u8>>, depth: usize) {
        let before = self
            .asked
            .iter()
            .filter(|asked| asked.0 == name && asked.1 == kind)
            .count();
        self.asked.push((name.to_owned(), kind));
        let Some(turns) = self.turns.get(name) else { return };
        let Some(turn) = turns.get(before).or(turns.last()).cloned() else {
            return;
        };
        for target in turn {
            match target.parse() {
                Ok(IpAddr::V4(address)) if kind == A => answers.push(record(name, A, &address.octets())),
                Ok(IpAddr::V6(address)) if kind == AAAA => answers.push(record(name, AAAA, &address.octets())),
                Ok(_) => {}
                Err(_) => {
                    answers.push(record(name, CNAME, &write_name(&target)));
                    assert!(depth < 8, "aliases of `{name}` run in a circle");
                    self.collect(&target, kind, answers, depth + 1);
                }
            }
        }
    }
}

/// The name of the first question, lower case, and where it ends.
fn read_name(message: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}

fn write_name(name: &str) -> Vec<u8> {
    let mut written = Vec::new();
    for label in name.split('.') {
        written.push(u8::try_from(label.len()).unwrap());
        written.extend(label.as_bytes());
    }
    written.push(0);
    written
}

/// Class IN, to be kept for 0 seconds.
fn record(name: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = write_name(name);
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 0]);
    record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend(data);
    record
}
