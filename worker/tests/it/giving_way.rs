//! What a crawl that gives way, or whose site fails in its middle, leaves behind: nothing lost, and nothing asked for twice.
use domain::pages::request::ScrapeRequest;
use entity::job;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::{Page, Site, eventually};
use uuid::Uuid;

use crate::support::{World, link, words};

const RULES: &str = "User-agent: *\nAllow: /\n";

fn rules(more: &str) -> Page {
    Page::raw("text/plain", format!("{RULES}{more}"))
}

/// Says that it wants to be left alone for longer than a crawl keeps its place.
fn busy() -> Page {
    Page::raw("text/plain", "later")
        .status(429)
        .header("retry-after", "1800")
}

fn home(pages: usize) -> (String, Page) {
    let links: String = (0..pages).map(|n| link(&format!("/p/{n}"))).collect();
    ("/".into(), Page::html("Home", &format!("{}{links}", words("home"))))
}

fn page(n: usize) -> (String, Page) {
    let name = format!("/p/{n}");
    (name, Page::html(&format!("Page {n}"), &words(&format!("item{n}"))))
}

async fn waiting(world: &World, id: Uuid, what: &str) -> job::Model {
    eventually(what, || async {
        Some(world.job(id).await).filter(|job| job.state == "scheduled")
    })
    .await
}

/// The host's wish is forgotten, and the crawl begins again at once.
async fn go_on(world: &World, id: Uuid) {
    world.kit.flush_redis().await;
    let tx = world.kit.db.system().await.unwrap();
    let now = format!("UPDATE jobs SET run_at = now() WHERE id = '{id}'");
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, now))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn asked(site: &Site, path: &str) -> usize {
    site.hits().iter().filter(|hit| hit.path == path).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_fail_in_the_middle_are_waited_for() {
    let site = Site::start([home(12)].into_iter().chain((0..12).map(page))).await;
    site.set("/robots.txt", rules(""));
    site.set("/p/5", busy());
    let world = World::around(&site).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
    let away = waiting(&world, id, "the crawl to give way").await;
    assert_eq!(away.progress["waits"]["reason"], "host_busy");

    // RFC 9309 section 2.3.1.4: rules that can't be had forbid everything. What has begun is not given up for that.
    site.set("/p/5", page(5).1);
    site.set("/robots.txt", Page::raw("text/plain", "oops").status(500));
    let before = site.hits().len();
    go_on(&world, id).await;
    let refused = eventually("a try without rules", || async {
        Some(world.job(id).await).filter(|job| job.state == "scheduled" && job.attempts == 1)
    })
    .await;
    assert_eq!(refused.error.unwrap()["code"], "site_unavailable");
    let asked: Vec<String> = site.hits()[before..].iter().map(|hit| hit.path.clone()).collect();
    assert!(asked.iter().all(|path| path == "/robots.txt"), "{asked:?}");

    site.set("/robots.txt", rules(""));
    go_on(&world, id).await;
    let ended = world.ended(id).await;
    assert_eq!(ended.state, "done", "{:?}", ended.error);
    assert_eq!(ended.result.unwrap()["pages"], 13);
    worker.stop().await;
}

/// A sitemap that lists one page that nothing links to.
fn sitemap(site: &str, path: &str) -> Page {
    let xml = format!(
        "<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"><url><loc>{site}{path}</loc></url></urlset>"
    );
    Page::raw("application/xml", xml)
}

/// A site with two sitemaps, of which the first wants to be left alone.
async fn mapped() -> Site {
    let site = Site::start([home(2)].into_iter().chain((0..6).map(page))).await;
    let (first, second) = (site.url("/first.xml"), site.url("/second.xml"));
    site.set("/robots.txt", rules(&format!("Sitemap: {first}\nSitemap: {second}\n")));
    site.set("/first.xml", busy());
    site.set("/second.xml", sitemap(&site.url(""), "/p/5"));
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn sitemaps_that_were_given_up_for_others_are_read_again_and_nothing_else_is() {
    let site = mapped().await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
    let away = waiting(&world, id, "the crawl to give way between its sitemaps").await;
    assert_eq!(
        (&away.progress["phase"], &away.progress["postponed"]),
        (&"starting".into(), &1.into()),
        "{}",
        away.progress
    );
    assert_eq!(asked(&site, "/second.xml"), 0);

    site.set("/first.xml", sitemap(&site.url(""), "/p/4"));
    go_on(&world, id).await;
    let ended = world.ended(id).await;
    assert_eq!((ended.state.as_str(), ended.attempts), ("done", 0), "{:?}", ended.error);
    assert_eq!(
        ended.result.unwrap()["pages"],
        5,
        "the start page, two linked ones, two of the sitemaps"
    );
    for path in ["/", "/p/0", "/p/1", "/p/4", "/p/5", "/second.xml"] {
        assert_eq!(asked(&site, path), 1, "{path}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_never_gets_through_its_sitemaps_does_without_them() {
    let site = mapped().await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
    for times in 1..=3_usize {
        let away = eventually("the crawl to give way", || async {
            Some(world.job(id).await).filter(|job| job.state == "scheduled" && job.progress["postponed"] == times)
        })
        .await;
        assert_eq!(away.progress["phase"], "starting");
        assert_eq!(asked(&site, "/first.xml"), times);
        go_on(&world, id).await;
    }
    let ended = world.ended(id).await;
    assert_eq!((ended.state.as_str(), ended.attempts), ("done", 0), "{:?}", ended.error);
    assert_eq!(ended.result.unwrap()["pages"], 3, "what is linked");
    assert_eq!((asked(&site, "/first.xml"), asked(&site, "/second.xml")), (3, 0));
    assert_eq!(asked(&site, "/"), 1);
    worker.stop().await;
}

/// The answers are there long before they are read.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_being_read_when_a_crawl_gives_way_is_not_asked_for_again() {
    const PAGES: usize = 8;
    let large = |n: usize| {
        let paragraphs: Vec<String> = (0..6000)
            .map(|k| format!("<div><p>Item {n} of paragraph {k} weighs <b>{k}</b> grams.</p></div>"))
            .collect();
        (
            format!("/p/{n}"),
            Page::html(&format!("Page {n}"), &paragraphs.concat()),
        )
    };
    let site = Site::start([home(PAGES + 1)].into_iter().chain((0..PAGES).map(large))).await;
    site.set("/robots.txt", rules(""));
    site.set(&format!("/p/{PAGES}"), busy());
    let world = World::around(&site).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
    waiting(&world, id, "the crawl to give way").await;
    let fetching = "SELECT count(*) FROM crawl_frontier WHERE state = 'fetching'";
    assert_eq!(world.kit.count(fetching).await, 0);
    site.set(&format!("/p/{PAGES}"), page(PAGES).1);
    go_on(&world, id).await;
    let ended = world.ended(id).await;
    assert_eq!(ended.state, "done", "{:?}", ended.error);
    assert_eq!(ended.result.unwrap()["pages"].as_u64(), Some(PAGES as u64 + 2));
    for n in 0..PAGES {
        assert_eq!(asked(&site, &format!("/p/{n}")), 1, "/p/{n}");
    }
    worker.stop().await;
}
