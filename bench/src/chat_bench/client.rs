//! Calls over HTTP: JSON for setting up, and streams whose first text is timed.
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::Instant;

/// A caller that keeps its connections. Cloning shares them.
#[derive(Clone)]
pub struct Caller(Client<HttpConnector, Full<Bytes>>);

/// A stream that was read to its end, in ms.
#[derive(Clone, Debug)]
pub struct Read {
    /// Until the first text.
    pub first: f64,
    /// All of it.
    pub body: String,
}

impl Caller {
    /// Connects to nothing yet.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// A call whose answer is JSON.
    pub async fn json(&self, method: Method, url: &str, token: &str, body: &Value) -> Result<Value> {
        let response = self
            .0
            .request(request(method, url, token, "application/json", body)?)
            .await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "{url} answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// A call from a page of `origin`, whose answer is of no interest; without a token as somebody unknown.
    pub async fn send_as_page(&self, method: Method, url: &str, token: &str, origin: &str, body: &Value) -> Result<()> {
        let mut asked = request(method, url, token, "application/json", body)?;
        asked
            .headers_mut()
            .insert(header::ORIGIN, format!("https://{origin}").parse()?);
        if token.is_empty() {
            asked.headers_mut().remove(header::AUTHORIZATION);
        }
        let response = self.0.request(asked).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "{url} answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(())
    }

    /// A stream of events; its first text is where `mark` is seen.
    pub async fn stream(&self, url: &str, token: &str, body: &Value, mark: &str) -> Result<Read> {
        let begun = Instant::now();
        let asked = request(Method::POST, url, token, "text/event-stream", body)?;
        let response = self.0.request(asked).await?;
        let status = response.status();
        let mut frames = response.into_body();
        let (mut first, mut body) = (None, String::new());
        while let Some(frame) = frames.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                body.push_str(&String::from_utf8_lossy(&bytes));
                if first.is_none() && body.contains(mark) {
                    first = Some(begun.elapsed());
                }
            }
        }
        ensure!(status.is_success(), "{url} answered {status}: {body}");
        let first = first.with_context(|| format!("no text in {body}"))?;
        Ok(Read {
            first: first.as_secs_f64() * 1e3,
            body,
        })
    }

    /// A stream that is given up after its first text; returns when.
    pub async fn leave(&self, url: &str, token: &str, body: &Value, mark: &str) -> Result<Instant> {
        let asked = request(Method::POST, url, token, "text/event-stream", body)?;
        let mut frames = self.0.request(asked).await?.into_body();
        let mut seen = String::new();
        while let Some(frame) = frames.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                seen.push_str(&String::from_utf8_lossy(&bytes));
            }
            if seen.contains(mark) {
                drop(frames);
                return Ok(Instant::now());
            }
        }
        anyhow::bail!("no text in {seen}")
    }
}

fn request(method: Method, url: &str, token: &str, accept: &str, body: &Value) -> Result<Request<Full<Bytes>>> {
    let body = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    Ok(Request::builder()
        .method(method)
        .uri(url)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::ACCEPT, accept)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))?)
}
