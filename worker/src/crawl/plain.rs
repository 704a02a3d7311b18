//! The plain crawler: a number of lanes, each of which visits a URL, hands in what it found, and gets the next one.
use async_trait::async_trait;
use domain::Result;
use futures::future::try_join_all;
use std::sync::Arc;

use super::{Fetcher, clerk::Counter, port::Crawler};

/// A loop over the frontier.
pub(crate) struct Plain;

#[async_trait]
impl Crawler for Plain {
    fn name(&self) -> &'static str {
        "loop"
    }

    async fn pass(&self, fetcher: &Arc<Fetcher>, counter: &Counter) -> Result<()> {
        let lanes = (0..fetcher.concurrency()).map(|_| lane(fetcher, counter));
        try_join_all(lanes).await.map(drop)
    }
}

async fn lane(fetcher: &Fetcher, counter: &Counter) -> Result<()> {
    let mut finding = None;
    while let Some(taken) = counter.next(finding).await? {
        finding = Some(fetcher.look(taken, Plain.name()).await?);
    }
    Ok(())
}
