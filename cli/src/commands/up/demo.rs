//! The demo customer: its domains, its key, its crawl, and the file that tells other processes how to join.
use anyhow::{Context as _, Result};
use domain::{
    clock::Clock,
    config::Config,
    jobs::Operator,
    pages::request::{self, ScrapeRequest},
    tenancy::{self, Customer, Db, HostName, NewCustomer, NewKey, Scope},
};
use secrecy::ExposeSecret;
use serde_json::json;
use std::{collections::BTreeMap, net::SocketAddr, path::Path};
use url::{Host, Url};
use uuid::Uuid;

use super::state::{Kept, write_private};
use crate::process::Shared;

/// The customer of `domain` with the site's host, the demo page's origins, and a key that works.
pub async fn prepare(
    db: &Db,
    config: &Config,
    domain: Option<HostName>,
    site: &Url,
    kept: &mut Kept,
) -> Result<Customer> {
    let domain = match domain {
        Some(domain) => domain,
        None => "localhost".parse()?,
    };
    let customer = if let Some(customer) = tenancy::find_by_host(db, &domain, false).await? {
        customer
    } else {
        let name = if domain.as_str() == "localhost" {
            "Fjordkajak".into()
        } else {
            domain.to_string()
        };
        let new = NewCustomer {
            name,
            domain,
            vouched: true,
        };
        tenancy::create(db, &new, Operator::named("cli")).await?
    };
    let port = config.http.listen.port();
    let own = [
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        config.http.public_url.clone(),
    ];
    for host in own.iter().map(String::as_str).chain([site.as_str()]) {
        tenancy::assign_domain(db, &customer, &host.parse()?).await?;
    }
    // Where one of them leads to the other, the crawl goes on there.
    if let Some(twin) = twin(site) {
        tenancy::assign_domain(db, &customer, &twin).await?;
    }
    if !key_works(db, &customer, kept).await {
        let new = NewKey {
            customer: customer.id,
            name: "omniops up".into(),
            scopes: vec![Scope::All],
            expires_at: None,
        };
        let by = Operator { actor: "cli", ip: None };
        let issued = tenancy::issue(db, &new, &Clock::system(), by).await?;
        kept.api_key = Some((customer.id, issued.key.expose_secret().to_owned()));
    }
    Ok(customer)
}

/// The site's host with `www.` before it, or without: by custom they are one site.
fn twin(site: &Url) -> Option<HostName> {
    let host = HostName::of(site).filter(|host| !host.is_local())?;
    let Host::Domain(name) = host.host() else { return None };
    let other = name
        .strip_prefix("www.")
        .map_or_else(|| format!("www.{name}"), str::to_owned);
    let mut url = site.clone();
    url.set_host(Some(&other)).ok()?;
    HostName::of(&url)
}

async fn key_works(db: &Db, customer: &Customer, kept: &Kept) -> bool {
    match &kept.api_key {
        Some((owner, key)) if *owner == customer.id => tenancy::authenticate(db, key, &Clock::system()).await.is_ok(),
        _ => false,
    }
}

/// Starts the crawl of the site, or finds the one that is still live.
pub async fn crawl(shared: &Shared, customer: &Customer, site: &Url) -> Result<Uuid> {
    let tx = shared.db.tenant(customer).await?;
    let asked = ScrapeRequest {
        max_pages: 10_000,
        ..ScrapeRequest::of(site.as_str())
    };
    let job = request::request_scrape(&tx, &asked)
        .await
        .context("starting the crawl")?;
    tx.commit().await?;
    let id = job.id;
    shared.dispatcher.dispatch(&[job]).await;
    Ok(id)
}

/// Writes `dev.json`: addresses and credentials, and the variables with which another process joins.
pub fn write_dev_json(
    dir: &Path,
    config: &Config,
    variables: &BTreeMap<String, String>,
    kept: &Kept,
    customer: &Customer,
    bound: SocketAddr,
) -> Result<()> {
    const SHARED: [&str; 17] = [
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "REDIS_URL",
        "ENCRYPTION_KEY",
        "ERASURE_LOG",
        "ENCRYPTION_KEY_FILE",
        "ENCRYPTION_KEYS_OLD",
        "OMNIOPS_ADMIN_TOKEN",
        "CRON_SECRET",
        "PUBLIC_URL",
        "OMNIOPS_EGRESS_ALLOW",
        "OMNIOPS_CACHE_DIR",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "CHAT_MODEL",
        "EMBEDDING_MODEL",
        "DISABLE_VECTOR_SEARCH",
    ];
    let env: BTreeMap<&str, &String> = SHARED
        .into_iter()
        .filter_map(|name| Some((name, variables.get(name)?)))
        .collect();
    let dev = json!({
        "base_url": format!("http://{}:{}", if bound.ip().is_loopback() { "localhost".into() } else { bound.ip().to_string() }, bound.port()),
        "admin_token": variables["OMNIOPS_ADMIN_TOKEN"],
        "api_key": kept.api_key.as_ref().map(|(_, key)| key),
        "cron_secret": variables["CRON_SECRET"],
        "domain": customer.domain,
        "customer_id": customer.id,
        "pid": std::process::id(),
        "database_url": variables["DATABASE_URL"],
        "redis_url": variables["REDIS_URL"],
        "public_url": config.http.public_url,
        "env": env,
    });
    write_private(&dir.join("dev.json"), &serde_json::to_vec_pretty(&dev)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_a_twin_with_or_without_www() {
        let of = |site: &str| twin(&Url::parse(site).unwrap()).map(|host| host.to_string());
        assert_eq!(of("https://shop.example/"), Some("www.shop.example".into()));
        assert_eq!(of("https://www.shop.example:8443/en"), Some("shop.example:8443".into()));
        for local in ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/"] {
            assert_eq!(of(local), None, "{local}");
        }
    }
}
