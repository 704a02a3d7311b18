//! The operator, and whoever may read the metrics.
use domain::tenancy::Principal;
use poem::{Addr, Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, registry::Registry};

use super::credential::{Schemes, forbidden, principal};

/// The operator with the admin token.
pub struct Admin {
    /// Where the request came from, if it came over the network.
    pub ip: Option<String>,
}

impl<'a> ApiExtractor<'a> for Admin {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::ADMIN]
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        match principal(req).await? {
            Principal::Admin => Ok(Self { ip: peer(req) }),
            _ => Err(forbidden("admin_only", "this call needs the admin token").into()),
        }
    }
}

/// The address of the other side.
pub fn peer(req: &Request) -> Option<String> {
    match &req.remote_addr().0 {
        Addr::SocketAddr(address) => Some(address.ip().to_string()),
        _ => None,
    }
}

/// The operator, or a process on this machine. What a proxy forwards is not from this machine.
pub struct MetricsReader;

impl<'a> ApiExtractor<'a> for MetricsReader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::ADMIN]
    }

    async fn from_request(req: &'a Request, body: &mut RequestBody, options: ExtractParamOptions<()>) -> Result<Self> {
        let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"]
            .iter()
            .any(|name| req.headers().contains_key(*name));
        let local = matches!(&req.remote_addr().0, Addr::SocketAddr(a) if a.ip().to_canonical().is_loopback());
        if !local || forwarded {
            Admin::from_request(req, body, options).await?;
        }
        Ok(Self)
    }
}
