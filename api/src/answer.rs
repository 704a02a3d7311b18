//! An answer's body on its way to the reader: in small pieces, so that a stream of HTTP/2 whose reader gives no window holds one of them
//! and not the whole, and with a word to the connection about who waits for whom.
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use crate::patience::Answering;

/// Bytes of a piece.
const PIECE: usize = 16 * 1024;

/// A body that tells its connection how it gets on.
pub struct Answer<B> {
    inner: B,
    /// What is left of the last piece of `inner`.
    rest: Bytes,
    answering: Answering,
}

impl<B> Answer<B> {
    /// Of `inner`.
    pub fn new(inner: B, answering: Answering) -> Self {
        Self {
            inner,
            rest: Bytes::new(),
            answering,
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        self.answering.offered();
        Frame::data(self.rest.split_to(length))
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    self.piece()
                }
                Err(other) => other,
            }))),
            // Whoever asks for more has taken what there was.
            waits_or_ended => {
                self.answering.taken();
                waits_or_ended
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience::Work;
    use std::future::poll_fn;

    type Inner = Pin<Box<dyn Body<Data = Bytes, Error = io::Error> + Send>>;

    fn answer(body: impl Into<poem::Body>) -> Answer<Inner> {
        let response: hyper::Response<_> = poem::Response::builder().body(body).into();
        Answer::new(Box::pin(response.into_body()), Work::default().answer())
    }

    #[tokio::test]
    async fn a_large_body_comes_in_pieces_and_whole() {
        let whole: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let mut answer = answer(whole.clone());
        assert_eq!(answer.size_hint().exact(), Some(100_000));
        let mut seen = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            seen.extend_from_slice(&piece);
            assert_eq!(answer.size_hint().exact(), Some(100_000 - seen.len() as u64));
            assert_eq!(answer.is_end_stream(), seen.len() == whole.len());
        }
        assert_eq!(seen, whole);
    }

    #[test]
    fn an_empty_body_ends_at_once() {
        let answer = answer("");
        assert!(answer.is_end_stream());
        assert_eq!(answer.size_hint().exact(), Some(0));
    }
}
