//! A DNS server on a loopback port, over UDP and TCP, that answers what a test says.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};

const TXT: u16 = 16;
const CNAME: u16 = 5;
/// Flags of an answer: a response, recursion desired and available.
const ANSWER: u16 = 0x8180;
const TRUNCATED: u16 = 0x0200;
const SERVER_FAILURE: u16 = 2;
const NO_NAME: u16 = 3;
/// What a UDP answer may have without more being agreed on (RFC 1035, section 2.3.4).
const UDP: usize = 512;

/// What a name answers.
#[derive(Clone, Debug)]
pub enum Names {
    /// TXT records, each of some strings.
    Txt(Vec<Vec<String>>),
    /// Another name.
    Alias(String),
    /// `SERVFAIL`.
    Failure,
    /// Nothing at all.
    Silence,
}

impl Names {
    /// One record of one string.
    pub fn txt(text: impl Into<String>) -> Self {
        Self::Txt(vec![vec![text.into()]])
    }
}

type Zone = Arc<Mutex<BTreeMap<String, Names>>>;

/// The server; it ends when it is dropped. Names that were not set do not exist.
pub struct NameServer {
    address: SocketAddr,
    zone: Zone,
    server: JoinHandle<()>,
}

impl NameServer {
    /// A server without any names.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the server")]
    pub async fn start() -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().expect("an address");
        let zone = Zone::default();
        let known = zone.clone();
        let server = tokio::spawn(async move {
            tokio::join!(datagrams(udp, &known), streams(tcp, &known));
        });
        Self { address, zone, server }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what a name answers from now on.
    pub fn set(&self, name: &str, answer: Names) {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        zone.insert(name.to_lowercase(), answer);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Both on the same port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a loopback port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn datagrams(socket: UdpSocket, zone: &Zone) {
    let mut question = [0; UDP];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        if let Some(mut answer) = answer(&question[..length], zone) {
            if answer.len() > UDP {
                answer.truncate(question_end(&answer).unwrap_or(12));
                answer[2..4].copy_from_slice(&(ANSWER | TRUNCATED).to_be_bytes());
                answer[6..8].fill(0);
            }
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn streams(listener: TcpListener, zone: &Zone) {
    while let Ok((mut stream, _)) = listener.accept().await {
        while let Some(answer) = asked(&mut stream).await.and_then(|question| answer(&question, zone)) {
            let length = u16::try_from(answer.len()).expect("an answer of less than 64 KiB");
            if stream.write_u16(length).await.is_err() || stream.write_all(&answer).await.is_err() {
                break;
            }
        }
    }
}

async fn asked(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut question = vec![0; length.into()];
    stream.read_exact(&mut question).await.ok()?;
    Some(question)
}

/// Where the first question of a message ends.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = 12;
    while *message.get(at)? != 0 {
        at += usize::from(message[at]) + 1;
    }
    Some(at + 5)
}

fn answer(message: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let end = question_end(message)?;
    let mut labels = Vec::new();
    let mut at = 12;
    while message[at] != 0 {
        let length = usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let (mut code, mut count, mut records) = (0, 0u16, Vec::new());
    let zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
    match zone.get(&labels.join(".")) {
        None => code = NO_NAME,
        Some(Names::Silence) => return None,
        Some(Names::Failure) => code = SERVER_FAILURE,
        Some(Names::Alias(to)) => {
            count = 1;
            record(&mut records, CNAME, &encoded(to));
        }
        Some(Names::Txt(texts)) => {
            for strings in texts {
                let mut data = Vec::new();
                for string in strings {
                    data.push(u8::try_from(string.len()).expect("a string of at most 255 bytes"));
                    data.extend(string.as_bytes());
                }
                count += 1;
                record(&mut records, TXT, &data);
            }
        }
    }
    let mut told = message[..2].to_vec();
    told.extend((ANSWER | code).to_be_bytes());
    told.extend([0, 1]);
    told.extend(count.to_be_bytes());
    told.extend([0; 4]);
    told.extend(&message[12..end]);
    told.extend(records);
    Some(told)
}

/// A record of the name that was asked for.
fn record(records: &mut Vec<u8>, kind: u16, data: &[u8]) {
    records.extend([0xc0, 12]);
    records.extend(kind.to_be_bytes());
    records.extend([0, 1, 0, 0, 0, 60]);
    records.extend(
        u16::try_from(data.len())
            .expect("a record of less than 64 KiB")
            .to_be_bytes(),
    );
    records.extend(data);
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label of at most 63 bytes"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
