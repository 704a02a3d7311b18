//! A provider over bare sockets, so that it can break every rule.
use chat_model::{Client, Limits, Message, Model, Request, Role, Settings};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Longer than anything takes that comes.
pub const LONG: Duration = Duration::from_secs(30);

/// What is done for one request, in this order.
#[derive(Clone, Debug)]
pub enum Step {
    /// A status line and headers.
    Head(u16, &'static [(&'static str, &'static str)]),
    /// A chunk of the body.
    Say(Vec<u8>),
    /// The same chunk again and again, with pauses, until the caller leaves.
    Repeat(Vec<u8>, Duration),
    /// The end of the body; the connection stays.
    End,
    /// Nothing more, until the caller leaves.
    Hang,
}

/// What a request said.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub body: Value,
    /// Which connection it came on.
    pub connection: usize,
}

type Script = Vec<Step>;

/// The provider. It ends with its value.
pub struct Provider {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    /// What to do for each request; the last one goes on.
    scripts: Mutex<VecDeque<Script>>,
    asked: Mutex<Vec<Asked>>,
    left: watch::Sender<usize>,
}

pub fn stream() -> Step {
    Step::Head(200, &[("content-type", "text/event-stream")])
}

/// A chunk with text.
pub fn text(text: &str) -> Step {
    Step::Say(
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })
        )
        .into(),
    )
}

/// A chunk that ends the text.
pub fn finish(reason: &str) -> Step {
    Step::Say(
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
        )
        .into(),
    )
}

pub fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

/// A whole and short answer.
pub fn whole() -> Vec<Step> {
    vec![
        stream(),
        text("Two "),
        text("days."),
        finish("stop"),
        say("data: [DONE]\n\n"),
        Step::End,
    ]
}

impl Provider {
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            scripts: Mutex::new(scripts.into_iter().collect()),
            asked: Mutex::default(),
            left: watch::channel(0).0,
        });
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shared.clone()));
        Self {
            address,
            shared,
            _server: server,
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `n` callers have left before their answer's end.
    pub async fn left(&self, n: usize) {
        let mut left = self.shared.left.subscribe();
        timeout(LONG, left.wait_for(|seen| *seen >= n))
            .await
            .expect("nobody left")
            .unwrap();
    }

    /// A model of it, whose every wait is long.
    pub fn model(&self) -> Model {
        self.limited(Limits {
            first_token: LONG,
            silence: LONG,
            total: LONG,
            pause: Duration::from_millis(1),
            ..Limits::default()
        })
    }

    pub fn limited(&self, limits: Limits) -> Model {
        let settings = Settings {
            base_url: format!("http://{}/v1/", self.address),
            key: "the-secret-key".to_owned().into(),
            limits,
        };
        Client::new(settings).unwrap().model("stub")
    }
}

pub fn question() -> Vec<Message> {
    let content = "How long?".to_owned();
    vec![Message {
        role: Role::User,
        content,
    }]
}

pub fn request(messages: &[Message]) -> Request<'_> {
    Request {
        messages,
        temperature: 0.1,
        max_tokens: 100,
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let (socket, _) = listener.accept().await.unwrap();
        connections.spawn(connection(socket, number, shared.clone()));
    }
}

/// Requests one after the other, until one side has enough.
async fn connection(socket: TcpStream, number: usize, shared: Arc<Shared>) {
    let mut socket = BufReader::new(socket);
    while let Some(asked) = read(&mut socket, number).await {
        shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let script = {
            let mut scripts = shared.scripts.lock().unwrap_or_else(PoisonError::into_inner);
            if scripts.len() > 1 {
                scripts.pop_front()
            } else {
                scripts.front().cloned()
            }
        };
        let mut ended = false;
        for step in script.expect("a script") {
            ended = matches!(step, Step::End);
            if play(&mut socket, step).await.is_none() {
                shared.left.send_modify(|n| *n += 1);
                return;
            }
        }
        if !ended {
            return;
        }
    }
}

async fn read(socket: &mut BufReader<TcpStream>, connection: usize) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    socket.read_exact(&mut body).await.ok()?;
    Some(Asked {
        head,
        body: serde_json::from_slice(&body).unwrap(),
        connection,
    })
}

/// None when the caller has left.
async fn play(socket: &mut BufReader<TcpStream>, step: Step) -> Option<()> {
    match step {
        Step::Head(status, headers) => {
            let mut fields = String::new();
            for (name, value) in headers {
                fields.extend([name, ": ", value, "\r\n"]);
            }
            let head = format!("HTTP/1.1 {status} X\r\n{fields}transfer-encoding: chunked\r\n\r\n");
            socket.write_all(head.as_bytes()).await.ok()?;
        }
        Step::Say(bytes) => chunk(socket, &bytes).await?,
        Step::Repeat(bytes, pause) => loop {
            chunk(socket, &bytes).await?;
            sleep(pause).await;
        },
        Step::End => socket.write_all(b"0\r\n\r\n").await.ok()?,
        Step::Hang => {
            while socket.read_u8().await.is_ok() {}
            return None;
        }
    }
    Some(())
}

async fn chunk(socket: &mut BufReader<TcpStream>, bytes: &[u8]) -> Option<()> {
    socket
        .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
        .await
        .ok()?;
    socket.write_all(bytes).await.ok()?;
    socket.write_all(b"\r\n").await.ok()
}
