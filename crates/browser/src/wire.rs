//! The connections to a driver. What a driver answers is in good part what a page made up (its text, messages, titles), so the bytes
//! that it may send for a page are bounded here, below everything that would hold them.
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tower_service::Service;

/// The bytes that a driver may still send. Clones share.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// From here on `bytes` may come.
    pub fn renew(&self, bytes: usize) {
        self.0.store(bytes, Relaxed);
    }

    /// Whether more came than might.
    pub fn is_spent(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let taken = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| {
            self.0.store(0, Relaxed);
            io::Error::other("the driver sent more than a page may have")
        })
    }
}

/// Makes the connections of one driver's client.
#[derive(Clone, Debug)]
pub(super) struct Wire(pub Allowance);

impl Service<Uri> for Wire {
    type Response = TokioIo<Metered>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Metered>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let allowance = self.0.clone();
        Box::pin(async move {
            let place = uri.authority().map(ToString::to_string).unwrap_or_default();
            let stream = TcpStream::connect(place).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(Metered { stream, allowance }))
        })
    }
}

/// A connection whose bytes are counted.
pub(super) struct Metered {
    stream: TcpStream,
    allowance: Allowance,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        Poll::Ready(self.allowance.take(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Metered {
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

impl Connection for Metered {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    #[tokio::test]
    async fn more_than_the_allowance_is_an_error_until_it_is_renewed() {
        let driver = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", driver.local_addr().unwrap()).parse().unwrap();
        let allowance = Allowance::default();
        let mut connection = Wire(allowance.clone()).call(uri).await.unwrap().into_inner();
        let (mut sender, _) = driver.accept().await.unwrap();
        sender.write_all(&[b'x'; 30]).await.unwrap();
        allowance.renew(20);
        let mut buffer = [0; 15];
        connection.read_exact(&mut buffer).await.unwrap();
        assert!(!allowance.is_spent());
        assert!(connection.read_exact(&mut buffer).await.is_err());
        assert!(allowance.is_spent());
        allowance.renew(20);
        sender.write_all(&[b'x'; 15]).await.unwrap();
        connection.read_exact(&mut buffer).await.unwrap();
    }
}
