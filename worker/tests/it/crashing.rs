//! Crawls by processes that are killed, judged by the site's own log.
use crate::support::{ENOUGH, link, words};
use domain::{
    jobs,
    pages::request::{ScrapeRequest, request_scrape},
};
use nix::sys::signal::Signal;
use std::{collections::HashMap, path::Path, time::Duration};
use testkit::{Folder, Kit, Page, Process, Site, program, within};

const PAGES: usize = 120;
/// Requests at once, so that many are under way at a kill.
const LANES: usize = 8;
const KILLS: usize = 2;

async fn site() -> Site {
    let page = |n: usize| {
        let links: String = (1..=3).map(|k| link(&format!("/{}", (3 * n + k) % PAGES))).collect();
        Page::html(&format!("Page {n}"), &format!("{}{links}", words(&format!("item{n}"))))
            .delay(Duration::from_millis(60))
    };
    Site::start((0..PAGES).map(|n| (format!("/{n}"), page(n)))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_crawl_fetches_twice_only_what_was_under_way() {
    let site = site().await;
    let (host, lanes) = (site.host(), LANES.to_string());
    let kit = Kit::with(&[
        ("WORKER_LEASE_SECONDS", "12"),
        ("OMNIOPS_EGRESS_ALLOW", &host),
        ("CRAWL_PER_HOST", &lanes),
        ("WORKER_HEALTH", "127.0.0.1:0"),
    ])
    .await;
    let customer = kit.customer(&host).await;
    let folder = Folder::new();
    let start = |n: usize| {
        let file = |ending: &str| folder.path().join(format!("{n}.{ending}"));
        let mut command = program(Path::new(env!("CARGO_BIN_EXE_drill")));
        command.arg(file("journal")).arg("product").envs(&kit.variables);
        Process::spawn(command, file("log"))
    };
    let tx = kit.db.tenant(&customer).await.unwrap();
    let submitted = request_scrape(&tx, &ScrapeRequest::of(site.url("/0"))).await.unwrap();
    tx.commit().await.unwrap();
    let id = submitted.id;
    kit.dispatcher.dispatch(&[submitted]).await;

    let pages = || {
        site.hits()
            .into_iter()
            .filter(|hit| hit.path != "/robots.txt" && hit.path != "/sitemap.xml")
    };
    for n in 0..KILLS {
        let mut worker = start(n);
        let enough = (n + 1) * PAGES / (KILLS + 2);
        within(ENOUGH, "a crawl under way", || async {
            (pages().count() >= enough).then_some(())
        })
        .await;
        worker.crash().await;
    }
    let mut last = start(KILLS);
    let ended = within(ENOUGH, "the job's end", || async {
        let tx = kit.db.tenant(&customer).await.unwrap();
        Some(jobs::get(&tx, id).await.unwrap()).filter(|job| jobs::state::is_final(&job.state))
    })
    .await;
    last.end_by(Signal::SIGTERM).await;
    assert_eq!(ended.state, "done", "{:?}", ended.error);
    assert_eq!(ended.result.unwrap()["new"], PAGES);
    let mut asked: HashMap<String, usize> = HashMap::new();
    for hit in pages() {
        *asked.entry(hit.path).or_default() += 1;
    }
    assert_eq!(asked.len(), PAGES);
    assert!(asked.values().all(|times| *times <= 1 + KILLS), "{asked:?}");
    let again: usize = asked.values().map(|times| times - 1).sum();
    // As many again may have been answered and wait to be recorded.
    assert!(again <= KILLS * 2 * LANES, "{again} fetches more than pages");
}
