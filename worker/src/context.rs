//! What every job of a process shares.
use domain::{Error, Result, clock::Clock, config::Config, jobs::Dispatcher, retrieval::Searcher, tenancy::Db};
use std::{sync::Arc, time::Duration};

use crate::{
    Handlers, Product,
    crawl::{Politeness, browsers},
    desk::Desk,
    heart::Heart,
    refusals::Refusals,
};

/// Renders the process's metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How long a crawl keeps its place while others wait for one.
const TURN: Duration = Duration::from_mins(1);

/// Which crawler visits the URLs of a site. Both visit them through the same fetcher, with the same results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CrawlerKind {
    /// spider schedules.
    Spider,
    /// A loop over the frontier.
    #[default]
    Plain,
}

/// What a worker process works with. Cloning shares it.
#[derive(Clone)]
pub struct Context {
    /// The process's configuration.
    pub config: Arc<Config>,
    /// The database, as it is for jobs: their transactions have a trace.
    pub db: Db,
    /// Where jobs made by jobs are announced.
    pub dispatcher: Dispatcher,
    /// Knows the model of the index.
    pub searcher: Searcher,
    /// The guarded client of the crawler.
    pub http: egress::Client,
    /// The wall clock.
    pub clock: Clock,
    /// Who visits the URLs of a site.
    pub crawler: CrawlerKind,
    /// How long a crawl keeps its place while others wait for one.
    pub crawl_turn: Duration,
    /// How long a job runs alone that may have taken its workers down.
    pub suspicion: Duration,
    /// What `/metrics` answers, if the process records metrics.
    pub metrics: Option<MetricsText>,
    /// What is done for a job.
    pub handlers: Arc<dyn Handlers>,
    /// For pages that need one.
    pub browsers: browser::Browsers,
    pub(crate) politeness: Politeness,
    pub(crate) desk: Arc<Desk>,
    pub(crate) heart: Heart,
    /// Claims that the ledger refused.
    pub(crate) claims: Refusals,
}

impl Context {
    /// With the system's clock, the default crawler, the product's handlers and no metrics.
    pub fn new(config: Arc<Config>, db: Db, dispatcher: Dispatcher, searcher: Searcher) -> Result<Self> {
        let mut policy = egress::Policy::new(&config.crawl.user_agent);
        policy.allow.clone_from(&config.crawl.egress_allow);
        let http = egress::Client::new(policy).map_err(|e| Error::internal("the crawler's HTTP client", e))?;
        Ok(Self {
            browsers: browsers(&config),
            desk: Arc::new(Desk::new(config.worker.concurrency)),
            politeness: Politeness::new(config.crawl.per_host, dispatcher.redis()),
            suspicion: 2 * config.worker.lease,
            config,
            db: db.traced(),
            dispatcher,
            searcher,
            http,
            clock: Clock::system(),
            crawler: CrawlerKind::default(),
            crawl_turn: TURN,
            metrics: None,
            handlers: Arc::new(Product),
            heart: Heart::new(),
            claims: Refusals::default(),
        })
    }
}
