//! Where the ledger's statements go one after the other: a connection that is kept between them.
//!
//! A pool asks each connection that comes back whether it lives, and has none to lend until the answer is there. So who comes right after gets another one: statements of
//! one kind went round four sessions, each of which has its own view of the tables to keep warm, and each of them cost Postgres another question. Here the connection of
//! the last statement is taken for the next; who comes while it is out has one of the pool.
//!
//! What must stay true: a connection that owes an answer is closed and never lent again, also when whoever waited for it has gone. The pool would
//! wait for that answer without end, and have one connection less meanwhile: a few answers that do not come, and nobody has any.
use sea_orm::{DatabaseConnection, DbErr, QueryResult, Statement};
use sqlx::{Connection as _, PgPool, Postgres, pool::PoolConnection};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;

use super::{
    measures,
    session::{not_acquired, not_queried, query},
};

/// A connection that was idle for so long is asked whether it lives before a statement is risked on it.
pub(super) const LIVELY: Duration = Duration::from_millis(100);

/// Longest wait for the answer whether a connection lives.
const PING: Duration = Duration::from_secs(2);

/// After this time a kept connection goes back to the pool, which ends those that are old.
const KEPT: Duration = Duration::from_mins(10);

/// A pool, and the connection that was used last.
#[derive(Debug)]
pub(super) struct Line {
    pool: DatabaseConnection,
    /// A kept connection that was idle for longer goes back to the pool, as those in the pool are closed.
    idle: Duration,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    taken: Instant,
    used: Instant,
}

impl Line {
    /// Nothing is kept yet.
    pub fn new(pool: DatabaseConnection, idle: Duration) -> Self {
        Self {
            pool,
            idle,
            kept: Mutex::new(None),
        }
    }

    /// Runs a statement, a transaction by itself. A connection on which one failed is not kept: the pool looks at it.
    pub async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut held = self.take().await?;
        let mut owed = Owed::by(&mut held.connection);
        let rows = query(statement).fetch_all(&mut **owed.connection).await;
        owed.told(&rows);
        drop(owed);
        let rows = rows.map_err(not_queried)?;
        held.used = Instant::now();
        if held.taken.elapsed() < KEPT {
            self.kept().get_or_insert(held);
        }
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn take(&self) -> Result<Kept, DbErr> {
        let kept = self.kept().take();
        if let Some(mut kept) = kept
            && (kept.used.elapsed() < LIVELY || lives(&mut kept.connection).await)
        {
            return Ok(kept);
        }
        let connection = self.pool().acquire().await.map_err(not_acquired)?;
        let now = Instant::now();
        Ok(Kept {
            connection,
            taken: now,
            used: now,
        })
    }

    /// Gives back a connection that nobody has used for long.
    pub fn tidy(&self) {
        self.kept().take_if(|kept| kept.used.elapsed() > self.idle);
    }

    /// Sets the gauges: the kept connection is idle.
    pub fn measure(&self, name: &'static str) {
        let kept = usize::from(self.kept().is_some());
        measures::measure(name, self.pool(), kept);
    }

    /// Closes all connections.
    pub async fn close(&self) {
        drop(self.kept().take());
        self.pool().close().await;
    }

    fn pool(&self) -> &PgPool {
        self.pool.get_postgres_connection_pool()
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer of a connection, which is closed unless it comes.
struct Owed<'a> {
    connection: &'a mut PoolConnection<Postgres>,
    came: bool,
}

impl<'a> Owed<'a> {
    fn by(connection: &'a mut PoolConnection<Postgres>) -> Self {
        Self {
            connection,
            came: false,
        }
    }

    /// What Postgres refuses is an answer as well.
    fn told<T>(&mut self, answer: &sqlx::Result<T>) {
        self.came = matches!(answer, Ok(_) | Err(sqlx::Error::Database(_)));
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if !self.came {
            self.connection.close_on_drop();
        }
    }
}

async fn lives(connection: &mut PoolConnection<Postgres>) -> bool {
    let mut owed = Owed::by(connection);
    let pong = timeout(PING, owed.connection.ping()).await;
    let lives = matches!(pong, Ok(Ok(())));
    owed.came = lives;
    lives
}

/// The way back to the pool is a task, and the runtime may be gone before the line is.
impl Drop for Line {
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.take() {
            drop(kept.connection.detach());
        }
    }
}
