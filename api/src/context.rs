//! What handlers share: the pools, the models, the signers and the operator's settings of one process.
use domain::{
    Result,
    answering::{AnswerCache, Answerer},
    clock::Clock,
    config::Config,
    jobs::{Dispatcher, Live},
    lifecycle::Lifecycle,
    people::{Bell, webhooks},
    retrieval::Searcher,
    secrets::Vault,
    tenancy::{Db, HostName, VisitorTokens, verified_hosts},
};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

/// Verified hosts that another process added are known here after this time at the latest.
const REFRESH: Duration = Duration::from_secs(5);

/// What the demo page shows when its URL names no domain.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The domain whose pages answer.
    pub domain: String,
    /// Questions to start with.
    pub questions: Vec<String>,
}

/// Everything a handler can reach. Cloning shares.
#[derive(Clone)]
pub struct Context {
    pub(crate) db: Db,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) live: Live,
    pub(crate) searcher: Searcher,
    pub(crate) answerer: Answerer,
    pub(crate) visitors: VisitorTokens,
    pub(crate) bell: Bell,
    /// Keeps the secrets of outbound webhooks.
    pub(crate) vault: Vault,
    pub(crate) egress: egress::Client,
    pub(crate) clock: Clock,
    pub(crate) life: Lifecycle,
    pub(crate) hosts: Hosts,
    pub(crate) admin_token: SecretString,
    pub(crate) cron_secret: SecretString,
    /// How the world reaches this installation, without a trailing slash.
    pub(crate) base_url: String,
    /// Jobs are refused while Redis is away.
    pub(crate) require_redis: bool,
    pub(crate) maintenance: bool,
    /// Steps of the schema that this build knows.
    pub(crate) migrations: Vec<String>,
    /// Folders that this process writes to.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) demo: Option<Demo>,
    pub(crate) prometheus: Option<PrometheusHandle>,
}

impl Context {
    /// Reads the verified hosts once, and goes on refreshing them until `life` ends.
    pub async fn new(
        config: &Config,
        db: Db,
        dispatcher: Dispatcher,
        searcher: Searcher,
        life: Lifecycle,
    ) -> Result<Self> {
        egress::install_crypto();
        let clock = Clock::system();
        let mut policy = egress::Policy::new(config.crawl.user_agent.clone());
        policy.allow.clone_from(&config.crawl.egress_allow);
        let egress = egress::Client::new(policy).map_err(|e| domain::Error::internal("making the HTTP client", e))?;
        let hosts = Hosts::new(db.clone());
        hosts.refresh().await;
        life.spawn(hosts.clone().keep_fresh(life.stopping()));
        let cache = AnswerCache::new(
            db.clone(),
            &config.redis,
            &config.security.master_key(),
            clock.clone(),
            life.clone(),
        )?;
        Ok(Self {
            live: Live::new(db.clone(), &config.redis, life.clone())?,
            answerer: Answerer::new(db.clone(), searcher.clone(), &config.model)?
                .with_cache(cache)
                .under(&life),
            bell: Bell::new(dispatcher.clone()),
            vault: Vault::new(&config.security.master_key(), webhooks::PURPOSE),
            visitors: VisitorTokens::new(&config.security.master_key(), clock.clone()),
            admin_token: config.security.admin_token.clone(),
            cron_secret: config.security.cron_secret.clone(),
            base_url: config.http.public_url.clone(),
            require_redis: config.redis.required,
            maintenance: config.http.maintenance,
            migrations: Vec::new(),
            folders: vec![config.cache_dir.clone(), std::env::temp_dir()],
            demo: None,
            prometheus: None,
            db,
            dispatcher,
            searcher,
            egress,
            clock,
            life,
            hosts,
        })
    }

    /// With a demo page for this domain.
    #[must_use]
    pub fn with_demo(mut self, demo: Demo) -> Self {
        self.demo = Some(demo);
        self
    }

    /// Ready only once the database has taken these steps of the schema.
    #[must_use]
    pub fn with_migrations(mut self, names: Vec<String>) -> Self {
        self.migrations = names;
        self
    }

    /// With one more folder whose room matters.
    #[must_use]
    pub fn with_folder(mut self, folder: &Path) -> Self {
        self.folders.push(folder.to_owned());
        self
    }

    /// With the recorder behind `GET /api/metrics`.
    #[must_use]
    pub fn with_metrics(mut self, handle: PrometheusHandle) -> Self {
        self.prometheus = Some(handle);
        self
    }

    /// With a public address that is known only once the port is.
    #[must_use]
    pub fn with_base_url(mut self, base_url: &str) -> Self {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
        self
    }
}

/// The verified hosts of the installation, in memory: what CORS decides by. Cloning shares.
#[derive(Clone)]
pub(crate) struct Hosts {
    db: Db,
    known: Arc<RwLock<HashSet<String>>>,
}

impl Hosts {
    fn new(db: Db) -> Self {
        Self {
            db,
            known: Arc::default(),
        }
    }

    /// Whether pages of this host may call the API from a browser.
    pub fn contains(&self, host: &HostName) -> bool {
        self.known.read().is_ok_and(|known| known.contains(host.as_str()))
    }

    /// Reads the table again: after every change, and now and then. While the database is away the old list stands.
    pub async fn refresh(&self) {
        match verified_hosts(&self.db).await {
            Ok(hosts) => {
                if let Ok(mut known) = self.known.write() {
                    *known = hosts.into_iter().map(|(host, _)| host).collect();
                }
            }
            Err(error) => tracing::warn!(error = error.story(), "the verified hosts could not be read"),
        }
    }

    async fn keep_fresh(self, stopping: tokio_util::sync::CancellationToken) {
        while stopping
            .run_until_cancelled(tokio::time::sleep(REFRESH))
            .await
            .is_some()
        {
            self.refresh().await;
        }
    }
}
