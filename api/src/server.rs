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
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{
    Context,
    answer::Answer,
    connections::{Admission, Doorkeeper},
    middleware,
    openapi::service,
    pace::Pace,
    patience::Patient,
    routes::{admin_pages, files, pages_html},
};

/// Answers that are being written at the soft stop get this long to end.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes that a connection keeps for its reader, and the largest head of a request. Whoever writes waits for room.
const BUFFER: usize = 64 * 1024;
/// Lines of a head. hyper refuses more by itself.
const LINES: usize = 100;
/// Requests of one HTTP/2 connection at a time, bytes that each keeps for its reader, bytes of each head, and requests
/// that were taken back before they were accepted (what the rapid reset attack is made of).
const STREAMS: u32 = 32;
const STREAM_BUFFER: usize = 16 * 1024;
const STREAM_HEAD: u32 = 32 * 1024;
const RESETS: usize = 20;
/// What there is no room for reads this, if its socket takes it at once.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// After a failed accept, for example for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// The whole HTTP interface.
pub fn endpoint(context: Context) -> impl Endpoint<Output = Response> + 'static {
    endpoint_at(context, Pace::default())
}

fn endpoint_at(context: Context, pace: Pace) -> impl Endpoint<Output = Response> + 'static {
    let routes = admin_pages::add(pages_html::add(files::add(Route::new()))).nest_no_strip("/api", service());
    routes
        .around(middleware::no_nul)
        .around(middleware::body_limit)
        .around(middleware::head_limit)
        .around(middleware::maintenance)
        .around(middleware::problems)
        // The compiler gives up on types that nest any deeper.
        .boxed()
        .around(middleware::rate)
        .around(middleware::cors)
        .around(middleware::envelope)
        .around(middleware::client)
        .data(middleware::Room::default())
        .data(pace)
        .data(context)
        .map_to_response()
}

/// Listens on `address` until the soft stop of the context's lifecycle, and returns the address that was bound. Streams of
/// live events end at the soft stop.
pub async fn serve(context: Context, address: SocketAddr) -> Result<SocketAddr> {
    serve_at(context, address, Pace::default()).await
}

/// [`serve`] at another pace.
pub async fn serve_at(context: Context, address: SocketAddr, pace: Pace) -> Result<SocketAddr> {
    let failed = |error| Error::internal("listening", error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let life = context.life.clone();
    let doorkeeper = Doorkeeper::new(&context);
    let server = Server {
        doorkeeper,
        room: Arc::new(Semaphore::new(context.edge.max_connections)),
        pace,
        endpoint: Arc::new(endpoint_at(context, pace).boxed()),
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
    doorkeeper: Doorkeeper,
    /// One permit for each connection that there may be.
    room: Arc<Semaphore>,
    pace: Pace,
    life: Lifecycle,
    bound: SocketAddr,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        let stopping = self.life.stopping();
        while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((socket, peer)) => {
                    let Some(admission) = self.doorkeeper.admit(peer.ip()) else {
                        continue;
                    };
                    let Ok(place) = self.room.clone().try_acquire_owned() else {
                        // Whoever does not read it at once is closed without a word.
                        let _ = socket.try_write(FULL);
                        metrics::counter!("omniops_connections_refused_total").increment(1);
                        continue;
                    };
                    // An event waits for no other: with Nagle's algorithm each would wait for the reader's delayed acknowledgement, 40 ms.
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "a connection cannot send at once");
                    }
                    let serving = self.clone().connection(socket, peer, admission);
                    self.life.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Serves one connection. When the other side closes it, hyper's error ends this future and with it the request.
    async fn connection(self, socket: TcpStream, peer: SocketAddr, admission: Admission) {
        let stopping = self.life.stopping();
        let patient = Patient::new(socket, self.pace);
        let builder = builder(&self.pace);
        let work = patient.work();
        let service = hyper::service::service_fn(move |request| {
            let (work, busy) = (work.clone(), work.begin());
            let endpoint = self.endpoint.clone();
            let (local, remote) = (LocalAddr(self.bound.into()), RemoteAddr(peer.into()));
            let mut request = Request::from((request, local, remote, Scheme::HTTP));
            admission.note(&mut request);
            async move {
                let response: hyper::Response<_> = endpoint.get_response(request).await.into();
                let answering = work.answer();
                drop(busy);
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, answering)))
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(patient), service));
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

/// The limits of both versions of HTTP.
fn builder(pace: &Pace) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(pace.head)
        .max_headers(LINES)
        .max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(pace.reader)
        .keep_alive_timeout(pace.head)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_header_list_size(STREAM_HEAD)
        .max_send_buf_size(STREAM_BUFFER);
    builder
}
