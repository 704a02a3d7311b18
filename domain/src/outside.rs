//! The way out of the processes that serve HTTP: the guarded client, asked only to prove domains, to judge webhooks' URLs and to try shops' credentials.
//!
//! What must stay true: the exceptions to the guard are the operator's ([`crate::config::CrawlConfig`]), never a tenant's.
use url::Url;

use crate::{
    Error, Result,
    config::Config,
    tenancy::{HostName, Prover},
};

/// The world outside. Cloning shares.
#[derive(Clone)]
pub struct Outside {
    client: egress::Client,
    prover: Prover,
}

impl Outside {
    /// With the guard of this configuration.
    pub fn new(config: &Config) -> Result<Self> {
        let mut policy = egress::Policy::new(config.crawl.user_agent.clone());
        policy.allow.clone_from(&config.crawl.egress_allow);
        let client = egress::Client::new(policy).map_err(|e| Error::internal("making the HTTP client", e))?;
        Ok(Self {
            prover: Prover::new(config, client.clone()),
            client,
        })
    }

    /// Judges where others want to be called.
    pub fn guard(&self) -> &egress::Guard {
        self.client.guard()
    }

    /// Asks shops.
    pub fn client(&self) -> &egress::Client {
        &self.client
    }

    /// Looks for proofs of domains.
    pub fn prover(&self) -> &Prover {
        &self.prover
    }

    /// Whether the operator has made an exception for this very host and port.
    pub fn excepts(&self, host: &HostName) -> bool {
        let excepted = |scheme| {
            let url = Url::parse(&format!("{scheme}://{host}/"));
            url.is_ok_and(|url| self.guard().check(&url).is_ok_and(|checked| checked.excepted))
        };
        excepted("https") || excepted("http")
    }
}
