//! What a crawler is, for the passes that use it.
use async_trait::async_trait;
use domain::Result;
use std::sync::Arc;

use super::{Fetcher, clerk::Counter};

/// Decides in which order and how many at once the open URLs of a frontier are visited.
#[async_trait]
pub(crate) trait Crawler: Send + Sync {
    /// Its word in decision rows.
    fn name(&self) -> &'static str;

    /// Visits what is open, and what that leads to; URLs come from the counter, and findings go there. May leave URLs open:
    /// they are the next pass's. May be dropped at any await.
    async fn pass(&self, fetcher: &Arc<Fetcher>, counter: &Counter) -> Result<()>;
}
