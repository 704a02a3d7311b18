//! Crawls that give way: to others that wait, to a host that wants to be left alone, and outside of their hours.
use crate::support::{Running, World, link, words};
use domain::{
    clock::Clock,
    jobs,
    lifecycle::Lifecycle,
    pages::{
        explain,
        request::{self, ScrapeRequest},
    },
    tenancy::Customer,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};
use testkit::{Page, Server, Site, eventually, within};
use time::macros::datetime;
use uuid::Uuid;
use worker::{Context, Worker};

/// A site of `pages` pages that all link to each other's next ones; each takes `delay`.
async fn site(pages: usize, delay: Duration) -> Site {
    let page = |n: usize| {
        let links: String = (1..=4).map(|k| link(&format!("/p/{}", (4 * n + k) % pages))).collect();
        let body = format!("{}{links}", words(&format!("item{n}")));
        (format!("/p/{n}"), Page::html(&format!("Page {n}"), &body).delay(delay))
    };
    Site::start((0..pages).map(page)).await
}

fn start(ctx: Context) -> Running {
    let life = Lifecycle::new();
    let task = life.spawn(Worker::new(ctx, life.clone()).run());
    Running::of(life, task)
}

/// As a schedule does, which nobody waits for.
async fn fire(world: &World, customer: &Customer, request: &ScrapeRequest) -> Uuid {
    let tx = world.kit.db.tenant(customer).await.unwrap();
    let made = request::schedule_scrape(&tx, request).await.unwrap();
    tx.commit().await.unwrap();
    let id = made.id;
    world.kit.dispatcher.dispatch(&[made]).await;
    id
}

async fn job(world: &World, customer: &Customer, id: Uuid) -> entity::job::Model {
    jobs::get(&world.kit.db.tenant(customer).await.unwrap(), id)
        .await
        .unwrap()
}

async fn sql(world: &World, text: &str) {
    let tx = world.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_slow_site_lets_the_small_ones_of_others_through() {
    const HUGE: usize = 200;
    let huge = site(HUGE, Duration::from_millis(250)).await;
    let small = [
        site(6, Duration::ZERO).await,
        site(6, Duration::ZERO).await,
        site(6, Duration::ZERO).await,
    ];
    let allowed: Vec<String> = std::iter::once(&huge).chain(&small).map(Site::host).collect();
    let variables = [
        ("OMNIOPS_EGRESS_ALLOW", allowed.join(",")),
        ("WORKER_CONCURRENCY", "1".to_owned()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let world = World::with(&huge, &variables, None).await;
    let mut ctx = world.context();
    ctx.crawl_turn = Duration::from_secs(1);
    let worker = start(ctx);

    let huge_job = world.ask(&ScrapeRequest::of(huge.url("/p/0"))).await;
    eventually("the huge site at work", || async {
        (huge.hits().len() > 4).then_some(())
    })
    .await;
    let mut others = Vec::new();
    for site in &small {
        let customer = world.kit.customer(&site.host()).await;
        let id = fire(&world, &customer, &ScrapeRequest::of(site.url("/p/0"))).await;
        others.push((customer, id));
    }
    for (customer, id) in &others {
        let done = within(Duration::from_mins(2), "a small site", || async {
            Some(job(&world, customer, *id).await).filter(|job| jobs::state::is_final(&job.state))
        })
        .await;
        assert_eq!(
            (done.state.as_str(), &done.result.unwrap()["pages"]),
            ("done", &6.into())
        );
    }
    let state = world.job(huge_job).await;
    assert!(!jobs::state::is_final(&state.state), "the small ones come first");

    let ended = within(Duration::from_mins(2), "the huge site", || async {
        Some(world.job(huge_job).await).filter(|job| jobs::state::is_final(&job.state))
    })
    .await;
    assert_eq!((ended.state.as_str(), ended.attempts), ("done", 0), "{:?}", ended.error);
    assert_eq!(ended.result.unwrap()["pages"], HUGE);
    let mut asked: Vec<String> = huge.hits().into_iter().map(|hit| hit.path).collect();
    asked.retain(|path| path.starts_with("/p/"));
    let requests = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), HUGE);
    assert_eq!(requests, HUGE, "what is under way when a crawl gives way is waited for");
    worker.stop().await;
}

/// Nothing that waits can start while Redis is away, and what gave way could not go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_keeps_its_place_while_redis_is_away() {
    const PAGES: usize = 24;
    let (slow, other) = (
        site(PAGES, Duration::from_millis(250)).await,
        site(6, Duration::ZERO).await,
    );
    let allowed = [slow.host(), other.host()].join(",");
    let variables = [("OMNIOPS_EGRESS_ALLOW", allowed.as_str()), ("WORKER_CONCURRENCY", "1")];
    let world = World::with(&slow, &variables, None).await;
    let mut ctx = world.context();
    ctx.crawl_turn = Duration::from_secs(1);
    let worker = start(ctx);
    let visited = async |pages: usize| {
        within(Duration::from_mins(2), "a crawl that goes on", || async {
            (slow.hits().len() >= pages).then_some(())
        })
        .await;
    };
    let id = world.ask(&ScrapeRequest::of(slow.url("/p/0"))).await;
    visited(3).await;
    let frozen = world.kit.freeze(Server::Valkey);
    let customer = world.kit.customer(&other.host()).await;
    let waiting = fire(&world, &customer, &ScrapeRequest::of(other.url("/p/0"))).await;
    visited(PAGES).await;
    let gave_way = format!("SELECT count(*) FROM job_events WHERE job_id = '{id}' AND data->>'reason' = 'it gave way'");
    assert_eq!(world.kit.count(&gave_way).await, 0);
    drop(frozen);
    for (customer, id) in [(&customer, waiting), (&world.customer, id)] {
        let done = within(Duration::from_mins(2), "the end of both", || async {
            Some(job(&world, customer, id).await).filter(|job| jobs::state::is_final(&job.state))
        })
        .await;
        assert_eq!(done.state, "done", "{:?}", done.error);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_its_hours_a_crawl_waits_and_says_so() {
    const PAGES: usize = 200;
    let site = site(PAGES, Duration::from_millis(250)).await;
    let world = World::around(&site).await;
    let minutes = Arc::new(AtomicI64::new(0));
    let mut ctx = world.context();
    let moved = minutes.clone();
    ctx.clock = Clock::told_by(move || datetime!(2026-11-22 12:00 UTC) + time::Duration::minutes(moved.load(SeqCst)));
    let worker = start(ctx);
    let nightly = ScrapeRequest {
        off_peak: Some("22:00-06:00 +00:00".into()),
        ..ScrapeRequest::of(site.url("/p/0"))
    };
    let id = world.ask(&nightly).await;
    let waits = async |what: &str| {
        eventually(what, || async {
            Some(world.job(id).await).filter(|job| job.state == "scheduled")
        })
        .await
    };
    let waiting = waits("the crawl to wait").await;
    assert_eq!(waiting.progress["waits"]["reason"], "off_peak");
    assert_eq!(waiting.progress["waits"]["until"], "2026-11-22T22:00:00Z");
    let left = waiting.run_at - world.kit.clock().now();
    assert!(
        left > time::Duration::hours(9) && left <= time::Duration::hours(10),
        "{left}"
    );
    assert_eq!((waiting.attempts, waiting.starts, site.hits().len()), (0, 0, 0));

    minutes.store(11 * 60, SeqCst);
    let now = format!("UPDATE jobs SET run_at = now() WHERE id = '{id}'");
    sql(&world, &now).await;
    eventually("some pages", || async { (site.hits().len() > 10).then_some(()) }).await;
    minutes.store(19 * 60, SeqCst);
    let waiting = waits("the crawl to stop in the morning").await;
    assert!(waiting.progress["done"].as_i64() > Some(0) && site.hits().len() < PAGES + 2);

    minutes.store(35 * 60, SeqCst);
    sql(&world, &now).await;
    let ended = world.ended(id).await;
    assert_eq!(
        (ended.state.as_str(), &ended.result.unwrap()["pages"]),
        ("done", &PAGES.into())
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_to_be_left_alone_is() {
    let site = site(20, Duration::ZERO).await;
    let busy = Page::raw("text/plain", "later")
        .status(429)
        .header("retry-after", "1800");
    site.set("/p/7", busy);
    let world = World::around(&site).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/p/0"))).await;
    let waiting = eventually("the crawl to give way", || async {
        Some(world.job(id).await).filter(|job| job.state == "scheduled")
    })
    .await;
    assert_eq!(waiting.progress["waits"]["reason"], "host_busy");
    let left = waiting.run_at - world.kit.clock().now();
    assert!(
        left > time::Duration::minutes(25) && left <= time::Duration::minutes(30),
        "{left}"
    );
    let asked = site.hits().len();

    // Another crawl of the host is told by the first one's answer.
    let other = world.ask(&ScrapeRequest::of(site.url("/p/9"))).await;
    eventually("the other crawl to give way", || async {
        Some(world.job(other).await).filter(|job| job.state == "scheduled")
    })
    .await;
    assert_eq!(site.hits().len(), asked);

    site.set("/p/7", Page::html("Seven", &words("seven")));
    world.kit.flush_redis().await;
    sql(&world, &format!("UPDATE jobs SET run_at = now() WHERE id = '{id}'")).await;
    let ended = world.ended(id).await;
    assert_eq!(
        (ended.state.as_str(), &ended.result.unwrap()["pages"]),
        ("done", &20.into())
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_adds_up_and_each_url_says_what_led_to_it() {
    let links = [
        "/old",
        "/missing",
        "/broken",
        "/closed/x",
        "/a/a/a/a/a",
        "/file",
        "/page",
    ]
    .map(link)
    .concat();
    let site = Site::start([
        (
            "/robots.txt",
            Page::raw("text/plain", "User-agent: *\nDisallow: /closed\nCrawl-delay: 0.05"),
        ),
        ("/", Page::html("Home", &format!("{}{links}", words("home")))),
        ("/old", Page::redirect("/page").status(301)),
        ("/page", Page::html("Page", &words("page"))),
        ("/broken", Page::html("Broken", "x").status(500)),
        ("/file", Page::raw("application/octet-stream", "x")),
    ])
    .await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (id, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let number = |name: &str| result[name].as_i64().unwrap();
    let parts = [
        "pages",
        "gone",
        "failed",
        "blocked",
        "redirected",
        "skipped",
        "duplicate",
    ];
    let sum: i64 = parts.into_iter().map(number).sum();
    let rows = world.kit.count("SELECT count(*) FROM job_urls").await;
    assert_eq!((sum, number("urls")), (rows, rows), "{result}");
    assert_eq!(number("pages"), number("new") + number("changed") + number("unchanged"));
    assert_eq!(
        (&result["blocked_by"]["robots"], &result["skipped_by"]["trap"]),
        (&1.into(), &1.into())
    );
    assert!(result["fetch_ms"]["max"].is_i64() && result["wait_ms"]["p50"].is_i64());

    let tx = world.tx().await;
    let all = explain::urls(&tx, id, &explain::Wanted::default(), None, 100)
        .await
        .unwrap();
    let of = |path: &str| all.iter().find(|row| row.url == site.url(path)).unwrap();
    for path in ["/page", "/closed/x", "/a/a/a/a/a", "/missing"] {
        assert_eq!(of(path).found_from.as_deref(), Some(site.url("/").as_str()), "{path}");
    }
    assert_eq!(of("/").found_from, None);
    assert!(of("/page").chunks > Some(0) && of("/page").page_id.is_some());
    assert!(
        all.iter().any(|row| row.wait_ms >= Some(20)),
        "the delay of robots.txt is waited for"
    );
    let progress = world.job(id).await.progress;
    assert_eq!(progress["done"], progress["total"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_needs_to_allow_what_the_operations_guide_lists_and_nothing_else() {
    let site = site(30, Duration::ZERO).await;
    let world = World::around(&site).await;
    let guide = include_str!("../../../docs/OPERATIONS.md");
    let line = guide
        .lines()
        .find(|line| line.starts_with("ACL SETUSER omniops "))
        .unwrap();
    let mut redis = world.kit.redis().await;
    let mut user = redis::Cmd::new();
    user.arg(line.split(' ').collect::<Vec<_>>());
    user.query_async::<()>(&mut redis).await.unwrap();

    let url = format!("{}?user=omniops&pass=secret", world.kit.services.redis_url());
    let config = Arc::new(world.kit.config_with(&[("REDIS_URL", url)]));
    let db = world.kit.db.clone();
    let dispatcher = jobs::Dispatcher::new(db.clone(), &config.redis).unwrap();
    let ctx = Context::new(config, db, dispatcher.clone(), world.searcher.clone()).unwrap();
    let worker = start(ctx);
    let tx = world.tx().await;
    let slow = ScrapeRequest::of(site.url("/p/0"));
    let made = request::request_scrape(&tx, &slow).await.unwrap();
    tx.commit().await.unwrap();
    let id = made.id;
    assert!(dispatcher.dispatch(&[made]).await);
    assert_eq!(world.ended(id).await.result.unwrap()["pages"], 30);
    jobs::RedisServer::read(&dispatcher).await.unwrap();
    worker.stop().await;
    let log: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query_async(&mut redis).await.unwrap();
    assert_eq!(log, []);
    for command in ["hgetall", "hset", "hdel", "pexpire", "expire"] {
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(
            stats.contains(&format!("cmdstat_{command}:")),
            "{command} is not needed"
        );
    }
}
