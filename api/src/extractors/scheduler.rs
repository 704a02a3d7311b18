//! The outside scheduler, with the cron secret.
use domain::secrets;
use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, registry::Registry};
use secrecy::ExposeSecret;

use super::credential::{Schemes, bearer, context, forbidden, principal};

/// Somebody with the cron secret, which is good for starting what is due and for nothing else.
pub struct Scheduler;

impl<'a> ApiExtractor<'a> for Scheduler {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::CRON]
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let secret = context(req)?.cron_secret.expose_secret();
        if bearer(req).is_some_and(|token| secrets::equal(token, secret)) {
            return Ok(Self);
        }
        principal(req).await?;
        Err(forbidden("cron_only", "this call needs the cron secret").into())
    }
}
