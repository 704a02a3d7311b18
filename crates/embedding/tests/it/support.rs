//! The prepared model, and a provider that says what a test wants.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use embedding::local::{Files, Known, Local};
use serde_json::Value;

/// The user's cache folder of the product, so that the model is downloaded once a machine and not once a test.
#[expect(
    clippy::disallowed_methods,
    reason = "a test looks for the cache where the product does"
)]
pub fn cache_folder() -> PathBuf {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let (xdg, home) = (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
    wheels::cache_dir("omniops", is_root, xdg.as_deref(), home.as_deref()).unwrap()
}

pub fn files(known: Known) -> Files {
    Files::prepare(&wheels::Cache::new(cache_folder()), known).unwrap()
}

pub fn local() -> Local {
    model(Known::MiniLm)
}

pub fn model(known: Known) -> Local {
    Local::load(&files(known), 2).unwrap()
}

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// Of vectors of length 1.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// One request as the stub provider saw it.
#[derive(Clone)]
pub struct Seen {
    pub head: String,
    pub body: Value,
}

/// A provider on a free port of 127.0.0.1, one request for each connection. The handler gets the request's number from 0
/// and returns the status, further header lines and the body; `None` leaves the client waiting.
pub struct Provider {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Provider {
    pub fn start(
        handler: impl Fn(usize, &Seen) -> Option<(u16, &'static str, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let request = read_request(&stream).unwrap();
                record.lock().unwrap().push(request.clone());
                // The client may be gone when its deadline has passed.
                let _ = match handler(number, &request) {
                    Some((status, headers, body)) => answer(&mut stream, status, headers, &body),
                    None => stream.read_to_end(&mut Vec::new()).map(|_| ()),
                };
            }
        });
        Self { port, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> io::Result<Seen> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head)?;
    }
    let head = head.to_lowercase();
    let length = head
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.lines().next())
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body)?;
    Ok(Seen {
        head,
        body: serde_json::from_slice(&body)?,
    })
}

fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
