//! The two doors to the database. A [`TenantTx`] runs as `omniops_app`, bound by row-level security to one customer; a
//! [`SystemTx`] runs as `omniops_system` and sees everything, and so does a single statement of the job ledger. There is no other way
//! to a connection in this crate. Connections are `omniops_app`'s from their start: what forgets to say who it is sees nothing.
//!
//! Each file that opens the second door, and why, is listed in `xtask/src/doors.rs`, which a test holds against the source: the ledger, who
//! is asking and for whom, the audit log, what the operator does for all. Everything a tenant asks for goes
//! through [`Db::tenant`].
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement};
use secrecy::{ExposeSecret, SecretString};
use std::{ops::Deref, sync::Arc, time::Duration};
use uuid::Uuid;

use super::{
    Customer,
    line::{LIVELY, Line},
    measures::{self, Running},
    session::Session,
    trace::Trace,
};
use crate::{Result, config::DatabaseConfig};

/// Longest wait for the connections to close.
const CLOSE: Duration = Duration::from_secs(2);

/// Connections that the ledger's own statements have for themselves at most, of each [`Commit`]; opened when they are needed.
const LEDGER_POOL: u32 = 4;

/// For a transaction, what [`ledger_line`] says for a session.
const OF_A_LINE: &str =
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off;
    SET LOCAL lock_timeout = '100ms'";

/// What holds in every transaction unless it says otherwise. It begins as the role that row-level security binds, whom nothing is
/// shown until a customer is named. A process whose network has gone silent must not hold locks until TCP gives up, so Postgres ends
/// a transaction that is left alone for long. Compiling a search takes Postgres longer than the search, so it is told not to.
const HABITS: [(&str, &str); 3] = [
    ("role", "omniops_app"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("jit", "off"),
];

/// While a visitor waits, Postgres ends a statement after this time, whatever holds it up.
const STATEMENT: Duration = Duration::from_secs(10);

/// And an answer that has not come after this time does not come: the server hangs, or the network has gone silent.
const SILENCE: Duration = Duration::from_secs(12);

/// The pools of a process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Db {
    pool: DatabaseConnection,
    durable: Arc<Line>,
    relaxed: Arc<Line>,
    /// Sessions are lent for a transaction only, so none can be the system's from its start.
    pooler: bool,
    /// Somebody waits for its transactions.
    awaited: bool,
    /// Its transactions have a [`Trace`].
    traced: bool,
}

impl Db {
    /// Opens the pools.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        let mut pool = options(&config.url, config.pool_max, config);
        // Each transaction finds out by itself whether its connection lives.
        pool.test_before_acquire(false);
        if !config.pooler {
            pool.map_sqlx_postgres_opts(|session| session.options(HABITS));
        }
        Ok(Self {
            pool: Database::connect(pool).await?,
            durable: Arc::new(ledger_line(config, Commit::Durable).await?),
            relaxed: Arc::new(ledger_line(config, Commit::Relaxed).await?),
            pooler: config.pooler,
            awaited: false,
            traced: false,
        })
    }

    /// The same pools for somebody whom a visitor waits for: a statement that hangs, or waits for others, is `database_timeout` after some
    /// seconds. What is between the statements of a transaction, as a model's writing, has no limit here.
    #[must_use]
    pub fn awaited(&self) -> Self {
        Self {
            awaited: true,
            ..self.clone()
        }
    }

    /// The same pools for jobs, whose statements may take as long as they need: one whose transaction is gone while its answer is waited for, as after the
    /// loss of the server, is `database_unavailable` within seconds. Behind a pooler it is after an hour.
    #[must_use]
    pub fn traced(self) -> Self {
        Self {
            traced: !self.pooler,
            ..self
        }
    }

    /// A connection of the schema's owner, for migrations only.
    pub async fn connect_owner(config: &DatabaseConfig) -> Result<DatabaseConnection> {
        Ok(Database::connect(options(&config.owner_url, 2, config)).await?)
    }

    /// A transaction of one customer.
    pub async fn tenant(&self, customer: &Customer) -> Result<TenantTx> {
        self.enter("BEGIN", customer).await
    }

    /// A read-only transaction of one customer, whose statements all see the rows of one moment.
    pub async fn tenant_read(&self, customer: &Customer) -> Result<TenantTx> {
        self.enter("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", customer)
            .await
    }

    /// A transaction of one customer whose commit waits for no disk ([`Commit::Relaxed`]), so that rows that many change in turn are
    /// free again at once.
    pub(crate) async fn tenant_relaxed(&self, customer: &Customer) -> Result<TenantTx> {
        let synchronous = Commit::Relaxed.synchronous();
        self.enter(
            &format!("BEGIN; SET LOCAL synchronous_commit = {synchronous}"),
            customer,
        )
        .await
    }

    /// The policies ask for the customer's id.
    async fn enter(&self, begin: &str, customer: &Customer) -> Result<TenantTx> {
        let id = customer.id;
        let tx = self
            .begin(begin, &format!("SET LOCAL app.current_customer = '{id}'"))
            .await?;
        Ok(TenantTx { tx, customer: id })
    }

    /// A transaction of the system's own. See the module for who may call this.
    pub async fn system(&self) -> Result<SystemTx> {
        Ok(SystemTx(self.begin("BEGIN", "SET LOCAL ROLE omniops_system").await?))
    }

    /// A system transaction for the ledger's own statements, which run by the thousand: they are planned once for a connection.
    pub async fn ledger(&self, commit: Commit) -> Result<SystemTx> {
        let synchronous = commit.synchronous();
        let settings = format!(
            "SET LOCAL ROLE omniops_system; SET LOCAL plan_cache_mode = force_generic_plan;
             SET LOCAL synchronous_commit = {synchronous}; SET LOCAL idle_in_transaction_session_timeout = '5s'"
        );
        Ok(SystemTx(self.begin("BEGIN", &settings).await?))
    }

    /// Opens a transaction by `begin` with `settings` of its own. A session that a pooler has lent knows none of our [`HABITS`].
    async fn begin(&self, begin: &str, settings: &str) -> Result<Session> {
        let habits = if self.pooler { habits() } else { String::new() };
        let limit = if self.awaited {
            format!("SET LOCAL statement_timeout = {}; ", STATEMENT.as_millis())
        } else {
            String::new()
        };
        let trace = (self.traced && !self.awaited).then(|| Trace::new(self.relaxed.clone()));
        let left = trace.as_ref().map(Trace::opening).unwrap_or_default();
        let opening = format!("{begin}; {habits}{limit}{settings}; {left}");
        let patience = self.awaited.then_some(SILENCE);
        let session = Session::begin(self.pool.get_postgres_connection_pool(), &opening, patience).await?;
        Ok(session.traced(trace))
    }

    /// Runs one statement of the ledger's own as the system, a transaction by itself: it takes one round trip, where
    /// [`Db::ledger`] takes three. Behind a pooler it takes four.
    pub(crate) async fn ledger_statement(&self, commit: Commit, statement: Statement) -> Result<Vec<QueryResult>> {
        if self.pooler {
            let tx = self.ledger(commit).await?;
            tx.execute_unprepared(OF_A_LINE).await?;
            let rows = tx.query_all_raw(statement).await?;
            tx.commit().await?;
            return Ok(rows);
        }
        let (line, other) = match commit {
            Commit::Durable => (&self.durable, &self.relaxed),
            Commit::Relaxed => (&self.relaxed, &self.durable),
        };
        let running = Running::begin(&statement.sql);
        let rows = line.query_all(statement).await;
        running.end();
        // A worker says every second that it lives, so that nothing is kept for long.
        other.tidy();
        Ok(rows?)
    }

    /// Sets the gauges of the pools, for whoever renders the metrics.
    pub(crate) fn measure(&self) {
        measures::measure("transactions", self.pool.get_postgres_connection_pool(), 0);
        self.durable.measure("ledger");
        self.relaxed.measure("ledger_relaxed");
    }

    /// Whether the database answers. A connection of the pool that has broken since its last use says nothing about that, so this
    /// begins as every transaction does.
    pub async fn ping(&self) -> Result<()> {
        self.begin("BEGIN READ ONLY", "").await?;
        Ok(())
    }

    /// Closes the pools, and waits for their connections no longer than a pool does for a new one.
    pub async fn close(self) {
        let close = async { tokio::join!(self.pool.close_by_ref(), self.durable.close(), self.relaxed.close()).0 };
        match tokio::time::timeout(CLOSE, close).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "closing the database pool"),
            Err(_) => tracing::warn!("the database does not answer; its connections are left open"),
        }
    }
}

fn options(url: &SecretString, max: u32, config: &DatabaseConfig) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(max)
        .idle_timeout(config.idle)
        .acquire_timeout(config.connect)
        .connect_timeout(config.connect)
        .sqlx_logging(false);
    options
}

/// Connections whose sessions are the system's from their start, so that a statement needs nothing around it. The settings are
/// parts of the connection's start: a pooler that lends sessions to others refuses them, and can't mix them up. Where one is
/// configured, this pool is never used.
///
/// All of these statements look rows up by keys, a batch at a time. A plan that is kept for long must not depend on how large the
/// tables were when it was made, so it has no other way than the indexes: the planner would otherwise read all running jobs, and
/// what is left of those that ran before, to find the few that end.
///
/// Each is for many jobs, and must not wait for one of them: where others hold a row for longer than a moment it is `database_busy`, and whoever
/// asked goes on without that row.
async fn ledger_line(config: &DatabaseConfig, commit: Commit) -> Result<Line> {
    let mut options = options(&config.url, LEDGER_POOL, config);
    options.test_before_acquire_if_idle_for(LIVELY);
    options.connect_lazy(true).map_sqlx_postgres_opts(move |session| {
        session.options([
            ("role", "omniops_system"),
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("enable_seqscan", "off"),
            ("lock_timeout", "100ms"),
            ("synchronous_commit", commit.synchronous()),
        ])
    });
    Ok(Line::new(Database::connect(options).await?, config.idle))
}

/// The [`HABITS`] for one transaction.
fn habits() -> String {
    HABITS
        .map(|(name, value)| format!("SET LOCAL {name} = '{value}'; "))
        .concat()
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The disk.
    Durable,
    /// Nothing: a crash of Postgres may take it back. The log is written in order, so whatever is committed durably after it
    /// keeps it, too.
    Relaxed,
}

impl Commit {
    fn synchronous(self) -> &'static str {
        match self {
            Self::Durable => "on",
            Self::Relaxed => "off",
        }
    }
}

/// A transaction bound to one customer; rolled back unless committed.
pub struct TenantTx {
    tx: Session,
    customer: Uuid,
}

impl TenantTx {
    /// The customer.
    pub fn customer(&self) -> Uuid {
        self.customer
    }

    /// Makes the changes visible.
    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }
}

impl Deref for TenantTx {
    type Target = Session;

    fn deref(&self) -> &Self::Target {
        &self.tx
    }
}

/// A transaction that row-level security does not bind; rolled back unless committed.
pub struct SystemTx(Session);

impl SystemTx {
    /// Makes the changes visible.
    pub async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

impl Deref for SystemTx {
    type Target = Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A statement of ours with its values in order.
pub(crate) fn sql<const N: usize>(text: &str, values: [sea_orm::Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}
