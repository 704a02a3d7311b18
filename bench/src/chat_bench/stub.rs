//! A model that answers at once, or after a pause, or never stops: an OpenAI-compatible endpoint in the driver.
use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream, stream::BoxStream};
use http::{Response, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Request,
    body::{Frame, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

/// What the model says of every question; every page of the site says it as well, so that no check takes anything out.
pub const ANSWER: &str = "It weighs 24 kg and is delivered within four working days [1]. ";

/// The same in words of its own, so that the check has to compare by meaning.
pub const PARAPHRASE: &str = "A hull that took damage gets mended, and hatches that broke get swapped [1]. ";

/// How the model answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Word by word without pauses, after this time.
    After(Duration),
    /// At once, with the paraphrase.
    Freely,
    /// This many times the answer, as fast as it is taken.
    Long(usize),
    /// One answer after the other, with pauses, until the reader leaves.
    Endless,
}

/// The stub. Ends when it is dropped.
pub struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    left: tokio::sync::Mutex<mpsc::UnboundedReceiver<Instant>>,
    _server: JoinSet<()>,
}

struct Shared {
    manner: Mutex<Manner>,
    asked: AtomicU64,
    leaving: mpsc::UnboundedSender<Instant>,
}

type Reply = Response<StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;

impl Stub {
    /// Listens on loopback.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding the stub")?;
        let address = listener.local_addr()?;
        let (leaving, left) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::After(Duration::ZERO)),
            asked: AtomicU64::new(0),
            leaving,
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            left: tokio::sync::Mutex::new(left),
            _server: server,
        })
    }

    /// The provider's base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers like this from now on.
    pub fn answer(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(SeqCst)
    }

    /// When the next reader of an endless answer left.
    pub async fn left(&self) -> Result<Instant> {
        self.left.lock().await.recv().await.context("the stub ended")
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _ = socket.set_nodelay(true);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), Model(shared.clone()));
        connections.spawn(async move {
            // A reader may leave as it likes.
            let _ = connection.await;
        });
    }
}

struct Model(Arc<Shared>);

impl Service<Request<Incoming>> for Model {
    type Response = Reply;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Reply, hyper::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            request.into_body().collect().await?;
            shared.asked.fetch_add(1, SeqCst);
            let manner = *shared.manner.lock().unwrap_or_else(PoisonError::into_inner);
            let mut reply = Response::new(StreamBody::new(shared.text(manner)));
            let events = header::HeaderValue::from_static("text/event-stream");
            reply.headers_mut().insert(header::CONTENT_TYPE, events);
            Ok(reply)
        })
    }
}

impl Shared {
    fn text(&self, manner: Manner) -> BoxStream<'static, Result<Frame<Bytes>, Infallible>> {
        let words = || ANSWER.split_inclusive(' ').map(delta);
        let end = || {
            let usage = json!({ "choices": [], "usage": { "prompt_tokens": 900, "completion_tokens": 14 } });
            let stop = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
            [
                format!("data: {stop}\n\n"),
                format!("data: {usage}\n\n"),
                "data: [DONE]\n\n".to_owned(),
            ]
            .map(Bytes::from)
        };
        match manner {
            Manner::After(pause) => {
                let said: Vec<Bytes> = words().chain(end()).collect();
                stream::once(sleep(pause))
                    .flat_map(move |()| stream::iter(said.clone()))
                    .map(whole)
                    .boxed()
            }
            Manner::Freely => {
                let words = PARAPHRASE.split_inclusive(' ').map(delta);
                let said: Vec<Bytes> = words.chain(end()).collect();
                stream::iter(said).map(whole).boxed()
            }
            Manner::Long(times) => {
                let said: Vec<Bytes> = (0..times).map(|_| delta(ANSWER)).chain(end()).collect();
                stream::iter(said).map(whole).boxed()
            }
            Manner::Endless => {
                let leaving = Leaving(self.leaving.clone());
                stream::unfold(leaving, |leaving| async move {
                    sleep(Duration::from_millis(20)).await;
                    Some((whole(delta(ANSWER)), leaving))
                })
                .boxed()
            }
        }
    }
}

/// Tells when the answer is given up.
struct Leaving(mpsc::UnboundedSender<Instant>);

impl Drop for Leaving {
    fn drop(&mut self) {
        // The driver may have seen enough.
        let _ = self.0.send(Instant::now());
    }
}

fn delta(text: &str) -> Bytes {
    let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
    Bytes::from(format!("data: {chunk}\n\n"))
}

/// A frame as a body that can't fail has it.
type Piece = Result<Frame<Bytes>, Infallible>;

#[expect(clippy::unnecessary_wraps, reason = "what a stream of a body is made of")]
fn whole(bytes: Bytes) -> Piece {
    Ok(Frame::data(bytes))
}
