//! A generated site, served on loopback by the driver itself: a documentation of linked guides, with the furniture, query
//! variants and cross links that real sites have. Every page is a pure function of its number.
mod folder;
mod hostile;
mod page;
mod text;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashSet,
    convert::Infallible,
    hash::Hash,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::protocol::now;
pub use folder::Folder;
pub use hostile::{Hostile, Vice};
pub use page::path;
use page::{html, shell};
use text::article;

/// How long an answer takes from a site that is not next door.
pub const LATENCY: Duration = Duration::from_millis(100);

/// What the pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text in the HTML.
    Static,
    /// The same after [`LATENCY`].
    Distant,
    /// A shell whose script asks for the text.
    Script,
}

/// A served site. Ends when it is dropped.
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    pages: usize,
    style: Style,
    log: Mutex<Log<usize>>,
}

/// What was asked for: pages by what they are known by.
struct Log<P> {
    first: Option<f64>,
    requests: u64,
    seen: HashSet<P>,
}

impl<P> Default for Log<P> {
    fn default() -> Self {
        Self {
            first: None,
            requests: 0,
            seen: HashSet::new(),
        }
    }
}

impl<P: Eq + Hash> Log<P> {
    /// A request, and the page that it was answered with.
    fn note(&mut self, page: Option<P>) {
        self.first.get_or_insert_with(now);
        self.requests += 1;
        self.seen.extend(page);
    }

    /// Everything so far, which is forgotten.
    fn take(&mut self) -> Visits<P> {
        let Self { first, requests, seen } = std::mem::take(self);
        Visits {
            first: first.unwrap_or_else(now),
            requests,
            pages: seen,
        }
    }
}

/// What was asked of a site since the last look.
#[derive(Clone, Debug)]
pub struct Visits<P> {
    /// When the first request came, in µs since 1970.
    pub first: f64,
    /// All requests.
    pub requests: u64,
    /// Different pages answered with 200.
    pub pages: HashSet<P>,
}

impl Site {
    /// Serves `pages` pages.
    pub async fn start(pages: usize, style: Style) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding the site")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            pages,
            style,
            log: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            _server: server,
        })
    }

    /// The start page.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, path(0))
    }

    /// The mean size of a page, in bytes.
    pub fn page_bytes(&self) -> usize {
        let sample = 50.min(self.shared.pages);
        (0..sample)
            .map(|page| html(page * self.shared.pages / sample, self.shared.pages).len())
            .sum::<usize>()
            / sample.max(1)
    }

    /// What was asked since the last call.
    pub fn visits(&self) -> Visits<usize> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Out of descriptors, or a client that left at once: the next one may do better.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), Pages(shared.clone()));
        connections.spawn(async move {
            // A crawler may leave as it likes.
            let _ = connection.await;
        });
    }
}

struct Pages(Arc<Shared>);

impl Service<Request<Incoming>> for Pages {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { Ok(shared.answer(request.uri().path()).await) })
    }
}

impl Shared {
    async fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let number = |prefix: &str, suffix: &str| {
            let page = path.strip_prefix(prefix)?.strip_suffix(suffix)?.rsplit_once('-')?.1;
            page.parse::<usize>().ok().filter(|page| *page < self.pages)
        };
        if let Some(page) = number("/text/", ".html") {
            // What a page's own server would take to answer its script.
            tokio::time::sleep(Duration::from_millis(150)).await;
            return respond(StatusCode::OK, article(page));
        }
        if self.style == Style::Distant {
            tokio::time::sleep(LATENCY).await;
        }
        let page = number("/guide/", ".html");
        self.log.lock().unwrap_or_else(PoisonError::into_inner).note(page);
        let body = match (page, self.style) {
            (Some(page), Style::Static | Style::Distant) => html(page, self.pages),
            (Some(page), Style::Script) => shell(page, self.pages),
            (None, _) => return respond(StatusCode::NOT_FOUND, "no such page".to_owned()),
        };
        respond(StatusCode::OK, body)
    }
}

fn respond(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let html = header::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}
