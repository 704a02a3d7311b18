//! The series of passes over the frontier: slow pages, failures that may pass, and what a killed worker or a crawler left open
//! are just the next pass. When nothing is open, the pages that wait for their canonical ones are settled, and those that turn
//! out to be pages of their own are the next pass. The crawl ends when nothing is left, or when a budget is used up.
use domain::{
    Result,
    pages::{
        frontier::{self, Counts},
        record,
        store::{self, Decision},
    },
};
use std::sync::Arc;

use super::{Fetcher, clerk::Clerk, plain::Plain, port::Crawler, seeds, spider::Spider};
use crate::CrawlerKind;

/// Visits the whole frontier and what it leads to. May be dropped at any await, and called again.
pub(crate) async fn passes(fetcher: &Arc<Fetcher>) -> Result<()> {
    let (spider, plain) = (Spider, Plain);
    let mut crawler: &dyn Crawler = match fetcher.job.ctx.crawler {
        CrawlerKind::Spider => &spider,
        CrawlerKind::Plain => &plain,
    };
    catch_up(fetcher).await?;
    let mut is_complete = false;
    loop {
        let before = reopen(fetcher).await?;
        if before.done >= before.total {
            if is_complete || fetcher.budget.used_up().is_some() {
                return Ok(());
            }
            seeds::rest(fetcher).await?;
            is_complete = true;
            continue;
        }
        let (counter, clerk) = Clerk::new(fetcher);
        tokio::select! {
            ended = crawler.pass(fetcher, &counter) => ended?,
            failed = clerk.work() => failed?,
        }
        // The loop visits all that is open, and nothing twice in vain: it comes to an end.
        if counts(fetcher).await?.done == before.done {
            tracing::info!(job.id = %fetcher.job.id(), crawler = crawler.name(), "a pass without progress; the loop takes over");
            crawler = &plain;
        }
    }
}

/// Tells the crawl's memory what the rows know of earlier runs of the job.
pub(super) async fn catch_up(fetcher: &Fetcher) -> Result<()> {
    let tx = fetcher.job.read().await?;
    let urls = frontier::urls(&*tx, fetcher.job.id()).await?;
    let refused = store::refused(&tx, fetcher.job.id()).await?;
    let bytes = if fetcher.budget.counts_bytes() {
        store::tally(&tx, fetcher.job.id()).await?.1
    } else {
        0
    };
    tx.commit().await?;
    fetcher.budget.resume(bytes);
    fetcher.leads().resume(&urls, refused);
    Ok(())
}

/// Opens what was left, gives up what has been tried too often, and settles what nothing else can change any more.
async fn reopen(fetcher: &Fetcher) -> Result<Counts> {
    let job = fetcher.job.id();
    let tx = fetcher.job.write().await?;
    let lost = frontier::reopen(&**tx, job).await?;
    let given_up: Vec<Decision> = lost.into_iter().map(given_up).collect();
    record::decide_all(&tx, job, &given_up).await?;
    let used_up = fetcher.budget.used_up();
    if used_up.is_some() || frontier::open_count(&**tx, job).await? == 0 {
        frontier::settle_waiting(&**tx, job).await?;
    }
    if let Some(reason) = used_up {
        let left = frontier::abandon(&**tx, job, reason).await?;
        tracing::info!(job.id = %job, left, reason, "the crawl ends early");
    }
    let counts = frontier::counts(&**tx, job).await?;
    tx.commit().await?;
    Ok(counts)
}

fn given_up(lost: frontier::Open) -> Decision {
    Decision {
        url: lost.url,
        decision: "failed",
        reason: Some("its fetch has ended the worker too often".to_owned()),
        status: None,
        ms: None,
        bytes: None,
        depth: lost.depth,
        via: "loop",
        wait_ms: None,
        found_from: lost.found_from,
    }
}

async fn counts(fetcher: &Fetcher) -> Result<Counts> {
    let tx = fetcher.job.read().await?;
    let counts = frontier::counts(&*tx, fetcher.job.id()).await?;
    tx.commit().await?;
    Ok(counts)
}
