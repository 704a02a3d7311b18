//! Start pages that cannot be had: the job fails with a code that says why, and nothing is left behind.
use crate::support::{World, words};
use domain::pages::request::{ScrapeRequest, schedule_scrape};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use std::time::Duration;
use testkit::{Closed, Page, Site, eventually};
use uuid::Uuid;

/// Crawls `url` of the site and returns the error's code.
async fn refused(site: &Site, url: &str) -> String {
    let world = World::around(site).await;
    refused_in(&world, url).await
}

async fn refused_in(world: &World, url: &str) -> String {
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(url)).await;
    let job = world.ended(id).await;
    assert_eq!(job.state, "failed", "{url}: {:?}", job.result);
    for table in ["scraped_pages", "job_urls", "crawl_frontier", "page_embeddings"] {
        let rows = world.kit.count(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows, 0, "{table}");
    }
    worker.stop().await;
    job.error.unwrap()["code"].as_str().unwrap().to_owned()
}

fn home() -> (&'static str, Page) {
    ("/", Page::html("Home", &words("home")))
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_txt_forbids_it() {
    let rules = Page::raw("text/plain", "User-agent: *\nDisallow: /private");
    let site = Site::start([home(), ("/robots.txt", rules), ("/private/x", Page::html("X", "x"))]).await;
    assert_eq!(refused(&site, &site.url("/private/x")).await, "robots_refused");
    assert!(
        site.hits().iter().all(|hit| hit.path == "/robots.txt"),
        "{:?}",
        site.hits()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_txt_fails() {
    let site = Site::start([home(), ("/robots.txt", Page::raw("text/plain", "").status(503))]).await;
    assert_eq!(refused(&site, &site.url("/")).await, "robots_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn robots_txt_does_not_come() {
    // Longer than the client waits for an answer.
    let rules = Page::raw("text/plain", "").delay(Duration::from_mins(1));
    let site = Site::start([home(), ("/robots.txt", rules)]).await;
    assert_eq!(refused(&site, &site.url("/")).await, "unreachable");
    assert!(
        site.hits().iter().all(|hit| hit.path == "/robots.txt"),
        "{:?}",
        site.hits()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_exist_or_is_no_page() {
    let site = Site::start([
        home(),
        ("/feed", Page::raw("application/json", "{}")),
        ("/broken", Page::html("Broken", "x").status(500)),
        ("/loop", Page::redirect("/loop")),
        ("/away", Page::redirect("http://elsewhere.test/")),
    ])
    .await;
    let world = World::around(&site).await;
    for (path, code) in [
        ("/nowhere", "start_not_found"),
        ("/feed", "not_html"),
        ("/broken", "http_status"),
        ("/loop", "start_redirects"),
        ("/away", "start_redirects"),
    ] {
        assert_eq!(refused_in(&world, &site.url(path)).await, code, "{path}");
    }
}

/// What fails for a moment is asked for again: somebody waits for the crawl.
#[tokio::test(flavor = "multi_thread")]
async fn its_server_fails_for_a_moment() {
    let broken = Page::html("Broken", "x").status(502);
    let site = Site::start([("/", broken.then(home().1))]).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let asked: Vec<u16> = site
        .hits()
        .iter()
        .filter(|hit| hit.path == "/")
        .map(|hit| hit.status)
        .collect();
    assert_eq!(asked, [502, 200]);
    worker.stop().await;
}

/// Rules without end are read as far as RFC 9309 asks for.
#[tokio::test(flavor = "multi_thread")]
async fn its_rules_are_very_long() {
    let rules = format!("User-agent: *\nDisallow: /private\n{}", "# and so on\n".repeat(600_000));
    let links = "<a href=/private/x>X</a>";
    let site = Site::start([
        ("/", Page::html("Home", &format!("{}{links}", words("home")))),
        ("/robots.txt", Page::raw("text/plain", rules)),
        ("/private/x", Page::html("X", &words("x"))),
    ])
    .await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/private/x"], "blocked: robots");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_endless() {
    let site = Site::start([("/", Page::raw("text/html", "x".repeat(200 << 20)))]).await;
    assert_eq!(refused(&site, &site.url("/")).await, "too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_address_is_not_public() {
    let (site, other) = (Site::start([home()]).await, Site::start([home()]).await);
    let mut world = World::around(&site).await;
    world.customer = world.kit.customer(&other.host()).await;
    assert_eq!(refused_in(&world, &other.url("/")).await, "refused_address");
    assert_eq!(other.hits(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_not_there() {
    let closed = Closed::new();
    let world = World::at(&closed.host(), &[]).await;
    assert_eq!(refused_in(&world, &closed.url("/")).await, "unreachable");
}

/// What the ledger tells of a job's first try, which is to be repeated: its error, and the seconds until then.
async fn first_try(world: &World, id: Uuid) -> (String, i64) {
    let find = "SELECT data FROM job_events WHERE job_id = $1 AND kind = 'retry' ORDER BY id LIMIT 1";
    let find = Statement::from_sql_and_values(DbBackend::Postgres, find, [id.into()]);
    let told: Value = eventually("the first try", || async {
        let row = world.tx().await.query_one_raw(find.clone()).await.unwrap()?;
        Some(row.try_get("", "data").unwrap())
    })
    .await;
    let code = told["error"]["code"].as_str().unwrap().to_owned();
    (code, told["retry_in_ms"].as_i64().unwrap() / 1000)
}

/// Nobody waits to hear of it: one failure of the network is no reason to have no crawl this night.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_away_when_a_schedule_wants_it() {
    let rules = ("/robots.txt", Page::raw("text/plain", "").status(404));
    let broken = Site::start([rules, ("/", Page::html("Broken", "x").status(500))]).await;
    let closed = Closed::new();
    for (host, url) in [(closed.host(), closed.url("/")), (broken.host(), broken.url("/"))] {
        let world = World::at(&host, &[]).await;
        let worker = world.worker();
        let tx = world.tx().await;
        let made = schedule_scrape(&tx, &ScrapeRequest::of(url)).await.unwrap();
        tx.commit().await.unwrap();
        let id = made.id;
        world.kit.dispatcher.dispatch(&[made]).await;
        assert_eq!(first_try(&world, id).await.0, "site_unavailable");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_to_be_left_alone_for_a_while() {
    let busy = Page::html("Busy", "x").status(429).header("Retry-After", "600");
    let down = Page::html("Down", "x").status(503);
    // A host each: what one says is kept for the next crawl of it.
    for (page, code, wait) in [(busy, "site_busy", 600..=720), (down, "site_unavailable", 5..=10)] {
        let site = Site::start([("/", page)]).await;
        let world = World::around(&site).await;
        let worker = world.worker();
        let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
        let (told, seconds) = first_try(&world, id).await;
        assert_eq!(told, code);
        assert!(wait.contains(&seconds), "{code}: {seconds} s");
        assert_eq!(world.kit.count("SELECT count(*) FROM job_urls").await, 0);
        worker.stop().await;
    }
}
