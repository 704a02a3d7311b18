//! The operator, and whoever may read the metrics.
use domain::{jobs::Operator, tenancy::Principal};
use poem::Request;

use super::{
    credential::{forbidden, principal},
    shown::shown,
};
use crate::{error::Failure, middleware::ClientAddress};

/// The operator with the admin token, or a person who owns the installation.
pub struct Admin {
    /// As the audit log names them.
    pub actor: String,
    /// Where the request came from, if it came over the network.
    pub ip: Option<String>,
}

shown!(Admin, with ADMIN | PERSON);

impl Admin {
    async fn of(req: &Request) -> Result<Self, Failure> {
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
        })
    }

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

shown!(MetricsReader, with ADMIN | PERSON);

impl MetricsReader {
    async fn of(req: &Request) -> Result<Self, Failure> {
        if !ClientAddress::of(req).is_some_and(ClientAddress::is_local_process) {
            Admin::of(req).await?;
        }
        Ok(Self)
    }
}
