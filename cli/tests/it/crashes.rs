//! What `kill -9` at the wrong moment leaves: nothing lost, nothing doubled, nothing running.
use nix::sys::signal::Signal;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::process::ExitStatusExt,
    time::Duration,
};
use testkit::{Page, Site, within};

use crate::{
    process::processes_in,
    up::{Installation, Up},
};

/// Pages below the start page.
const PAGES: usize = 120;
/// A killed worker's jobs are given away after this many seconds: soon, and not before a busy machine has let a living one renew.
const LEASE: [(&str, &str); 1] = [("WORKER_LEASE_SECONDS", "10")];

fn path(n: usize) -> String {
    format!("/page-{n:03}.html")
}

/// A start page that links to all others, each of which takes its time.
async fn slow_site() -> Site {
    let links: Vec<String> = (0..PAGES)
        .map(|n| format!("<li><a href=\"{}\">Page {n}</a></li>", path(n)))
        .collect();
    let start = Page::html(
        "Start",
        &format!("<p>All pages of this site:</p><ul>{}</ul>", links.concat()),
    );
    let mut pages = vec![("/".to_owned(), start)];
    for n in 0..PAGES {
        let body = format!("<p>Part {n} of the catalogue weighs {n} kg and is sent within {n} days.</p>");
        let page = Page::html(&format!("Part {n}"), &body).delay(Duration::from_millis(50));
        pages.push((path(n), page));
    }
    Site::start(pages).await
}

/// The superuser, who sees the rows of all tenants.
async fn rows(up: &Up<'_>) -> DatabaseConnection {
    let (_, url) = up
        .variables()
        .find(|(name, _)| *name == "DATABASE_OWNER_URL")
        .expect("DATABASE_OWNER_URL");
    Database::connect(url).await.expect("the database")
}

async fn texts(db: &DatabaseConnection, query: &str) -> Vec<String> {
    let statement = Statement::from_string(DbBackend::Postgres, query);
    let rows = db.query_all_raw(statement).await.expect("the query");
    rows.iter()
        .map(|row| row.try_get_by_index(0).expect("a text"))
        .collect()
}

/// The paths of URLs of the site.
fn paths(site: &Site, urls: Vec<String>) -> BTreeSet<String> {
    let base = site.url("");
    urls.into_iter()
        .map(|url| url.strip_prefix(&base).expect("the site's URL").to_owned())
        .collect()
}

/// How often the site answered for each path.
fn answered(site: &Site) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for hit in site.hits() {
        *counts.entry(hit.path).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_killed_workers_crawl_ends_on_another_with_nothing_lost_or_doubled() {
    let site = slow_site().await;
    let installation = Installation::new().site(&site).arg("--no-worker");
    let up = installation.up().await;
    let db = rows(&up).await;

    let mut first = up.worker(&LEASE);
    let middle = within(Duration::from_mins(2), "half of the pages", || async {
        let seen = answered(&site).len();
        (seen > PAGES / 2).then_some(seen)
    })
    .await;
    let status = first.end_by(Signal::SIGKILL).await;
    assert_eq!(status.signal(), Some(9));
    let in_flight = texts(&db, "SELECT url FROM crawl_frontier WHERE state = 'fetching'").await;
    let in_flight = paths(&site, in_flight);
    let job = up.crawl().await;
    assert_eq!(job["state"], "running", "{job}");
    println!("killed after {middle} pages, in flight: {in_flight:?}");

    let mut second = up.worker(&LEASE);
    let job = up.crawled().await;

    let expected: BTreeSet<String> = (0..PAGES).map(path).chain(["/".to_owned()]).collect();
    let stored = texts(&db, "SELECT url FROM scraped_pages").await;
    assert_eq!(stored.len(), expected.len(), "a page is doubled or lost");
    assert_eq!(paths(&site, stored), expected);
    for (path, times) in answered(&site).into_iter().filter(|(path, _)| expected.contains(path)) {
        let most = if in_flight.contains(&path) { 2 } else { 1 };
        assert!(
            times <= most,
            "{path} was fetched {times} times, in flight: {in_flight:?}"
        );
    }
    // The start page only leads to the others: there is nothing in it to find.
    let chunks = assert_chunks_once(&db, expected.len() - 1).await;
    let result = &job["result"];
    assert_eq!(result["pages"], expected.len(), "{job}");
    assert_eq!(result["new"], expected.len(), "{job}");
    assert_eq!(result["failed"], 0, "{job}");
    assert_eq!(result["chunks"], chunks, "{job}");
    assert_eq!(result["embed_jobs_failed"], 0, "{job}");
    assert_eq!(second.end_by(Signal::SIGTERM).await.code(), Some(0));
    db.close().await.expect("closing");
    up.stop(Signal::SIGTERM).await;
}

/// Every one of `pages` pages has its chunks, each once and with a vector; returns how many chunks there are.
async fn assert_chunks_once(db: &DatabaseConnection, pages: usize) -> usize {
    let chunks = texts(db, "SELECT page_id || ' ' || text_hash::text FROM page_embeddings").await;
    let distinct: BTreeSet<&String> = chunks.iter().collect();
    assert_eq!(distinct.len(), chunks.len(), "a chunk is doubled");
    let ordinals = texts(
        db,
        "SELECT page_id || ' ' || ordinal FROM page_embeddings WHERE ordinal >= 0",
    )
    .await;
    assert_eq!(ordinals.iter().collect::<BTreeSet<_>>().len(), chunks.len());
    let owners = texts(
        db,
        "SELECT DISTINCT page_id::text FROM page_embeddings WHERE embedding IS NOT NULL",
    )
    .await;
    assert_eq!(owners.len(), pages, "pages with chunks");
    chunks.len()
}

#[tokio::test]
async fn a_killed_up_leaves_no_server_and_its_folder_starts_again() {
    let installation = Installation::new().env(LEASE[0].0, LEASE[0].1);
    let mut up = installation.up().await;
    up.crawl_until("the crawl's first page", |job| {
        job["progress"]["done"].as_i64() > Some(0)
    })
    .await;
    let file = installation.state().join("services/servers/postgres/postmaster.pid");
    let text = fs::read_to_string(&file).expect("postmaster.pid");
    let postgres: u32 = text.lines().next().expect("a line").parse().expect("a process id");
    let running = processes_in(&installation.state());
    assert!(running.contains(&postgres) && running.len() > 2, "{running:?}");

    assert_eq!(up.process.end_by(Signal::SIGKILL).await.signal(), Some(9));
    drop(up);
    within(Duration::from_mins(1), "the servers' end", || async {
        processes_in(&installation.state()).is_empty().then_some(())
    })
    .await;

    let up = installation.up().await;
    up.assert_healthy().await;
    let job = up.crawled().await;
    assert_eq!(job["result"]["pages"], 10, "{job}");
    let answer = up.ask("How much does shipping cost?").await;
    assert!(
        answer["answer"].as_str().is_some_and(|text| text.contains("4.90 EUR")),
        "{answer}"
    );
    up.stop(Signal::SIGTERM).await;
}
