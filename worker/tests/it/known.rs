//! What a crawl asks for of what earlier crawls of the site knew.
use crate::support::{World, link, words};
use domain::pages::request::ScrapeRequest;
use testkit::{Page, Site};

const BLOG: usize = 30;
const DOCS: usize = 8;

/// A start page that says nothing new the second time, with what only its links lead to.
async fn site() -> Site {
    let named = |name: &str, count: usize| (0..count).map(|n| format!("/{name}/{n}")).collect::<Vec<_>>();
    let paths = [named("blog", BLOG), named("docs", DOCS)].concat();
    let links: String = paths.iter().map(|path| link(path)).collect();
    let pages = paths
        .into_iter()
        .map(|path| (path.clone(), Page::html(&path, &words(&path))));
    let site = Site::start(pages).await;
    let home = format!("{}{links}", words("home"));
    site.set("/", Page::html("Home", &home).header("etag", "\"1\""));
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crawl_may_not_visit_any_more_takes_no_place_from_what_it_may() {
    let site = site().await;
    let world = World::around(&site).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let request = ScrapeRequest {
        max_pages: DOCS as i32 + 2,
        exclude: vec!["/blog".into()],
        ..ScrapeRequest::of(site.url("/"))
    };
    let (id, _) = world.crawl(&request).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/"], "not_modified");
    for n in 0..DOCS {
        assert_eq!(decisions[&format!("/docs/{n}")], "same_hash", "{decisions:?}");
    }
    assert_eq!(decisions["/blog/0"], "skipped: excluded by /blog");
    worker.stop().await;
}
