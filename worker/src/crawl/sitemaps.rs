//! The sitemaps and feeds of a site: what they name comes into the frontier, and what became of each is told with the job.
use domain::{
    Result,
    pages::{
        frontier::Lead,
        sitemaps::{Sitemaps, note},
    },
};
use extract::sitemap;
use std::collections::{HashSet, VecDeque};
use url::Url;

use super::{Fetcher, dates, seeds::admit};

/// Files read of one site.
const MAX_FILES: i64 = 50;
/// Feeds among them.
const MAX_FEEDS: usize = 5;
/// Entries taken of one site.
const MAX_ENTRIES: usize = 50_000;
/// The word in decision rows of what sitemaps lead to.
const SITEMAP: &str = "sitemap";

/// Reads the sitemaps that robots.txt names, else `/sitemap.xml`, and the start page's feeds, as far as they lie on the site. Their pages
/// count as linked from the start page. A file that cannot be had or read is no reason not to crawl.
pub(super) async fn read(fetcher: &Fetcher, feeds: Vec<Url>) -> Result<()> {
    let start = fetcher.scope.start();
    let named = fetcher.scope.robots().sitemaps().iter();
    let mut queue: VecDeque<Url> = named.filter_map(|url| start.join(url).ok()).collect();
    // Where nobody names one it may be missing.
    let guess = start.join("/sitemap.xml").ok().filter(|_| queue.is_empty());
    queue.extend(guess.clone());
    queue.extend(feeds.into_iter().take(MAX_FEEDS));
    let (mut seen, mut told) = (HashSet::new(), Sitemaps::default());
    while let Some(url) = queue.pop_front() {
        if !seen.insert(url.clone()) {
            continue;
        }
        if !fetcher.scope.is_ours(&url) {
            told.leave(url.as_str());
            continue;
        }
        if told.read + told.failed >= MAX_FILES || told.entries >= MAX_ENTRIES as i64 {
            told.truncated = true;
            break;
        }
        match fetch(fetcher, url.clone()).await {
            Ok(found) => {
                // An index may name more files than are read, and each of them may be another index.
                let room = (MAX_FILES as usize).saturating_sub(queue.len());
                told.truncated |= found.sitemaps.len() > room;
                queue.extend(found.sitemaps.iter().filter_map(|child| child.url(&url)).take(room));
                let leads = leads(fetcher, &url, &found, &mut told);
                admit(fetcher, &leads, SITEMAP).await?;
            }
            Err(_) if guess.as_ref() == Some(&url) => {}
            Err(why) => {
                tracing::info!(%url, why, "the sitemap is left out");
                told.fail(url.as_str(), why);
            }
        }
    }
    let tx = fetcher.job.write().await?;
    note(&tx, fetcher.job.id(), &told).await?;
    tx.commit().await
}

/// What a file leads to.
fn leads(fetcher: &Fetcher, file: &Url, found: &sitemap::Sitemap, told: &mut Sitemaps) -> Vec<Lead> {
    let lead = |url: Url, lastmod: Option<&str>| Lead {
        url: url.into(),
        depth: 1,
        from: Some(file.to_string()),
        lastmod: lastmod.and_then(dates::last_moment),
        ..Lead::default()
    };
    let pages = found.urls.iter().flat_map(|entry| {
        let page = entry.url(file).map(|url| (url, entry.lastmod.as_deref()));
        let translations = entry.translations.iter();
        let translations = translations.filter_map(move |other| Some((other.url(file)?, None)));
        page.into_iter().chain(translations)
    });
    let room = MAX_ENTRIES.saturating_sub(told.entries as usize);
    let mut pages: Vec<_> = pages.take(room + 1).collect();
    told.truncated |= found.truncated || pages.len() > room;
    pages.truncate(room);
    told.read += 1;
    told.entries += pages.len() as i64;
    let (ours, others): (Vec<_>, Vec<_>) = pages.into_iter().partition(|(url, _)| fetcher.scope.is_ours(url));
    told.entries_elsewhere += others.len() as i64;
    ours.into_iter().map(|(url, lastmod)| lead(url, lastmod)).collect()
}

/// One file, or why there is none.
async fn fetch(fetcher: &Fetcher, url: Url) -> std::result::Result<sitemap::Sitemap, String> {
    let robots = fetcher.scope.robots();
    if !robots.allows(&url) {
        return Err("robots.txt forbids it".to_owned());
    }
    let answer = fetcher.ask.file(url, sitemap::MAX_BYTES).await;
    let response = answer.map_err(|error| error.to_string())?;
    if !response.status.is_success() {
        return Err(format!("the server answered {}", response.status.as_u16()));
    }
    let parsing = tokio::task::spawn_blocking(move || sitemap::parse(&response.body));
    match parsing.await {
        Ok(parsed) => parsed.map_err(|error| error.to_string()),
        Err(error) => {
            tracing::warn!(%error, "a sitemap's reader failed");
            Err("it cannot be read".to_owned())
        }
    }
}
