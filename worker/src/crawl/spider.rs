//! spider as a crawler: it schedules, our fetcher does the rest.
//!
//! A pass is one spider crawl. Its start page is made up and lists the frontier's open URLs; every further answer is made up
//! as well and lists the URLs that the visit made known. So spider never sees a link that it must not follow, and its own
//! robots, sitemap and link code has nothing to decide. What it drops (case twins, names that it takes for files) stays
//! open: the next pass lists it again, and the loop takes what a whole pass did not get.
use async_trait::async_trait;
use domain::{Error, Result, pages::frontier};
use spider::{
    fetcher::{FetchContext, RemoteFetcher},
    reqwest::StatusCode,
    utils::PageResponse,
    website::Website,
};
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

use super::{Fetcher, clerk::Counter, port::Crawler};

/// The path of the made-up start page; no request for it ever leaves the process.
const LIST: &str = "/.well-known/omniops-open-urls";

/// spider behind the port.
pub(crate) struct Spider;

#[async_trait]
impl Crawler for Spider {
    fn name(&self) -> &'static str {
        "spider"
    }

    async fn pass(&self, fetcher: &Arc<Fetcher>, counter: &Counter) -> Result<()> {
        let list = format!("{}{LIST}", fetcher.scope.start().origin().ascii_serialization());
        let hook = Hook {
            fetcher: fetcher.clone(),
            counter: counter.clone(),
            list: list.clone(),
            trouble: Arc::default(),
        };
        let trouble = hook.trouble.clone();
        let mut website = Website::new(&list);
        website
            .with_remote_fetcher(hook)
            .with_respect_robots_txt(false)
            .with_depth(0)
            .with_concurrency_limit(Some(fetcher.concurrency()));
        tokio::select! {
            () = website.crawl_raw() => {}
            () = trouble.met.cancelled() => {}
        }
        trouble.take().map_or(Ok(()), Err)
    }
}

/// The first error of a visit; spider's own answers have no room for one.
#[derive(Default)]
struct Trouble {
    met: CancellationToken,
    first: Mutex<Option<Error>>,
}

impl Trouble {
    fn note(&self, error: Error) {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.met.cancel();
    }

    fn take(&self) -> Option<Error> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Hook {
    fetcher: Arc<Fetcher>,
    counter: Counter,
    list: String,
    trouble: Arc<Trouble>,
}

impl Hook {
    async fn links(&self, url: &str) -> Result<Vec<String>> {
        if url == self.list {
            let job = self.fetcher.job();
            let tx = job.read().await?;
            let open = frontier::open(&*tx, job.id()).await?;
            tx.commit().await?;
            return Ok(open);
        }
        match self.counter.take(url).await? {
            Some(taken) => {
                self.counter
                    .record(self.fetcher.look(taken, Spider.name()).await?)
                    .await
            }
            None => Ok(Vec::new()),
        }
    }
}

#[async_trait]
impl RemoteFetcher for Hook {
    async fn fetch(&self, context: FetchContext<'_>) -> PageResponse {
        let links = self.links(context.url).await.unwrap_or_else(|error| {
            self.trouble.note(error);
            Vec::new()
        });
        PageResponse {
            status_code: StatusCode::OK,
            final_url: Some(context.url.to_owned()),
            content: Some(page_of(&links).into_bytes()),
            ..PageResponse::default()
        }
    }
}

/// A page of links, written raw: a normalised URL holds no quote, and spider takes `&amp;` literally.
fn page_of(links: &[String]) -> String {
    let mut html = String::from("<!doctype html><html><body>\n");
    for link in links {
        let _ = writeln!(html, "<a href=\"{}\">.</a>", link.replace('"', "%22"));
    }
    html.push_str("</body></html>");
    html
}
