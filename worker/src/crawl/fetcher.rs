//! One crawl of a site: its job, its bounds, what it remembers, and how a URL is looked at. Neighbours: `ask` speaks with the
//! site, the clerk hands out URLs and has findings recorded.
use domain::{
    Error, Result,
    pages::{
        frontier::{Open, Taken},
        store::Known,
    },
};
use entity::scrape_job;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use url::Url;

use super::{
    answer::Answer, ask::Ask, budget::Budget, leads::Leads, politeness::UnderWay, readers::Readers, render::Renderer,
    scope::Scope, seeds::Site,
};
use crate::job::Job;

/// Visits the URLs of one crawl.
pub(crate) struct Fetcher {
    pub(super) job: Job,
    pub(super) settings: scrape_job::Model,
    pub(super) scope: Arc<Scope>,
    /// Host and port, by which earlier crawls of the site are known.
    pub(super) site: String,
    leads: Mutex<Leads>,
    pub(super) budget: Budget,
    /// Counts recorded visits, so that others see whether there is news.
    pub(super) recorded: AtomicU64,
    pub(super) ask: Ask,
}

/// What a visit brought.
pub(crate) struct Finding {
    /// The URL as the frontier has it.
    pub open: Open,
    /// What is stored of it.
    pub known: Option<Known>,
    /// What the site said.
    pub answer: Answer,
    /// The crawler's word.
    pub via: &'static str,
    /// Until it has been recorded.
    _under_way: Option<UnderWay>,
}

impl Fetcher {
    /// For a site whose rules have been read.
    pub fn new(job: Job, settings: scrape_job::Model, site: Site, renderer: Renderer) -> Result<Self> {
        let scope = Arc::new(Scope::new(&settings, site.robots)?);
        let agent = job
            .ctx
            .config
            .crawl
            .user_agent
            .split(['/', ' '])
            .next()
            .unwrap_or_default()
            .to_owned();
        let year = u16::try_from(job.ctx.clock.now().year()).unwrap_or_default();
        Ok(Self {
            site: scope.start().authority().to_owned(),
            budget: Budget::new(&settings),
            ask: Ask {
                http: job.ctx.http.clone(),
                agent,
                scope: scope.clone(),
                host: site.host,
                delay: site.delay,
                renderer: Arc::new(renderer),
                readers: Readers::of_a_crawl(),
            },
            job,
            settings,
            scope,
            leads: Mutex::new(Leads::new(year)),
            recorded: AtomicU64::new(0),
        })
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What the crawl knows of its URLs. Held for moments only.
    pub(super) fn leads(&self) -> MutexGuard<'_, Leads> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Visits at once: while some wait to be recorded, as many as the host allows can ask it.
    pub fn concurrency(&self) -> usize {
        2 * self.job.ctx.config.crawl.per_host
    }

    /// How many visits have been recorded by this process.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Relaxed)
    }

    /// Asks for a URL and reads the answer, without writing anything.
    pub async fn look(&self, taken: Taken, via: &'static str) -> Result<Finding> {
        let Taken { open, known, .. } = taken;
        let url = Url::parse(&open.url).map_err(|e| Error::internal("a URL of the frontier", e))?;
        let mut under_way = None;
        let answer = self.ask.page(url, known.as_ref(), open.own, &mut under_way).await?;
        Ok(Finding {
            open,
            known,
            answer,
            via,
            _under_way: under_way,
        })
    }
}
