//! The plain crawler: a number of lanes, each of which takes an open URL off the frontier, visits it, and looks for the next.
use async_trait::async_trait;
use domain::{Result, pages::frontier};
use futures::future::try_join_all;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::Notify;

use super::{Fetcher, port::Crawler};

/// A loop over the frontier.
pub(crate) struct Plain;

#[async_trait]
impl Crawler for Plain {
    fn name(&self) -> &'static str {
        "loop"
    }

    async fn pass(&self, fetcher: &Arc<Fetcher>) -> Result<()> {
        let floor = Floor::default();
        let lanes = (0..fetcher.concurrency()).map(|_| lane(fetcher, &floor));
        try_join_all(lanes).await.map(drop)
    }
}

/// What the lanes know of each other.
#[derive(Default)]
struct Floor {
    /// Lanes that may still make URLs known.
    busy: AtomicUsize,
    /// A lane has done a visit, or ended.
    news: Notify,
}

/// Ends when nothing is open and no other lane is at work.
async fn lane(fetcher: &Fetcher, floor: &Floor) -> Result<()> {
    loop {
        // Made before looking, or a visit that ends in between is not noticed.
        let news = floor.news.notified();
        floor.busy.fetch_add(1, SeqCst);
        let open = take(fetcher).await?;
        let found = open.is_some();
        if let Some(open) = open {
            fetcher.visit(open, Plain.name()).await?;
        }
        let busy = floor.busy.fetch_sub(1, SeqCst) - 1;
        if !found && busy > 0 {
            news.await;
            continue;
        }
        // Not by lanes that found nothing, which would wake each other for ever.
        floor.news.notify_waiters();
        if !found {
            return Ok(());
        }
    }
}

async fn take(fetcher: &Fetcher) -> Result<Option<frontier::Open>> {
    let tx = fetcher.job().write().await?;
    let taken = frontier::take(&**tx, fetcher.job().id(), 1).await?;
    tx.commit().await?;
    Ok(taken.into_iter().next())
}
