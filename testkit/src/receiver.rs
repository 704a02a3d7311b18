//! A receiver of webhooks: a real HTTP server that keeps what it is sent, and answers as a test says.
use poem::{
    Endpoint, Request, Response,
    http::{HeaderMap, StatusCode},
};
use std::sync::{Arc, Mutex, PoisonError};

use crate::local::Local;

/// One request.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub body: String,
}

impl Received {
    /// The text of a header; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// The receiver; it ends when it is dropped.
pub struct Receiver {
    state: Arc<State>,
    server: Local,
}

struct State {
    answer: Mutex<(u16, Vec<(String, String)>)>,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    /// Starts a receiver that takes everything.
    pub async fn start() -> Self {
        let state = Arc::new(State {
            answer: Mutex::new((204, Vec::new())),
            received: Mutex::default(),
        });
        let server = Local::serve(ReceiverEndpoint(state.clone())).await;
        Self { state, server }
    }

    /// `host:port`, as `OMNIOPS_EGRESS_ALLOW` has it.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// Where webhooks are sent.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.server.address)
    }

    /// Answers so from now on.
    pub fn answer(&self, status: u16, headers: &[(&str, &str)]) {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        *self.state.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, headers.collect());
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.state
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

struct ReceiverEndpoint(Arc<State>);

impl Endpoint for ReceiverEndpoint {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let body = request.take_body().into_string().await.unwrap_or_default();
        let headers = request.headers().clone();
        let received = Received { headers, body };
        self.0
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(received);
        let (status, headers) = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(name, value);
        }
        Ok(answer.finish())
    }
}
