//! The operator, and whoever may read the metrics.
use domain::{jobs::Operator, tenancy::Principal};
use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, registry::Registry};

use super::credential::{Schemes, forbidden, principal};
use crate::middleware::ClientAddress;

/// The operator with the admin token, or a person who owns the installation.
pub struct Admin {
    /// As the audit log names them.
    pub actor: String,
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
        vec![Schemes::ADMIN, Schemes::PERSON]
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let principal = principal(req).await?;
        if principal.rules_installation() {
            return Ok(Self {
                actor: principal.actor(),
                ip: peer(req),
            });
        }
        Err(match principal {
            Principal::User(_) => forbidden("missing_role", "this call is for owners of the installation"),
            _ => forbidden("admin_only", "this call needs the admin token"),
        }
        .into())
    }
}

impl Admin {
    /// For the audit log.
    pub fn operator(&self) -> Operator<'_> {
        Operator {
            actor: &self.actor,
            ip: self.ip.as_deref(),
        }
    }
}

/// Where the request came from, for the audit log.
pub fn peer(req: &Request) -> Option<String> {
    ClientAddress::of(req).map(|client| client.ip().to_string())
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
        vec![Schemes::ADMIN, Schemes::PERSON]
    }

    async fn from_request(req: &'a Request, body: &mut RequestBody, options: ExtractParamOptions<()>) -> Result<Self> {
        if !ClientAddress::of(req).is_some_and(ClientAddress::is_local_process) {
            Admin::from_request(req, body, options).await?;
        }
        Ok(Self)
    }
}
