//! The two doors to the database. A [`TenantTx`] runs as `omniops_app`, bound by row-level security to one customer; a
//! [`SystemTx`] runs as `omniops_system` and sees everything. There is no third way to a connection in this crate.
//!
//! Callers of [`Db::system`]: the dispatcher and reconciler (`jobs`), the lookup of keys, hosts and customers at
//! authentication and by administrators (`tenancy`), queue statistics and health, and the audit log of administrators' deeds. Everything a tenant asks for goes
//! through [`Db::tenant`].
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    Statement, TransactionTrait,
};
use secrecy::{ExposeSecret, SecretString};
use std::{ops::Deref, time::Duration};
use uuid::Uuid;

use super::Customer;
use crate::{Result, config::DatabaseConfig};

/// Longest wait for the connections to close.
const CLOSE: Duration = Duration::from_secs(2);

/// The pool of a process. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Db(DatabaseConnection);

impl Db {
    /// Opens the pool.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        Ok(Self(open(&config.url, config.pool_max, config).await?))
    }

    /// A connection of the schema's owner, for migrations only.
    pub async fn connect_owner(config: &DatabaseConfig) -> Result<DatabaseConnection> {
        open(&config.owner_url, 2, config).await
    }

    /// A transaction of one customer.
    pub async fn tenant(&self, customer: &Customer) -> Result<TenantTx> {
        let tx = self.0.begin().await?;
        enter(&tx, "omniops_app", &customer.domain).await?;
        Ok(TenantTx {
            tx,
            customer: customer.id,
        })
    }

    /// A read-only transaction of one customer.
    pub async fn tenant_read(&self, customer: &Customer) -> Result<TenantTx> {
        let tx = self.0.begin_with_config(None, Some(AccessMode::ReadOnly)).await?;
        enter(&tx, "omniops_app", &customer.domain).await?;
        Ok(TenantTx {
            tx,
            customer: customer.id,
        })
    }

    /// A transaction of the system's own. See the module for who may call this.
    pub async fn system(&self) -> Result<SystemTx> {
        let tx = self.0.begin().await?;
        enter(&tx, "omniops_system", "").await?;
        Ok(SystemTx(tx))
    }

    /// A system transaction for the ledger's own statements, which run by the thousand: they are planned once for a connection.
    pub async fn ledger(&self, commit: Commit) -> Result<SystemTx> {
        let tx = self.0.begin().await?;
        let synchronous = match commit {
            Commit::Durable => "on",
            Commit::Relaxed => "off",
        };
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT set_config('role', 'omniops_system', true), set_config('app.current_domain', '', true),
               set_config('plan_cache_mode', 'force_generic_plan', true), set_config('synchronous_commit', $1, true),
               set_config('idle_in_transaction_session_timeout', '5s', true)",
            [synchronous.into()],
        );
        tx.execute_raw(statement).await?;
        Ok(SystemTx(tx))
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.0.ping().await?)
    }

    /// Closes the pool, and waits for its connections no longer than the pool does for a new one.
    pub async fn close(self) {
        match tokio::time::timeout(CLOSE, self.0.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "closing the database pool"),
            Err(_) => tracing::warn!("the database does not answer; its connections are left open"),
        }
    }
}

async fn open(url: &SecretString, max: u32, config: &DatabaseConfig) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(max)
        .idle_timeout(config.idle)
        .acquire_timeout(config.connect)
        .connect_timeout(config.connect)
        .sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

/// A process whose network has gone silent must not hold locks until TCP gives up, so Postgres ends a transaction that is left
/// alone for long.
async fn enter(tx: &DatabaseTransaction, role: &str, domain: &str) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT set_config('role', $1, true), set_config('app.current_domain', $2, true),
           set_config('idle_in_transaction_session_timeout', '15s', true)",
        [role.into(), domain.into()],
    );
    tx.execute_raw(statement).await?;
    Ok(())
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

/// A transaction bound to one customer; rolled back unless committed.
pub struct TenantTx {
    tx: DatabaseTransaction,
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
    type Target = DatabaseTransaction;

    fn deref(&self) -> &Self::Target {
        &self.tx
    }
}

/// A transaction that row-level security does not bind; rolled back unless committed.
pub struct SystemTx(DatabaseTransaction);

impl SystemTx {
    /// Makes the changes visible.
    pub async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

impl Deref for SystemTx {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A statement of ours with its values in order.
pub(crate) fn sql<const N: usize>(text: &str, values: [sea_orm::Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}
