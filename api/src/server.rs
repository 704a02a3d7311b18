//! The endpoint with its middleware, and the listening server.
//!
//! The server is a loop of our own over hyper, since poem's goes on with a request whose client has left; here a closed
//! connection drops whatever it was waiting for, down to the provider's stream. Slow headers are cut off by hyper's timer.
use domain::{Error, Result, lifecycle::Lifecycle};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use poem::{
    Endpoint, EndpointExt, Request, Response, Route,
    endpoint::BoxEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    Context, middleware,
    openapi::service,
    patience::Patient,
    routes::{files, pages_html},
};

/// Answers that are being written at the soft stop get this long to end.
const GRACE: Duration = Duration::from_secs(10);
/// A connection whose reader takes nothing for so long is closed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that a connection keeps for its reader, and the largest head of a request. Whoever writes waits for room.
const BUFFER: usize = 64 * 1024;
/// After a failed accept, for example for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// The whole HTTP interface.
pub fn endpoint(context: Context) -> impl Endpoint<Output = Response> + 'static {
    let routes = pages_html::add(files::add(Route::new())).nest_no_strip("/api", service());
    routes
        .around(middleware::no_nul)
        .around(middleware::body_limit)
        .around(middleware::maintenance)
        .around(middleware::problems)
        .around(middleware::cors)
        .around(middleware::envelope)
        .around(middleware::client)
        .data(context)
        .map_to_response()
}

/// Listens on `address` until the soft stop of the context's lifecycle, and returns the address that was bound. Streams of
/// live events end at the soft stop.
pub async fn serve(context: Context, address: SocketAddr) -> Result<SocketAddr> {
    let failed = |error| Error::internal("listening", error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let life = context.life.clone();
    let server = Server {
        endpoint: Arc::new(endpoint(context).boxed()),
        life: life.clone(),
        bound,
    };
    life.spawn(server.accept(listener));
    Ok(bound)
}

/// What every connection shares.
#[derive(Clone)]
struct Server {
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    life: Lifecycle,
    bound: SocketAddr,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        let stopping = self.life.stopping();
        while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((socket, peer)) => {
                    // An event waits for no other: with Nagle's algorithm each would wait for the reader's delayed acknowledgement, 40 ms.
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "a connection cannot send at once");
                    }
                    self.life.spawn(self.clone().connection(socket, peer));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Serves one connection. When the other side closes it, hyper's error ends this future and with it the request.
    async fn connection(self, socket: TcpStream, peer: SocketAddr) {
        let stopping = self.life.stopping();
        let service = hyper::service::service_fn(move |request| {
            let endpoint = self.endpoint.clone();
            let (local, remote) = (LocalAddr(self.bound.into()), RemoteAddr(peer.into()));
            let request = Request::from((request, local, remote, Scheme::HTTP));
            async move { Ok::<_, Infallible>(endpoint.get_response(request).await.into()) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).max_buf_size(BUFFER);
        builder.http2().timer(TokioTimer::new());
        let mut connection = pin!(builder.serve_connection(TokioIo::new(Patient::new(socket, PATIENCE)), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection broke off");
        }
    }
}
