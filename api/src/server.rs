//! The endpoint with its middleware, and the listening server.
use domain::{Error, Result};
use poem::{
    Endpoint, EndpointExt, Response, Route, Server,
    listener::{Acceptor, Listener, TcpListener},
};
use std::{net::SocketAddr, time::Duration};

use crate::{
    Context, middleware,
    openapi::service,
    routes::{files, pages_html},
};

/// Answers that are being written at the soft stop get this long to end.
const GRACE: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this time.
const IDLE: Duration = Duration::from_secs(75);

/// The whole HTTP interface.
pub fn endpoint(context: Context) -> impl Endpoint<Output = Response> + 'static {
    let routes = pages_html::add(files::add(Route::new())).nest_no_strip("/api", service());
    routes
        .around(middleware::body_limit)
        .around(middleware::maintenance)
        .around(middleware::problems)
        .around(middleware::cors)
        .around(middleware::envelope)
        .data(context)
        .map_to_response()
}

/// Listens on `address` until the soft stop of the context's lifecycle, and returns the address that was bound. Streams of
/// live events end at the soft stop.
pub async fn serve(context: Context, address: SocketAddr) -> Result<SocketAddr> {
    let life = context.life.clone();
    let acceptor = TcpListener::bind(address).into_acceptor().await;
    let acceptor = acceptor.map_err(|e| Error::internal("listening", e))?;
    let bound = acceptor
        .local_addr()
        .into_iter()
        .find_map(|a| a.as_socket_addr().copied())
        .unwrap_or(address);
    let stopping = life.stopping();
    life.spawn(async move {
        let server = Server::new_with_acceptor(acceptor).idle_timeout(IDLE);
        let ended = server
            .run_with_graceful_shutdown(endpoint(context), stopping.cancelled_owned(), Some(GRACE))
            .await;
        if let Err(error) = ended {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    Ok(bound)
}
