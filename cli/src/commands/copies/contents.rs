//! What a database holds, seen by the schema's owner.
use anyhow::{Context as _, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TryGetable};
use std::fmt;

/// Counts that tell whether it is the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub customers: i64,
    pub pages: i64,
    pub conversations: i64,
}

impl Contents {
    /// Of a database; nothing where it has no schema yet.
    pub async fn of(db: &DatabaseConnection) -> Result<Self> {
        const COUNT: &str = "SELECT (SELECT count(*) FROM customer_configs), (SELECT count(*) FROM scraped_pages), (SELECT count(*) FROM conversations)";
        if !one::<bool>(db, "SELECT to_regclass('public.customer_configs') IS NOT NULL").await? {
            return Ok(Self::default());
        }
        let row = db.query_one_raw(statement(COUNT)).await?.context("no counts")?;
        Ok(Self {
            customers: row.try_get_by_index(0)?,
            pages: row.try_get_by_index(1)?,
            conversations: row.try_get_by_index(2)?,
        })
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            customers,
            pages,
            conversations,
        } = self;
        write!(f, "{customers} customers, {pages} pages, {conversations} conversations")
    }
}

/// One value.
pub async fn one<T: TryGetable>(db: &impl ConnectionTrait, query: &str) -> Result<T> {
    let row = db.query_one_raw(statement(query)).await?;
    Ok(row.context("no row")?.try_get_by_index(0)?)
}

/// The server's major version.
pub async fn server_major(db: &impl ConnectionTrait) -> Result<u32> {
    let number: i32 = one(db, "SELECT current_setting('server_version_num')::int").await?;
    Ok(number.unsigned_abs() / 10_000)
}

/// As a name in a statement.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn statement(query: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, query)
}
