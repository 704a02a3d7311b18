//! The outside scheduler, with the cron secret.
use poem::Request;

use super::{
    credential::{bearer, context, forbidden, principal},
    shown::shown,
};
use crate::error::Failure;

/// Somebody with the cron secret, which is good for starting what is due and for nothing else.
pub struct Scheduler;

shown!(Scheduler, with CRON);

impl Scheduler {
    async fn of(req: &Request) -> Result<Self, Failure> {
        let secret = &context(req)?.cron_secret;
        if let Some(token) = bearer(req).filter(|token| secret.is(token)) {
            if secret.is_outgoing(token) {
                tracing::warn!("the cron secret from before the change was used");
            }
            return Ok(Self);
        }
        principal(req).await?;
        Err(forbidden("cron_only", "this call needs the cron secret"))
    }
}
