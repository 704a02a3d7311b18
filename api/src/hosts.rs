//! The verified hosts of the installation with their customers, in memory: what CORS and visitors' sessions are decided by.
use domain::tenancy::{Customer, Db, HostName, Origin, find_by_host, verified_hosts};
use poem::{
    Request,
    http::{Method, header},
};
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use crate::Context;

/// Verified hosts that another process added are known here after this time at the latest.
const REFRESH: Duration = Duration::from_secs(5);

/// The hosts. Cloning shares.
#[derive(Clone)]
pub(crate) struct Hosts {
    db: Db,
    known: Arc<RwLock<HashMap<String, Uuid>>>,
}

impl Hosts {
    pub fn new(db: Db) -> Self {
        Self {
            db,
            known: Arc::default(),
        }
    }

    /// Whose verified host it is, as far as it is known here.
    pub fn owner(&self, host: &HostName) -> Option<Uuid> {
        self.known.read().ok()?.get(host.as_str()).copied()
    }

    /// The customer's domain in figures, once it is proved: names that anybody may claim are no labels.
    pub fn label<'a>(&self, customer: &'a Customer) -> &'a str {
        let host = customer.domain.parse().ok();
        match host.and_then(|host| self.owner(&host)) {
            Some(owner) if owner == customer.id => &customer.domain,
            _ => "unverified",
        }
    }

    /// Whether the host is verified for this customer. What is not known here yet is asked of the database.
    pub async fn belongs(&self, host: &HostName, customer: Uuid) -> domain::Result<bool> {
        if self.owner(host) == Some(customer) {
            return Ok(true);
        }
        let owner = find_by_host(&self.db, host, true).await?;
        Ok(owner.is_some_and(|owner| owner.id == customer))
    }

    /// Reads the table again: after every change, and now and then. While the database is away the old list stands.
    pub async fn refresh(&self) {
        match verified_hosts(&self.db).await {
            Ok(hosts) => {
                if let Ok(mut known) = self.known.write() {
                    *known = hosts.into_iter().collect();
                }
            }
            Err(error) => tracing::warn!(error = error.story(), "the verified hosts could not be read"),
        }
    }

    pub async fn keep_fresh(self, stopping: CancellationToken) {
        while stopping
            .run_until_cancelled(tokio::time::sleep(REFRESH))
            .await
            .is_some()
        {
            self.refresh().await;
        }
    }
}

impl Context {
    /// Whether a page of this origin is what its host says it is: it came over TLS or from a local host, or it is our own.
    pub(crate) fn trusts(&self, origin: &Origin) -> bool {
        origin.is_trustworthy()
            || Url::parse(&self.base_url).is_ok_and(|own| own.origin().ascii_serialization() == origin.as_str())
    }
}

/// The page that a browser calls from. Browsers leave `Origin` out of GET requests to the page's own origin (Fetch standard,
/// section 3.2); those carry a `Referer`.
pub(crate) fn origin(req: &Request) -> Option<Origin> {
    let text = |name| req.headers().get(name)?.to_str().ok();
    if let Some(origin) = text(header::ORIGIN) {
        return origin.parse().ok();
    }
    let referer = text(header::REFERER).filter(|_| req.method() == Method::GET)?;
    Url::parse(referer).ok()?.origin().ascii_serialization().parse().ok()
}
