//! The shared connection that mends itself.
//!
//! ```text
//! Idle ─ first use ─▶ Down ─ connected ─▶ Up ─┐
//!                      ▲                      │ it ended, missed an answer, or the server takes no writes
//!                      └──────────────────────┘
//! ```

use crate::{Address, Backoff, Limits};
use futures::FutureExt as _;
use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{
    fmt, io, mem,
    sync::{Arc, Weak},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// A connection to Redis that is there whenever Redis is. Cheap to clone; clones share one connection.
///
/// Made without any network. The first use connects, and from then on a task of its own connects again, with growing delays
/// ([`Backoff`]) and for as long as a clone is left, whenever the connection
/// - ends, which is noticed at once even while nobody uses it;
/// - misses an answer within [`Limits::answer`];
/// - gives an answer that only a server that was replaced gives (`READONLY`).
///
/// A command waits at most [`Limits::connect`] for a connection, then at most [`Limits::answer`] for its answer. While there has
/// been no connection for that long it does not wait at all, so that a service without Redis stays quick. Errors:
/// - a refused connection ([`RedisError::is_connection_refusal`]): there is none, and nothing was sent;
/// - a timeout ([`RedisError::is_timeout`]): no answer; the command may have been carried out;
/// - any other I/O error: the connection broke; the command may have been carried out.
///
/// Use it within one Tokio runtime. Speaks RESP3, which every Redis and Valkey since Redis 6 understands.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    address: Address,
    limits: Limits,
    session: watch::Sender<Session>,
}

struct Session {
    /// Grows with each connection that is lost, so that many who lose the same one lose it once.
    number: u64,
    state: State,
}

enum State {
    Idle,
    /// A task is connecting.
    Down {
        since: Instant,
        /// Why its last attempt failed.
        failure: Option<RedisError>,
    },
    Up(MultiplexedConnection),
}

impl Link {
    /// Does nothing yet.
    pub fn new(address: Address, limits: Limits) -> Self {
        let session = Session {
            number: 0,
            state: State::Idle,
        };
        Self(Arc::new(Shared {
            address,
            limits,
            session: watch::Sender::new(session),
        }))
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The connection, and its number for [`Shared::lost`].
    async fn session(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let Shared {
            address,
            limits,
            session,
        } = &*self.0;
        if let Some(up) = session.borrow().up() {
            return Ok(up);
        }
        self.0.leave(0, |state| matches!(state, State::Idle));
        let mut changes = session.subscribe();
        let since = match &session.borrow().state {
            State::Down { since, .. } => *since,
            _ => Instant::now(),
        };
        // Looks once even when the time is up.
        let waited = timeout_at(
            since + limits.connect,
            changes.wait_for(|session| session.up().is_some()),
        )
        .await;
        if let Ok(Ok(session)) = &waited
            && let Some(up) = session.up()
        {
            return Ok(up);
        }
        drop(waited);
        let why = match &session.borrow().state {
            State::Down {
                failure: Some(error), ..
            } => error.to_string(),
            _ => "it does not answer".to_owned(),
        };
        let text = format!("no connection to {address} for {:.0?}: {why}", since.elapsed());
        Err(io::Error::new(io::ErrorKind::ConnectionRefused, text).into())
    }

    async fn send<T>(
        &self,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
        values: impl Fn(&T) -> &[Value],
    ) -> RedisResult<T> {
        let (number, mut conn) = self.session().await?;
        let answer = ask(&mut conn).await;
        let useless = match &answer {
            Ok(answer) => values(answer).iter().any(is_from_replaced),
            Err(error) => error.is_io_error() || error.is_unrecoverable_error() || is_readonly(error.kind()),
        };
        if useless {
            self.0.lost(number);
        }
        answer
    }
}

impl Session {
    fn up(&self) -> Option<(u64, MultiplexedConnection)> {
        match &self.state {
            State::Up(conn) => Some((self.number, conn.clone())),
            _ => None,
        }
    }
}

impl Shared {
    /// Connection `number` is of no more use. Does nothing when that is known.
    fn lost(self: &Arc<Self>, number: u64) {
        self.leave(number, |state| matches!(state, State::Up(_)));
    }

    /// Begins to connect, if this is still session `number` and its state is `from`.
    #[expect(
        clippy::disallowed_methods,
        reason = "ends soon after the last clone of the link is dropped"
    )]
    fn leave(self: &Arc<Self>, number: u64, from: impl Fn(&State) -> bool) {
        let mut before = State::Idle;
        let left = self.session.send_if_modified(|session| {
            let leaves = session.number == number && from(&session.state);
            if leaves {
                session.number += 1;
                let down = State::Down {
                    since: Instant::now(),
                    failure: None,
                };
                before = mem::replace(&mut session.state, down);
            }
            leaves
        });
        if left {
            tokio::spawn(connect(Arc::downgrade(self)));
        }
    }

    /// One attempt. True when it is over, be it because nobody needs it.
    async fn attempt(self: Arc<Self>) -> bool {
        let number = self.session.borrow().number;
        let link = Arc::downgrade(&self);
        let on_end = Box::new(move || {
            if let Some(link) = link.upgrade() {
                link.lost(number);
            }
        });
        let outcome = self.address.watched(self.limits, on_end).await;
        let is_up = outcome.is_ok();
        self.session.send_modify(|session| {
            if let State::Down { failure, .. } = &mut session.state {
                log(&self.address, failure.as_ref(), outcome.as_ref().err());
                match outcome {
                    Ok(conn) => session.state = State::Up(conn),
                    Err(error) => *failure = Some(error),
                }
            }
        });
        is_up
    }
}

/// Connects until that succeeds or the link is gone.
async fn connect(link: Weak<Shared>) {
    let mut backoff = Backoff::default();
    while let Some(link) = link.upgrade() {
        if link.attempt().await {
            return;
        }
        sleep(backoff.delay()).await;
    }
}

/// One line for each outage, not one for each attempt.
fn log(address: &Address, failed: Option<&RedisError>, fails: Option<&RedisError>) {
    match (failed, fails) {
        (None, Some(error)) => tracing::warn!(%address, %error, "no connection to Redis; trying until there is one"),
        (Some(_), Some(error)) => tracing::debug!(%address, %error, "still no connection to Redis"),
        (Some(_), None) => tracing::info!(%address, "connected to Redis again"),
        (None, None) => {}
    }
}

/// A master that was made a replica keeps its connections open and refuses to write.
fn is_from_replaced(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.kind().is_some_and(|kind| is_readonly(ErrorKind::Server(kind))))
}

fn is_readonly(kind: ErrorKind) -> bool {
    kind == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.send(
            async move |conn| conn.send_packed_command(cmd).await,
            std::slice::from_ref,
        )
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.send(
            async move |conn| conn.send_packed_commands(pipeline, offset, count).await,
            Vec::as_slice,
        )
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.address.parts().db
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.0.address)
    }
}
