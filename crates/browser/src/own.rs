//! What Chromium asks for in its own name, whatever its flags say: accounts, updates, the time. Nobody's page, so nobody's business.
use egress::{Lookup, proxy::Refusal};
use futures::future::BoxFuture;
use std::{io, net::IpAddr, sync::Arc};

/// Hosts that only the browser itself asks for; pages load scripts and fonts from others of the same domains.
const HOSTS: [&str; 14] = [
    "accounts.google.com",
    "android.clients.google.com",
    "clients1.google.com",
    "clients2.google.com",
    "clients2.googleusercontent.com",
    "clients4.google.com",
    "clientservices.googleapis.com",
    "content-autofill.googleapis.com",
    "edgedl.me.gvt1.com",
    "mtalk.google.com",
    "optimizationguide-pa.googleapis.com",
    "redirector.gvt1.com",
    "safebrowsing.googleapis.com",
    "update.googleapis.com",
];

/// A lookup that does not know those hosts.
pub(super) struct Without(pub Arc<dyn Lookup>);

impl Lookup for Without {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        if HOSTS.contains(&name) {
            return Box::pin(async { Err(io::Error::new(io::ErrorKind::NotFound, "the browser's own business")) });
        }
        self.0.lookup(name)
    }
}

/// Whether the browser asked for it, and not the page.
pub(super) fn is_own(refusal: &Refusal) -> bool {
    let target = refusal
        .target
        .split_once("://")
        .map_or(refusal.target.as_str(), |(_, rest)| rest);
    let host = target.split(['/', ':', '?']).next().unwrap_or_default();
    HOSTS.contains(&host)
}
