//! The Valkey and Postgres that all contenders use, fresh for each cell, and what they count.
//!
//! Durable settings: fsync on, append-only file synced every second. The driver has a role of its own in Postgres and
//! counts its own Redis commands, so that neither shows up in a contender's costs.
use anyhow::{Context as _, Result};
use domain::config::{cache_dir, environment};
use local_services::{Options, Runtime, Server, Services};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use sea_orm::{ConnectionTrait as _, Database};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::contender::Contender;
use crate::{cpu, protocol::Order};

/// The migrated database that a ledger's cell is a copy of.
const LEDGER: &str = "ledger";
/// The driver's role in Postgres.
const DRIVER: &str = "driver";
/// The ledger's role.
const ROLE: &str = "omniops";

/// Both servers.
pub struct Stores {
    /// Valkey, seen by the driver.
    pub redis: Redis,
    services: Arc<Services>,
    postgres: Mutex<PgConnection>,
    cells: AtomicUsize,
}

/// Where one measurement happens: names and addresses for the contender, and a connection to its database.
pub struct Cell {
    /// An order with everything filled in that does not depend on the role.
    pub order: Order,
    postgres: Option<Mutex<PgConnection>>,
}

/// Statements since the last count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statements {
    /// Which read or write something.
    pub work: f64,
    /// `BEGIN`, `COMMIT`, `SET`, `set_config` and the like.
    pub control: f64,
}

impl Stores {
    /// Starts both; `pg_stat_statements` needs a restart of Postgres to be loaded.
    pub async fn start(state: &Path) -> Result<Self> {
        let state = state.to_owned();
        let services = Arc::new(spawn_blocking(move || servers(&state)).await??);
        let owner = Database::connect(services.superuser_url("postgres")).await?;
        for setup in [
            "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'".to_owned(),
            "ALTER SYSTEM SET pg_stat_statements.max = 10000".to_owned(),
            format!("CREATE ROLE {DRIVER} SUPERUSER LOGIN"),
            format!("CREATE ROLE {ROLE} LOGIN"),
            format!("CREATE DATABASE {LEDGER}"),
            "CREATE EXTENSION pg_stat_statements".to_owned(),
        ] {
            owner.execute_unprepared(&setup).await?;
        }
        owner.close().await?;
        let restarted = services.clone();
        spawn_blocking(move || {
            restarted.stop_server(Server::Postgres)?;
            restarted.start_server(Server::Postgres)
        })
        .await??;
        let ledger = Database::connect(services.superuser_url(LEDGER)).await?;
        migration::migrate(&ledger, Some(ROLE)).await?;
        ledger.close().await?;
        let postgres = PgConnection::connect(&services.url(DRIVER, "postgres")).await?;
        Ok(Self {
            redis: Redis::connect(&services.redis_url()).await?,
            services,
            postgres: Mutex::new(postgres),
            cells: AtomicUsize::new(0),
        })
    }

    /// An empty Valkey.
    pub async fn flush(&self) -> Result<()> {
        self.redis.command(&["FLUSHALL", "SYNC"]).await
    }

    /// A queue and, for who needs one, a database of its own.
    pub async fn cell(&self, contender: Contender, lease_ms: u64) -> Result<Cell> {
        let number = self.cells.fetch_add(1, SeqCst);
        let database = format!("cell_{number}");
        if contender.uses_postgres() {
            let template = if contender == Contender::Ledger {
                LEDGER
            } else {
                "template1"
            };
            let create = format!("CREATE DATABASE {database} TEMPLATE {template}");
            let mut postgres = self.postgres.lock().await;
            sqlx::query(AssertSqlSafe(create)).execute(&mut *postgres).await?;
        }
        let postgres = if contender.uses_postgres() {
            let own = PgConnection::connect(&self.services.url(DRIVER, &database)).await?;
            Some(Mutex::new(own))
        } else {
            None
        };
        let redis_url = self.services.redis_url();
        let order = Order {
            redis_socket: redis_url.trim_start_matches("redis+unix://").to_owned(),
            redis_url,
            postgres_host: self.services.sockets().display().to_string(),
            database_url: self.services.url(ROLE, &database),
            owner_url: self.services.superuser_url(&database),
            queue: format!("bench-{number}"),
            database,
            lease_ms,
            batch: 500,
            width: 16,
            concurrency: 10,
            ..Order::default()
        };
        Ok(Cell { order, postgres })
    }

    /// Forgets the statements so far.
    pub async fn forget_statements(&self) -> Result<()> {
        let mut postgres = self.postgres.lock().await;
        sqlx::query("SELECT pg_stat_statements_reset()")
            .execute(&mut *postgres)
            .await?;
        Ok(())
    }

    /// What was run in a cell's database by anybody but the driver.
    pub async fn statements(&self, cell: &Cell) -> Result<Statements> {
        const COUNT: &str = "
            SELECT coalesce(sum(calls) FILTER (WHERE NOT control), 0)::float8,
              coalesce(sum(calls) FILTER (WHERE control), 0)::float8
            FROM (SELECT calls, query ~* '^\\s*(begin|start transaction|commit|rollback|savepoint|release|set|reset|show|discard|deallocate|listen|select set_config)\\M'
                    AS control
                  FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.userid
                  WHERE d.datname = $1 AND r.rolname <> $2
                    -- Checks of deferred foreign keys, which no client sent.
                    AND query !~ '^SELECT (1|\\$[0-9]) FROM ONLY ') AS run";
        let mut postgres = self.postgres.lock().await;
        let (work, control) = sqlx::query_as::<_, (f64, f64)>(COUNT)
            .bind(&cell.order.database)
            .bind(DRIVER)
            .fetch_one(&mut *postgres)
            .await?;
        Ok(Statements { work, control })
    }

    /// The most frequent statements of a cell, for who wants to know where they come from.
    pub async fn top_statements(&self, cell: &Cell) -> Result<Vec<(i64, f64, String)>> {
        const TOP: &str = "
            SELECT calls, total_exec_time, regexp_replace(query, '\\s+', ' ', 'g') FROM pg_stat_statements s
            JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.userid
            WHERE d.datname = $1 AND r.rolname <> $2 ORDER BY calls DESC LIMIT 12";
        let mut postgres = self.postgres.lock().await;
        let rows = sqlx::query_as(TOP).bind(&cell.order.database).bind(DRIVER);
        Ok(rows.fetch_all(&mut *postgres).await?)
    }

    /// The process of one of them.
    pub fn pid(&self, server: Server) -> Option<u32> {
        self.services.pid(server)
    }

    /// µs of processor time that both servers have used.
    pub fn cpu(&self) -> f64 {
        let used = |server| self.pid(server).map_or(0.0, cpu::of_family);
        used(Server::Postgres) + used(Server::Valkey)
    }

    /// Versions of Valkey and Postgres.
    pub async fn versions(&self) -> Result<(String, String)> {
        let info = self.redis.info("server").await?;
        let valkey = info.lines().find_map(|line| line.strip_prefix("valkey_version:"));
        let mut postgres = self.postgres.lock().await;
        let version = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut *postgres)
            .await?;
        Ok((valkey.unwrap_or("unknown").to_owned(), version))
    }

    /// Stops both and removes their data.
    pub async fn stop(self) -> Result<()> {
        let Self { services, postgres, .. } = self;
        postgres.into_inner().close().await?;
        let services = Arc::into_inner(services).context("the servers are still in use")?;
        spawn_blocking(move || {
            let state = services.state().to_owned();
            services.stop()?;
            Ok(std::fs::remove_dir_all(state)?)
        })
        .await?
    }
}

impl Cell {
    /// One number from the cell's database.
    pub async fn postgres(&self, query: &'static str) -> Result<i64> {
        let own = self.postgres.as_ref().context("this contender has no database")?;
        Ok(sqlx::query_scalar(query).fetch_one(&mut *own.lock().await).await?)
    }

    /// A column of bytes from the cell's database.
    pub async fn texts(&self, query: &'static str) -> Result<Vec<Vec<u8>>> {
        let own = self.postgres.as_ref().context("this contender has no database")?;
        Ok(sqlx::query_scalar(query).fetch_all(&mut *own.lock().await).await?)
    }

    /// Bytes of its tables, with their indexes.
    pub async fn tables(&self) -> Result<i64> {
        const SIZE: &str = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
        self.postgres(SIZE).await
    }

    /// Fresh statistics, so that a plan does not hinge on whether autovacuum came by.
    pub async fn analyze(&self) -> Result<()> {
        if let Some(own) = &self.postgres {
            sqlx::query("VACUUM ANALYZE").execute(&mut *own.lock().await).await?;
        }
        Ok(())
    }
}

fn servers(state: &Path) -> Result<Services> {
    let runtime = Runtime::fetch(&wheels::Cache::new(cache_dir(&environment())))?;
    Ok(Services::start(&runtime, &Options::durable(state))?)
}

/// Valkey, seen by the driver.
pub struct Redis {
    conn: MultiplexedConnection,
    own: AtomicI64,
}

impl Redis {
    async fn connect(url: &str) -> Result<Self> {
        // Emptying a full server takes longer than the default half second.
        let limits = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_mins(1)));
        let client = redis::Client::open(url)?;
        let conn = client.get_multiplexed_async_connection_with_config(&limits).await?;
        let redis = Self {
            conn,
            own: AtomicI64::new(0),
        };
        // A rewrite of the file would hit whoever happens to be measured.
        let rewrite = ["CONFIG", "SET", "auto-aof-rewrite-percentage", "0"];
        redis.command(&rewrite).await?;
        Ok(redis)
    }

    async fn query<T: redis::FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        self.own.fetch_add(1, SeqCst);
        let mut command = redis::Cmd::new();
        command.arg(words);
        Ok(command.query_async(&mut self.conn.clone()).await?)
    }

    /// A command whose answer does not matter.
    pub async fn command(&self, words: &[&str]) -> Result<()> {
        self.query::<redis::Value>(words).await.map(drop)
    }

    /// A command that answers with a number.
    pub async fn number(&self, words: &[&str]) -> Result<i64> {
        self.query(words).await
    }

    async fn info(&self, section: &str) -> Result<String> {
        self.query(&["INFO", section]).await
    }

    /// Commands run so far by anybody but the driver, those inside of scripts included.
    pub async fn commands(&self) -> Result<f64> {
        let info = self.info("commandstats").await?;
        let calls = |line: &str| line.split_once("calls=")?.1.split(',').next()?.parse::<i64>().ok();
        let all: i64 = info.lines().filter_map(calls).sum();
        // This very INFO is counted as ours, but not yet as run.
        Ok((all - self.own.load(SeqCst) + 1) as f64)
    }

    /// Bytes in use, without what is only cached.
    pub async fn memory(&self) -> Result<f64> {
        self.command(&["MEMORY", "PURGE"]).await?;
        self.used().await
    }

    /// Bytes in use.
    pub async fn used(&self) -> Result<f64> {
        let info = self.info("memory").await?;
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        Ok(used.context("no used_memory")?.trim().parse()?)
    }
}
