//! The way down of `omniops worker`, as whoever watches over it knows it: in order and in time, whatever its jobs wait for.
use domain::{
    jobs,
    pages::request::{ScrapeRequest, request_scrape},
    tenancy::Customer,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{path::Path, process::ExitStatus, time::Duration};
use testkit::{ENDING, Kit, Page, Server, Site, eventually};
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

use crate::process::{Folder, Process, omniops, processes_in};

/// What service managers are told to allow: `WORKER_SHUTDOWN_SECONDS` as it is by default, and a little.
const IN_TIME: Duration = Duration::from_secs(25);
/// Nothing is waited for any more.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Longer than anybody waits.
const FOR_GOOD: Duration = Duration::from_mins(10);

/// What stands behind the page that hangs, and is asked for beside it.
const LINKED: (&str, usize) = ("/more", 1);
/// The start page again, by the browser, whose script asks for what does not come.
const RENDERED: (&str, usize) = ("/", 2);

/// A crawl by the product's worker, of a site that answers for `/hangs` when nobody waits any more.
struct Crawl {
    worker: Process,
    _site: Site,
    _folder: Folder,
    customer: Customer,
    job: Uuid,
    kit: Kit,
}

impl Crawl {
    /// Until the site has answered so many requests for `path`; then it is asked for `/hangs`.
    async fn start(home: Page, (path, answered): (&str, usize), variables: &[(&str, &str)]) -> Self {
        let site = Site::start([
            ("/", home),
            ("/hangs", Page::html("Hangs", "x").delay(FOR_GOOD)),
            ("/more", Page::html("More", "<p>There is more to read here.</p>")),
        ])
        .await;
        let host = site.host();
        let kit = Kit::with(&[("OMNIOPS_EGRESS_ALLOW", &host)]).await;
        let customer = kit.customer(&host).await;
        let tx = kit.db.tenant(&customer).await.expect("the customer");
        let made = request_scrape(&tx, &ScrapeRequest::of(site.url("/")))
            .await
            .expect("a crawl");
        tx.commit().await.expect("a crawl");
        let folder = Folder::new();
        let mut command = omniops();
        command
            .arg("worker")
            .envs(&kit.variables)
            .env("DISABLE_VECTOR_SEARCH", "true")
            .envs(variables.iter().copied());
        let worker = Process::spawn(command, folder.path().join("worker.log"));
        eventually("a request that hangs", || async {
            let hits = site.hits();
            let so_far = hits.iter().filter(|hit| hit.path == path).count();
            (so_far >= answered).then_some(())
        })
        .await;
        Self {
            worker,
            _site: site,
            _folder: folder,
            customer,
            job: made.id,
            kit,
        }
    }

    async fn end_within(&mut self, limit: Duration) -> ExitStatus {
        let ended = timeout(limit, self.worker.end()).await;
        ended.unwrap_or_else(|_| panic!("the worker has not ended within {limit:?}"))
    }

    /// Another worker may go on with it at once, and it counts as no failure.
    async fn assert_handed_back(&self) {
        let tx = self.kit.db.tenant(&self.customer).await.expect("the customer");
        let job = jobs::get(&tx, self.job).await.expect("the job");
        assert_eq!((job.state.as_str(), job.attempts, job.starts), ("queued", 0, 0));
    }
}

fn home() -> Page {
    Page::html(
        "Home",
        "<main><p>All that there is:</p><a href=\"/hangs\">this</a> <a href=\"/more\">more</a></main>",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_the_middle_of_a_crawl_ends_in_order_and_in_time() {
    let mut crawl = Crawl::start(home(), LINKED, &[]).await;
    crawl.worker.signal(Signal::SIGTERM);
    assert_eq!(crawl.end_within(IN_TIME).await.code(), Some(0));
    assert!(!crawl.worker.output().contains("cut off"));
    crawl.assert_handed_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_the_middle_of_a_browsers_page_ends_in_order_and_in_time() {
    let driver = ["/usr/bin/chromedriver", "/usr/local/bin/chromedriver"];
    let driver = driver.into_iter().find(|place| Path::new(place).is_file());
    let driver = driver.expect("chromium and chromedriver are needed: apt-get install chromium chromium-driver");
    let app = "<!doctype html><html><head><title>Shop</title></head><body><noscript>You need to enable JavaScript to run this app.</noscript>
        <div id=root></div><script nonce=\"NONCE\">fetch('/hangs').then(r => r.text()).then(t => root.innerHTML = t)</script></body></html>";
    let mut crawl = Crawl::start(Page::raw("text/html", app), RENDERED, &[("CHROMEDRIVER", driver)]).await;
    crawl.worker.signal(Signal::SIGTERM);
    assert_eq!(crawl.end_within(IN_TIME).await.code(), Some(0));
    assert!(!crawl.worker.output().contains("cut off"));
    crawl.assert_handed_back().await;
}

/// A database that does not answer keeps its jobs from being handed back, for as long as it may; who does not want to wait says it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_worker_at_once_though_postgres_hangs() {
    let mut crawl = Crawl::start(home(), LINKED, &[]).await;
    let frozen = crawl.kit.freeze(Server::Postgres);
    crawl.worker.signal(Signal::SIGTERM);
    crawl.worker.says("a second signal stops at once").await;
    assert_eq!(crawl.worker.ended(), None);
    crawl.worker.signal(Signal::SIGTERM);
    assert_eq!(crawl.end_within(AT_ONCE).await.code(), Some(0));
    drop(frozen);
}

/// The first start downloads the model, from an index that may hang; and nobody waits for a start that was called off.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_still_waits_for_its_model_ends_when_it_is_asked_to() {
    let kit = Kit::start().await;
    for role in ["api", "worker"] {
        let index = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = index.local_addr().expect("its address");
        let folder = Folder::new();
        let mut command = omniops();
        command
            .arg(role)
            .envs(&kit.variables)
            .env("PORT", "0")
            .env("OMNIOPS_CACHE_DIR", folder.path().join("cache"))
            .env("PIP_INDEX_URL", format!("http://{address}/simple"))
            .env("no_proxy", "*")
            .env_remove("DISABLE_VECTOR_SEARCH");
        let mut process = Process::spawn(command, folder.path().join("process.log"));
        let asked = timeout(2 * ENDING, index.accept()).await;
        assert!(asked.is_ok(), "{}", process.output());
        process.signal(Signal::SIGTERM);
        let ended = timeout(IN_TIME, process.end()).await;
        assert_eq!(ended.expect("an end in time").code(), Some(0), "{role}");
        // Its download is waited for by nobody.
        for pid in processes_in(folder.path()) {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}
