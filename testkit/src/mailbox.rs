//! A mail server of its own for a test: real SMTP (RFC 5321) over TCP, in plain text, that keeps what it takes.
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// Takes it.
    Take,
    /// Refuses it for now (451).
    Later,
    /// Refuses the recipient for good (550).
    NoSuchUser,
    /// Hangs up at once.
    HangUp,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Header and body as they came.
    pub text: String,
}

/// The server; it ends when it is dropped.
pub struct Mailbox {
    port: u16,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    reception: Mutex<Reception>,
    taken: Mutex<Vec<Mail>>,
    refused: Mutex<usize>,
}

impl Mailbox {
    /// Starts a server.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the server")]
    pub async fn start(reception: Reception) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            reception: Mutex::new(reception),
            taken: Mutex::default(),
            refused: Mutex::default(),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let served = shared.clone();
                // A client that hangs up ends its own conversation only.
                tokio::spawn(async move { drop(served.converse(socket).await) });
            }
        });
        Self {
            port,
            state,
            server: task,
        }
    }

    /// What `SMTP_URL` is set to.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Does otherwise from now on.
    pub fn set(&self, reception: Reception) {
        *lock(&self.state.reception) = reception;
    }

    /// What was taken so far.
    pub fn taken(&self) -> Vec<Mail> {
        lock(&self.state.taken).clone()
    }

    /// How often mail was refused.
    pub fn refused(&self) -> usize {
        *lock(&self.state.refused)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    async fn converse(&self, socket: TcpStream) -> std::io::Result<()> {
        let mut socket = BufReader::new(socket);
        if *lock(&self.reception) == Reception::HangUp {
            *lock(&self.refused) += 1;
            return Ok(());
        }
        say(&mut socket, "220 test").await?;
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let address = || {
                let (_, rest) = line.split_once('<').unwrap_or_default();
                rest.split('>').next().unwrap_or_default().to_owned()
            };
            let upper = line.to_ascii_uppercase();
            let reception = *lock(&self.reception);
            match upper.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => say(&mut socket, "250-test\r\n250 8BITMIME").await?,
                "MAIL" => {
                    from = address();
                    say(&mut socket, "250 ok").await?;
                }
                "RCPT" if reception == Reception::NoSuchUser => {
                    *lock(&self.refused) += 1;
                    say(&mut socket, "550 no such user").await?;
                }
                "RCPT" if reception == Reception::Later => {
                    *lock(&self.refused) += 1;
                    say(&mut socket, "451 try again later").await?;
                }
                "RCPT" => {
                    to.push(address());
                    say(&mut socket, "250 ok").await?;
                }
                "DATA" => {
                    say(&mut socket, "354 go on").await?;
                    let text = body(&mut socket).await?;
                    let (from, to) = (from.clone(), std::mem::take(&mut to));
                    lock(&self.taken).push(Mail { from, to, text });
                    say(&mut socket, "250 taken").await?;
                }
                "QUIT" => return say(&mut socket, "221 bye").await,
                "RSET" | "NOOP" | "HELO" => say(&mut socket, "250 ok").await?,
                _ => say(&mut socket, "502 not here").await?,
            }
        }
    }
}

/// The lines up to the one that is a dot, with doubled dots single again (RFC 5321 §4.5.2).
async fn body(socket: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

async fn say(socket: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    socket.write_all(format!("{text}\r\n").as_bytes()).await
}
