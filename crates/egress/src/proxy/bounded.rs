//! A byte stream that ends when it has carried too much or has been silent for too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Counts both directions together; a byte either way ends a silence.
pub(super) struct Bounded<S> {
    inner: S,
    left: u64,
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, bytes: u64, silence: Duration) -> Self {
        Self {
            inner,
            left: bytes,
            silence,
            alarm: Box::pin(sleep(silence)),
        }
    }

    /// Books `bytes` that went through.
    fn carried(&mut self, bytes: usize) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(bytes as u64)
            .ok_or_else(|| io::Error::other("the connection has carried more bytes than it may"))?;
        self.alarm.as_mut().reset(Instant::now() + self.silence);
        Ok(())
    }

    /// `polled`, unless it is pending and has been for too long.
    fn unless_silent<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            ready!(self.alarm.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the connection was silent for too long",
            )));
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        ready!(self.unless_silent(polled, cx))?;
        Poll::Ready(self.carried(buf.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        let written = ready!(self.unless_silent(polled, cx))?;
        Poll::Ready(self.carried(written).map(|()| written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.unless_silent(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.unless_silent(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn both_directions_share_the_bytes() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut bounded = Bounded::new(near, 8, LONG);
        bounded.write_all(b"12345").await.unwrap();
        far.write_all(b"123").await.unwrap();
        bounded.read_exact(&mut [0; 3]).await.unwrap();
        let error = bounded.write_all(b"1").await.unwrap_err();
        assert!(error.to_string().contains("more bytes than it may"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_ends_a_silence_and_a_long_one_ends_the_stream() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut bounded = Bounded::new(near, 8, Duration::from_secs(10));
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(9)).await;
            far.write_all(b"x").await.unwrap();
            assert_eq!(bounded.read_u8().await.unwrap(), b'x');
        }
        // The paused clock goes on by itself when nothing else can.
        let begun = Instant::now();
        assert_eq!(bounded.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
