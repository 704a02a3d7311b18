//! A generated site, served on loopback by the driver itself: a documentation of linked guides, with the furniture, query
//! variants and cross links that real sites have. Every page is a pure function of its number.
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
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::protocol::now;

/// Children of a page, so that 5,000 pages are seven levels deep.
const BRANCHES: usize = 4;

/// What the pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text in the HTML.
    Static,
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
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    first: Option<f64>,
    requests: u64,
    seen: HashSet<usize>,
}

/// What was asked of the site since the last look.
#[derive(Clone, Debug)]
pub struct Visits {
    /// When the first request came, in µs since 1970.
    pub first: f64,
    /// All requests.
    pub requests: u64,
    /// Different pages answered with 200.
    pub pages: usize,
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
    pub fn visits(&self) -> Visits {
        let log = std::mem::take(&mut *self.shared.log.lock().unwrap_or_else(PoisonError::into_inner));
        Visits {
            first: log.first.unwrap_or_else(now),
            requests: log.requests,
            pages: log.seen.len(),
        }
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
        if let Some(page) = number("/text/page-", ".html") {
            // What a page's own server would take to answer its script.
            tokio::time::sleep(Duration::from_millis(150)).await;
            return respond(StatusCode::OK, article(page));
        }
        let page = number("/guide/", ".html");
        {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.first.get_or_insert_with(now);
            log.requests += 1;
            log.seen.extend(page);
        }
        let body = match (page, self.style) {
            (Some(page), Style::Static) => html(page, self.pages),
            (Some(page), Style::Script) => shell(page, self.pages),
            (None, _) => return respond(StatusCode::NOT_FOUND, "no such page".to_owned()),
        };
        respond(StatusCode::OK, body)
    }
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let html = header::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// Where a page stands.
pub fn path(page: usize) -> String {
    let mut chance = Chance::of(page, 1);
    format!("/guide/{}-{}-{page}.html", chance.word(), chance.word())
}

/// Where a page links to: its children, its parent, its neighbours and some others.
fn links(page: usize, pages: usize) -> Vec<usize> {
    let mut chance = Chance::of(page, 2);
    let children = (1..=BRANCHES).map(|n| page * BRANCHES + n);
    let mut links: Vec<usize> = children.collect();
    links.extend([page.saturating_sub(1) / BRANCHES, page + 1, page.saturating_sub(1)]);
    links.extend((0..5).map(|_| chance.below(pages)));
    links.retain(|to| *to < pages);
    links
}

/// A page with its text.
fn html(page: usize, pages: usize) -> String {
    let mut out = String::with_capacity(48 * 1024);
    head(&mut out, page);
    furniture(&mut out, page, pages);
    out.push_str("<main><article>");
    out.push_str(&article(page));
    out.push_str("</article><section class=\"related\"><h2>Related</h2><ul>");
    for to in links(page, pages) {
        let variant = if (page + to).is_multiple_of(9) {
            "?utm_source=related"
        } else {
            ""
        };
        let _ = write!(out, "<li><a href=\"{}{variant}\">{}</a></li>", path(to), title(to));
    }
    out.push_str("</ul></section></main>");
    footer(&mut out);
    out
}

/// A page whose text comes by script.
fn shell(page: usize, pages: usize) -> String {
    let mut out = String::new();
    head(&mut out, page);
    let links: Vec<String> = links(page, pages)
        .into_iter()
        .map(|to| format!("<a href='{}'>{}</a> ", path(to), title(to)))
        .collect();
    let _ = write!(
        out,
        "<noscript>This site needs JavaScript.</noscript><div id=\"root\"></div><script>\
         fetch('/text/page-{page}.html').then(r => r.text()).then(t => {{ document.getElementById('root').innerHTML = \
         '<main><article>' + t + '</article></main><nav>' + \"{}\" + '</nav>'; }});</script></body></html>",
        links.concat()
    );
    out
}

fn head(out: &mut String, page: usize) {
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} | Example Guides</title>\
         <link rel=\"canonical\" href=\"{}\"><style>",
        title(page),
        path(page)
    );
    for rule in 0..60 {
        let _ = write!(
            out,
            ".c{rule}{{margin:{rule}px;padding:4px 8px;color:#33{rule:02}aa;display:block}}"
        );
    }
    out.push_str("</style></head><body>");
}

/// What is the same on every page.
fn furniture(out: &mut String, page: usize, pages: usize) {
    out.push_str("<header><div class=\"logo\">Example Guides</div><nav class=\"menu\"><ul>");
    for to in 0..24.min(pages) {
        let _ = write!(
            out,
            "<li class=\"c{to}\"><a href=\"{}\">{}</a></li>",
            path(to),
            title(to)
        );
    }
    out.push_str("</ul></nav></header><div class=\"cookie-banner\">We use cookies. <button>Accept</button></div><aside class=\"sidebar\"><ul>");
    for step in 0..40 {
        let to = (page / 40 * 40 + step) % pages;
        let _ = write!(
            out,
            "<li><a class=\"c{step}\" href=\"{}\">{}</a></li>",
            path(to),
            title(to)
        );
    }
    out.push_str("</ul></aside>");
}

fn footer(out: &mut String) {
    out.push_str(
        "<footer><p>Example Guides, 1 Example Road, Exampleton. Opening hours: Monday to Friday, 9 to 17.</p><script>",
    );
    for line in 0..60 {
        let _ = write!(out, "window.c{line}=function(a,b){{return a+b*{line};}};");
    }
    out.push_str("</script></footer></body></html>");
}

fn title(page: usize) -> String {
    let mut chance = Chance::of(page, 3);
    let (first, second) = (chance.word(), chance.word());
    format!("How to {first} the {second} ({page})")
}

/// The main content.
fn article(page: usize) -> String {
    let mut chance = Chance::of(page, 4);
    let mut out = format!("<h1>{}</h1>", title(page));
    for section in 0..6 + chance.below(9) {
        let _ = write!(out, "<h2>{} and {}</h2>", chance.word(), chance.word());
        for _ in 0..2 + chance.below(4) {
            out.push_str("<p>");
            for _ in 0..3 + chance.below(5) {
                sentence(&mut out, &mut chance);
            }
            out.push_str("</p>");
        }
        match section % 5 {
            1 => list(&mut out, &mut chance),
            3 => table(&mut out, &mut chance),
            _ => {}
        }
    }
    out
}

fn sentence(out: &mut String, chance: &mut Chance) {
    out.push_str("The");
    for _ in 0..8 + chance.below(10) {
        let _ = write!(out, " {}", chance.word());
    }
    let _ = write!(out, " {}. ", chance.below(1000));
}

fn list(out: &mut String, chance: &mut Chance) {
    out.push_str("<ol>");
    for _ in 0..5 {
        let _ = write!(
            out,
            "<li>Open the {} and choose <b>{}</b>.</li>",
            chance.word(),
            chance.word()
        );
    }
    out.push_str("</ol>");
}

fn table(out: &mut String, chance: &mut Chance) {
    out.push_str("<table><tr><th>Name</th><th>Value</th></tr>");
    for _ in 0..6 {
        let _ = write!(out, "<tr><td>{}</td><td>{}</td></tr>", chance.word(), chance.below(500));
    }
    out.push_str("</table>");
}

/// A stream of numbers that only depends on a page and a purpose (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn of(page: usize, purpose: u64) -> Self {
        Self((page as u64) << 8 | purpose)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }
}

/// Ordinary words of instructions.
const WORDS: [&str; 96] = [
    "account",
    "address",
    "adapter",
    "agreement",
    "answer",
    "balance",
    "battery",
    "bottle",
    "bracket",
    "branch",
    "bridge",
    "button",
    "cable",
    "camera",
    "carrier",
    "charge",
    "circle",
    "client",
    "colour",
    "column",
    "contract",
    "control",
    "corner",
    "counter",
    "country",
    "courier",
    "cover",
    "customer",
    "damage",
    "deposit",
    "device",
    "discount",
    "display",
    "document",
    "drawer",
    "driver",
    "engine",
    "envelope",
    "exchange",
    "factory",
    "filter",
    "folder",
    "garden",
    "guarantee",
    "handle",
    "heater",
    "holder",
    "invoice",
    "kitchen",
    "label",
    "ladder",
    "language",
    "letter",
    "machine",
    "manual",
    "market",
    "measure",
    "member",
    "message",
    "method",
    "module",
    "monitor",
    "network",
    "notice",
    "number",
    "office",
    "option",
    "order",
    "package",
    "parcel",
    "partner",
    "password",
    "pattern",
    "payment",
    "picture",
    "planner",
    "pocket",
    "printer",
    "problem",
    "product",
    "profile",
    "project",
    "quality",
    "receipt",
    "record",
    "refund",
    "region",
    "remote",
    "return",
    "safety",
    "sample",
    "screen",
    "service",
    "shipment",
    "signal",
    "storage",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_linked_and_the_same_each_time() {
        let pages = 300;
        let mut seen = HashSet::from([0]);
        let mut open = vec![0];
        while let Some(page) = open.pop() {
            open.extend(links(page, pages).into_iter().filter(|to| seen.insert(*to)));
        }
        assert_eq!(seen.len(), pages);
        assert_eq!(html(7, pages), html(7, pages));
        assert_ne!(article(7), article(8));
    }

    #[test]
    fn a_page_is_as_large_as_real_ones() {
        let bytes = html(123, 5000).len();
        assert!((20_000..60_000).contains(&bytes), "{bytes}");
    }
}
