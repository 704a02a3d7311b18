//! The series of passes over the frontier: slow pages, failures that may pass, and what a killed worker or a crawler left open
//! are just the next pass. The crawl ends when a pass leaves nothing open.
use domain::{
    Result,
    pages::{
        frontier::{self, Counts},
        store::{self, Decision},
    },
};
use std::sync::Arc;

use super::{Fetcher, plain::Plain, port::Crawler, spider::Spider};
use crate::CrawlerKind;

/// Visits the whole frontier and what it leads to. May be dropped at any await, and called again.
pub(crate) async fn passes(fetcher: &Arc<Fetcher>) -> Result<()> {
    let (spider, plain) = (Spider, Plain);
    let mut crawler: &dyn Crawler = match fetcher.job.ctx.crawler {
        CrawlerKind::Spider => &spider,
        CrawlerKind::Plain => &plain,
    };
    loop {
        let before = reopen(fetcher).await?;
        if before.done >= before.total {
            return Ok(());
        }
        crawler.pass(fetcher).await?;
        // The loop visits all that is open, and nothing twice in vain: it comes to an end.
        if counts(fetcher).await?.done == before.done {
            tracing::info!(job.id = %fetcher.job.id(), crawler = crawler.name(), "a pass without progress; the loop takes over");
            crawler = &plain;
        }
    }
}

/// Opens what was left, and gives up what has been tried too often.
async fn reopen(fetcher: &Fetcher) -> Result<Counts> {
    let job = fetcher.job.id();
    let tx = fetcher.job.write().await?;
    for lost in frontier::reopen(&**tx, job).await? {
        let decision = Decision {
            url: lost.url,
            decision: "failed",
            reason: Some("its fetch has ended the worker too often".to_owned()),
            status: None,
            ms: None,
            bytes: None,
            depth: lost.depth,
            via: "loop",
            wait_ms: None,
            found_from: None,
        };
        store::decide(&tx, job, &decision).await?;
    }
    let counts = frontier::counts(&**tx, job).await?;
    tx.commit().await?;
    Ok(counts)
}

async fn counts(fetcher: &Fetcher) -> Result<Counts> {
    let tx = fetcher.job.read().await?;
    let counts = frontier::counts(&*tx, fetcher.job.id()).await?;
    tx.commit().await?;
    Ok(counts)
}
