//! One visit: what is known of a URL, what the site says to it (`ask`), and one transaction that records it.
use domain::{
    Error, Result,
    pages::{
        frontier::Open,
        store::{self, Known},
    },
};
use entity::scrape_job;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use url::Url;

use super::{answer::Answer, ask::Ask, record, scope::Scope, seeds::Site};
use crate::job::Job;

/// Visits the URLs of one crawl.
pub(crate) struct Fetcher {
    pub(super) job: Job,
    pub(super) settings: scrape_job::Model,
    pub(super) scope: Arc<Scope>,
    /// Refused URLs that have their decision rows.
    pub(super) refused: Mutex<HashSet<String>>,
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
}

impl Fetcher {
    /// For a site whose rules have been read.
    pub fn new(job: Job, settings: scrape_job::Model, site: Site) -> Result<Self> {
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
        Ok(Self {
            ask: Ask {
                http: job.ctx.http.clone(),
                agent,
                scope: scope.clone(),
                host: site.host,
                delay: site.delay,
            },
            job,
            settings,
            scope,
            refused: Mutex::default(),
            recorded: AtomicU64::new(0),
        })
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Visits at once.
    pub fn concurrency(&self) -> usize {
        self.job.ctx.config.crawl.per_host
    }

    /// How many visits have been recorded by this process.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Relaxed)
    }

    /// Visits a URL that was taken off the frontier; returns the URLs that it made known.
    pub async fn visit(&self, open: Open, via: &'static str) -> Result<Vec<String>> {
        let finding = self.look(open, via).await?;
        let tx = self.job.write().await?;
        let admitted = record::record(self, &tx, &finding).await?;
        tx.commit().await?;
        self.recorded.fetch_add(1, Relaxed);
        Ok(admitted)
    }

    /// Asks for a URL and reads the answer, without writing anything.
    pub async fn look(&self, open: Open, via: &'static str) -> Result<Finding> {
        let url = Url::parse(&open.url).map_err(|e| Error::internal("a URL of the frontier", e))?;
        let tx = self.job.read().await?;
        let known = store::known(&tx, &open.url).await?;
        tx.commit().await?;
        let asked = known.as_ref().filter(|_| !self.settings.refetch);
        let answer = self.ask.page(url, asked).await?;
        Ok(Finding {
            open,
            known,
            answer,
            via,
        })
    }
}
