//! One connection of the browser, and each request on it: judged, dialled, passed on.

use std::{convert::Infallible, io, net::SocketAddr, pin::Pin, sync::Arc, task};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, client, server, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::copy_bidirectional,
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use url::Url;

use super::{
    Shared,
    bounded::Bounded,
    headers, peer,
    refusal::{self, Refusal},
};
use crate::{
    classify::innermost,
    error::{Error, Phase},
    guard::Checked,
};

type Answer = Response<Either<Full<Bytes>, Passed>>;

/// Serves one connection to its end.
pub(super) async fn connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    if let Err(reason) = welcome(&shared, &stream, peer).await {
        let error = Error::InvalidRequest(reason);
        shared
            .record
            .add(Refusal::new(&Method::CONNECT, &peer.to_string(), error));
        return;
    }
    // Costs time at worst.
    let _ = stream.set_nodelay(true);
    let limits = &shared.limits;
    // What leads outside has its own bounds; this side may be as silent as that allows, and says so before it ends.
    let silence = limits.connect_timeout + limits.head_timeout + limits.idle_timeout;
    let stream = TokioIo::new(Bounded::new(stream, u64::MAX, silence));
    let (open, mut opened) = mpsc::channel(1);
    let service = service_fn(|request| {
        let (shared, open) = (shared.clone(), open.clone());
        async move { Ok::<_, Infallible>(answer(&shared, &open, request).await) }
    });
    let serving = server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(limits.max_header_bytes)
        .serve_connection(stream, service)
        .with_upgrades();
    let whole = async {
        // An error here is a browser that went away, or a limit that ended it: nobody is left to be told.
        if serving.await.is_ok()
            && let Ok(tunnel) = opened.try_recv()
        {
            tunnel.run().await;
        }
    };
    let _ = timeout(limits.lifetime, whole).await;
}

/// Whether the one at the other end may use this proxy; where that cannot be told, nobody may.
async fn welcome(shared: &Shared, stream: &TcpStream, peer: SocketAddr) -> Result<(), String> {
    let unknown = |error: io::Error| format!("whose connection this is cannot be told: {error}");
    let here = stream.local_addr().map_err(unknown)?;
    match peer::is_of(shared.limits.user, peer, here).await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the connection is another user's".to_owned()),
        Err(error) => Err(unknown(error)),
    }
}

/// A `CONNECT` that was granted: what the browser's connection becomes, and where it leads.
struct Tunnel {
    browser: OnUpgrade,
    outside: Bounded<TcpStream>,
}

impl Tunnel {
    async fn run(mut self) {
        if let Ok(browser) = self.browser.await {
            // However it ends, both sides are closed.
            let _ = copy_bidirectional(&mut TokioIo::new(browser), &mut self.outside).await;
        }
    }
}

/// Every request gets an answer: the site's, or the proxy's own, which is recorded.
async fn answer(shared: &Shared, open: &mpsc::Sender<Tunnel>, request: Request<Incoming>) -> Answer {
    let (method, target) = (request.method().clone(), request.uri().to_string());
    let answered = if method == Method::CONNECT {
        connect(shared, open, request).await
    } else {
        forward(shared, request).await
    };
    answered.unwrap_or_else(|error| {
        let mut answer = refusal::answer(&error).map(Either::Left);
        if method == Method::CONNECT {
            // What follows may have been meant for the tunnel, and must not be read as a request.
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        shared.record.add(Refusal::new(&method, &target, error));
        answer
    })
}

async fn connect(
    shared: &Shared,
    open: &mpsc::Sender<Tunnel>,
    mut request: Request<Incoming>,
) -> Result<Answer, Error> {
    let target = request
        .uri()
        .authority()
        .filter(|authority| authority.port().is_some())
        .ok_or_else(|| invalid("CONNECT names a host and a port"))?;
    // The scheme stands for nothing but the form: what is sent through a tunnel is not looked at.
    let url = Url::parse(&format!("https://{target}/")).map_err(|_| invalid("CONNECT names no valid host"))?;
    let checked = shared.guard.check(&url)?;
    let outside = shared.dial(&checked).await?;
    let browser = hyper::upgrade::on(&mut request);
    // There is room: a connection that becomes a tunnel has no second request.
    let _ = open.try_send(Tunnel { browser, outside });
    Ok(Response::new(Either::Left(Full::default())))
}

async fn forward(shared: &Shared, request: Request<Incoming>) -> Result<Answer, Error> {
    let url = absolute(&request)?;
    let checked = shared.guard.check(&url)?;
    if url.scheme() != "http" {
        // Reaching it would mean to speak TLS in the browser's name, or plain HTTP to a place that expects TLS.
        return Err(Error::RefusedScheme { url });
    }
    if headers::wants_websocket(request.headers()) {
        return Err(Error::RefusedUrl {
            host: checked.target.to_string(),
            reason: "a WebSocket goes through CONNECT",
        });
    }
    let deadline = Instant::now() + shared.limits.head_timeout;
    let outside = shared.dial(&checked).await?;
    let sending = send(shared, &checked, outward(request, &url)?, outside);
    let mut answer = timeout_at(deadline, sending).await.map_err(|_| Error::Timeout {
        host: checked.target.to_string(),
        phase: Phase::Read,
    })??;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Protocol {
            host: checked.target.to_string(),
            reason: "it switches protocols unasked".to_owned(),
        });
    }
    headers::clean(answer.headers_mut());
    Ok(answer.map(Either::Right))
}

/// The URL of a request in absolute form (RFC 9112 §3.2.2). Any other form is meant for a web server: a page that found
/// this port, say.
fn absolute(request: &Request<Incoming>) -> Result<Url, Error> {
    let uri = request.uri();
    if uri.scheme().is_none() || uri.authority().is_none() {
        return Err(invalid("this is a proxy: the request names no absolute URL"));
    }
    Url::parse(&uri.to_string()).map_err(|_| invalid("the request names no valid URL"))
}

/// The request as the site gets it: path and `Host` come from the URL that was judged (RFC 9112 §3.2.2).
fn outward(mut request: Request<Incoming>, url: &Url) -> Result<Request<Incoming>, Error> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = PathAndQuery::try_from(path).map_err(|_| invalid("the URL's path cannot be sent"))?;
    let host = HeaderValue::try_from(host).map_err(|_| invalid("the URL's host cannot be sent"))?;
    let length = request
        .headers()
        .contains_key(header::CONTENT_LENGTH)
        .then(|| request.body().size_hint().exact());
    *request.uri_mut() = path.into();
    *request.version_mut() = http::Version::HTTP_11;
    headers::clean(request.headers_mut());
    headers::set_length(request.headers_mut(), length.flatten());
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

/// Speaks HTTP with the site, on a connection for this request alone: nothing of one request can reach another.
async fn send(
    shared: &Shared,
    checked: &Checked,
    request: Request<Incoming>,
    outside: Bounded<TcpStream>,
) -> Result<Response<Passed>, Error> {
    let failed = |error: hyper::Error| {
        let host = checked.target.to_string();
        if error.is_parse_too_large() {
            return Error::too_large(&host, "headers", shared.limits.max_header_bytes);
        }
        Error::Protocol {
            host,
            reason: innermost(&error),
        }
    };
    let (mut sender, connection) = client::conn::http1::Builder::new()
        .max_header_size(shared.limits.max_header_bytes)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(outside))
        .await
        .map_err(failed)?;
    let mut driver = JoinSet::new();
    driver.spawn(async {
        // The request's own future, or the body, tells of an error.
        let _ = connection.await;
    });
    let answer = sender.send_request(request).await.map_err(failed)?;
    Ok(answer.map(|body| Passed { body, _driver: driver }))
}

/// The site's body on its way to the browser, without trailers. Dropping it closes the connection to the site.
pub(super) struct Passed {
    body: Incoming,
    _driver: JoinSet<()>,
}

impl Body for Passed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_trailers() => task::Poll::Ready(None),
            frame => task::Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn invalid(reason: &str) -> Error {
    Error::InvalidRequest(reason.to_owned())
}
