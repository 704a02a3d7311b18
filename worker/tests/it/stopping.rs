//! Jobs that are cancelled, handed over and refused, and what the worker tells of itself.
use crate::{
    browsing::chromedriver,
    support::{Running, World, link, words},
};
use async_trait::async_trait;
use domain::{
    jobs::{self, Kind, Lane, NewJob, Payload},
    lifecycle::Lifecycle,
    pages::request::ScrapeRequest,
};
use embedding::Embedder;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use testkit::{Page, Site, eventually, local_model};
use tokio::sync::Notify;
use uuid::Uuid;
use worker::{Ending, Handlers, Job, Worker};

/// A cancel may take two seconds, of which up to one passes until the worker looks. Here is room for a busy machine, and none for another way
/// of hearing of it.
const IN_TIME: Duration = Duration::from_secs(5);

/// A site whose every page takes a while.
async fn slow_site(pages: usize) -> Site {
    let page = |n: usize| {
        let links: String = (0..pages).map(|n| link(&format!("/{n}"))).collect();
        Page::html(&format!("Page {n}"), &format!("{}{links}", words(&format!("item{n}"))))
            .delay(Duration::from_millis(200))
    };
    Site::start((0..pages).map(|n| (format!("/{n}"), page(n)))).await
}

async fn under_way(site: &Site, requests: usize) {
    eventually("a crawl under way", || async {
        (site.hits().len() >= requests).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_crawl_ends_in_time() {
    let site = slow_site(400).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    under_way(&site, 20).await;
    let tx = world.tx().await;
    jobs::cancel(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_cancelled_in_time(&world, id).await;
    let requests = site.hits().len();
    worker.stop().await;
    assert!(site.hits().len() <= requests + 4 && requests < 200);
}

/// A model that never comes to an end with a page's passages.
struct Stuck(Arc<dyn Embedder>, AtomicBool);

#[async_trait]
impl Embedder for Stuck {
    fn model(&self) -> &embedding::Model {
        self.0.model()
    }

    async fn embed(&self, kind: embedding::Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        if kind == embedding::Kind::Passage {
            self.1.store(true, SeqCst);
            std::future::pending::<()>().await;
        }
        self.0.embed(kind, texts).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }
}

/// By the ledger's own times: how soon the test sees it is not the worker's doing.
async fn assert_cancelled_in_time(world: &World, id: Uuid) {
    const TOOK: &str =
        "SELECT extract(epoch FROM j.finished_at - e.at)::float8 FROM jobs j JOIN job_events e ON e.job_id = j.id
        WHERE j.id = $1 AND e.kind = 'cancel_requested'";
    assert_eq!(world.ended(id).await.state, "cancelled");
    let tx = world.tx().await;
    let took = Statement::from_sql_and_values(DbBackend::Postgres, TOOK, [id.into()]);
    let row = tx.query_one_raw(took).await.unwrap().unwrap();
    let took: f64 = row.try_get_by_index(0).unwrap();
    assert!(took <= IN_TIME.as_secs_f64(), "{took} s");
}

/// Cancels the job, and asserts that it hears of it.
async fn cancel_in_time(world: &World, id: Uuid) {
    let tx = world.tx().await;
    jobs::cancel(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_cancelled_in_time(world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_a_model_is_cancelled_in_time() {
    let site = slow_site(3).await;
    let model = Arc::new(Stuck(local_model().await, AtomicBool::new(false)));
    let world = World::with(&site, &[], Some(model.clone())).await;
    let worker = world.worker();
    world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    let running = "SELECT id FROM jobs WHERE kind = 'embed' AND state = 'running'";
    let embedding = eventually("passages to be embedded", || async {
        let tx = world.tx().await;
        let row = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, running))
            .await
            .unwrap();
        row.filter(|_| model.1.load(SeqCst))
            .map(|row| row.try_get("", "id").unwrap())
    })
    .await;
    cancel_in_time(&world, embedding).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_waits_for_a_browsers_page_is_cancelled_in_time() {
    let app = "<!doctype html><html><head><title>Shop</title></head><body><noscript>You need to enable JavaScript to run this app.</noscript>
        <div id=root></div><script nonce=\"NONCE\">fetch('/hangs').then(r => r.text()).then(t => root.innerHTML = t)</script></body></html>";
    let hangs = Page::raw("text/plain", "").delay(Duration::from_mins(10));
    let site = Site::start([("/", Page::raw("text/html", app)), ("/hangs", hangs)]).await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
    // The second one is the browser's, for the script that asks for what does not come.
    eventually("a page that hangs", || async {
        (site.hits().iter().filter(|hit| hit.path == "/").count() >= 2).then_some(())
    })
    .await;
    cancel_in_time(&world, id).await;
    worker.stop().await;
}

/// Crawls that start another job when they are told to, and listen to nobody else.
#[derive(Default)]
struct Starting {
    begun: Notify,
    go: Notify,
}

#[async_trait]
impl Handlers for Starting {
    async fn run(&self, job: &Job) -> domain::Result<Ending> {
        if job.row.kind == Kind::Scrape.as_str() {
            self.begun.notify_one();
            self.go.notified().await;
            let tx = job.write().await?;
            let new = NewJob {
                parent: Some(job.id()),
                ..NewJob::new(tx.customer(), Payload::Scrape {})
            };
            job.hand_out(tx, &[new]).await?;
        }
        Ok(Ending::Done(json!({})))
    }
}

/// The cancel has ended what the job had started before; the job itself may hear of it a second later.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_cancelled_starts_no_others() {
    let site = slow_site(1).await;
    let world = World::around(&site).await;
    let starting = Arc::new(Starting::default());
    let mut ctx = world.context();
    ctx.handlers = starting.clone();
    let life = Lifecycle::new();
    let task = life.spawn(Worker::new(ctx, life.clone()).run());
    let worker = Running::of(life, task);
    let id = world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    starting.begun.notified().await;
    let tx = world.tx().await;
    jobs::cancel(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    starting.go.notify_one();
    assert_eq!(world.ended(id).await.state, "cancelled");
    let started = "SELECT count(*) FROM jobs WHERE parent_id IS NOT NULL";
    assert_eq!(world.kit.count(started).await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_goes_on_with_a_crawl_at_once() {
    const PAGES: usize = 60;
    let site = slow_site(PAGES).await;
    let world = World::around(&site).await;
    let first = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    under_way(&site, 10).await;
    first.stop().await;
    let between = world.job(id).await;
    assert_eq!((between.state.as_str(), between.attempts), ("queued", 0));
    let requests = site.hits().len();
    assert!(requests < PAGES, "{requests}");

    let second = world.worker();
    let job = world.ended(id).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    let result = job.result.unwrap();
    assert_eq!(
        (&result["pages"], &result["new"]),
        (&PAGES.into(), &PAGES.into()),
        "{result}"
    );
    // One for each page, and one again for the page that keeps the list of links that stands on all of them, if it had been indexed before
    // the end gave it the list.
    let chunks = result["chunks"].as_u64().unwrap() as usize;
    assert!((PAGES..=PAGES + 1).contains(&chunks), "{result}");
    assert_eq!(world.pages().await.len(), PAGES);
    let answered: Vec<String> = site
        .hits()
        .into_iter()
        .map(|hit| hit.path)
        .filter(|path| path.len() < 5)
        .collect();
    let distinct: HashSet<_> = answered.iter().collect();
    // The visits under way when the first worker stopped, two for each of four requests at a time, are made again, and nothing else.
    assert_eq!(distinct.len(), PAGES);
    assert!(answered.len() <= PAGES + 2 * 4, "{}", answered.len());
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errand_that_nobody_can_do_is_put_away() {
    let site = slow_site(1).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let publisher = queue::Publisher::new(world.kit.dispatcher.redis(), &Lane::Queue(Kind::Scrape).stream());
    let errand = |job: &str| queue::Errand {
        job: job.to_owned(),
        kind: "scrape".to_owned(),
        customer: String::new(),
        version: 1,
    };
    let unknown = Uuid::nil().to_string();
    publisher.publish(&[errand("garbage"), errand(&unknown)]).await.unwrap();
    let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/0"))).await;
    assert_eq!(result["pages"], 1);
    eventually("an empty stream", || async {
        let stats = publisher.stats("workers").await.unwrap();
        (stats.waiting + stats.held == 0).then_some(())
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_tells_whether_it_lives_and_is_ready() {
    let site = slow_site(1).await;
    // An address of this test's own: a port that is free again may be another test's by the time that the worker wants it.
    let port = std::net::TcpListener::bind("127.77.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let health = port.to_string();
    let world = World::with(&site, &[("WORKER_HEALTH", &health)], None).await;
    let worker = world.worker();
    // The second one finds the address taken, and works all the same.
    let second = world.worker();
    let mut policy = egress::Policy::new("test");
    policy.allow.push(health.parse().unwrap());
    let client = egress::Client::new(policy).unwrap();
    let ask = async |path: &str| {
        let url = format!("http://{health}{path}").parse().unwrap();
        client
            .fetch(egress::Request::get(url))
            .await
            .map(|response| response.status.as_u16())
    };
    eventually("a live worker", || async {
        ask("/livez").await.ok().filter(|status| *status == 200)
    })
    .await;
    assert_eq!(ask("/readyz").await, Ok(200));
    assert_eq!(ask("/metrics").await, Ok(404));
    worker.stop().await;
    second.stop().await;
}
