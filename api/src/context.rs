//! What handlers share: the pools, the models, the signers and the operator's settings of one process.
use domain::{
    Result,
    answering::{AnswerCache, Answerer},
    clock::Clock,
    config::{Config, EdgeConfig},
    jobs::{Dispatcher, Live},
    lifecycle::Lifecycle,
    limits::{BlockList, CacheServer, Gate},
    outside::Outside,
    people::Bell,
    privacy::Privacy,
    retrieval::Searcher,
    secrets::{Envelopes, StandingToken},
    tenancy::{Accounts, Db, VisitorTokens},
};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{connections::Connections, hosts::Hosts};

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
    /// Accounts of people who administer.
    pub(crate) accounts: Accounts,
    pub(crate) bell: Bell,
    /// Answers people's requests about their data.
    pub(crate) privacy: Privacy,
    /// The host of the model provider, if there is one.
    pub(crate) provider: Option<String>,
    /// Seals and opens the secrets that are kept.
    pub(crate) envelopes: Envelopes,
    pub(crate) outside: Outside,
    pub(crate) clock: Clock,
    pub(crate) life: Lifecycle,
    pub(crate) hosts: Hosts,
    pub(crate) admin_token: StandingToken,
    pub(crate) cron_secret: StandingToken,
    /// How the world reaches this installation, without a trailing slash.
    pub(crate) base_url: String,
    /// Jobs are refused while Redis is away.
    require_redis: bool,
    pub(crate) maintenance: bool,
    /// Steps of the schema that this build knows.
    pub(crate) migrations: Vec<String>,
    /// Folders that this process writes to.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) edge: Arc<EdgeConfig>,
    /// Holds callers against their limits; none if the operator wants none.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Addresses that operators have blocked.
    pub(crate) blocks: BlockList,
    pub(crate) cache_server: CacheServer,
    pub(crate) connections: Arc<Connections>,
    /// Connections on which somebody has shown a credential, and streams that are followed with one, by customer.
    pub(crate) known: Arc<Connections>,
    pub(crate) streams: Arc<Connections>,
    /// People's copies that are being taken, by customer.
    pub(crate) copies: Arc<Connections>,
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
        let clock = Clock::system();
        let hosts = Hosts::new(db.awaited());
        hosts.refresh().await;
        life.spawn(hosts.clone().keep_fresh(life.stopping()));
        let blocks = BlockList::new(db.clone(), clock.clone());
        life.spawn(blocks.clone().keep_fresh(life.stopping()));
        let cache = AnswerCache::new(&db, &config.redis, &config.security.keys, clock.clone(), life.clone())?;
        Ok(Self {
            live: Live::new(db.clone(), &config.redis, life.clone())?,
            answerer: Answerer::new(&db, searcher.clone(), &config.model)?
                .with_cache(cache)
                .under(&life),
            bell: Bell::new(dispatcher.clone()),
            privacy: Privacy::new(db.clone(), config),
            provider: config.model.provider_host(),
            envelopes: Envelopes::new(&config.security.keys),
            accounts: Accounts::new(db.clone(), config, clock.clone()),
            visitors: VisitorTokens::new(&config.security.keys, clock.clone()),
            admin_token: config.security.admin_token.clone(),
            cron_secret: config.security.cron_secret.clone(),
            base_url: config.http.public_url.clone(),
            require_redis: config.redis.required,
            maintenance: config.http.maintenance,
            migrations: Vec::new(),
            folders: vec![config.cache_dir.clone(), std::env::temp_dir()],
            outside: Outside::new(config)?,
            edge: Arc::new(config.edge.clone()),
            gate: Gate::new(config, clock.clone())?.map(Arc::new),
            blocks,
            cache_server: CacheServer::new(&config.redis)?,
            connections: Arc::new(Connections::new(config.limits.connections)),
            known: Arc::new(Connections::new(config.limits.streams)),
            streams: Arc::new(Connections::new(config.limits.streams)),
            copies: Arc::new(Connections::new(1)),
            demo: None,
            prometheus: None,
            // A handler's caller waits: no statement of one holds a connection for longer than any may.
            db: db.awaited(),
            dispatcher,
            searcher,
            clock,
            life,
            hosts,
        })
    }

    /// Whether work may be made: not while Redis takes nothing, if the operator wants it so.
    pub(crate) async fn takes_work(&self) -> Result<()> {
        if self.require_redis {
            self.dispatcher.takes().await?;
        }
        Ok(())
    }

    /// Whether a proxy must stand before this that nobody has named: the installation is at an `https://` URL, and speaks no TLS.
    pub(crate) fn is_fronted(&self) -> bool {
        self.edge.trusted_proxies.is_empty() && self.base_url.starts_with("https://")
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
