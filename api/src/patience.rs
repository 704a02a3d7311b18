//! A connection whose other side must go on reading, and may not sit there for nothing.
//!
//! Writing waits for a slow reader, and everything that is written waits with it, down to the provider's stream. So a reader that takes
//! nothing for a while has left, even though its connection stands. With HTTP/2 nothing need be written for an answer to lie there: its
//! stream may have no window while the connection goes on. Likewise whoever says nothing at all: hyper times the heads of
//! HTTP/1, but neither the first bytes, by which it tells the versions apart, nor a silent connection of HTTP/2.
use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

use crate::pace::Pace;

/// How HTTP/2 begins (RFC 9113, section 3.4). As long as less has come, nobody knows what is spoken.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that fails when a write makes no progress, when its first bytes do not come, and when nothing is going on.
pub struct Patient<S> {
    inner: S,
    pace: Pace,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Runs out when it is time to see whether the other side still does something.
    watch: Pin<Box<Sleep>>,
    since: Instant,
    /// Bytes of the preface that have come; none once it is known what is spoken.
    greeting: Option<usize>,
    /// When a byte went either way last.
    moved: Instant,
    work: Work,
}

/// What goes on on a connection: the requests that are being handled, and the answers that wait for their reader.
#[derive(Clone, Default)]
pub struct Work {
    handled: Arc<AtomicUsize>,
    answers: Arc<AtomicUsize>,
    /// Answers that have not ended.
    open: Arc<AtomicUsize>,
    untaken: Arc<Mutex<BTreeMap<usize, Instant>>>,
    /// When a request or an answer ended last.
    ended: Arc<Mutex<Option<Instant>>>,
}

/// A request that is being handled, until it is dropped.
pub struct Busy(Work);

/// An answer, until it has been written as a whole or is dropped.
pub struct Answering {
    work: Work,
    number: usize,
}

impl Work {
    /// A request begins.
    pub fn begin(&self) -> Busy {
        self.handled.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// An answer begins.
    pub fn answer(&self) -> Answering {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        let answering = Answering {
            work: self.clone(),
            number,
        };
        answering.offered();
        answering
    }

    /// Since when an answer has waited for its reader, of all the longest.
    fn untaken_since(&self) -> Option<Instant> {
        self.untaken().values().min().copied()
    }

    /// Whether a request is being handled or an answer goes on.
    fn goes_on(&self) -> bool {
        self.handled.load(Ordering::Relaxed) + self.open.load(Ordering::Relaxed) > 0
    }

    fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn ended(&self) -> Option<Instant> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untaken(&self) -> MutexGuard<'_, BTreeMap<usize, Instant>> {
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answering {
    /// A piece of it is there to be taken.
    pub fn offered(&self) {
        self.work.untaken().insert(self.number, Instant::now());
    }

    /// Everything that there was of it has been taken.
    pub fn taken(&self) {
        self.work.untaken().remove(&self.number);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.taken();
        self.work.end();
        self.work.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end();
        self.0.handled.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Patient<S> {
    /// Over `inner`.
    pub fn new(inner: S, pace: Pace) -> Self {
        let now = Instant::now();
        Self {
            inner,
            pace,
            waiting: None,
            watch: Box::pin(sleep_until(now + pace.head)),
            since: now,
            greeting: Some(0),
            moved: now,
            work: Work::default(),
        }
    }

    /// What is going on on this connection.
    pub fn work(&self) -> Work {
        self.work.clone()
    }

    /// What a write came to; one that waits is an error once it has waited too long.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.moved = Instant::now();
            self.waiting = None;
            return written;
        }
        let patience = self.pace.reader;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        let told = format!("the reader took nothing for {} s", patience.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, told)))
    }

    /// Reads what came as far as the preface may still be coming.
    fn hear(&mut self, came: &[u8]) {
        self.moved = Instant::now();
        if let Some(known) = self.greeting {
            let more = &PREFACE[known..];
            let undecided = came.len() < more.len() && more.starts_with(came);
            self.greeting = undecided.then_some(known + came.len());
        }
    }

    /// Until when nothing may come.
    fn deadline(&self) -> Instant {
        let busy = self.work.handled.load(Ordering::Relaxed) > 0;
        let silent = match self.greeting {
            Some(_) => self.since + self.pace.head,
            None if busy => Instant::now() + self.pace.idle,
            None if self.work.goes_on() => self.moved + self.pace.idle,
            // What is said without a request, the PINGs of HTTP/2, keeps no connection.
            None => self.work.ended().unwrap_or(self.since) + self.pace.idle,
        };
        // Whoever lets an answer lie is given up, whatever else it says meanwhile.
        let untaken = self.work.untaken_since().map(|since| since + self.pace.reader);
        untaken.map_or(silent, |untaken| untaken.min(silent))
    }

    /// While nothing comes: whether that has been so for too long.
    fn silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.watch.as_mut().poll(cx));
            let deadline = self.deadline();
            if deadline <= Instant::now() {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the other side does nothing"));
            }
            // An answer may begin to wait at any time.
            self.watch
                .as_mut()
                .reset(deadline.min(Instant::now() + self.pace.reader));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if read.is_pending() {
            return self.silence(cx).map(Err);
        }
        self.hear(&buf.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judge(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::Instant,
    };

    const PATIENCE: Duration = Duration::from_secs(30);

    fn patient<S>(inner: S) -> Patient<S> {
        Patient::new(inner, Pace::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_given_up() {
        let (near, far) = tokio::io::duplex(8);
        let mut patient = patient(near);
        let begun = Instant::now();
        let error = patient.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_a_little_now_and_then_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut patient = patient(near);
        let reading = async {
            let mut piece = [0; 8];
            for _ in 0..13 {
                sleep(PATIENCE.saturating_sub(Duration::from_secs(1))).await;
                far.read_exact(&mut piece).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(patient.write_all(&[0; 104]), reading);
        written.unwrap();
    }

    async fn end(mut patient: Patient<tokio::io::DuplexStream>) -> (io::ErrorKind, u64) {
        let begun = Instant::now();
        let mut piece = [0; 8];
        loop {
            match patient.read(&mut piece).await {
                Ok(0) => panic!("the other side is there"),
                Ok(_) => {}
                Err(error) => return (error.kind(), begun.elapsed().as_secs()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_say_what_it_speaks_is_given_up() {
        for said in ["", "P", "PRI * HTTP/2.0\r\n"] {
            let (near, mut far) = tokio::io::duplex(64);
            far.write_all(said.as_bytes()).await.unwrap();
            assert_eq!(end(patient(near)).await, (io::ErrorKind::TimedOut, 10), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_goes_on_ends() {
        for said in ["GET", "POST", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            let (near, mut far) = tokio::io::duplex(64);
            far.write_all(said.as_bytes()).await.unwrap();
            assert_eq!(end(patient(near)).await, (io::ErrorKind::TimedOut, 75), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_without_a_request_keeps_no_connection() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(PREFACE).await.unwrap();
        let patient = patient(near);
        let work = patient.work();
        let talk = async {
            // One request, and nothing but PINGs afterwards.
            sleep(Duration::from_mins(1)).await;
            let busy = work.begin();
            sleep(Duration::from_secs(5)).await;
            drop(busy);
            while far.write_all(b"PING").await.is_ok() {
                sleep(Duration::from_secs(5)).await;
            }
            std::future::pending::<()>().await;
        };
        let (kind, seconds) = tokio::select! {
            ended = end(patient) => ended,
            () = talk => unreachable!("it goes on"),
        };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!((140..=170).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_its_connection_whatever_else_is_said() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"GET").await.unwrap();
        let patient = patient(near);
        let answering = patient.work().answer();
        let talk = async {
            while far.write_all(b"PING").await.is_ok() {
                sleep(Duration::from_secs(5)).await;
            }
            std::future::pending::<()>().await;
        };
        let (kind, seconds) = tokio::select! {
            ended = end(patient) => ended,
            () = talk => unreachable!("it goes on"),
        };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!((30..=60).contains(&seconds), "{seconds}");
        drop(answering);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_whose_next_piece_is_not_made_yet_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"GET").await.unwrap();
        let patient = patient(near);
        let answering = patient.work().answer();
        answering.taken();
        let (kind, seconds) = end(patient).await;
        assert_eq!(
            (kind, seconds),
            (io::ErrorKind::TimedOut, 75),
            "as any connection that is silent"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_worked_on_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"GET").await.unwrap();
        let patient = patient(near);
        let busy = patient.work().begin();
        let later = async {
            sleep(Duration::from_secs(500)).await;
            drop(busy);
        };
        let ((kind, seconds), ()) = tokio::join!(end(patient), later);
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!((500..=600).contains(&seconds), "{seconds}");
    }
}
