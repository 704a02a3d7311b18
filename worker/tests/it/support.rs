//! An installation with one customer whose domain is a local site, and workers on it.
use domain::{
    jobs,
    lifecycle::{Ended, Lifecycle},
    pages::request::{self, ScrapeRequest},
    retrieval::Searcher,
    tenancy::{Customer, TenantTx},
};
use embedding::Embedder;
use entity::{job, job_url};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use testkit::{Kit, Site, within};
use tokio::task::JoinHandle;
use uuid::Uuid;
use worker::{Context, CrawlerKind, Worker};

/// Ends a wait for a job that never ends. A crawl takes its time on a busy machine: it spares a host whose answers take longer and longer.
pub const ENOUGH: Duration = Duration::from_mins(3);

pub struct World {
    pub kit: Kit,
    pub customer: Customer,
    pub searcher: Searcher,
    pub crawler: CrawlerKind,
}

impl World {
    /// Without a model: search is lexical.
    pub async fn around(site: &Site) -> Self {
        Self::with(site, &[], None).await
    }

    pub async fn with(site: &Site, variables: &[(&str, &str)], model: Option<Arc<dyn Embedder>>) -> Self {
        Self::new(&site.host(), variables, model).await
    }

    /// Around another local server, whose `host:port` is the customer's domain.
    pub async fn at(host: &str, variables: &[(&str, &str)]) -> Self {
        Self::new(host, variables, None).await
    }

    async fn new(host: &str, variables: &[(&str, &str)], model: Option<Arc<dyn Embedder>>) -> Self {
        let mut all = vec![("OMNIOPS_EGRESS_ALLOW", host)];
        all.extend(variables);
        let kit = Kit::with(&all).await;
        domain::telemetry::install(&kit.config.log);
        let customer = kit.customer(host).await;
        let searcher = Searcher::new(kit.db.clone(), model).await.unwrap();
        Self {
            kit,
            customer,
            searcher,
            crawler: CrawlerKind::default(),
        }
    }

    pub fn context(&self) -> Context {
        let config = Arc::new(self.kit.config.clone());
        let (db, dispatcher) = (self.kit.db.clone(), self.kit.dispatcher.clone());
        let mut ctx = Context::new(config, db, dispatcher, self.searcher.clone()).unwrap();
        ctx.crawler = self.crawler;
        ctx
    }

    pub fn worker(&self) -> Running {
        let life = Lifecycle::new();
        let worker = Worker::new(self.context(), life.clone());
        let task = life.spawn(worker.run());
        Running { life, task }
    }

    /// Ends what the system does by the clock every few minutes, before a worker begins: tests that count what is done can't have it.
    pub async fn without_the_clock(&self) {
        jobs::schedules::ensure_system_schedules(&self.kit.db).await.unwrap();
        let tx = self.kit.db.system().await.unwrap();
        let end = "UPDATE schedules SET enabled = false WHERE customer_id IS NULL";
        let end = Statement::from_string(DbBackend::Postgres, end);
        tx.execute_raw(end).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn tx(&self) -> TenantTx {
        self.kit.db.tenant(&self.customer).await.unwrap()
    }

    /// Asks for a crawl.
    pub async fn ask(&self, request: &ScrapeRequest) -> Uuid {
        let tx = self.tx().await;
        let submitted = request::request_scrape(&tx, request).await.unwrap();
        tx.commit().await.unwrap();
        let id = submitted.id;
        self.kit.dispatcher.dispatch(&[submitted]).await;
        id
    }

    pub async fn job(&self, id: Uuid) -> job::Model {
        jobs::get(&self.tx().await, id).await.unwrap()
    }

    /// Waits until the job has ended.
    pub async fn ended(&self, id: Uuid) -> job::Model {
        within(ENOUGH, "the job's end", || async {
            Some(self.job(id).await).filter(|job| jobs::state::is_final(&job.state))
        })
        .await
    }

    /// Crawls to the end and returns the result.
    pub async fn crawl(&self, request: &ScrapeRequest) -> (Uuid, Value) {
        let id = self.ask(request).await;
        let job = self.ended(id).await;
        assert_eq!(job.state, "done", "{:?}", job.error);
        (id, job.result.unwrap())
    }

    /// Decision and reason by path and query.
    pub async fn decisions(&self, id: Uuid) -> BTreeMap<String, String> {
        let rows: Vec<job_url::Model> = jobs::urls(&self.tx().await, id, None, None, 10_000).await.unwrap();
        let words = rows.into_iter().map(|row| {
            let path = row
                .url
                .splitn(4, '/')
                .nth(3)
                .map(|path| format!("/{path}"))
                .unwrap_or_default();
            let reason = row.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            (path, format!("{}{reason}", row.decision))
        });
        words.collect()
    }

    /// Live pages of the customer, as paths.
    pub async fn pages(&self) -> Vec<String> {
        let all = domain::pages::store::list(&self.tx().await, None, None, 10_000)
            .await
            .unwrap();
        let live = all.into_iter().filter(|page| page.tombstoned_at.is_none());
        let mut paths: Vec<String> = live
            .map(|page| {
                page.url
                    .splitn(4, '/')
                    .nth(3)
                    .map(|path| format!("/{path}"))
                    .unwrap_or_default()
            })
            .collect();
        paths.sort();
        paths
    }
}

/// A worker of the test's process.
pub struct Running {
    pub life: Lifecycle,
    task: JoinHandle<Option<domain::Result<()>>>,
}

impl Running {
    /// A worker that was started otherwise than by [`World::worker`].
    pub fn of(life: Lifecycle, task: JoinHandle<Option<domain::Result<()>>>) -> Self {
        Self { life, task }
    }

    /// What SIGTERM does.
    pub async fn stop(self) {
        assert_eq!(self.life.shutdown(Duration::from_mins(1)).await, Ended::Clean);
        self.task.await.unwrap().unwrap().unwrap();
    }
}

/// Words, so that a page has content; different for each `topic`.
pub fn words(topic: &str) -> String {
    format!(
        "<p>Everything about {topic}: how {topic} is ordered, how {topic} is paid, and how {topic} is returned.</p>"
    )
}

pub fn link(to: &str) -> String {
    format!("<a href=\"{to}\">{to}</a> ")
}
