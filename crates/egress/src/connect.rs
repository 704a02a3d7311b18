//! The only way by which the client opens a connection: judged, dialled at a checked address, and encrypted for https.
//!
//! What must stay true: the HTTP library above asks here for every connection, and keeps connections apart by scheme, host
//! and port, so that a connection of an operator's exception serves that exception and nothing else.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tower_service::Service;
use url::Url;

use crate::{
    dial::dial,
    error::{Error, Phase},
    guard::{Checked, Guard},
};

/// Makes connections for the HTTP library's pool.
#[derive(Clone)]
pub(crate) struct Connector {
    guard: Guard,
    /// Name resolution, TCP and TLS together.
    limit: Duration,
    tls: TlsConnector,
}

impl Connector {
    /// Certificates are judged by what the operating system trusts.
    pub(crate) fn new(guard: Guard, limit: Duration) -> Result<Self, Error> {
        let mut tls = ClientConfig::with_platform_verifier().map_err(|error| Error::Setup(error.to_string()))?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            guard,
            limit,
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    async fn connect(&self, uri: &Uri) -> Result<Outside, Error> {
        let deadline = Instant::now() + self.limit;
        let url = Url::parse(&uri.to_string()).map_err(|error| Error::InvalidRequest(error.to_string()))?;
        let checked = self.guard.check(&url)?;
        let stream = dial(&self.guard, &checked, self.limit).await?;
        if url.scheme() == "http" {
            return Ok(Outside::plain(stream));
        }
        let handshake = self.tls.connect(server_name(&checked)?, stream);
        let stream = timeout_at(deadline, handshake)
            .await
            .map_err(|_| Error::Timeout {
                host: checked.target.to_string(),
                phase: Phase::Connect,
            })?
            .map_err(|error| Error::Tls {
                host: checked.target.to_string(),
                reason: error.to_string(),
            })?;
        Ok(Outside::encrypted(stream))
    }
}

/// The name that the certificate must be for.
fn server_name(checked: &Checked) -> Result<ServerName<'static>, Error> {
    let target = &checked.target;
    match (target.ip(), target.name()) {
        (Some(address), _) => Ok(ServerName::IpAddress(address.into())),
        (None, name) => ServerName::try_from(name.unwrap_or_default().to_owned()).map_err(|error| Error::Tls {
            host: target.to_string(),
            reason: error.to_string(),
        }),
    }
}

impl Service<Uri> for Connector {
    type Response = Outside;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Outside, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await })
    }
}

/// A connection to the outside, encrypted or not.
pub(crate) struct Outside {
    stream: TokioIo<Either<TcpStream, TlsStream<TcpStream>>>,
    http2: bool,
}

impl Outside {
    fn plain(stream: TcpStream) -> Self {
        Self {
            stream: TokioIo::new(Either::Left(stream)),
            http2: false,
        }
    }

    fn encrypted(stream: TlsStream<TcpStream>) -> Self {
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Self {
            stream: TokioIo::new(Either::Right(stream)),
            http2,
        }
    }
}

impl Connection for Outside {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.http2 {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl Read for Outside {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Outside {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
