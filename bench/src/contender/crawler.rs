//! A whole crawl: a scrape job of the product, done by the product's worker, with all that it writes to Postgres. Embedding
//! is held back, as the peers have none.
use anyhow::{Context as _, Result, bail};
use domain::{
    config::environment,
    jobs::{self, Kind, Operator},
    lifecycle::Lifecycle,
    pages::request::{FetchMode, ScrapeRequest, request_scrape},
    retrieval::Searcher,
    tenancy::{self, Customer, Db, HostName, NewCustomer},
};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;
use worker::Worker;

use super::installation::connect;
use crate::protocol::{Crawled, Order, now, say};

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Sites that are crawled beside are begun before.
const HEAD_START: Duration = Duration::from_secs(5);

/// Submits a crawl, does it, and tells.
pub async fn work(order: &Order) -> Result<()> {
    let sites = std::iter::once(&order.site).chain(&order.beside);
    let sites: Vec<Url> = sites.map(|site| Url::parse(site)).collect::<Result<_, _>>()?;
    let allowed: Vec<&str> = sites.iter().map(Url::authority).collect();
    let settings = [
        ("OMNIOPS_EGRESS_ALLOW", allowed.join(",")),
        ("CRAWL_PER_HOST", order.concurrency.to_string()),
        ("BROWSER_SESSIONS", "2".to_owned()),
        // Where chromedriver is looked for.
        ("PATH", environment().remove("PATH").unwrap_or_default()),
    ];
    let (config, db, dispatcher) = connect(order, &settings).await?;
    let by = Operator {
        actor: "benchmark",
        ip: None,
    };
    jobs::pause_queue(&db, Kind::Embed, by).await?;
    let searcher = Searcher::new(db.clone(), None).await?;
    let context = worker::Context::new(Arc::new(config), db.clone(), dispatcher, searcher)?;
    let crawl = async {
        for site in &sites[1..] {
            submit(&db, site, order).await?;
        }
        if sites.len() > 1 {
            sleep(HEAD_START).await;
        }
        let (customer, job) = submit(&db, &sites[0], order).await?;
        through(&db, &customer, job).await
    };
    tokio::select! {
        ended = Worker::new(context, Lifecycle::new()).run() => { ended?; bail!("the worker ended") }
        crawled = crawl => say(&crawled?),
    }
    std::future::pending().await
}

/// A crawl of a site, for a customer of its own.
async fn submit(db: &Db, site: &Url, order: &Order) -> Result<(Customer, Uuid)> {
    let new = NewCustomer {
        name: "Benchmark".to_owned(),
        domain: HostName::of(site).context("the site has no host")?,
        vouched: true,
    };
    let customer = tenancy::create(db, &new, Operator::named("bench")).await?;
    let request = ScrapeRequest {
        mode: order.mode.parse::<FetchMode>()?,
        max_pages: 100_000,
        max_depth: 100,
        ..ScrapeRequest::of(site.as_str())
    };
    let tx = db.tenant(&customer).await?;
    let job = request_scrape(&tx, &request).await?.id;
    tx.commit().await?;
    Ok((customer, job))
}

/// Waits for the moment when all pages have been visited.
async fn through(db: &Db, customer: &Customer, job: Uuid) -> Result<Crawled> {
    const PHASE: &str = "SELECT state, progress->>'phase' AS phase, error::text AS error FROM jobs WHERE id = $1";
    const COUNT: &str = "SELECT count(*) AS pages FROM scraped_pages";
    loop {
        sleep(LOOK).await;
        let tx = db.tenant(customer).await?;
        let row = tx
            .query_one_raw(sql(PHASE, [job.into()]))
            .await?
            .context("the job is gone")?;
        let (state, phase): (String, Option<String>) = (row.try_get("", "state")?, row.try_get("", "phase")?);
        if matches!(state.as_str(), "failed" | "dead") {
            bail!("the crawl failed: {:?}", row.try_get::<Option<String>>("", "error")?);
        }
        if state != "done" && matches!(phase.as_deref(), None | Some("starting" | "crawling")) {
            continue;
        }
        let at = now();
        let row = tx.query_one_raw(sql(COUNT, [])).await?.context("no count")?;
        return Ok(Crawled {
            pages: row.try_get::<i64>("", "pages")? as u64,
            // The driver counts them, when it has taken the costs.
            words: 0,
            at,
        });
    }
}

fn sql(text: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}
