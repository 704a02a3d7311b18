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
    time::{sleep, timeout},
};

/// A connection to Redis that is there whenever Redis is. Cheap to clone; clones share one connection.
///
/// Made without any network. The first use connects, and from then on a task of its own connects again, with growing delays
/// ([`Backoff`]) and for as long as a clone is left, whenever the connection
/// - ends, which is noticed at once even while nobody uses it;
/// - misses an answer within [`Limits::answer`];
/// - gives an answer that only a server that was replaced gives (`READONLY`).
///
/// A command waits at most [`Limits::connect`] for a connection, then at most [`Limits::answer`] for its answer. Errors:
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
    /// A task is connecting; why its last attempt failed.
    Down(Option<RedisError>),
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
        let waited = timeout(limits.connect, changes.wait_for(|session| session.up().is_some())).await;
        if let Ok(Ok(session)) = &waited
            && let Some(up) = session.up()
        {
            return Ok(up);
        }
        drop(waited);
        let why = match &session.borrow().state {
            State::Down(Some(error)) => format!(": {error}"),
            _ => String::new(),
        };
        let text = format!("no connection to {address} within {:?}{why}", limits.connect);
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
                before = mem::replace(&mut session.state, State::Down(None));
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
        let state = match self.address.watched(self.limits, on_end).await {
            Ok(conn) => State::Up(conn),
            Err(error) => State::Down(Some(error)),
        };
        let is_up = matches!(state, State::Up(_));
        self.session.send_modify(|session| {
            log(&self.address, &session.state, &state);
            session.state = state;
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
fn log(address: &Address, before: &State, after: &State) {
    match (before, after) {
        (State::Down(None), State::Down(Some(error))) => {
            tracing::warn!(%address, %error, "no connection to Redis; trying until there is one");
        }
        (_, State::Down(Some(error))) => tracing::debug!(%address, %error, "still no connection to Redis"),
        (State::Down(Some(_)), State::Up(_)) => tracing::info!(%address, "connected to Redis again"),
        _ => {}
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
