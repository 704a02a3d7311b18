//! A shop's pages, served by the driver: one for each model, all of which weigh the same.
use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, ready};
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, fmt::Write as _, net::SocketAddr};
use tokio::{net::TcpListener, task::JoinSet};

/// A served shop. Ends when it is dropped.
pub struct Shop {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Shop {
    /// Serves `models` pages and a list of them.
    pub async fn start(models: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding the shop")?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), Pages(models));
                connections.spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Ok(Self {
            address,
            _server: server,
        })
    }

    /// `host:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

/// The `n`th question; each is another one, so that none is answered from a cache by chance.
pub fn question(n: usize, models: usize) -> String {
    const FORMS: [&str; 7] = [
        "How much does the kayak {} weigh?",
        "What is the weight of the kayak {}?",
        "What does the kayak {} weigh?",
        "Tell me the weight of the kayak {}.",
        "How many kg does the kayak {} weigh?",
        "Please tell me how much the kayak {} weighs.",
        "How much weight does the kayak {} have?",
    ];
    FORMS[n / models % FORMS.len()].replace("{}", &name(n % models))
}

fn name(model: usize) -> String {
    const NAMES: [&str; 8] = ["Fjord", "Lake", "River", "Delta", "Coast", "Bay", "Creek", "Sound"];
    format!("{} {}", NAMES[model % NAMES.len()], 10 + model / NAMES.len())
}

struct Pages(usize);

impl Service<Request<Incoming>> for Pages {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        let model = path
            .strip_prefix("/kayaks/")
            .and_then(|n| n.parse().ok())
            .filter(|n| *n < self.0);
        let page = match model {
            Some(model) => Some(kayak(model)),
            None if path == "/" => Some(list(self.0)),
            None => None,
        };
        let mut response = Response::new(Full::new(Bytes::from(page.clone().unwrap_or_default())));
        if page.is_none() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        let html = header::HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        ready(Ok(response)).boxed()
    }
}

fn list(models: usize) -> String {
    let mut out = String::from("<!doctype html><html lang=en><title>Kayaks</title><main><h1>Our kayaks</h1><ul>");
    for model in 0..models {
        let _ = write!(out, "<li><a href=\"/kayaks/{model}\">{}</a></li>", name(model));
    }
    out + "</ul></main></html>"
}

fn kayak(model: usize) -> String {
    let name = name(model);
    let (seats, length) = (1 + model % 3, 300 + model);
    format!(
        "<!doctype html><html lang=en><title>Kayak {name}</title><main><h1>Kayak {name}</h1>\
         <h2>How much does the kayak {name} weigh?</h2><p>The kayak {name} weighs 24 kg and is delivered within four working days. \
         Our workshop repairs damaged hulls of the {name} and replaces its broken hatches.</p>\
         <h2>How many people does the kayak {name} carry?</h2><p>The kayak {name} has {seats} seats and is {length} cm long. \
         Children under six sit between an adult's knees.</p>\
         <h2>How is the kayak {name} cared for?</h2><ol><li>Rinse the {name} with fresh water.</li><li>Dry it in the shade.</li>\
         <li>Store it lying on its side.</li></ol></main></html>"
    )
}
