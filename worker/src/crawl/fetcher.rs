//! One visit: what is known of a URL, its turn, the request, the meaning of the answer, and one transaction that records it.
use domain::{
    Error, Result,
    pages::{
        frontier::Open,
        store::{self, Known},
    },
};
use egress::{HostPort, Redirects, Request};
use entity::scrape_job;
use http::{HeaderValue, header};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use url::Url;

use super::{
    answer::Answer,
    politeness::Host,
    record,
    scope::{Judgement, Scope},
    seeds::Site,
};
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
    agent: String,
    host: Arc<Host>,
    delay: Duration,
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
            job,
            settings,
            scope,
            refused: Mutex::default(),
            recorded: AtomicU64::new(0),
            agent,
            host: site.host,
            delay: site.delay,
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
        let answer = self.get(url, asked).await?;
        Ok(Finding {
            open,
            known,
            answer,
            via,
        })
    }

    async fn get(&self, url: Url, known: Option<&Known>) -> Result<Answer> {
        let mut request = Request::get(url.clone()).redirects(Redirects::Manual).header(
            header::ACCEPT,
            HeaderValue::from_static("text/html, application/xhtml+xml"),
        );
        let etag = known.and_then(|known| known.etag.as_deref());
        let modified = known.and_then(|known| known.last_modified.as_deref());
        for (name, validator) in [(header::IF_NONE_MATCH, etag), (header::IF_MODIFIED_SINCE, modified)] {
            if let Some(value) = validator.and_then(|text| HeaderValue::from_str(text).ok()) {
                request = request.header(name, value);
            }
        }
        let turn = self.host.turn(self.delay).await;
        let started = Instant::now();
        let response = self.job.ctx.http.fetch(request).await;
        drop(turn);
        let response = match response {
            Ok(response) => response,
            Err(error) => return Ok(Answer::none(&error, started.elapsed().as_millis() as i32)),
        };
        let (agent, scope) = (self.agent.clone(), self.scope.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let may_visit = |url: &Url| scope.judge(url) == Judgement::Admit;
            Answer::read(&url, &response, &agent, &may_visit)
        });
        reading.await.map_err(|e| Error::internal("reading a page", e))
    }

    /// Fetches a file beside the pages, such as a sitemap, in its turn.
    pub async fn file(&self, url: Url, max_bytes: usize) -> std::result::Result<egress::Response, egress::Error> {
        let _turn = self.host.turn(self.delay).await;
        self.job
            .ctx
            .http
            .fetch(Request::get(url).max_body_bytes(max_bytes))
            .await
    }
}

/// The pause between two requests to a host: what its robots.txt asks for, capped; else the configured one, from which the
/// operator's own sites are free.
pub(super) fn delay(config: &domain::config::CrawlConfig, host: &HostPort, asked: Option<Duration>) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    let own = config.egress_allow.contains(host) && !config.delay_is_set;
    let usual = if own { Duration::ZERO } else { config.delay };
    asked.map_or(usual, |asked| asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::config::CrawlConfig;

    #[test]
    fn the_sites_own_wish_comes_first_and_local_sites_are_not_spared() {
        let own: HostPort = "127.0.0.1:8080".parse().unwrap();
        let other: HostPort = "shop.test:80".parse().unwrap();
        let mut config = CrawlConfig {
            user_agent: "OmniopsBot/1".into(),
            per_host: 4,
            delay: Duration::from_millis(250),
            delay_is_set: false,
            egress_allow: vec![own.clone()],
        };
        assert_eq!(delay(&config, &other, None), Duration::from_millis(250));
        assert_eq!(delay(&config, &own, None), Duration::ZERO);
        assert_eq!(
            delay(&config, &own, Some(Duration::from_secs(2))),
            Duration::from_secs(2)
        );
        assert_eq!(
            delay(&config, &other, Some(Duration::from_hours(1))),
            Duration::from_secs(30)
        );
        config.delay_is_set = true;
        assert_eq!(delay(&config, &own, None), Duration::from_millis(250));
    }
}
