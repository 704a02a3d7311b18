//! The sample site that a bare `up` crawls and answers from, served on loopback from memory.
use anyhow::{Context as _, Result};
use domain::lifecycle::Lifecycle;
use poem::{
    IntoResponse, Request, Response, Server, endpoint,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
};
use std::net::SocketAddr;

/// Serves the sample at its port of last time if that is free, else at another.
pub async fn serve(life: &Lifecycle, port: Option<u16>) -> Result<SocketAddr> {
    let bind = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).into_acceptor();
    let acceptor = match bind(port.unwrap_or(0)).await {
        Ok(acceptor) => acceptor,
        Err(_) => bind(0).await.context("serving the sample site")?,
    };
    let address = acceptor
        .local_addr()
        .into_iter()
        .find_map(|a| a.as_socket_addr().copied());
    let address = address.context("the sample site has no address")?;
    let stopping = life.stopping();
    life.spawn(async move {
        let server = Server::new_with_acceptor(acceptor);
        let ended = server
            .run_with_graceful_shutdown(
                endpoint::make_sync(|request: Request| answer(&request)),
                stopping.cancelled_owned(),
                None,
            )
            .await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the sample site ended");
        }
    });
    Ok(address)
}

fn answer(request: &Request) -> Response {
    let name = match request.uri().path().trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let content_type = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    match api::assets::DEMO_SITE
        .iter()
        .find(|(file, _)| *file == name && *file != "questions.json")
    {
        Some((_, content)) => content.with_content_type(content_type).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Questions that the demo page offers: the sample site's own. Nobody knows another site's.
pub fn questions(sample: bool) -> Vec<String> {
    let file = api::assets::DEMO_SITE
        .iter()
        .find(|(name, _)| sample && *name == "questions.json");
    let known: serde_json::Value = file
        .and_then(|(_, text)| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let answerable = known["answerable"].as_array().cloned().unwrap_or_default();
    answerable
        .iter()
        .filter_map(|q| q["question"].as_str())
        .take(5)
        .map(str::to_owned)
        .collect()
}
