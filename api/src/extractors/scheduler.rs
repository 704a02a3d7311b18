//! The outside scheduler, with the cron secret.
use domain::secrets;
use poem::Request;
use secrecy::ExposeSecret;

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
        let secret = context(req)?.cron_secret.expose_secret();
        if bearer(req).is_some_and(|token| secrets::equal(token, secret)) {
            return Ok(Self);
        }
        principal(req).await?;
        Err(forbidden("cron_only", "this call needs the cron secret"))
    }
}
