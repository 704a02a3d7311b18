//! A database that fails while a site is being indexed: what was begun is tried again, and no page is ever found by a part of it.
use crate::support::{World, link};
use async_trait::async_trait;
use domain::{
    jobs::{self, Kind, Lane},
    pages::request::ScrapeRequest,
};
use embedding::{Embedder, Error, Model};
use entity::job;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use testkit::{Page, Server, Site, eventually, local_model, within};
use tokio::sync::watch;
use uuid::Uuid;

const PAGES: usize = 60;

/// A site whose pages have several chunks each, of texts that stand nowhere else and that no compression makes small.
async fn site(bytes: usize) -> Site {
    let page = |n: usize| {
        let links: String = (1..=3).map(|k| link(&format!("/{}", (3 * n + k) % PAGES))).collect();
        let mut sections = String::new();
        for part in 1..=3 {
            let told = format!("The item {n} in its part {part} weighs {n} kg.");
            let _ = write!(sections, "<h2>Part {part} of item {n}</h2><p>{told} ");
            for _ in 0..bytes / 33 {
                let _ = write!(sections, "{:032x} ", rand::random::<u128>());
            }
            sections.push_str("</p>");
        }
        Page::html(&format!("Item {n}"), &format!("{sections}{links}"))
    };
    Site::start((0..PAGES).map(|n| (format!("/{n}"), page(n)))).await
}

/// The local model, at a gate: from one group of passages on, nothing is embedded until the test opens it.
struct Gated {
    model: Arc<dyn Embedder>,
    groups: AtomicUsize,
    reached: AtomicBool,
    open: watch::Sender<bool>,
}

/// Groups of passages that pass before the gate shuts.
const BEFORE: usize = 2;

impl Gated {
    async fn new() -> Arc<Self> {
        Arc::new(Self {
            model: local_model().await,
            groups: AtomicUsize::new(0),
            reached: AtomicBool::new(false),
            open: watch::channel(false).0,
        })
    }
}

#[async_trait]
impl Embedder for Gated {
    fn model(&self) -> &Model {
        self.model.model()
    }

    async fn embed(&self, kind: embedding::Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        if kind == embedding::Kind::Passage && self.groups.fetch_add(1, SeqCst) >= BEFORE {
            self.reached.store(true, SeqCst);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
        }
        self.model.embed(kind, texts).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }
}

/// How many chunks of each page can be found.
async fn chunks(world: &World) -> BTreeMap<Uuid, i64> {
    const CHUNKS: &str = "SELECT page_id, count(*) AS n FROM page_embeddings WHERE published GROUP BY page_id";
    let statement = Statement::from_string(DbBackend::Postgres, CHUNKS);
    let rows = world.tx().await.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| (row.try_get("", "page_id").unwrap(), row.try_get("", "n").unwrap()))
        .collect()
}

/// Every page has the chunks of its text, each once.
async fn assert_chunks_once(world: &World, found: &BTreeMap<Uuid, i64>) {
    assert_eq!(found.len(), PAGES);
    let twice =
        "SELECT count(*) FROM (SELECT FROM page_embeddings GROUP BY page_id, text_hash HAVING count(*) > 1) AS twice";
    assert_eq!(world.kit.count(twice).await, 0, "a chunk is there twice");
    let behind = "SELECT count(*) FROM scraped_pages WHERE indexed_version <> version OR tombstoned_at IS NOT NULL";
    assert_eq!(
        world.kit.count(behind).await,
        0,
        "a page whose index is of another version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_while_a_crawl_is_embedded_shows_no_half_page_and_loses_none() {
    let site = site(200).await;
    let gated = Gated::new().await;
    let world = World::with(
        &site,
        &[("DATABASE_POOL_CONNECT_SECONDS", "5"), ("CRAWL_PER_HOST", "8")],
        Some(gated.clone()),
    )
    .await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    eventually("passages to be embedded", || async {
        gated.reached.load(SeqCst).then_some(())
    })
    .await;
    world.kit.stop(Server::Postgres).await;
    // What is being embedded now can't be published.
    gated.open.send_replace(true);
    world.kit.start_again(Server::Postgres).await;
    let early = chunks(&world).await;
    let job = ended(&world, id).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    let found = chunks(&world).await;
    assert_chunks_once(&world, &found).await;
    let bare = "SELECT count(*) FROM page_embeddings WHERE embedding IS NULL";
    assert_eq!(world.kit.count(bare).await, 0, "a chunk without a vector");
    assert_whole(&early, &found);
    worker.stop().await;
}

/// What could be found earlier were whole pages.
fn assert_whole(early: &BTreeMap<Uuid, i64>, found: &BTreeMap<Uuid, i64>) {
    for (page, n) in early {
        assert_eq!(found.get(page), Some(n), "half of a page could be found");
    }
}

/// The job when it has ended, which takes a while: what waits for a database makes pauses.
async fn ended(world: &World, id: Uuid) -> job::Model {
    within(Duration::from_mins(2), "the job's end", || async {
        Some(world.job(id).await).filter(|job| jobs::state::is_final(&job.state))
    })
    .await
}

/// Bytes that are left for tables.
const ROOM: u64 = 2 << 20;

/// Runs a program as root of the namespace.
fn run(program: &str, args: &[&str]) {
    let ran = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success(),
        "this test needs `{program}` and the permission to mount: {said}"
    );
}

/// Puts the tables of a stopped Postgres on a volume of their own that is nearly full.
fn onto_a_small_volume(base: &str) {
    let copy = format!("{base}.copy");
    run("cp", &["-a", base, &copy]);
    run("mount", &["-t", "tmpfs", "-o", "size=1g", "tables", base]);
    run("cp", &["-a", &format!("{copy}/."), base]);
    let told = Command::new("df")
        .args(["-B1", "--output=used", base])
        .output()
        .unwrap();
    let used: u64 = String::from_utf8_lossy(&told.stdout)
        .lines()
        .last()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    resize(base, used + ROOM);
}

fn resize(base: &str, bytes: u64) {
    run("mount", &["-o", &format!("remount,size={bytes}"), base]);
}

#[test]
fn a_full_volume_of_postgres_fails_jobs_that_go_on_when_there_is_room() {
    testkit::netns::inside(|_| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(Box::pin(full_volume()));
    });
}

async fn full_volume() {
    let site = site(20_000).await;
    let world = World::with(&site, &[("CRAWL_PER_HOST", "8")], None).await;
    let servers = world.kit.services.state().join("servers");
    let base = servers.join("postgres/base").display().to_string();
    world.kit.stop(Server::Postgres).await;
    onto_a_small_volume(&base);
    world.kit.start_again(Server::Postgres).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    eventually("tables that find no room", || async {
        let log = fs::read_to_string(servers.join("postgres.log")).unwrap();
        log.contains("No space left on device").then_some(())
    })
    .await;
    let early = chunks(&world).await;
    resize(&base, 1 << 30);
    let job = ended(&world, id).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    let found = chunks(&world).await;
    assert_chunks_once(&world, &found).await;
    assert_whole(&early, &found);
    let retried = "SELECT count(*) FROM job_events WHERE kind = 'retry'";
    assert!(world.kit.count(retried).await > 0, "no job was tried again");
    worker.stop().await;
    world.kit.stop(Server::Postgres).await;
    run("umount", &[&base]);
}

/// Rows 6 and 11 of the failure tests, for what a crawl and its index are made of.
#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_and_errands_that_come_fifty_times_change_nothing_of_an_index() {
    const JOBS: &str = "SELECT id, kind FROM jobs WHERE kind IN ('scrape', 'embed')";
    let site = site(200).await;
    let world = World::with(&site, &[("CRAWL_PER_HOST", "2")], Some(local_model().await)).await;
    let workers = [world.worker(), world.worker()];
    let copy = async |times: usize| {
        let jobs = world.tx().await;
        let jobs = jobs
            .query_all_raw(Statement::from_string(DbBackend::Postgres, JOBS))
            .await
            .unwrap();
        for row in &jobs {
            let (job, kind): (Uuid, String) = (row.try_get("", "id").unwrap(), row.try_get("", "kind").unwrap());
            let errand = queue::Errand {
                job: job.to_string(),
                customer: world.customer.id.to_string(),
                version: 1,
                kind,
            };
            let kind: Kind = errand.kind.parse().unwrap();
            for lane in [Lane::Queue(kind), Lane::Express] {
                let publisher = queue::Publisher::new(world.kit.dispatcher.redis(), &lane.stream());
                publisher.publish(&vec![errand.clone(); times]).await.unwrap();
            }
        }
    };
    let id = world.ask(&ScrapeRequest::of(site.url("/0"))).await;
    let pages = "SELECT count(*) FROM scraped_pages";
    for share in [1, 2] {
        eventually("a part of the crawl", || async {
            (world.kit.count(pages).await >= share * PAGES as i64 / 3).then_some(())
        })
        .await;
        world.kit.flush_redis().await;
        copy(50).await;
    }
    let job = ended(&world, id).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    copy(50).await;
    for lane in jobs::LANES {
        eventually("an empty stream", || async {
            let stats = world.kit.dispatcher.stream(lane).await.unwrap();
            (stats.waiting + stats.held == 0).then_some(())
        })
        .await;
    }
    assert_chunks_once(&world, &chunks(&world).await).await;
    // A claim that found no seat was handed back: each is queued once more for that, and has no other reason.
    let twice = "SELECT count(*) FROM (SELECT FROM job_events e JOIN jobs j ON j.id = e.job_id WHERE j.kind = 'embed' GROUP BY e.job_id
        HAVING count(*) FILTER (WHERE e.kind = 'started') > count(*) FILTER (WHERE e.kind = 'queued' AND NOT e.data ? 'reason')) AS twice";
    assert_eq!(world.kit.count(twice).await, 0, "a job of the index was begun twice");
    for worker in workers {
        worker.stop().await;
    }
}
