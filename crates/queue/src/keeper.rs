//! Keeps what this process holds: acknowledges, renews leases, and at the end hands back and leaves the group.
//!
//! A task of its own, because apalis does not poll a backend while it waits for the last handlers, and their leases must not end
//! then. Every step may be repeated and forgets nothing before Redis has confirmed it, so an error just means: connect again.

use crate::{member, reader, shared::Shared};
use apalis_core::worker::context::WorkerContext;
use redis::{RedisResult, aio::MultiplexedConnection};
use redis_link::{Backoff, Limits};
use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

/// What could not be returned by then is reclaimed by others when its lease ends.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// Entries acknowledged in one call: Lua unpacks some thousands of values, and no more.
const SETTLED: usize = 1000;
/// Verdicts that come within this time of the first are acknowledged in one call. Nobody waits for it: there is room for the next
/// entry as soon as a handler is through.
const BREATH: Duration = Duration::from_millis(5);
const SHUTDOWN_CHECK: Duration = Duration::from_millis(100);

/// The life of a queue's own task: reads until the worker winds down, keeps until the backend is closed, leaves.
pub(crate) async fn run(shared: Arc<Shared>, worker: WorkerContext, mut closed: watch::Receiver<()>) {
    let _running = shared.health.run();
    let mut keeper = Keeper {
        shared: &shared,
        conn: None,
        backoff: Backoff::default(),
        due: Instant::now(),
        withdrawn: false,
    };
    tokio::select! {
        never = reader::run(&shared) => match never {},
        () = keeper.keep_until(winding_down(&worker, &mut closed)) => {}
    }
    // The reader is dropped: from here on nothing is admitted.
    keeper.withdraw();
    keeper.keep_until(close(&mut closed)).await;
    keeper.leave().await;
}

/// apalis tells a backend of a shutdown only after the last handler, so look.
async fn winding_down(worker: &WorkerContext, closed: &mut watch::Receiver<()>) {
    let shutdown = async {
        while !worker.is_shutting_down() {
            sleep(SHUTDOWN_CHECK).await;
        }
    };
    tokio::select! { () = shutdown => {}, () = close(closed) => {} }
}

/// Waits until there is something to acknowledge, and what comes right after it is there as well.
async fn verdicts(shared: &Shared) {
    shared.verdicts.notified().await;
    sleep(BREATH).await;
}

/// The backend was closed or dropped: its end of the channel is gone.
async fn close(closed: &mut watch::Receiver<()>) {
    while closed.changed().await.is_ok() {}
}

struct Keeper<'a> {
    shared: &'a Shared,
    conn: Option<MultiplexedConnection>,
    backoff: Backoff,
    /// When to renew or, without a connection, when to connect.
    due: Instant,
    /// Whether entries that no handler had begun wait to be handed back.
    withdrawn: bool,
}

impl Keeper<'_> {
    async fn keep_until(&mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            self.turn().await;
            tokio::select! {
                () = &mut end => return,
                () = verdicts(self.shared) => {}
                () = sleep_until(self.due) => {}
            }
        }
    }

    /// One round of whatever is due. Never fails: an error is retried.
    async fn turn(&mut self) {
        if self.conn.is_none() && Instant::now() < self.due {
            return;
        }
        match self.tend().await {
            Ok(()) => {
                self.shared.health.keeper().answered();
                self.backoff.reset();
            }
            Err(error) => {
                self.shared.health.keeper().failed("keeper", &error);
                self.conn = None;
                self.due = Instant::now() + self.backoff.delay();
            }
        }
    }

    async fn tend(&mut self) -> RedisResult<()> {
        let shared = self.shared;
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(shared.member.connect(Limits::default().answer).await?),
        };
        let _held = shared.held.lock().await;
        settle(shared, conn).await?;
        if Instant::now() >= self.due {
            renew(shared, conn).await?;
            self.due = Instant::now() + shared.config.renew_every();
        }
        if self.withdrawn {
            hand_back(shared, conn).await?;
            self.withdrawn = false;
        }
        Ok(())
    }

    fn withdraw(&mut self) {
        self.shared.book().withdraw();
        self.withdrawn = true;
    }

    /// No handler is left: settle up, return the rest, among it what failed here, and leave the group.
    async fn leave(&mut self) {
        let leaving = async {
            loop {
                self.turn().await;
                if let Some(conn) = &mut self.conn
                    && let Ok(returned) = self.shared.member.leave(conn).await
                {
                    return returned;
                }
                self.conn = None;
                sleep(self.backoff.delay()).await;
            }
        };
        if let Ok(returned) = timeout(LEAVE_WITHIN, leaving).await {
            tracing::info!(returned, "left the group");
        } else {
            tracing::warn!("Redis did not let us leave; what we hold is reclaimed when its lease ends");
        }
    }
}

async fn settle(shared: &Shared, conn: &mut MultiplexedConnection) -> RedisResult<()> {
    let settled = shared.book().settled();
    for settled in settled.chunks(SETTLED) {
        shared.member.settle(conn, settled).await?;
        shared.book().acknowledged(settled);
    }
    Ok(())
}

async fn renew(shared: &Shared, conn: &mut MultiplexedConnection) -> RedisResult<()> {
    let sent = std::time::Instant::now();
    let leased = shared.book().leased();
    let lost = if leased.is_empty() {
        member::ping(conn).await.map(|()| vec![])?
    } else {
        shared.member.renew(conn, &leased).await?
    };
    shared.renewed(sent, &lost);
    Ok(())
}

/// Ends the reader's connection first: its last read may still be blocked in Redis, and would be given the very entries that
/// are handed back.
async fn hand_back(shared: &Shared, conn: &mut MultiplexedConnection) -> RedisResult<()> {
    shared
        .member
        .disconnect(conn, shared.reader_connection.load(SeqCst))
        .await?;
    let known = shared.book().known();
    let returned = shared.member.hand_back(conn, &known).await?;
    tracing::info!(returned, "winding down: handed back what had not begun");
    Ok(())
}
