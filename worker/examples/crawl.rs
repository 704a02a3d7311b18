//! Measures a crawl of a folder of HTML: `crawl <folder> <start path> <spider|loop> [embed]`. Serves the folder from loopback,
//! crawls it into an installation of its own, twice, and prints both results, and which pages it has not asked for though Python's
//! parser (`reachable.py`) finds links that lead to them.
#![expect(clippy::print_stdout, reason = "the output is the measurement")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that fails says where"
)]

use domain::{
    jobs,
    lifecycle::Lifecycle,
    pages::request::{self, ScrapeRequest},
    retrieval::Searcher,
};
use std::{process::Command, sync::Arc, time::Duration};
use testkit::{Kit, Site, local_model};
use worker::{Context, CrawlerKind, Worker};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    let (folder, path) = (next().expect("a folder"), next().expect("a start path"));
    let crawler = match next().as_deref() {
        Some("spider") => CrawlerKind::Spider,
        _ => CrawlerKind::Plain,
    };
    let model = match next().as_deref() {
        Some("embed") => Some(local_model().await),
        _ => None,
    };
    let reachable = reachable(&folder, &path);
    let site = Site::folder(folder).await;
    let kit = Kit::with(&[("OMNIOPS_EGRESS_ALLOW", &site.host())]).await;
    let customer = kit.customer(&site.host()).await;
    let searcher = Searcher::new(kit.db.clone(), model).await.unwrap();
    let (config, db) = (Arc::new(kit.config.clone()), kit.db.clone());
    let mut ctx = Context::new(config, db, kit.dispatcher.clone(), searcher).unwrap();
    ctx.crawler = crawler;
    let life = Lifecycle::new();
    life.spawn(Worker::new(ctx, life.clone()).run());
    for _ in 0..2 {
        let tx = kit.db.tenant(&customer).await.unwrap();
        let asked = request::request_scrape(&tx, &ScrapeRequest::of(site.url(&path)))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        kit.dispatcher.dispatch(std::slice::from_ref(&asked)).await;
        let mut visited = None;
        let job = loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let job = jobs::get(&kit.db.tenant(&customer).await.unwrap(), asked.id)
                .await
                .unwrap();
            if job.progress["phase"] == "indexing" && visited.is_none() {
                visited = Some(kit.count(&format!(
                    "SELECT (extract(epoch FROM max(u.at) - j.started_at) * 1000)::bigint FROM job_urls u JOIN jobs j ON j.id = u.job_id
                     WHERE j.id = '{}' GROUP BY j.started_at", asked.id)).await);
            }
            if jobs::state::is_final(&job.state) {
                break job;
            }
        };
        println!(
            "{crawler:?}: {} {:?} visited in {visited:?} ms: {}",
            job.state,
            job.error,
            job.result.unwrap_or_default()
        );
    }
    let mut asked: Vec<String> = site
        .hits()
        .into_iter()
        .filter(|hit| hit.status == 200)
        .map(|hit| hit.path)
        .collect();
    let requests = asked.len();
    asked.sort();
    asked.dedup();
    println!(
        "{requests} requests answered with 200, {} of different URLs",
        asked.len()
    );
    let missing: Vec<&String> = reachable
        .iter()
        .filter(|path| asked.binary_search(path).is_err())
        .collect();
    println!(
        "{} of {} reachable pages found; not: {missing:?}",
        reachable.len() - missing.len(),
        reachable.len()
    );
    life.shutdown(Duration::from_secs(20)).await;
}

/// The pages that links lead to, by another parser.
fn reachable(folder: &str, path: &str) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/peers/reachable.py");
    let found = Command::new("python3").args([script, folder, path]).output();
    let found = found.expect("python3 is needed").stdout;
    String::from_utf8_lossy(&found).lines().map(str::to_owned).collect()
}
