//! A transaction that begins, with its role, its customer and its settings, in one round trip. [`tx`](super::tx) says what those are.
//!
//! sea-orm would send four: a question whether the connection lives, `BEGIN`, the access mode, and then our settings. What opens a
//! transaction here is one text, and whether the connection lives shows by its answer: until then nothing has been done that could
//! not be done again on another one.
//!
//! What must stay true: a connection whose transaction did not open as it was told to, or that did not answer in time, is closed and
//! never lent again, also when whoever waited for it has gone.
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor, PgPool, Postgres, SqlSafeStr, pool::PoolConnection, query::Query};
use sqlx_core::transaction::TransactionManager;
use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio::{sync::Mutex, time::timeout};

use super::{measures::Running, trace::Trace};

type Manager = <Postgres as Database>::TransactionManager;

/// Postgres ends a session: by its administrator, in a crash, at its restart.
const ENDED: [&str; 3] = ["57P01", "57P02", "57P03"];

/// Longest wait for a transaction to open on one connection: it waits for nobody else's, so a connection that takes longer leads nowhere, and another may
/// do.
const OPENING: Duration = Duration::from_secs(5);

/// And for the answer to one statement where nobody waits for it: without one a network that has forgotten the connection would keep it for ever. Where it
/// keeps a job, a [`Trace`] tells sooner.
const DEAF: Duration = Duration::from_hours(1);

/// A transaction; rolled back unless committed. Nobody waits for a rollback: it goes with the connection's way back to the pool.
pub struct Session {
    connection: Mutex<PoolConnection<Postgres>>,
    /// It is in a transaction of its own, and every answer has come: it can be lent again.
    sound: AtomicBool,
    /// The longest wait for one answer.
    patience: Duration,
    /// By which others see whether its transaction still goes on.
    trace: Option<Trace>,
}

impl Session {
    /// Begins by `opening`: `BEGIN`, and what shall hold for the transaction. No answer is waited for longer than `patience`, if there is one; without, the
    /// opening is tried on other connections as well.
    pub async fn begin(pool: &PgPool, opening: &str, patience: Option<Duration>) -> Result<Self, DbErr> {
        // A restart of Postgres ends all connections of the pool, and each shows it when it is used.
        for _ in 0..pool.options().get_max_connections() {
            match Self::open(pool, opening, patience).await {
                Err(DbErr::Conn(RuntimeErr::SqlxError(error))) if is_lost(&error) => {}
                opened => return opened,
            }
        }
        Self::open(pool, opening, patience).await
    }

    async fn open(pool: &PgPool, opening: &str, patience: Option<Duration>) -> Result<Self, DbErr> {
        let connection = pool.acquire().await.map_err(not_acquired)?;
        let mut session = Self {
            connection: Mutex::new(connection),
            sound: AtomicBool::new(false),
            patience: patience.unwrap_or(DEAF),
            trace: None,
        };
        let opening = AssertSqlSafe(opening.to_owned()).into_sql_str();
        let begun = Manager::begin(session.connection.get_mut(), Some(opening));
        let begun = match patience {
            Some(patience) => within(patience, begun).await,
            None => timeout(OPENING, begun)
                .await
                .unwrap_or_else(|_| Err(nowhere("a connection opens no transaction"))),
        };
        begun.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
        *session.sound.get_mut() = true;
        Ok(session)
    }

    /// The same with the trace that the opening left.
    #[must_use]
    pub(super) fn traced(mut self, trace: Option<Trace>) -> Self {
        self.trace = trace;
        self
    }

    /// Makes the changes visible.
    pub async fn commit(self) -> Result<(), DbErr> {
        let mut connection = self.connection.lock().await;
        self.answer(Manager::commit(&mut connection)).await.map_err(not_queried)
    }

    /// The answer to one round trip. Who did not answer in time may answer to somebody else.
    async fn answer<T>(&self, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let mut answer = pin!(answer);
        let answer = match &self.trace {
            None => within(self.patience, answer.as_mut()).await,
            Some(trace) => within(self.patience, unless_gone(trace, answer.as_mut())).await,
        };
        if matches!(answer, Err(sqlx::Error::Io(_))) {
            self.sound.store(false, Relaxed);
        }
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let connection = self.connection.get_mut();
        if *self.sound.get_mut() {
            Manager::start_rollback(connection);
        } else {
            connection.close_on_drop();
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Session {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut connection = self.connection.lock().await;
        let running = Running::begin(&statement.sql);
        let done = self.answer(query(statement).execute(&mut **connection)).await;
        running.end();
        Ok(done.map_err(not_executed)?.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.connection.lock().await;
        let running = Running::begin(sql);
        let done = self.answer(connection.execute(AssertSqlSafe(sql.to_owned()))).await;
        running.end();
        Ok(done.map_err(not_executed)?.into())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut connection = self.connection.lock().await;
        let running = Running::begin(&statement.sql);
        let row = self.answer(query(statement).fetch_optional(&mut **connection)).await;
        running.end();
        Ok(row.map_err(not_queried)?.map(Into::into))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.connection.lock().await;
        let running = Running::begin(&statement.sql);
        let rows = self.answer(query(statement).fetch_all(&mut **connection)).await;
        running.end();
        Ok(rows.map_err(not_queried)?.into_iter().map(Into::into).collect())
    }
}

/// The statement with its values, prepared once for a connection.
pub(super) fn query(statement: Statement) -> Query<'static, Postgres, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

/// The answer to one round trip, if it comes in time.
async fn within<T>(patience: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late = || sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
    timeout(patience, answer).await.unwrap_or_else(|_| Err(late()))
}

/// The answer, unless the transaction that it is waited for in goes on no more.
async fn unless_gone<T>(trace: &Trace, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::select! {
        biased;
        answer = answer => answer,
        // In a box, or it would be room in all that waits for a statement.
        () = Box::pin(trace.gone()) => Err(nowhere("the transaction of a connection is gone")),
    }
}

fn nowhere(why: &'static str) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::NotConnected, why))
}

/// The connection stands, as far as is known, and says nothing.
fn is_late(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => !is_late(error),
        sqlx::Error::Database(error) => error.code().is_some_and(|code| ENDED.contains(&&*code)),
        _ => false,
    }
}

pub(super) fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        other => DbErr::Conn(RuntimeErr::SqlxError(other.into())),
    }
}

fn not_executed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

pub(super) fn not_queried(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
